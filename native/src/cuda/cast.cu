// Conversions on the device; contract in ops/cast.h.
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/cast.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// y[i] = x[i], rounded to nearest even on the way to bf16, exact on the way back.
//   mapping       thread = W neighbours (4 where both arrays are aligned, else 1)
//   traffic       6 bytes per element: the refresh of 1.24e9 parameters 7.4 GB, floor 1.6 ms (computed, H200
//                 4.8 TB/s); the input of a layer's product, 8192 x 2048, 101 MB, floor 21 us
//   numerics      one rounding
//   determinism   no sums
template <int W, typename From, typename To>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(const From* __restrict__ x, To* __restrict__ y, int64_t count) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * W;
  if (W == 4 && i + 3 < count) {
    store4(y + i, load4(x + i));
    return;
  }
  for (int64_t j = i; j < count && j < i + W; ++j) assign(y + j, to_float(x[j]));
}

// The same for the first `columns` of rows that lie apart. y may be x.
//   mapping       block = row x kThreads columns, thread = column
template <typename To>
__global__ void __launch_bounds__(kThreads)
    round_rows_kernel(const float* x, int64_t ldx, To* y, int64_t ldy, int columns) {
  const int64_t row = blockIdx.x;
  const int column = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  if (column < columns) assign(y + row * ldy + column, to_float(to_bf16(x[row * ldx + column])));
}

template <typename From, typename To>
void cast(Stream& stream, const From* x, To* y, int64_t count) {
  const bool vector = reinterpret_cast<uintptr_t>(x) % (4 * sizeof(From)) == 0 &&
                      reinterpret_cast<uintptr_t>(y) % (4 * sizeof(To)) == 0;
  if (vector) {
    LLASA_LAUNCH((cast_kernel<4, From, To>), grid_of(ceil_div(count, 4 * kThreads)), kThreads, 0, stream, x,
                 y, count);
  } else {
    LLASA_LAUNCH((cast_kernel<1, From, To>), grid_of(ceil_div(count, kThreads)), kThreads, 0, stream, x, y,
                 count);
  }
}

template <typename To>
void round_rows(Stream& stream, const float* x, int64_t ldx, To* y, int64_t ldy, int64_t rows,
                int64_t columns) {
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>(ceil_div(columns, kThreads)), 1);
  LLASA_LAUNCH((round_rows_kernel<To>), grid, kThreads, 0, stream, x, ldx, y, ldy, static_cast<int>(columns));
}

}  // namespace
}  // namespace cuda

void narrow_to_bf16(Stream& stream, const float* x, int64_t ldx, Bf16* y, int64_t rows, int64_t columns) {
  if (rows <= 0 || columns <= 0) return;
  if (rows == 1 || ldx == columns) {
    cuda::cast(stream, x, y, rows * columns);
  } else {
    cuda::round_rows(stream, x, ldx, y, columns, rows, columns);
  }
}

void widen_to_f32(Stream& stream, const Bf16* x, float* y, int64_t count) {
  if (count > 0) cuda::cast(stream, x, y, count);
}

void round_to_bf16(Stream& stream, float* x, int64_t ldx, int64_t rows, int64_t columns) {
  if (rows > 0 && columns > 0) cuda::round_rows(stream, x, ldx, x, ldx, rows, columns);
}

}  // namespace llasa
