// Log-prob head and policy loss on the device; contracts in ops/logprob_head.h and ops/policy_loss.h.
// Derivation of the one-pass entropy: docs/kernels/logprob_head.md.
//
// Rows are read one float per lane: V may be odd (65,537 columns of the speech range), so rows of float4
// would start at four alignments and a row's sums would depend on its place in the chunk.
#include <algorithm>

#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/logprob_head.h"
#include "ops/policy_loss.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kUnroll = 8;        // independent loads in flight per thread
constexpr int kRowThreads = 512;  // of a block that owns a row
constexpr int kThreads = 256;     // elementwise

// Largest z seen, the sum of e = exp(z - max) and of e (z - max). Nothing seen: {-inf, 0, 0}.
struct Moments {
  float max, sum, weighted;
};

// The same moments relative to a larger maximum: z - max falls by `shift` <= 0 for every term.
__device__ __forceinline__ Moments lower(Moments m, float max) {
  if (m.max == max) return m;  // also -inf to -inf
  const float shift = m.max - max, factor = expf(shift);
  // An empty part has shift -inf: 0 times it must stay 0.
  m.weighted = m.sum == 0.0f ? 0.0f : factor * (m.weighted + shift * m.sum);
  m.sum *= factor;
  m.max = max;
  return m;
}

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
  const float max = fmaxf(a.max, b.max);
  const Moments low = lower(a, max), high = lower(b, max);
  Moments m;
  m.max = max;
  m.sum = low.sum + high.sum;
  m.weighted = low.weighted + high.weighted;
  return m;
}

__device__ __forceinline__ void add(Moments& m, float z) {
  const float e = expf(z - m.max);
  m.sum += e;
  m.weighted += e == 0.0f ? 0.0f : e * (z - m.max);  // z = -inf: no mass, no entropy
}

__device__ Moments block_moments(Moments m, Moments* shared) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    Moments other;
    other.max = __shfl_xor_sync(kAllLanes, m.max, offset);
    other.sum = __shfl_xor_sync(kAllLanes, m.sum, offset);
    other.weighted = __shfl_xor_sync(kAllLanes, m.weighted, offset);
    m = merge(m, other);
  }
  if (lane == 0) shared[warp] = m;
  __syncthreads();
  Moments total = shared[0];
  for (int w = 1; w < static_cast<int>(blockDim.x) / kWarp; ++w) total = merge(total, shared[w]);
  return total;
}

// lse = max + log s, logprob = z_target - max - log s, entropy = log s - w / s with the online moments s, w.
//   shapes        logits [N,V]; targets, lse, logprobs, entropies [N]
//   mapping       block = row, thread = every blockDim-th column, kUnroll of them per step, so that the
//                 running maximum is raised at most once per step
//   shared        12 bytes per warp; 32 registers or so
//   traffic       4 N V bytes, once; 3 flops and one exp per element. 1024 rows x 65,537: 268 MB, floor 56 us
//                 (computed, H200 4.8 TB/s)
//   numerics      f32; lane sums of V / 512 terms, then a tree: relative error of s and w about 3e-7.
//                 Relative to the row's maximum, so large logits lose no digits. NaN and +inf give NaN, -inf
//                 no mass
//   determinism   fixed by V alone
__global__ void __launch_bounds__(kRowThreads)
    logprob_forward_kernel(const float* __restrict__ logits, int64_t ld, const int32_t* __restrict__ targets,
                           float inverse_temperature, float* __restrict__ lse, float* __restrict__ logprobs,
                           float* __restrict__ entropies, int64_t V) {
  __shared__ Moments partial[kMaxWarps];
  const int64_t n = blockIdx.x;
  const float* row = logits + n * ld;
  const int count = static_cast<int>(V), threads = static_cast<int>(blockDim.x);
  Moments m = {-INFINITY, 0.0f, 0.0f};
  int i = static_cast<int>(threadIdx.x);
  for (; i + (kUnroll - 1) * threads < count; i += kUnroll * threads) {
    float z[kUnroll];
    float largest = m.max;
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      z[u] = row[i + u * threads] * inverse_temperature;
      largest = fmaxf(largest, z[u]);
    }
    if (largest == -INFINITY) {  // no mass yet; but NaN must not pass unseen, and fmaxf drops it
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) m.sum += z[u] == z[u] ? 0.0f : z[u];
      continue;
    }
    m = lower(m, largest);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) add(m, z[u]);
  }
  for (; i < count; i += threads) {
    const float z = row[i] * inverse_temperature;
    const float largest = fmaxf(m.max, z);
    if (largest == -INFINITY) {
      m.sum += z == z ? 0.0f : z;
      continue;
    }
    m = lower(m, largest);
    add(m, z);
  }
  m = block_moments(m, partial);
  if (threadIdx.x == 0) {
    const float log_sum = logf(m.sum);
    lse[n] = m.max + log_sum;
    logprobs[n] = row[targets[n]] * inverse_temperature - m.max - log_sum;
    entropies[n] = log_sum - m.weighted / m.sum;
  }
}

