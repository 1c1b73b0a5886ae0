// Products of a vector, which cuBLASLt makes poorly or, where a leading dimension is odd, not at all: the one id beside
// a range of a head's columns. Any strides; sums in f32, of operands rounded to bf16 where kRounds.
#include "core/launch.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "cuda/gemm_thin.h"
#include "ops/gpu_scratch.h"

namespace llasa::cuda {

namespace {

constexpr int kThreads = 256;  // gpu::is_thin_product knows how many outputs a grid of them has

// c is not read where beta is 0.
__device__ __forceinline__ void put(float& c, float alpha, float sum, float beta) {
  c = alpha * sum + (beta == 0.0f ? 0.0f : beta * c);
}

template <bool kRounds>
__device__ __forceinline__ float operand(float x) {
  return kRounds ? to_float(to_bf16(x)) : x;
}
template <bool kRounds>
__device__ __forceinline__ float operand(Bf16 x) {
  return to_float(x);
}

// C[m] = alpha sum_k A[m,k] b[k] + beta C[m].
//   mapping       warp = row m, lane = every 32nd k
//   traffic       4 M K bytes, once; b from the second cache. 4096 x 2048: 34 MB, floor 7 us (computed, H200 4.8 TB/s)
//   numerics      f32; lane sums of K / 32 terms, then a tree
//   determinism   fixed by K alone: a row's result is the same among any number of rows
template <bool kRounds, typename From, typename T>
__global__ void __launch_bounds__(kThreads)
    matrix_vector_kernel(const From* __restrict__ A, Strides a, const T* __restrict__ b, int64_t stride,
                         float* __restrict__ C, int64_t ldc, int64_t M, int64_t K, float alpha, float beta) {
  const int64_t m = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (m >= M) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const From* row = A + m * a.row;
  float sum = 0.0f;
  for (int64_t k = lane; k < K; k += kWarp)
    sum += operand<kRounds>(row[k * a.column]) * operand<kRounds>(b[k * stride]);
  sum = warp_sum(sum);
  if (lane == 0) put(C[m * ldc], alpha, sum, beta);
}

// C[m,n] = alpha a[m] b[n] + beta C[m,n].
//   mapping       thread = element, block = 256 columns of a row
//   traffic       8 M N bytes. 4096 x 2048: 67 MB, floor 14 us (computed, H200 4.8 TB/s)
//   numerics      two roundings and alpha's
//   determinism   no sums
template <bool kRounds, typename From, typename T>
__global__ void __launch_bounds__(kThreads)
    outer_product_kernel(const From* __restrict__ a, int64_t stride_a, const T* __restrict__ b,
                         int64_t stride_b, float* __restrict__ C, int64_t ldc, int64_t N, float alpha,
                         float beta) {
  const int64_t m = blockIdx.x, n = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (n >= N) return;
  put(C[m * ldc + n], alpha, operand<kRounds>(a[m * stride_a]) * operand<kRounds>(b[n * stride_b]), beta);
}

constexpr int kParts = 16;

// C[n] = alpha sum_k a[k] B[k,n] + beta C[n].
//   mapping       block = 32 columns, thread (x, y) = every 16th k of column x
//   shared        2 KB: the sums of 16 parts
//   traffic       4 K N bytes, once. 4096 x 2048: 34 MB, floor 7 us (computed, H200 4.8 TB/s)
//   numerics      f32; sums of K / 16 terms, then 16 in order
//   determinism   fixed by K alone
template <bool kRounds, typename From, typename T>
__global__ void __launch_bounds__(kWarp* kParts)
    vector_matrix_kernel(const From* __restrict__ a, int64_t stride, const T* __restrict__ B, int64_t ldb,
                         float* __restrict__ C, int64_t K, int64_t N, float alpha, float beta) {
  __shared__ float parts[kParts][kWarp];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kWarp + x;
  float sum = 0.0f;
  if (n < N) {
#pragma unroll 4
    for (int64_t k = y; k < K; k += kParts)
      sum += operand<kRounds>(a[k * stride]) * operand<kRounds>(B[k * ldb + n]);
  }
  parts[y][x] = sum;
  __syncthreads();
  if (y > 0 || n >= N) return;
  for (int part = 1; part < kParts; ++part) sum += parts[part][x];
  put(C[n], alpha, sum, beta);
}

template <bool kRounds, typename From, typename T>
void product(Stream& stream, const ThinProduct& p, const From* A, const T* B) {
  float* C = p.C.f32();
  const Strides a = p.transpose_a ? Strides{1, p.lda} : Strides{p.lda, 1},
                b = p.transpose_b ? Strides{1, p.ldb} : Strides{p.ldb, 1};
  if (p.N == 1) {
    LLASA_LAUNCH((matrix_vector_kernel<kRounds, From, T>), grid_of(ceil_div(p.M, kThreads / kWarp)), kThreads,
                 0, stream, A, a, B, b.row, C, p.ldc, p.M, p.K, p.alpha, p.beta);
  } else if (p.K == 1) {
    const dim3 grid(static_cast<unsigned>(p.M), static_cast<unsigned>(ceil_div(p.N, kThreads)));
    LLASA_LAUNCH((outer_product_kernel<kRounds, From, T>), grid, kThreads, 0, stream, A, a.row, B, b.column,
                 C, p.ldc, p.N, p.alpha, p.beta);
  } else {
    LLASA_LAUNCH((vector_matrix_kernel<kRounds, From, T>), grid_of(ceil_div(p.N, kWarp)), dim3(kWarp, kParts),
                 0, stream, A, a.column, B, p.ldb, C, p.K, p.N, p.alpha, p.beta);
  }
}

}  // namespace

bool is_thin(const ThinProduct& p) {
  return gpu::is_thin_product(p.transpose_a, p.transpose_b, p.M, p.N, p.K, p.C.is_bf16());
}

void thin_product(Stream& stream, const ThinProduct& p) {
  if (p.A.is_bf16() && p.B.is_bf16())
    product<true>(stream, p, p.A.bf16(), p.B.bf16());
  else if (p.A.is_bf16())
    product<true>(stream, p, p.A.bf16(), p.B.f32());
  else if (p.B.is_bf16())
    product<true>(stream, p, p.A.f32(), p.B.bf16());
  else if (p.precision == Precision::kBf16)
    product<true>(stream, p, p.A.f32(), p.B.f32());
  else
    product<false>(stream, p, p.A.f32(), p.B.f32());
}

}  // namespace llasa::cuda
