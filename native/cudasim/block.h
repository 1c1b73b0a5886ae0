// Runs a launch: its blocks one after another, the threads of a block as fibers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cudasim/launch.h"
#include "cudasim/warp.h"
#include "fiber.h"

namespace cudasim {

struct Launch {
  std::string kernel;
  dim3 grid, block;
  size_t shared_bytes = 0;
  Call call;
};

enum class ThreadState : uint8_t { kReady, kAtBarrier, kInWarp, kDone };

// One that a thread asked for and that has not arrived.
struct AsyncCopy {
  void* to;
  const void* from;
  int bytes;  // the rest of 16 are zeros
  int group;
  const void* site;
};

struct Thread {
  Stack* stack = nullptr;  // none before it starts
  uint3 index{};
  int linear = 0;
  ThreadState state = ThreadState::kReady;
  // What it waits in.
  const char* waits_in = nullptr;
  uint32_t mask = 0;
  const void* input = nullptr;
  void* output = nullptr;
  Complete complete = nullptr;
  int predicate = 0;
  BarrierVotes votes{};
  // In the order asked for; groups committed, which is also the number of the open one.
  std::vector<AsyncCopy> copies;
  int copy_groups = 0;
};

// Runs it to its end. False: a fault, which device_fault has.
bool run(const Launch& launch);

// Of the thread that runs; only inside a kernel.
Thread& current_thread();
const char* current_kernel();
// Leaves the launch from the running thread; its stack is abandoned.
[[noreturn]] void abandon_launch();

}  // namespace cudasim
