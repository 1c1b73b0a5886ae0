// The ends of a text decoder on the device; contract in ops/transcript.h.
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/transcript.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRowThreads = 512;  // of kernels where a block reads one row of logits

// y[t,c] = scale table[ids[t],c] + positions[position_ids[t],c].
//   mapping       block = token x kThreads columns
//   traffic       12 bytes per element: 448 x 1280 7 MB, floor 1.5 us (computed, H200 4.8 TB/s): launch bound
template <typename T>
__global__ void __launch_bounds__(kThreads)
    text_embedding_kernel(const T* __restrict__ table, const float* __restrict__ positions,
                          const int32_t* __restrict__ ids, const int32_t* __restrict__ position_ids,
                          float* __restrict__ y, int64_t C, float scale) {
  const int64_t t = blockIdx.x, c = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (c >= C) return;
  y[t * C + c] = fmaf(scale, to_float(table[static_cast<int64_t>(ids[t]) * C + c]),
                      positions[static_cast<int64_t>(position_ids[t]) * C + c]);
}

// The first of the largest logits; `id` -1 if there is none, -2 if one is NaN.
struct Best {
  float value;
  int32_t id;
};
constexpr int32_t kNone = -1, kNan = -2;

__device__ __forceinline__ Best better(Best a, Best b) {
  if (a.id == kNan || b.id == kNone) return a;
  if (b.id == kNan || a.id == kNone) return b;
  if (a.value != b.value) return a.value > b.value ? a : b;
  return a.id < b.id ? a : b;
}

// ids[a], logprobs[a] of row a over the ids that are not banned: maximum, place and sum of exponentials in
// one pass.
//   mapping       block = row, thread = every kRowThreads-th logit
//   traffic       4 V bytes per row (+ V of `banned` from the cache): 64 x 51,866 13 MB, floor 3 us
//                 (computed, H200 4.8 TB/s)
//   numerics      log-prob = -log(sum exp(x - largest)), sums in f32; a largest of -inf is an id all the same
//   determinism   fixed order; of equal logits the smallest id
__global__ void __launch_bounds__(kRowThreads)
    greedy_choice_kernel(const float* __restrict__ logits, const uint8_t* __restrict__ banned,
                         int32_t* __restrict__ ids, float* __restrict__ logprobs, int64_t V) {
  __shared__ SoftmaxSum sums[kMaxWarps];
  __shared__ Best bests[kMaxWarps];
  const float* row = logits + blockIdx.x * V;
  SoftmaxSum sum = SoftmaxSum::none();
  Best best{0.0f, kNone};
  for (int64_t v = threadIdx.x; v < V; v += kRowThreads) {
    if (banned != nullptr && banned[v] != 0) continue;
    const float x = row[v];
    sum.add(x);
    best = better(best, {x, x != x ? kNan : static_cast<int32_t>(v)});
  }
  sum = block_softmax_sum(sum, sums);
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    Best other;
    other.value = __shfl_xor_sync(kAllLanes, best.value, offset);
    other.id = __shfl_xor_sync(kAllLanes, best.id, offset);
    best = better(best, other);
  }
  if (threadIdx.x % kWarp == 0) bests[threadIdx.x / kWarp] = best;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < kRowThreads / kWarp; ++w) best = better(best, bests[w]);
  ids[blockIdx.x] = best.id < 0 ? -1 : best.id;
  logprobs[blockIdx.x] = best.id < 0 ? 0.0f : row[best.id] - sum.max - logf(sum.sum);
}