// dlogits_j = p_j (a + b (z_j - lse)) + 1[j = target] dlogp, with p = exp(z - lse), dlogp = dlogprob / T,
// a = -dlogp - dentropy entropy / T, b = -dentropy / T, over the logits or, in bf16, beside them.
//   mapping       block = kUnroll * kThreads columns of a row (grid x = row, y = part), thread = kUnroll
//                 columns
//   traffic       8 N V bytes, 6 into bf16: 1024 rows x 65,537 537 MB, floor 112 us, or 403 MB and 84 us (computed, H200
//                 4.8 TB/s)
//   numerics      one exp (2 ulp) per element; z = -inf gives 0; in bf16 one rounding of the result
//   determinism   no sums
template <typename To>
__global__ void __launch_bounds__(kThreads)
    logprob_backward_kernel(const float* logits, To* dlogits, int64_t ld, const int32_t* __restrict__ targets,
                            float inverse_temperature, const float* __restrict__ lse,
                            const float* __restrict__ entropies, const float* __restrict__ dlogprobs,
                            const float* __restrict__ dentropies, int64_t V) {
  const int64_t n = blockIdx.x;
  const float* row = logits + n * ld;
  To* out = dlogits + n * ld;
  const int count = static_cast<int>(V), target = targets[n];
  const float dlogp = dlogprobs[n] * inverse_temperature, shift = lse[n];
  const float dentropy = dentropies == nullptr ? 0.0f : dentropies[n] * inverse_temperature;
  const float a = -dlogp - dentropy * entropies[n], b = -dentropy;
  const int begin = static_cast<int>(blockIdx.y) * kUnroll * kThreads + static_cast<int>(threadIdx.x);
  float z[kUnroll];  // all of them before the first result, which may take a logit's place
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const int j = begin + u * kThreads;
    z[u] = j < count ? row[j] * inverse_temperature - shift : 0.0f;
  }
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const int j = begin + u * kThreads;
    if (j >= count) break;
    const float p = expf(z[u]);
    assign(out + j, (p == 0.0f ? 0.0f : p * (a + b * z[u])) + (j == target ? dlogp : 0.0f));
  }
}

// Derivatives of the loss by log-prob and entropy, one token per thread.
//   traffic       at most 40 bytes per token; 65,536 tokens 2.6 MB: launch bound
//   numerics      policy_token_loss, the same inline function that the host's statistics use
__global__ void __launch_bounds__(kThreads)
    policy_loss_backward_kernel(PolicyLossOptions options, TokenTerms terms,
                                const float* __restrict__ logprobs, float* __restrict__ dlogprobs,
                                float* __restrict__ dentropies, int64_t N) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (n >= N) return;
  const PolicyTokenLoss t = policy_token_loss(options, terms, n, logprobs[n]);
  // A masked token's terms may be anything, so they are not multiplied by 0 but left out.
  const float policy_weight = terms.policy_weights[n], kl_weight = TokenTerms::weight(terms.kl_weights, n);
  const float policy = policy_weight == 0.0f ? 0.0f : policy_weight * t.policy_gradient;
  const float kl = kl_weight == 0.0f ? 0.0f : kl_weight * t.kl_gradient;
  dlogprobs[n] = policy + kl;
  if (dentropies != nullptr) dentropies[n] = -TokenTerms::weight(terms.entropy_weights, n);
}

