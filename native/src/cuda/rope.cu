// Rotary position embedding on the device; contract in ops/rope.h.
#include "cuda/common.cuh"
#include "cuda/rotate.cuh"
#include "ops/rope.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// (x_i, x_{i+D/2}) turned by the angle of positions[t] and i, backwards with sign -1.
// y = x in the `rest` columns behind the turned heads: 0 in place.
//   mapping       block = token x kThreads * W pairs, thread = W pairs of one head, or W columns of the rest; W = 4 where
//                 aligned
//   traffic       8 bytes per float of the turned heads, 6 of the whole row into bf16; the table row (4 D) stays in the
//                 first cache. 8192 tokens of 40 heads of 64 (Llasa-1B): 168 MB, floor 35 us (computed, H200 4.8 TB/s);
//                 into bf16, with 8 heads of values: 151 MB, 31 us
//   numerics      one rounding per product and sum, fused; in bf16 one more of the result
//   determinism   no sums over threads
template <int W, typename To>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(const float* x, To* y, const int32_t* __restrict__ positions, const float* __restrict__ table,
                int heads, int D, int rest, int64_t stride, float sign) {
  const int64_t t = blockIdx.x;
  const int quads = D / 2 / W, item = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  if (item >= heads * quads) {
    const int column = (item - heads * quads) * W;
    if (column >= rest) return;
    float values[W];
    load_floats<W>(values, x + t * stride + heads * D + column);
    store_floats<W>(y + t * stride + heads * D + column, values);
    return;
  }
  const int head = item / quads, i = item % quads * W;
  const float* pair = x + t * stride + head * D + i;
  To* turned = y + t * stride + head * D + i;
  const float* turn = table + static_cast<int64_t>(positions[t]) * D + i;
  float low[W], high[W], cosine[W], sine[W];
  load_floats<W>(low, pair);
  load_floats<W>(high, pair + D / 2);
  load_floats<W>(cosine, turn);
  load_floats<W>(sine, turn + D / 2);
#pragma unroll
  for (int j = 0; j < W; ++j) rotate(low[j], high[j], cosine[j], sign * sine[j]);
  store_floats<W>(turned, low);
  store_floats<W>(turned + D / 2, high);
}

template <typename To>
void rope(Stream& stream, const float* x, To* y, const int32_t* positions, const float* table, int64_t T,
          int64_t heads, int64_t D, int64_t rest, int64_t stride, float sign) {
  if (T == 0 || heads * D + rest == 0) return;
  const auto launch_heads = static_cast<int>(heads), launch_D = static_cast<int>(D),
             launch_rest = static_cast<int>(rest);
  const bool vector = vector_rows(stride, x, y, table) && D % 8 == 0;
  const int64_t items = (heads * D / 2 + rest) / (vector ? 4 : 1);
  const dim3 grid(static_cast<unsigned>(T), static_cast<unsigned>(ceil_div(items, kThreads)), 1);
  if (vector) {
    LLASA_LAUNCH((rope_kernel<4, To>), grid, kThreads, 0, stream, x, y, positions, table, launch_heads,
                 launch_D, launch_rest, stride, sign);
  } else {
    LLASA_LAUNCH((rope_kernel<1, To>), grid, kThreads, 0, stream, x, y, positions, table, launch_heads,
                 launch_D, launch_rest, stride, sign);
  }
}

}  // namespace
}  // namespace cuda

void rope_forward(Stream& stream, float* x, const int32_t* positions, const float* table, int64_t T,
                  int64_t heads, int64_t D, int64_t stride) {
  cuda::rope(stream, x, x, positions, table, T, heads, D, 0, stride, 1.0f);
}

void rope_forward(Stream& stream, const float* x, Bf16* y, const int32_t* positions, const float* table,
                  int64_t T, int64_t heads, int64_t D, int64_t stride) {
  cuda::rope(stream, x, y, positions, table, T, heads, D, stride - heads * D, stride, 1.0f);
}

void rope_backward(Stream& stream, float* dx, const int32_t* positions, const float* table, int64_t T,
                   int64_t heads, int64_t D, int64_t stride) {
  cuda::rope(stream, dx, dx, positions, table, T, heads, D, 0, stride, -1.0f);
}

void rope_backward(Stream& stream, const float* dy, Bf16* dx, const int32_t* positions, const float* table,
                   int64_t T, int64_t heads, int64_t D, int64_t stride) {
  cuda::rope(stream, dy, dx, positions, table, T, heads, D, stride - heads * D, stride, -1.0f);
}

}  // namespace llasa
