// The encoder's own ops on the device; contract in ops/conformer.h. One clip at a time, once per reference
// voice: written for the right answer and few launches, not for the last percent.
#include <algorithm>

#include "core/scratch.h"
#include "cuda/common.cuh"
#include "ops/conformer.h"
#include "ops/conformer_tables.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kFrame = static_cast<int>(kKaldiFrame), kFft = static_cast<int>(kKaldiFft);
constexpr int kMels = static_cast<int>(kKaldiMels), kLines = static_cast<int>(kKaldiLines);

// values[t,m] = log of the Kaldi filterbank's power of frame t, in double.
//   mapping       block = frame; the 512-point transform in shared memory, thread = one butterfly of each of
//                 9 stages, then thread = mel
//   shared        12 KB of doubles
//   traffic       3000 frames: 0.2 Gflop in double and 1.9 MB; the filters (164 KB) come from L2
//   numerics      double throughout: the normalisation amplifies rounding in quiet bins
//   determinism   fixed order
__global__ void __launch_bounds__(kThreads)
    kaldi_frame_kernel(const float* __restrict__ samples, int64_t num_samples,
                       const double* __restrict__ window, const double* __restrict__ filters,
                       double* __restrict__ values) {
  __shared__ double raw[kFrame], re[kFft], im[kFft], sums[kMaxWarps];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t start = static_cast<int64_t>(blockIdx.x) * kKaldiStep - kKaldiStep;
  double sum = 0.0;
  for (int i = thread; i < kFrame; i += kThreads) {
    const int64_t at = start + i;
    raw[i] = at >= 0 && at < num_samples ? static_cast<double>(samples[at]) * 32768.0 : 0.0;
    sum += raw[i];
  }
  const double mean = block_sum(sum, sums) / kFrame;  // its barriers publish raw
  for (int i = thread; i < kFft; i += kThreads) {
    double value = 0.0;
    if (i < kFrame) {
      value = (raw[i] - mean - 0.97 * (raw[i > 0 ? i - 1 : 0] - mean)) * window[i];
    }
    const int reversed = static_cast<int>(__brev(static_cast<unsigned>(i)) >> 23);  // 9 bits
    re[reversed] = value;
    im[reversed] = 0.0;
  }
  for (int half = 1; half < kFft; half *= 2) {
    __syncthreads();
    const int k = thread % half, i = thread / half * 2 * half + k, j = i + half;
    double sine, cosine;
    sincos(-3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(half), &sine, &cosine);
    const double vr = re[j] * cosine - im[j] * sine, vi = re[j] * sine + im[j] * cosine;
    re[j] = re[i] - vr;
    im[j] = im[i] - vi;
    re[i] += vr;
    im[i] += vi;
  }
  __syncthreads();
  for (int m = thread; m < kMels; m += kThreads) {
    double power = 0.0;
    for (int k = 0; k < kLines; ++k) power += filters[m * kLines + k] * (re[k] * re[k] + im[k] * im[k]);
    values[blockIdx.x * static_cast<int64_t>(kMels) + m] =
        log(power > 1.192092955078125e-07 ? power : 1.192092955078125e-07);
  }
}

// y[t,m] = (values[t,m] - mean_m) / sqrt(unbiased variance_m + 1e-7) over time. Block = mel; sums in double.
__global__ void __launch_bounds__(kThreads)
    kaldi_normalise_kernel(const double* __restrict__ values, float* __restrict__ y,
                           float* __restrict__ log_mel, int64_t frames) {
  __shared__ double sums[kMaxWarps];
  const int m = static_cast<int>(blockIdx.x);
  double mean = 0.0, variance = 0.0;
  for (int64_t t = threadIdx.x; t < frames; t += kThreads) mean += values[t * kMels + m];
  mean = block_sum(mean, sums) / static_cast<double>(frames);
  for (int64_t t = threadIdx.x; t < frames; t += kThreads) {
    const double centred = values[t * kMels + m] - mean;
    variance += centred * centred;
  }
  variance = block_sum(variance, sums) / static_cast<double>(frames - 1);
  const double rstd = 1.0 / sqrt(variance + 1e-7);
  for (int64_t t = threadIdx.x; t < frames; t += kThreads) {
    const double value = values[t * kMels + m];
    y[t * kMels + m] = static_cast<float>((value - mean) * rstd);
    if (log_mel != nullptr) log_mel[t * kMels + m] = static_cast<float>(value);
  }
}

