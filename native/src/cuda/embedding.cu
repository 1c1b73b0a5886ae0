// Token embedding on the device; contract in ops/embedding.h (torch.nn.Embedding).
//
// The gradient is a sum over tokens of one id. Float atomics would add them in the order of arrival, so the
// tokens are sorted by (id, t) first and one block adds each id's rows in the order of t: the same bits as
// the CPU.
#include "core/scratch.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/embedding.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// y[t,:] = weight[ids[t],:].
//   mapping       block = token x kThreads * 4 columns, thread = 4 columns (1 where rows are not 16-byte
//                 aligned)
//   traffic       8 C bytes per token (6 C from bf16), none reused: 8192 tokens of C = 2048 are 134 MB, floor
//                 28 us (computed, H200 4.8 TB/s)
//   numerics      a copy
//   determinism   no sums
template <typename T, bool kVector>
__global__ void embedding_forward_kernel(const T* __restrict__ weight, const int32_t* __restrict__ ids,
                                         float* __restrict__ y, int64_t C) {
  const int64_t t = blockIdx.x;
  const T* row = weight + static_cast<int64_t>(ids[t]) * C;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (kVector) {
    if (4 * c < C) store4(y + t * C + 4 * c, load4(row + 4 * c));
  } else {
    if (c < C) y[t * C + c] = to_float(row[c]);
  }
}

// order[rank of t by (ids[t], t)] = t.
//   mapping       thread = token, against tiles of kThreads ids in shared memory
//   traffic       T^2 comparisons of shared words read by broadcast: 6.7e7 for T = 8192, some 10 us
//                 (estimated)
//   determinism   ranks are distinct, so every place is written once
__global__ void __launch_bounds__(kThreads)
    embedding_order_kernel(const int32_t* __restrict__ ids, int32_t* __restrict__ order, int64_t T) {
  __shared__ int32_t tile[kThreads];
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int32_t id = t < T ? ids[t] : 0;
  int32_t rank = 0;
  for (int64_t first = 0; first < T; first += kThreads) {
    if (first + threadIdx.x < T) tile[threadIdx.x] = ids[first + threadIdx.x];
    __syncthreads();
    const int count = static_cast<int>(T - first < kThreads ? T - first : kThreads);
    for (int u = 0; u < count; ++u) rank += tile[u] < id || (tile[u] == id && first + u < t);
    __syncthreads();
  }
  if (t < T) order[rank] = static_cast<int32_t>(t);
}

// dweight[id,:] += sum of dy[t,:] over ids[t] = id, in the order of t.
//   mapping       block = place in the order x kThreads columns; blocks whose place does not begin an id
//                 leave
//   traffic       4 C bytes read per token, 8 C per distinct id: 8192 tokens of C = 2048 are at most 200 MB,
//                 floor 42 us (computed, H200 4.8 TB/s); a frequent id is one block's sequential chain, four
//                 loads deep
//   determinism   fixed order of addition, one block per element of dweight
__global__ void __launch_bounds__(kThreads)
    embedding_backward_kernel(const int32_t* __restrict__ ids, const int32_t* __restrict__ order,
                              const float* __restrict__ dy, float* __restrict__ dweight, int64_t T,
                              int64_t C) {
  int64_t p = blockIdx.x;
  const int32_t id = ids[order[p]];
  if (p > 0 && ids[order[p - 1]] == id) return;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (c >= C) return;
  float* out = dweight + static_cast<int64_t>(id) * C + c;
  float sum = *out;
  constexpr int kAhead = 4;
  for (bool more = true; more; p += kAhead) {
    float value[kAhead];
    bool same[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int64_t t = p + i < T ? order[p + i] : 0;
      same[i] = p + i < T && ids[t] == id;
      value[i] = same[i] ? dy[t * C + c] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (same[i]) sum += value[i];  // not + 0: that would turn a -0 into 0
    }
    more = same[kAhead - 1];
  }
  *out = sum;
}

dim3 rows_by_columns(int64_t rows, int64_t columns) {
  return dim3(static_cast<unsigned>(rows), static_cast<unsigned>(ceil_div(columns, kThreads)), 1);
}

template <typename T>
void launch_forward(Stream& stream, const T* weight, const int32_t* ids, float* y, int64_t rows, int64_t C) {
  if (vector_rows(C, y) && reinterpret_cast<uintptr_t>(weight) % (4 * sizeof(T)) == 0) {
    LLASA_LAUNCH((embedding_forward_kernel<T, true>), rows_by_columns(rows, C / 4), kThreads, 0, stream,
                 weight, ids, y, C);
  } else {
    LLASA_LAUNCH((embedding_forward_kernel<T, false>), rows_by_columns(rows, C), kThreads, 0, stream, weight,
                 ids, y, C);
  }
}

}  // namespace
}  // namespace cuda

void embedding_forward(Stream& stream, WeightView weight, const int32_t* ids, float* y, int64_t T,
                       int64_t C) {
  if (T == 0 || C == 0) return;
  weight.is_bf16() ? cuda::launch_forward(stream, weight.bf16(), ids, y, T, C)
                   : cuda::launch_forward(stream, weight.f32(), ids, y, T, C);
}

void embedding_backward(Stream& stream, const int32_t* ids, const float* dy, float* dweight, int64_t T,
                        int64_t C) {
  using namespace cuda;
  if (T == 0 || C == 0) return;
  Scratch scratch(stream);
  auto* order = scratch.take<int32_t>(T);
  LLASA_LAUNCH(embedding_order_kernel, grid_of(ceil_div(T, kThreads)), kThreads, 0, stream, ids, order, T);
  LLASA_LAUNCH(embedding_backward_kernel, rows_by_columns(T, C), kThreads, 0, stream, ids, order, dy, dweight,
               T, C);
}

}  // namespace llasa
