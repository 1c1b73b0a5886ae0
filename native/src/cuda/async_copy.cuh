// Copies from global to shared memory that run beside the thread that asks for them, without passing through its
// registers (PTX ISA, "cp.async"; sm_80 and later); native/cudasim has their twins. A thread's copies form groups, which
// arrive in order; it waits for all but its youngest ones. What its copies brought, the thread sees when it has waited,
// and the others of its block see behind the next barrier.
#pragma once

#include <cstdint>

#include "core/launch.h"
#if !defined(__CUDACC__)
#include "cudasim/async_copy.h"
#endif

namespace llasa::cuda {

// `bytes` of 16, zeros behind them; with 0 nothing is read. Both addresses are on multiples of 16. Past L1: a tile is read
// once per block.
__device__ __forceinline__ void copy_async(void* shared, const void* global, int bytes) {
#if defined(__CUDACC__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
               "l"(__cvta_generic_to_global(global)), "r"(bytes)
               : "memory");
#else
  cudasim::copy_async(shared, global, bytes);
#endif
}

// What the thread asked for since the last call becomes a group; it may be empty.
__device__ __forceinline__ void commit_copies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  cudasim::commit_async_copies();
#endif
}

// Until all groups but the kPending youngest have arrived.
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#else
  cudasim::wait_for_async_copies(kPending);
#endif
}

}  // namespace llasa::cuda