struct SnakeFilter {
  float tap[12];
};

constexpr int kChannels = 32;     // of a snake block, one per lane
constexpr int kSnakeFrames = 64;  // and its frames
constexpr int kSnakeWarps = 8;
constexpr int kHalo = 3;

// Sample of the doubled signal at phase 0 (even) or 1 (odd) of frame j, the activation applied:
//   s = 2 sum over k of x[j + k - 3 + phase] f[11 - 2k - phase], k = 0..5;
//   s + sin^2(s e^alpha) / (e^beta + 1e-9)
__device__ __forceinline__ float snake_sample(const float* __restrict__ x, const SnakeFilter& f, int64_t j,
                                              int phase, int64_t T, int64_t C, int64_t c, float scale,
                                              float inverse) {
  float s = 0.0f;
#pragma unroll
  for (int k = 0; k < 6; ++k) {
    const int64_t t = j + k - 3 + phase;
    s = fmaf(2.0f * (phase == 0 ? f.tap[11 - 2 * k] : f.tap[10 - 2 * k]),
             x[(t < 0   ? 0
                : t < T ? t
                        : T - 1) *
                   C +
               c],
             s);
  }
  const float sine = sinf(s * scale);
  return s + sine * sine * inverse;
}

// y[j] = sum over k of e[j+k-2] f[2k+1] + o[j+k-3] f[2k], with e, o the even and odd samples of the doubled
// signal; past its ends it repeats its first (e[0]) and last (o[T-1]) sample.
//   mapping       block = 64 frames x 32 channels, lane = channel, warp = every 8th frame; both phases of 70
//                 frames in shared memory (18 KB), each computed once per block
//   traffic       8 T C bytes; 2 sines and 50 flops per element: 240,000 x 48 92 MB, floor 19 us (computed,
//                 H200 4.8 TB/s), some 40 us with the sines
//   numerics      f32, sinf (2 ulp)
//   determinism   fixed order
__global__ void __launch_bounds__(kChannels* kSnakeWarps)
    snake_kernel(const float* __restrict__ x, const float* __restrict__ alpha, const float* __restrict__ beta,
                 SnakeFilter f, float* __restrict__ y, int64_t T, int64_t C) {
  __shared__ float even[kSnakeFrames + 2 * kHalo][kChannels], odd[kSnakeFrames + 2 * kHalo][kChannels];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kChannels + lane;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSnakeFrames;
  if (c < C) {
    const float scale = expf(alpha[c]), inverse = 1.0f / (expf(beta[c]) + 1e-9f);
    for (int r = warp; r < kSnakeFrames + 2 * kHalo; r += kSnakeWarps) {
      const int64_t j = first + r - kHalo;
      if (j >= 0 && j < T) {
        even[r][lane] = snake_sample(x, f, j, 0, T, C, c, scale, inverse);
        odd[r][lane] = snake_sample(x, f, j, 1, T, C, c, scale, inverse);
      } else {
        const float border = j < 0 ? snake_sample(x, f, 0, 0, T, C, c, scale, inverse)
                                   : snake_sample(x, f, T - 1, 1, T, C, c, scale, inverse);
        even[r][lane] = odd[r][lane] = border;
      }
    }
  }
  __syncthreads();
  if (c >= C) return;
  for (int r = warp; r < kSnakeFrames && first + r < T; r += kSnakeWarps) {
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 6; ++k) {
      sum += f.tap[2 * k + 1] * even[r + kHalo + k - 2][lane] + f.tap[2 * k] * odd[r + kHalo + k - 3][lane];
    }
    y[(first + r) * C + c] = sum;
  }
}

constexpr int kQueries = 32;  // of an attention block, 8 per warp
constexpr int kKeys = 32;     // of a step, one per lane
constexpr int kMaxHead = 128;
constexpr int kAttentionWarps = 4;
constexpr int kOwn = kQueries / kAttentionWarps;

