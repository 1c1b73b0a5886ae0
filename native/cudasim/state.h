// What the access hooks look at on every load and store of a kernel.
#pragma once

#include <cstdint>

namespace cudasim {

struct Range {
  uintptr_t begin = 0;
  uintptr_t bytes = 0;
  bool contains(uintptr_t address) const { return address - begin < bytes; }
};

struct State {
  bool in_kernel = false;
  int thread = 0;             // linear index of the running thread
  Range stacks;               // locals of the threads
  Range arena;                // device memory
  uint8_t* shadow = nullptr;  // one byte per byte of the arena
  Range dynamic;              // dynamic shared memory, as much as the launch asked for
  Range dynamic_reserve;      // and the guard behind it
  Range statics;              // writable data of this module: __shared__ variables, while a kernel runs
  Range constants;            // __constant__ variables
  Range builtins;             // threadIdx, ...
  Range read_only;            // code and literals of this module
  Range parameters;           // the launch's arguments
};
extern State state;

enum class Access : uint8_t { kRead, kWrite, kAtomic };
void check_access(uintptr_t address, uintptr_t bytes, Access access, const void* site);

}  // namespace cudasim
