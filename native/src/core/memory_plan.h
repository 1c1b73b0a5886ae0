// Counting the memory that code takes without taking it, by running that same code dry: while a plan is alive
// on a thread, device_allocate gives out addresses with nothing behind them, copies and clears do nothing
// (what comes to the host is zeros), operations return before they touch anything. What a model keeps on the
// host is real.
//
// Nothing made under a plan may be used after it, except to be destroyed, which is safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llasa {

class PhaseArena;

class MemoryPlan {
 public:
  // What was live under one name in one stage, when there was most of it.
  struct Item {
    std::string stage;
    std::string what;
    int64_t bytes = 0;
    bool on_host = false;  // page-locked memory of the host, of which the peak has nothing
    bool in_turn = false;  // an array of a phase, in memory that phases share, which is an item of its own
  };
  // The stage of that memory.
  static constexpr const char* kPhases = "phases";

  // One at a time on a thread; throws Status::kState for a second. for_gpu: as the CUDA backend would take it on the card
  // that it takes most on, whatever backend this is and without asking a device.
  explicit MemoryPlan(bool for_gpu = false);
  ~MemoryPlan();
  MemoryPlan(const MemoryPlan&) = delete;
  MemoryPlan& operator=(const MemoryPlan&) = delete;

  // Names what is allocated from now on.
  void stage(std::string name) { stage_ = std::move(name); }

  // In the order of their first allocation.
  const std::vector<Item>& items() const { return items_; }
  // Most bytes that were live on the device at one time.
  int64_t peak_bytes() const { return peak_; }

  // For the device layer.
  void* allocate(int64_t bytes, const char* what, bool on_host = false);
  void release(void* memory) noexcept;
  // For phases (core/phase_memory.h): an array of one, to be released; memory that they share, more and less of it.
  void* lend(int64_t bytes, const char* what);
  void commit(int64_t bytes, const char* what);
  void decommit(int64_t bytes, const char* what) noexcept;
  int64_t commit_granule() const;
  std::shared_ptr<PhaseArena>& arena() { return arena_; }
  bool for_gpu() const { return for_gpu_; }
  // The calling thread's, or NULL.
  static MemoryPlan* current() noexcept;
  // Whether an address was given out by any plan.
  static bool gave(const void* memory) noexcept;

 private:
  struct Allocation {
    size_t item;
    int64_t bytes;
  };
  size_t item_of(const Item& named);
  void add(size_t item, int64_t bytes);
  void subtract(size_t item, int64_t bytes) noexcept;

  bool for_gpu_;
  std::string stage_;
  std::vector<Item> items_;
  std::vector<int64_t> live_of_;  // by item
  std::map<const void*, Allocation> live_;
  int64_t live_bytes_ = 0, peak_ = 0;
  std::shared_ptr<PhaseArena> arena_;
};

// Whether the calling thread runs dry.
bool planning() noexcept;
// Whether it does, as if on a GPU.
bool planning_for_gpu() noexcept;

}  // namespace llasa
