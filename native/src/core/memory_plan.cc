#include "core/memory_plan.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "core/address_range.h"
#include "core/status.h"

namespace llasa {

namespace {

thread_local MemoryPlan* current_plan = nullptr;

// One range of addresses, reserved by the first plan for the life of the process, that can be neither read
// nor written: a plan's pointers are told from others by lying in it, and a stray access faults at once. No
// page of it is ever committed.
#if defined(__SANITIZE_THREAD__)
constexpr int64_t kSize = int64_t{1} << 39;  // ThreadSanitizer keeps most addresses to itself
#else
constexpr int64_t kSize = int64_t{1} << 42;  // 4 TiB of 128
#endif
std::atomic<char*> range{nullptr};  // NULL before the first plan
std::mutex mutex;                   // of what follows
int64_t used = 0;
int plans = 0;

void enter() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (range.load() == nullptr) {
    void* reserved = mmap(nullptr, static_cast<size_t>(kSize), PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LLASA_CHECK(
        reserved != MAP_FAILED, Status::kOutOfMemory,
        "a memory plan needs %lld bytes of addresses (not of memory), and the process may not have them",
        static_cast<long long>(kSize));
    range.store(static_cast<char*>(reserved));
  }
  ++plans;
}

// When no plan is alive its addresses can be given out again.
void leave() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (--plans == 0) used = 0;
}

void* take(int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  LLASA_CHECK(bytes <= kSize - used - 256, Status::kOutOfMemory,
              "a memory plan needs more than %lld bytes of addresses", static_cast<long long>(kSize));
  void* memory = range.load() + used;
  used += (bytes + 255) / 256 * 256;
  return memory;
}

}  // namespace

MemoryPlan::MemoryPlan(bool for_gpu) : for_gpu_(for_gpu) {
  LLASA_CHECK(current_plan == nullptr, Status::kState, "this thread is planning memory already");
  enter();
  current_plan = this;
}

MemoryPlan::~MemoryPlan() {
  current_plan = nullptr;
  leave();
}

size_t MemoryPlan::item_of(const Item& named) {
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& i) {
    return i.stage == named.stage && i.what == named.what && i.on_host == named.on_host &&
           i.in_turn == named.in_turn;
  });
  if (found != items_.end()) return static_cast<size_t>(found - items_.begin());
  live_of_.push_back(0);
  items_.push_back(named);
  return items_.size() - 1;
}

void MemoryPlan::add(size_t index, int64_t bytes) {
  Item& item = items_[index];
  live_of_[index] += bytes;
  item.bytes = std::max(item.bytes, live_of_[index]);
  if (item.on_host || item.in_turn) return;
  live_bytes_ += bytes;
  peak_ = std::max(peak_, live_bytes_);
}

void MemoryPlan::subtract(size_t index, int64_t bytes) noexcept {
  live_of_[index] -= bytes;
  if (!items_[index].on_host && !items_[index].in_turn) live_bytes_ -= bytes;
}

void* MemoryPlan::allocate(int64_t bytes, const char* what, bool on_host) {
  LLASA_CHECK(bytes >= 0, Status::kOutOfMemory, "%lld bytes for %s", static_cast<long long>(bytes), what);
  if (bytes == 0) return nullptr;
  const size_t item = item_of({stage_, what, 0, on_host, false});
  void* memory = take(bytes);
  live_.emplace(memory, Allocation{item, bytes});
  add(item, bytes);
  return memory;
}

void* MemoryPlan::lend(int64_t bytes, const char* what) {
  const size_t item = item_of({stage_, what, 0, false, true});
  void* memory = take(bytes);
  live_.emplace(memory, Allocation{item, bytes});
  add(item, bytes);
  return memory;
}

void MemoryPlan::commit(int64_t bytes, const char* what) {
  add(item_of({kPhases, what, 0, false, false}), bytes);
}

void MemoryPlan::decommit(int64_t bytes, const char* what) noexcept {
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].stage == kPhases && items_[i].what == what) subtract(i, bytes);
  }
}

int64_t MemoryPlan::commit_granule() const {
  return for_gpu_ ? kGpuGranule : llasa::commit_granule();
}

void MemoryPlan::release(void* memory) noexcept {
  const auto found = live_.find(memory);
  if (found == live_.end()) return;  // of a plan that is over
  subtract(found->second.item, found->second.bytes);
  live_.erase(found);
}

MemoryPlan* MemoryPlan::current() noexcept {
  return current_plan;
}

bool MemoryPlan::gave(const void* memory) noexcept {
  const char* base = range.load(std::memory_order_acquire);
  return base != nullptr && memory >= base && memory < base + kSize;
}

bool planning() noexcept {
  return current_plan != nullptr;
}

bool planning_for_gpu() noexcept {
  return current_plan != nullptr && current_plan->for_gpu();
}

}  // namespace llasa
