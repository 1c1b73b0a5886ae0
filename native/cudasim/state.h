// What the access hooks look at on every load and store of a kernel.
#pragma once

#include <cstdint>

namespace cudasim {

struct Range {
  uintptr_t begin = 0;
  uintptr_t bytes = 0;
  bool contains(uintptr_t address) const { return address - begin < bytes; }
};

// What the race detector knows of a word of shared memory, as far as a read that is no race needs it.
struct WordHistory {
  uint32_t write_epoch = 0;  // of the last write; 0: never, or the word is followed byte by byte
  uint32_t read_epoch = 0;
  uint32_t read_sync = 0;  // memory collectives that the last reader's warp had passed
  uint16_t reader = 0;     // a thread; kSeveralLanes | its warp; kSeveralWarps
};
constexpr uint16_t kSeveralLanes = 0x8000, kSeveralWarps = 0xffff;

struct State {
  // Of the calling thread: while one runs a kernel, others run host code of the same, instrumented files.
  static constinit thread_local bool in_kernel __attribute__((tls_model("initial-exec")));
  int thread = 0;               // linear index of the running thread
  uint32_t epoch = 1;           // barriers passed, counted over all blocks
  uint32_t block_epoch = 1;     // the first of the current block
  uint32_t warp_sync[32] = {};  // memory collectives of each warp in this block
  Range stacks;                 // locals of the threads
  Range arena;                  // device memory
  uint8_t* shadow = nullptr;    // one byte per byte of the arena
  WordHistory* dynamic_words = nullptr;
  WordHistory* static_words = nullptr;
  Range dynamic;          // dynamic shared memory, as much as the launch asked for
  Range dynamic_reserve;  // and the guard behind it
  Range statics;          // writable data of this module: __shared__ variables, while a kernel runs
  Range constants;        // __constant__ variables
  Range builtins;         // threadIdx, ...
  Range read_only;        // code and literals of this module
  Range parameters;       // the launch's arguments
  Range watched;          // device memory whose reads are counted (counts.h)
  int64_t watched_bytes = 0;
};
extern State state;

enum class Access : uint8_t { kRead, kWrite, kAtomic };
void check_access(uintptr_t address, uintptr_t bytes, Access access, const void* site);

}  // namespace cudasim
