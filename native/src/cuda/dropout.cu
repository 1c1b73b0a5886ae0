// Dropout on the device; contract in ops/dropout.h.
#include "cuda/common.cuh"
#include "ops/dropout.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// y = mask x / (1 - rate), or y += that.
//   mapping       thread = one Philox block = 4 neighbouring elements
//   traffic       8 bytes per element (12 when adding); the ten rounds (about 100 integer operations per four
//                 elements) hide behind it: 8192 x 8192 elements 537 MB, floor 112 us (computed, H200 4.8
//                 TB/s)
//   determinism   no sums; an element's fate depends on its index alone
template <bool kAdd>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const float* x, float* y, int64_t count, uint64_t seed, uint64_t stream,
                   uint32_t threshold, float scale) {
  const int64_t b = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (4 * b >= count) return;
  const PhiloxBlock block = philox4x32(seed, stream, static_cast<uint64_t>(b));
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int64_t i = 4 * b + j;
    if (i >= count) return;
    const bool kept = block.word[j] >= threshold;
    if (kAdd) {
      if (kept) y[i] += x[i] * scale;
    } else {
      y[i] = kept ? x[i] * scale : 0.0f;
    }
  }
}

template <bool kAdd>
void dropout(Stream& stream, const float* x, float* y, int64_t count, const DropoutMask& mask) {
  if (count == 0) return;
  LLASA_LAUNCH((dropout_kernel<kAdd>), grid_of(ceil_div(count, 4 * kThreads)), kThreads, 0, stream, x, y,
               count, mask.seed, mask.stream, dropout_threshold(mask.rate), 1.0f / (1.0f - mask.rate));
}

}  // namespace
}  // namespace cuda

void dropout_forward(Stream& stream, const float* x, float* y, int64_t count, const DropoutMask& mask) {
  cuda::dropout<false>(stream, x, y, count, mask);
}

void dropout_backward(Stream& stream, const float* dy, float* dx, int64_t count, const DropoutMask& mask) {
  cuda::dropout<true>(stream, dy, dx, count, mask);
}

}  // namespace llasa