// log softmax(logits[a])[id] for row a, where id is targets[a] or one id for all rows; the probability or the
// negative logarithm of it.
//   mapping       as greedy_choice
//   traffic       4 V bytes per row: 448 x 51,866 93 MB, floor 19 us (computed, H200 4.8 TB/s)
__global__ void __launch_bounds__(kRowThreads)
    log_softmax_kernel(const float* __restrict__ logits, const int32_t* __restrict__ targets, int64_t id,
                       float* __restrict__ out, int64_t V, bool probability) {
  __shared__ SoftmaxSum sums[kMaxWarps];
  const float* row = logits + blockIdx.x * V;
  SoftmaxSum sum = SoftmaxSum::none();
  for (int64_t v = threadIdx.x; v < V; v += kRowThreads) sum.add(row[v]);
  sum = block_softmax_sum(sum, sums);
  if (threadIdx.x != 0) return;
  // Relative to the largest logit, so that large logits lose no digits.
  const float logprob = row[targets == nullptr ? id : targets[blockIdx.x]] - sum.max - logf(sum.sum);
  out[blockIdx.x] = probability ? expf(logprob) : -logprob;
}

// y[n,:] = x[rows[n],:].
//   mapping       block = row x kThreads columns
//   traffic       8 bytes per element, 4 in bf16
template <typename T>
__global__ void __launch_bounds__(kThreads)
    gather_rows_kernel(const T* __restrict__ x, const int64_t* __restrict__ rows, T* __restrict__ y,
                       int64_t C) {
  const int64_t n = blockIdx.x, c = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (c < C) y[n * C + c] = x[rows[n] * C + c];
}

dim3 rows_by_columns(int64_t rows, int64_t columns) {
  return dim3(static_cast<unsigned>(rows), static_cast<unsigned>(ceil_div(columns, kThreads)), 1);
}

}  // namespace
}  // namespace cuda

void text_embedding_forward(Stream& stream, WeightView table, const float* positions, const int32_t* ids,
                            const int32_t* position_ids, float* y, int64_t T, int64_t C, float scale) {
  using namespace cuda;
  if (T == 0) return;
  if (table.is_bf16()) {
    LLASA_LAUNCH((text_embedding_kernel<Bf16>), rows_by_columns(T, C), kThreads, 0, stream, table.bf16(),
                 positions, ids, position_ids, y, C, scale);
  } else {
    LLASA_LAUNCH((text_embedding_kernel<float>), rows_by_columns(T, C), kThreads, 0, stream, table.f32(),
                 positions, ids, position_ids, y, C, scale);
  }
}

void greedy_choice(Stream& stream, const float* logits, const uint8_t* banned, int32_t* ids, float* logprobs,
                   int64_t A, int64_t V) {
  using namespace cuda;
  if (A == 0) return;
  LLASA_LAUNCH(greedy_choice_kernel, grid_of(A), kRowThreads, 0, stream, logits, banned, ids, logprobs, V);
}

void id_probability(Stream& stream, const float* logits, int64_t id, float* probabilities, int64_t A,
                    int64_t V) {
  using namespace cuda;
  if (A == 0) return;
  const int32_t* no_targets = nullptr;
  LLASA_LAUNCH(log_softmax_kernel, grid_of(A), kRowThreads, 0, stream, logits, no_targets, id, probabilities,
               V, true);
}

void token_nll_forward(Stream& stream, const float* logits, const int32_t* targets, float* nll, int64_t N,
                       int64_t V) {
  using namespace cuda;
  if (N == 0) return;
  LLASA_LAUNCH(log_softmax_kernel, grid_of(N), kRowThreads, 0, stream, logits, targets, int64_t{0}, nll, V,
               false);
}

void gather_rows(Stream& stream, WeightView x, const int64_t* rows, ArrayView y, int64_t N, int64_t C) {
  using namespace cuda;
  if (N == 0) return;
  if (y.is_bf16()) {
    LLASA_LAUNCH((gather_rows_kernel<Bf16>), rows_by_columns(N, C), kThreads, 0, stream, x.bf16(), rows,
                 y.bf16(), C);
  } else {
    LLASA_LAUNCH((gather_rows_kernel<float>), rows_by_columns(N, C), kThreads, 0, stream, x.f32(), rows,
                 y.f32(), C);
  }
}

}  // namespace llasa
