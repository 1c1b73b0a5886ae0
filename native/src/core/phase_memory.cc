#include "core/phase_memory.h"

#include <atomic>
#include <map>
#include <mutex>

#include "core/address_range.h"
#include "core/memory_plan.h"
#include "core/status.h"

namespace llasa {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kGap = 256;  // behind an array, which nobody may touch
constexpr const char* kShared = "memory that phases share";

int64_t round_up(int64_t bytes, int64_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

std::atomic<uint64_t> last_lease{0};

}  // namespace

struct PhaseSegment {
  struct Piece {
    void* memory;
    int64_t bytes;
    bool apart;  // allocated for itself
  };

  AddressRange range;
  int64_t committed = 0;
  int64_t used = 0;  // by the lease there is
  bool leased = false;
  std::vector<Piece> pieces;    // of the lease
  std::vector<uint64_t> since;  // of every committed granule: a number that no other has had
};

class PhaseArena {
 public:
  // plan: NULL, or the one whose device this stands for.
  explicit PhaseArena(const MemoryPlan* plan)
      : is_planned_(plan != nullptr), granule_(plan == nullptr ? commit_granule() : plan->commit_granule()) {}

  PhaseSegment* lease(PhaseSegment* last) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    PhaseSegment* segment = last != nullptr && !last->leased ? last : nullptr;
    for (size_t i = 0; segment == nullptr && i < segments_.size(); ++i) {
      if (!segments_[i]->leased) segment = segments_[i].get();
    }
    if (segment == nullptr) {
      auto made = std::make_unique<PhaseSegment>();
      made->range = is_planned_ ? AddressRange{nullptr, INT64_MAX / 2} : reserve_addresses();
      segments_.push_back(std::move(made));
      segment = segments_.back().get();
    }
    segment->leased = true;
    return segment;
  }

  void give_back(PhaseSegment& segment) noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    for (const PhaseSegment::Piece& piece : segment.pieces) {
      if (piece.apart) {
        device_free(piece.memory, piece.bytes);
      } else if (!is_planned_) {
        close_memory(piece.memory, piece.bytes);
      } else if (MemoryPlan* plan = own_plan()) {
        plan->release(piece.memory);
      }
    }
    segment.pieces.clear();
    segment.used = 0;
    segment.leased = false;
  }

  void* take(PhaseSegment& segment, int64_t bytes, const char* what) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    segment.pieces.reserve(segment.pieces.size() + 1);
    LLASA_CHECK(bytes >= 0 && bytes <= INT64_MAX / 4, Status::kOutOfMemory,
                "out of memory allocating %lld bytes for %s", static_cast<long long>(bytes), what);
    const int64_t begin = segment.used, end = begin + round_up(bytes, kAlignment) + kGap;
    void* memory = nullptr;
    const bool apart = round_up(end, granule_) > segment.range.bytes;
    if (apart) {
      memory = device_allocate(bytes, what);
    } else {
      grow(segment, end, what);
      memory = is_planned_ ? needed_plan().lend(bytes, what) : segment.range.base + begin;
      if (!is_planned_) open_memory(memory, bytes);
      segment.used = end;
    }
    segment.pieces.push_back({memory, bytes, apart});
    return memory;
  }

  uint64_t backing(const PhaseSegment& segment, const void* memory, int64_t bytes) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const char* at = static_cast<const char*>(memory);
    const char* base = segment.range.base;
    if (base == nullptr || at < base || at + bytes > base + segment.committed) return 0;
    uint64_t latest = 0;
    for (int64_t g = (at - base) / granule_; g * granule_ < at - base + bytes; ++g)
      latest = std::max(latest, segment.since[static_cast<size_t>(g)]);
    return latest;
  }

  // All that no lease uses; how much that was.
  int64_t trim() {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    return trim(INT64_MAX, nullptr);
  }

 private:
  void grow(PhaseSegment& segment, int64_t end, const char* what) {
    const int64_t wanted = round_up(end, granule_) - segment.committed;
    if (wanted <= 0) return;
    segment.since.reserve(segment.since.size() + static_cast<size_t>(wanted / granule_));
    trim(wanted, &segment);
    try {
      commit(segment, wanted, what);
    } catch (const Error& error) {
      // What others keep and do not use may be in more pieces than were wanted.
      if (error.status() != Status::kOutOfMemory || trim(INT64_MAX, &segment) == 0) throw;
      commit(segment, wanted, what);
    }
    segment.committed += wanted;
    for (int64_t g = 0; g < wanted / granule_; ++g) segment.since.push_back(++granules_);
  }

  void commit(PhaseSegment& segment, int64_t bytes, const char* what) {
    if (is_planned_)
      needed_plan().commit(bytes, kShared);
    else
      commit_memory(segment.range.base + segment.committed, bytes, what);
  }

  // Gives up so much of what segments other than one do not use, or all there is of it; how much that was.
  int64_t trim(int64_t bytes, const PhaseSegment* other) {
    int64_t given = 0;
    for (const auto& segment : segments_) {
      if (segment.get() == other) continue;
      const int64_t idle = segment->committed - round_up(segment->used, granule_);
      const int64_t part = std::min(idle, bytes - given);
      if (part <= 0) continue;
      segment->committed -= part;
      segment->since.resize(static_cast<size_t>(segment->committed / granule_));
      if (!is_planned_)
        decommit_memory(segment->range.base + segment->committed, part);
      else if (MemoryPlan* plan = own_plan())
        plan->decommit(part, kShared);
      given += part;
    }
    return given;
  }

  // The plan that this is of, while it is the thread's: a model may outlive its plan.
  MemoryPlan* own_plan() const noexcept {
    MemoryPlan* plan = MemoryPlan::current();
    return plan != nullptr && plan->arena().get() == this ? plan : nullptr;
  }
  MemoryPlan& needed_plan() const {
    MemoryPlan* plan = own_plan();
    LLASA_CHECK(plan != nullptr, Status::kInternal, "a phase of a memory plan that is over");
    return *plan;
  }

  const bool is_planned_;
  const int64_t granule_;
  std::recursive_mutex
      mutex_;  // of all that follows and of segments; an array apart may make room for itself
  std::vector<std::unique_ptr<PhaseSegment>> segments_;
  uint64_t granules_ = 0;  // ever committed
};

