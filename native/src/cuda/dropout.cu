// Dropout on the device; contract in ops/dropout.h.
#include "cuda/bf16.cuh"
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
//   numerics      one rounding; in bf16 another
template <bool kAdd, typename From, typename To>
__global__ void __launch_bounds__(kThreads) dropout_kernel(const From* x, To* y, int64_t count, uint64_t seed,
                                                           uint64_t stream, uint32_t threshold, float scale) {
  const int64_t b = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (4 * b >= count) return;
  const PhiloxBlock block = philox4x32(seed, stream, static_cast<uint64_t>(b));
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int64_t i = 4 * b + j;
    if (i >= count) return;
    const bool kept = block.word[j] >= threshold;
    if (kAdd) {
      if (kept) assign(y + i, to_float(y[i]) + to_float(x[i]) * scale);
    } else {
      assign(y + i, kept ? to_float(x[i]) * scale : 0.0f);
    }
  }
}

template <bool kAdd, typename From, typename To>
void dropout(Stream& stream, const From* x, To* y, int64_t count, const DropoutMask& mask) {
  if (count == 0) return;
  LLASA_LAUNCH((dropout_kernel<kAdd, From, To>), grid_of(ceil_div(count, 4 * kThreads)), kThreads, 0, stream,
               x, y, count, mask.seed, mask.stream, dropout_threshold(mask.rate), 1.0f / (1.0f - mask.rate));
}

}  // namespace
}  // namespace cuda

void dropout_forward(Stream& stream, WeightView x, ArrayView y, int64_t count, const DropoutMask& mask) {
  if (y.is_bf16())
    cuda::dropout<false>(stream, x.bf16(), y.bf16(), count, mask);
  else
    cuda::dropout<false>(stream, x.f32(), y.f32(), count, mask);
}

void dropout_backward(Stream& stream, const float* dy, ArrayView dx, int64_t count, const DropoutMask& mask) {
  if (dx.is_bf16())
    cuda::dropout<true>(stream, dy, dx.bf16(), count, mask);
  else
    cuda::dropout<true>(stream, dy, dx.f32(), count, mask);
}

}  // namespace llasa
