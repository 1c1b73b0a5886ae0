// Online softmax in powers of two. What a weight is measured against is a whole power of two and not the
// largest score itself: bringing weights to another reference is then exact, and rounding a weight to bf16
// gives the same relative error whatever the reference was. So the decoding kernel, which reads a sequence in
// splits and whole cache blocks, and the training kernels, which read it in steps of 32 keys, round every
// weight alike.
#pragma once

#include "cuda/common.cuh"

namespace llasa::cuda {

constexpr float kLog2E = 1.4426950408889634f;  // exp(x) = exp2(x kLog2E)
constexpr float kLn2 = 0.6931471805599453f;

// The whole m with 2^(m - 1) < 2^largest <= 2^m; -inf for -inf.
__device__ __forceinline__ float softmax_exponent(float largest) {
  return ceilf(largest);
}

}  // namespace llasa::cuda