namespace {

std::shared_ptr<PhaseArena> arena_of_thread() {
  if (MemoryPlan* plan = MemoryPlan::current()) {
    if (plan->arena() == nullptr) plan->arena() = std::make_shared<PhaseArena>(plan);
    return plan->arena();
  }
  struct Arenas {
    std::mutex mutex;
    std::map<int, std::shared_ptr<PhaseArena>> of;
  };
  static auto* all = new Arenas;  // outlives models that are destroyed at exit
  const int device = current_device();
  const std::lock_guard<std::mutex> lock(all->mutex);
  std::shared_ptr<PhaseArena>& arena = all->of[device];
  if (arena == nullptr) arena = std::make_shared<PhaseArena>(nullptr);
  return arena;
}

}  // namespace

Phase::Phase() : arena_(arena_of_thread()) {}

// What is left needs less.
Phase::~Phase() {
  arena_->trim();
}

void* Phase::take(int64_t bytes, const char* what) {
  LLASA_CHECK(depth_ > 0, Status::kInternal, "%s: asked for outside of the phase that they are of", what);
  return bytes == 0 ? nullptr : arena_->take(*segment_, bytes, what);
}

uint64_t Phase::backing(const void* memory, int64_t bytes) const {
  return memory == nullptr || segment_ == nullptr ? 0 : arena_->backing(*segment_, memory, bytes);
}

void Phase::trim() {
  arena_->trim();
}

bool trim_phases() {
  return arena_of_thread()->trim() > 0;
}

PhaseLease::PhaseLease(Phase& phase, Stream& stream) : phase_(phase), stream_(stream) {
  if (phase_.depth_ == 0) {
    phase_.segment_ = phase_.arena_->lease(phase_.segment_);
    phase_.lease_ = ++last_lease;
  }
  ++phase_.depth_;
}

PhaseLease::~PhaseLease() {
  if (--phase_.depth_ > 0) return;
  phase_.lease_ = 0;
  try {
    if (!stream_.done()) stream_.synchronize();
  } catch (...) {
    // A device that failed says so again to who uses it next.
  }
  phase_.arena_->give_back(*phase_.segment_);
}

}  // namespace llasa
