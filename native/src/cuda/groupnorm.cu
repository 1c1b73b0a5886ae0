// GroupNorm on the device; contract in ops/norm.h. Three kernels: statistics of chunks of frames, their
// combination per clip and group, the result with the optional SiLU.
#include <algorithm>

#include "core/scratch.h"
#include "cuda/common.cuh"
#include "ops/gpu_scratch.h"
#include "ops/norm.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;

struct Moments {
  float mean;
  float centred;  // sum of (x - mean)^2
};
struct Affine {
  double mean;
  double rstd;
};

// Moments of rows [chunk * rows, ...) of one group of one clip.
//   mapping       block = (chunk, group, clip); two passes over the chunk, the second from the first cache
//   traffic       4 bytes per element: 1500 x 1024 6 MB, floor 1.3 us (computed, H200 4.8 TB/s): latency
//                 bound
//   numerics      f32 within a chunk of about gpu::kGroupElements, double across chunks
__global__ void __launch_bounds__(kThreads)
    groupnorm_moments_kernel(const float* __restrict__ x, const int64_t* __restrict__ offsets,
                             Moments* __restrict__ moments, int64_t C, int64_t channels, int64_t rows) {
  __shared__ float shared[kMaxWarps];
  const int64_t chunk = blockIdx.x, group = blockIdx.y, clip = blockIdx.z;
  const int64_t begin = offsets[clip] + chunk * rows;
  const int64_t left = offsets[clip + 1] - begin, count = (left < rows ? left : rows) * channels;
  if (count <= 0) return;
  const float* base = x + begin * C + group * channels;
  const auto at = [&](int64_t i) { return base[i / channels * C + i % channels]; };
  float sum = 0.0f, centred = 0.0f;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += at(i);
  const float mean = block_sum(sum, shared) / static_cast<float>(count);
  for (int64_t i = threadIdx.x; i < count; i += kThreads) centred += (at(i) - mean) * (at(i) - mean);
  centred = block_sum(centred, shared);
  if (threadIdx.x == 0) {
    moments[(clip * gridDim.y + group) * gridDim.x + chunk] = {mean, centred};
  }
}

// Mean and 1 / sqrt(var + eps) of every clip and group: chunks in order (Chan, Golub and LeVeque's update).
//   mapping       thread = (clip, group)
__global__ void groupnorm_combine_kernel(const Moments* __restrict__ moments,
                                         const int64_t* __restrict__ offsets, Affine* __restrict__ affine,
                                         int64_t count, int64_t groups, int64_t chunks, int64_t channels,
                                         int64_t rows, double eps) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64_t frames = offsets[i / groups + 1] - offsets[i / groups];
  double n = 0.0, mean = 0.0, centred = 0.0;
  for (int64_t chunk = 0; chunk * rows < frames; ++chunk) {
    const int64_t left = frames - chunk * rows;
    const double added = static_cast<double>((left < rows ? left : rows) * channels);
    const Moments m = moments[i * chunks + chunk];
    const double delta = static_cast<double>(m.mean) - mean, total = n + added;
    mean += delta * (added / total);
    centred += static_cast<double>(m.centred) + delta * delta * (n * added / total);
    n = total;
  }
  affine[i] = {mean, n > 0.0 ? 1.0 / sqrt(centred / n + eps) : 0.0};
}

// y = (x - mean) rstd w + b, then SiLU if asked.
//   mapping       block = row of one clip x kThreads columns
//   traffic       8 bytes per element: 1500 x 1024 12 MB, floor 3 us (computed, H200 4.8 TB/s)
__global__ void __launch_bounds__(kThreads)
    groupnorm_apply_kernel(const float* x, const float* __restrict__ weight, const float* __restrict__ bias,
                           float* y, const int64_t* __restrict__ offsets, const Affine* __restrict__ affine,
                           int64_t B, int64_t C, int64_t groups, bool silu) {
  const int64_t row = offsets[0] + blockIdx.x, c = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (c >= C) return;
  int64_t clip = 0, end = B;  // the last clip that begins at or before the row and is not empty
  while (end - clip > 1) {
    const int64_t middle = (clip + end) / 2;
    (offsets[middle] <= row ? clip : end) = middle;
  }
  const Affine a = affine[clip * groups + c / (C / groups)];
  const double scale = a.rstd * static_cast<double>(weight[c]);
  const float shift = static_cast<float>(static_cast<double>(bias[c]) - a.mean * scale);
  const float v = fmaf(x[row * C + c], static_cast<float>(scale), shift);
  y[row * C + c] = silu ? v / (1.0f + expf(-v)) : v;
}

}  // namespace
}  // namespace cuda

void groupnorm_forward(Stream& stream, const float* x, const float* weight, const float* bias, float* y,
                       const int64_t* offsets, int64_t B, int64_t C, int64_t groups, float eps, bool silu) {
  using namespace cuda;
  int64_t longest = 0;
  for (int64_t b = 0; b < B; ++b) longest = std::max(longest, offsets[b + 1] - offsets[b]);
  if (longest == 0) return;
  const int64_t channels = C / groups, rows = std::max<int64_t>(1, gpu::kGroupElements / channels);
  const int64_t chunks = ceil_div(longest, rows);
  Scratch scratch(stream);
  const int64_t* device_offsets = scratch.upload(offsets, B + 1);
  auto* moments = scratch.take<Moments>(B * groups * chunks);
  auto* affine = scratch.take<Affine>(B * groups);
  const dim3 grid(static_cast<unsigned>(chunks), static_cast<unsigned>(groups), static_cast<unsigned>(B));
  LLASA_LAUNCH(groupnorm_moments_kernel, grid, kThreads, 0, stream, x, device_offsets, moments, C, channels,
               rows);
  LLASA_LAUNCH(groupnorm_combine_kernel, grid_of(ceil_div(B * groups, 64)), 64, 0, stream, moments,
               device_offsets, affine, B * groups, groups, chunks, channels, rows, static_cast<double>(eps));
  const dim3 rows_by_columns(static_cast<unsigned>(offsets[B] - offsets[0]),
                             static_cast<unsigned>(ceil_div(C, kThreads)), 1);
  LLASA_LAUNCH(groupnorm_apply_kernel, rows_by_columns, kThreads, 0, stream, x, weight, bias, y,
               device_offsets, affine, B, C, groups, silu);
}

}  // namespace llasa
