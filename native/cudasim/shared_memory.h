// Shared memory: bounds, initialisation and races. Two accesses of one place by two threads of a block, one
// of them a write, must have a barrier between them (or, within a warp, a __syncwarp): CUDA C++ Programming
// Guide, "Memory Fence Functions" and "Warp-level synchronisation". Shuffles and votes do not order memory.
#pragma once

#include <cstdint>

#include "state.h"

namespace cudasim {

void begin_block(uintptr_t dynamic_bytes);
void note_block_barrier();
// All lanes of mask of this warp have met in a memory-ordering collective.
void note_warp_sync(int warp, uint32_t mask, bool whole_warp);
// Bytes of shared memory, of whole words, to which the running thread's cp.async begins to copy, and has copied: between
// the two every access is a fault. check_shared has the write itself, before the first and after the second.
void note_departure(uintptr_t address, uintptr_t bytes);
void note_arrival(uintptr_t address, uintptr_t bytes);
void check_shared(uintptr_t address, uintptr_t bytes, Access access, const void* site);
void* dynamic_shared_memory();
constexpr uintptr_t kMaximumShared = uintptr_t{227} << 10;

}  // namespace cudasim