// y_l = sum over r of softmax_r((q_l . k_r + q_l . distance[clamp(r - l)]) scale) v_r, online over tiles of
// keys.
//   shapes        q, k, v, y [T, H D]; distance [P, D], P = left + right + 1
//   mapping       block = 32 queries of a head, warp = 8 of them; lane = key for the scores, = every 32nd
//                 dimension for the output
//   shared        queries, keys (rows of D + 1: no bank conflicts) and values, and [32, P] scores against the
//                 distances: 34 KB at D = 64, P = 73
//   traffic       4 T^2 D H flops: 1500^2 x 1024 9.2 Gflop, floor 0.14 ms (computed, H200 67 TFLOP/s), at a
//                 fifth of that rate 0.7 ms
//   numerics      f32, maxima and sums rescaled per tile of keys
//   determinism   fixed order
__global__ void __launch_bounds__(kAttentionWarps* kWarp)
    relative_attention_kernel(const float* __restrict__ q, const float* __restrict__ k,
                              const float* __restrict__ v, const float* __restrict__ distance,
                              float* __restrict__ y, int32_t T, int32_t H, int32_t D, int32_t left,
                              int32_t right, float scale) {
  LLASA_DYNAMIC_SHARED(float, shared);
  const int P = left + right + 1, stride = D + 1;
  float* queries = shared;
  float* keys = queries + kQueries * stride;
  float* values = keys + kKeys * stride;
  float* relative = values + kKeys * stride;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const int first = static_cast<int>(blockIdx.x) * kQueries;
  const int64_t C = static_cast<int64_t>(H) * D, column = static_cast<int64_t>(blockIdx.y) * D;
  for (int i = thread; i < kQueries * D; i += kAttentionWarps * kWarp) {
    const int l = i / D, d = i % D;
    queries[l * stride + d] = first + l < T ? q[(first + l) * C + column + d] : 0.0f;
  }
  __syncthreads();
  for (int i = thread; i < kQueries * P; i += kAttentionWarps * kWarp) {
    const int l = i / P, p = i % P;
    float sum = 0.0f;
#pragma unroll 8
    for (int d = 0; d < D; ++d)
      sum = fmaf(queries[l * stride + d], distance[static_cast<int64_t>(p) * D + d], sum);
    relative[l * P + p] = sum;
  }
  float largest[kOwn], total[kOwn], out[kOwn][kMaxHead / kWarp];
#pragma unroll
  for (int l = 0; l < kOwn; ++l) {
    largest[l] = -INFINITY;
    total[l] = 0.0f;
#pragma unroll
    for (int e = 0; e < kMaxHead / kWarp; ++e) out[l][e] = 0.0f;
  }
  for (int start = 0; start < T; start += kKeys) {
    __syncthreads();
    for (int i = thread; i < kKeys * D; i += kAttentionWarps * kWarp) {
      const int r = i / D, d = i % D;
      const int64_t at = (start + r) * C + column + d;
      keys[r * stride + d] = start + r < T ? k[at] : 0.0f;
      values[r * stride + d] = start + r < T ? v[at] : 0.0f;
    }
    __syncthreads();
    const int key = start + lane;
    float weight[kOwn] = {};
#pragma unroll 4
    for (int d = 0; d < D; ++d) {
      const float own = keys[lane * stride + d];
#pragma unroll
      for (int l = 0; l < kOwn; ++l) {
        weight[l] = fmaf(queries[(warp * kOwn + l) * stride + d], own, weight[l]);
      }
    }
#pragma unroll
    for (int l = 0; l < kOwn; ++l) {
      const int row = warp * kOwn + l, offset = min(max(key - first - row, -left), right) + left;
      const float score = key < T ? (weight[l] + relative[row * P + offset]) * scale : -INFINITY;
      const float most = fmaxf(largest[l], warp_max(score)), factor = expf(largest[l] - most);
      weight[l] = expf(score - most);
      largest[l] = most;
      total[l] = total[l] * factor + warp_sum(weight[l]);
#pragma unroll
      for (int e = 0; e < kMaxHead / kWarp; ++e) out[l][e] *= factor;
    }
#pragma unroll 2
    for (int r = 0; r < kKeys; ++r) {
      float value[kMaxHead / kWarp];
#pragma unroll
      for (int e = 0; e < kMaxHead / kWarp; ++e) {
        const int d = lane + e * kWarp;
        value[e] = d < D ? values[r * stride + d] : 0.0f;
      }
#pragma unroll
      for (int l = 0; l < kOwn; ++l) {
        const float p = __shfl_sync(kAllLanes, weight[l], r);
#pragma unroll
        for (int e = 0; e < kMaxHead / kWarp; ++e) out[l][e] = fmaf(p, value[e], out[l][e]);
      }
    }
  }
#pragma unroll
  for (int l = 0; l < kOwn; ++l) {
    const int t = first + warp * kOwn + l;
    if (t >= T) continue;
#pragma unroll
    for (int e = 0; e < kMaxHead / kWarp; ++e) {
      const int d = lane + e * kWarp;
      if (d < D) y[t * C + column + d] = out[l][e] / total[l];
    }
  }
}

