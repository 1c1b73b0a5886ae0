#include "core/memory_plan.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>

#include "core/status.h"

namespace llasa {

namespace {

thread_local MemoryPlan* current_plan = nullptr;

// One range of addresses for the life of the process that can be neither read nor written: a plan's pointers
// are told from others by lying in it, and a stray access faults at once. No page of it is ever committed.
class Addresses {
 public:
  static Addresses& instance() {
    static Addresses addresses;
    return addresses;
  }

  void* take(int64_t bytes) {
    LLASA_CHECK(base_ != nullptr, LLASA_ERR_OUT_OF_MEMORY, "no range of addresses is free for a memory plan");
    const int64_t rounded = (bytes + 255) / 256 * 256;
    const int64_t at = used_.fetch_add(rounded);
    LLASA_CHECK(at + rounded <= kSize, LLASA_ERR_OUT_OF_MEMORY,
                "a memory plan needs more than %lld bytes of addresses", static_cast<long long>(kSize));
    return base_ + at;
  }
  bool contains(const void* memory) const {
    return base_ != nullptr && memory >= base_ && memory < base_ + kSize;
  }
  // When no plan is alive its addresses can be given out again.
  void enter() { ++plans_; }
  void leave() {
    if (--plans_ == 0) used_ = 0;
  }

 private:
  static constexpr int64_t kSize = int64_t{1} << 44;  // 16 TiB of 128

  Addresses() {
    void* range = mmap(nullptr, static_cast<size_t>(kSize), PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = range == MAP_FAILED ? nullptr : static_cast<char*>(range);
  }

  char* base_ = nullptr;
  std::atomic<int64_t> used_{0};
  std::atomic<int> plans_{0};
};

}  // namespace

MemoryPlan::MemoryPlan() {
  LLASA_CHECK(current_plan == nullptr, LLASA_ERR_STATE, "this thread is planning memory already");
  Addresses::instance().enter();
  current_plan = this;
}

MemoryPlan::~MemoryPlan() {
  current_plan = nullptr;
  Addresses::instance().leave();
}

void* MemoryPlan::allocate(int64_t bytes, const char* what) {
  LLASA_CHECK(bytes >= 0, LLASA_ERR_OUT_OF_MEMORY, "%lld bytes for %s", static_cast<long long>(bytes), what);
  if (bytes == 0) return nullptr;
  const auto found = std::find_if(items_.begin(), items_.end(),
                                  [&](const Item& i) { return i.stage == stage_ && i.what == what; });
  const auto item = static_cast<size_t>(found - items_.begin());
  if (found == items_.end()) {
    items_.push_back({stage_, what, 0});
    live_of_.push_back(0);
  }
  void* memory = Addresses::instance().take(bytes);
  live_.emplace(memory, Allocation{item, bytes});
  live_of_[item] += bytes;
  live_bytes_ += bytes;
  items_[item].bytes = std::max(items_[item].bytes, live_of_[item]);
  peak_ = std::max(peak_, live_bytes_);
  return memory;
}

void MemoryPlan::release(void* memory) noexcept {
  const auto found = live_.find(memory);
  if (found == live_.end()) return;  // of a plan that is over
  live_of_[found->second.item] -= found->second.bytes;
  live_bytes_ -= found->second.bytes;
  live_.erase(found);
}

MemoryPlan* MemoryPlan::current() noexcept {
  return current_plan;
}

bool MemoryPlan::gave(const void* memory) noexcept {
  return Addresses::instance().contains(memory);
}

bool planning() noexcept {
  return current_plan != nullptr;
}

}  // namespace llasa