// out = logp - m, m = sum over the sequence's tokens that count of logp - old, by their number.
//   mapping       block = sequence, thread = every kThreads-th token of it
//   shared        a double and a count per warp
//   traffic       at most 28 bytes per token; 65,536 tokens 1.8 MB: the launch is what it costs (3 us)
//   numerics      sums in double; a sequence without tokens that count has m = 0
//   determinism   fixed tree (block_sum)
__global__ void __launch_bounds__(kThreads)
    sequence_ratio_logprobs_kernel(TokenTerms terms, const float* __restrict__ logprobs,
                                   const int64_t* __restrict__ offsets, float* __restrict__ out) {
  __shared__ double sums[kMaxWarps];
  __shared__ double counts[kMaxWarps];
  const int64_t begin = offsets[blockIdx.x], end = offsets[blockIdx.x + 1];
  double sum = 0, count = 0;
  for (int64_t n = begin + threadIdx.x; n < end; n += kThreads) {
    if (!terms.counts(n)) continue;
    sum += static_cast<double>(logprobs[n]) - static_cast<double>(terms.old_logprobs[n]);
    count += 1;
  }
  sum = block_sum(sum, sums);
  count = block_sum(count, counts);
  const double mean = count > 0 ? sum / count : 0.0;
  for (int64_t n = begin + threadIdx.x; n < end; n += kThreads) {
    out[n] = static_cast<float>(static_cast<double>(logprobs[n]) - mean);
  }
}

// Threads of a block that owns a row: enough for kUnroll columns each, within [32, kRowThreads].
int row_threads(int64_t V) {
  const int64_t wanted = ceil_div(V, kUnroll * kWarp) * kWarp;
  return static_cast<int>(std::min<int64_t>(kRowThreads, std::max<int64_t>(kWarp, wanted)));
}

}  // namespace
}  // namespace cuda

void logprob_forward(Stream& stream, const float* logits, int64_t ld, const int32_t* targets,
                     float inverse_temperature, float* lse, float* logprobs, float* entropies, int64_t N,
                     int64_t V) {
  using namespace cuda;
  if (N == 0) return;
  LLASA_LAUNCH(logprob_forward_kernel, grid_of(N), row_threads(V), 0, stream, logits, ld, targets,
               inverse_temperature, lse, logprobs, entropies, V);
}

void logprob_backward(Stream& stream, const float* logits, ArrayView dlogits, int64_t ld,
                      const int32_t* targets, float inverse_temperature, const float* lse,
                      const float* entropies, const float* dlogprobs, const float* dentropies, int64_t N,
                      int64_t V) {
  using namespace cuda;
  if (N == 0) return;
  const dim3 grid(static_cast<unsigned>(N), static_cast<unsigned>(ceil_div(V, kUnroll * kThreads)), 1);
  if (dlogits.is_bf16()) {
    LLASA_LAUNCH((logprob_backward_kernel<Bf16>), grid, kThreads, 0, stream, logits, dlogits.bf16(), ld,
                 targets, inverse_temperature, lse, entropies, dlogprobs, dentropies, V);
  } else {
    LLASA_LAUNCH((logprob_backward_kernel<float>), grid, kThreads, 0, stream, logits, dlogits.f32(), ld,
                 targets, inverse_temperature, lse, entropies, dlogprobs, dentropies, V);
  }
}

void policy_loss_backward(Stream& stream, const PolicyLossOptions& options, const TokenTerms& terms,
                          const float* logprobs, float* dlogprobs, float* dentropies, int64_t N) {
  using namespace cuda;
  if (N == 0) return;
  LLASA_LAUNCH(policy_loss_backward_kernel, grid_of(ceil_div(N, kThreads)), kThreads, 0, stream, options,
               terms, logprobs, dlogprobs, dentropies, N);
}

void sequence_ratio_logprobs(Stream& stream, const TokenTerms& terms, const float* logprobs,
                             const int64_t* offsets, float* out, int64_t B) {
  using namespace cuda;
  if (B == 0) return;
  LLASA_LAUNCH(sequence_ratio_logprobs_kernel, grid_of(B), kThreads, 0, stream, terms, logprobs, offsets,
               out);
}

}  // namespace llasa