// Elementwise, one element per thread, bound by memory (12, 12 and 8 bytes per element); no sums.
__global__ void __launch_bounds__(kThreads)
    glu_kernel(const float* __restrict__ x, float* __restrict__ y, int64_t count, int64_t C) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const float* row = x + i / C * 2 * C + i % C;
  y[i] = row[0] / (1.0f + expf(-row[C]));
}

__global__ void __launch_bounds__(kThreads)
    scaled_add_kernel(const float* __restrict__ x, float scale, float* __restrict__ y, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) y[i] += scale * x[i];
}

__global__ void __launch_bounds__(kThreads) relu_kernel(const float* x, float* y, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) y[i] = x[i] < 0.0f ? 0.0f : x[i];  // NaN stays
}

}  // namespace
}  // namespace cuda

void kaldi_features_forward(Stream& stream, const float* samples, int64_t num_samples, float* y,
                            float* log_mel) {
  using namespace cuda;
  static const KaldiTables tables;
  const int64_t frames = num_samples / kKaldiStep;
  if (frames == 0) return;
  Scratch scratch(stream);
  const double* window = scratch.upload(tables.window);
  const double* filters = scratch.upload(tables.filters);
  double* values = scratch.take<double>(frames * kKaldiMels);
  LLASA_LAUNCH(kaldi_frame_kernel, grid_of(frames), kThreads, 0, stream, samples, num_samples, window,
               filters, values);
  LLASA_LAUNCH(kaldi_normalise_kernel, grid_of(kKaldiMels), kThreads, 0, stream, values, y, log_mel, frames);
}

void snake_forward(Stream& stream, const float* x, const float* alpha, const float* beta, float* y, int64_t T,
                   int64_t C) {
  using namespace cuda;
  if (T == 0) return;
  static const std::array<float, 12> taps = snake_filter();
  SnakeFilter filter;
  std::copy(taps.begin(), taps.end(), filter.tap);
  const dim3 grid(static_cast<unsigned>(ceil_div(T, kSnakeFrames)),
                  static_cast<unsigned>(ceil_div(C, kChannels)), 1);
  LLASA_LAUNCH(snake_kernel, grid, dim3(kChannels, kSnakeWarps, 1), 0, stream, x, alpha, beta, filter, y, T,
               C);
}

void relative_attention_forward(Stream& stream, const float* q, const float* k, const float* v,
                                const float* distance, float* y, int64_t T, int64_t H, int64_t D,
                                int64_t left, int64_t right, float scale) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_CHECK(D >= 1 && D <= kMaxHead, Status::kArgument,
              "relative attention: a head of %lld dimensions, expected 1..%d", static_cast<long long>(D),
              kMaxHead);
  const int64_t P = left + right + 1;
  const int64_t floats = (kQueries + 2 * kKeys) * (D + 1) + kQueries * P;
  const dim3 grid(static_cast<unsigned>(ceil_div(T, kQueries)), static_cast<unsigned>(H), 1);
  LLASA_LAUNCH(relative_attention_kernel, grid, kAttentionWarps * kWarp,
               static_cast<size_t>(floats) * sizeof(float), stream, q, k, v, distance, y,
               static_cast<int32_t>(T), static_cast<int32_t>(H), static_cast<int32_t>(D),
               static_cast<int32_t>(left), static_cast<int32_t>(right), scale);
}

void glu_forward(Stream& stream, const float* x, float* y, int64_t T, int64_t C) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_LAUNCH(glu_kernel, grid_of(ceil_div(T * C, kThreads)), kThreads, 0, stream, x, y, T * C, C);
}

void scaled_add_forward(Stream& stream, const float* x, float scale, float* y, int64_t count) {
  using namespace cuda;
  if (count == 0) return;
  LLASA_LAUNCH(scaled_add_kernel, grid_of(ceil_div(count, kThreads)), kThreads, 0, stream, x, scale, y,
               count);
}

void relu_forward(Stream& stream, const float* x, float* y, int64_t count) {
  using namespace cuda;
  if (count == 0) return;
  LLASA_LAUNCH(relu_kernel, grid_of(ceil_div(count, kThreads)), kThreads, 0, stream, x, y, count);
}

}  // namespace llasa
