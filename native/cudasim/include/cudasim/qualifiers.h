// CUDA's declaration qualifiers as plain C++. A block's threads all run on one host thread, so static storage
// serves as the block's shared memory; race.cc forgets its contents when the next block starts.
#pragma once

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__
// Readable by every kernel without a check; the section tells it from shared memory.
#define __constant__ __attribute__((section("llasa_constant")))
#define __restrict__ __restrict
