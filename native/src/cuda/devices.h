// The devices of this machine and the one that the calling thread works on.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/launch.h"

namespace llasa::cuda {

struct Device {
  int index = 0;
  int multiprocessors = 0;
  int capability = 0;    // 80, 86, ...
  int shared_bytes = 0;  // a block may have
  int64_t memory_bytes = 0;
  std::string name;
  std::string isa;
  // Set once by the error that ended it, and why: from then on every call fails at once.
  std::atomic<bool> lost{false};
  std::string why_lost;
};

// Makes the device of the calling thread's DeviceScope current and describes it. Throws Status::kNoDevice,
// or Status::kDevice when it was lost.
const Device& use_device();
// -1: LLASA_DEVICE in the environment, else this rank's place on its machine, else 0.
const Device& describe(int index);
// Throws Status::kOutOfMemory with what was wanted and what is free.
[[noreturn]] void out_of_memory(const char* kind, int64_t bytes, const char* what);

// Counts bytes of allocated_bytes, more or less.
void count_allocated(int64_t bytes) noexcept;
// Whether this allocation is the one that fail_allocation_after asks to fail.
bool fails_by_request();

// Whether the calling thread records a graph: it may neither wait nor copy from or to the host then.
bool& recording_on_this_thread();

}  // namespace llasa::cuda
