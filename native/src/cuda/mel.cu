// Log-mel on the device; maths in ops/mel.h, derivation in docs/kernels/vocoder.md.
//
// One kernel goes from samples to log powers, so that nothing of a frame but its mel row reaches memory; a
// second applies the clip's floor. The small products run here and not in the library's GEMM: a frame's bits
// must not depend on how many frames there are.
#include "core/scratch.h"
#include "cuda/clips.h"
#include "cuda/common.cuh"
#include "ops/gpu_scratch.h"
#include "ops/mel.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kQ = static_cast<int>(kMelQuarter);
constexpr int kP = static_cast<int>(kMelFft) / 4 + 1;  // 101
constexpr int kFft = static_cast<int>(kMelFft);
constexpr int kLines = static_cast<int>(kMelLines);
constexpr int kFrames = static_cast<int>(gpu::kMelFrames);  // of a block
constexpr int kThreads = 128;
constexpr int kPowers = kLines + 3;  // row of powers, a multiple of 4
constexpr float kFloor = 1e-10f;
constexpr float kLogFloor = -10.0f;

// One clip as the transform sees it: `length` samples, zeros up to `padded`, mirrored at both ends. Frames
// from `heard` on hold zeros alone.
struct Signal {
  int32_t length, padded, heard;
};

__device__ __forceinline__ Signal signal_of(const ClipTable& clips, int32_t b, int32_t frames) {
  Signal s;
  s.padded = frames * static_cast<int32_t>(kMelHop);
  const int64_t length = clips.out[b] - clips.in[b];
  s.length = length < s.padded ? static_cast<int32_t>(length) : s.padded;
  const int32_t reach =
      (s.length + kFft / 2 + static_cast<int32_t>(kMelHop) - 1) / static_cast<int32_t>(kMelHop);
  s.heard = s.length == 0 ? 0 : min(frames, max(reach, 2));
  return s;
}

__device__ __forceinline__ float sample_at(const float* __restrict__ samples, const Signal& s, int32_t i) {
  if (i < 0) i = -i;
  if (i >= s.padded) i = 2 * s.padded - 2 - i;
  return i < s.length ? samples[i] : 0.0f;
}

// Entry i of quarter `part` of a windowed frame f: the foldings j against 400 - j, then j against 200 - j.
// Parts: cosines of even and odd lines, sines of even and odd lines.
__device__ __forceinline__ float folded(const float* f, int part, int i) {
  const float sign = part < 2 ? 1.0f : -1.0f;
  const auto pair = [&](int j) {
    return j == 0 || j == kFft / 2 ? (part < 2 ? f[j] : 0.0f) : f[j] + sign * f[kFft - j];
  };
  if (i >= kP) return 0.0f;
  if (i == kP - 1) return part == 0 || part == 3 ? pair(i) : 0.0f;
  return part == 0 || part == 3 ? pair(i) + pair(kFft / 2 - i) : pair(i) - pair(kFft / 2 - i);
}

// band[m] = first and one past last line where filter m is not zero. Thread = filter.
__global__ void __launch_bounds__(kThreads)
    mel_bands_kernel(const float* __restrict__ filters, int32_t* __restrict__ bands, int32_t num_mels) {
  const int m = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (m >= num_mels) return;
  const float* row = filters + static_cast<int64_t>(m) * kLines;
  int begin = 0, end = kLines;
  while (begin < end && row[begin] == 0.0f) ++begin;
  while (end > begin && row[end - 1] == 0.0f) --end;
  bands[2 * m] = begin;
  bands[2 * m + 1] = end;
}

// y[b,t,m] = log10(max(sum over k of filter[m,k] |X_t[k]|^2, 1e-10)); largest[b, block] = the block's
// maximum.
//   shapes        basis four [112,112]; y [B, frames, num_mels]; largest [B, blocks]
//   mapping       block = 16 frames of a clip (grid x = block, y = clip); thread = spectrum line of the
//                 product, 16 frames in registers, then thread = mel
//   shared        46 KB: windowed frames, one folded quarter, powers; about 60 registers
//   traffic       3000 frames: 1.9 MB of samples in, 1 to 1.5 MB out; 82 kflop per frame, 245 Mflop per clip,
//                 floor 3.7 us (computed, H200 67 TFLOP/s); the basis (200 KB) stays in L1 and L2
//   numerics      f32, sums of 101 and of a filter's lines in order
//   determinism   that order, a frame alone
__global__ void __launch_bounds__(kThreads)
    log_mel_kernel(ClipTable clips, const float* __restrict__ samples, const float* __restrict__ basis,
                   const float* __restrict__ window, const float* __restrict__ filters,
                   const int32_t* __restrict__ bands, float* __restrict__ y, float* __restrict__ largest,
                   int32_t frames, int32_t num_mels) {
  __shared__ __align__(16) float windowed[kFrames][kFft];
  __shared__ __align__(16) float quarter[kFrames][kQ];
  __shared__ float powers[kFrames][kPowers];
  __shared__ float partial[kMaxWarps];
  const int thread = static_cast<int>(threadIdx.x), b = static_cast<int>(blockIdx.y);
  const int64_t clip = clips.first + b;
  const Signal signal = signal_of(clips, b, frames);
  const int first = static_cast<int>(blockIdx.x) * kFrames, count = min(kFrames, signal.heard - first);
  float* block_largest = largest + clip * gridDim.x + blockIdx.x;
  if (count <= 0) {
    if (thread == 0) *block_largest = kLogFloor;
    return;
  }
  const float* clip_samples = samples + clips.in[b];
  for (int i = thread; i < kFrames * kFft; i += kThreads) {
    const int t = i / kFft, j = i % kFft;
    const int start = (first + t) * static_cast<int>(kMelHop) - kFft / 2;
    windowed[t][j] = t < count ? sample_at(clip_samples, signal, start + j) * window[j] : 0.0f;
  }
  float power[kFrames];
  for (int step = 0; step < 4; ++step) {
    const int odd = step / 2, sine = step % 2, part = 2 * sine + odd;
    __syncthreads();
    for (int i = thread; i < kFrames * kQ; i += kThreads)
      quarter[i / kQ][i % kQ] = folded(windowed[i / kQ], part, i % kQ);
    __syncthreads();
    if (thread >= kP) continue;  // the barriers are met by all: the loop goes on for every thread
    float line[kFrames] = {};
    const float* row = basis + (part * kQ + thread) * kQ;
#pragma unroll 2
    for (int i = 0; i < kQ; i += 4) {
      const float4 w = load4(row + i);
#pragma unroll
      for (int t = 0; t < kFrames; ++t) {
        const float4 f = load4(&quarter[t][i]);
        line[t] = fmaf(w.x, f.x, line[t]);
        line[t] = fmaf(w.y, f.y, line[t]);
        line[t] = fmaf(w.z, f.z, line[t]);
        line[t] = fmaf(w.w, f.w, line[t]);
      }
    }
#pragma unroll
    for (int t = 0; t < kFrames; ++t) {
      if (sine == 0) {
        power[t] = line[t] * line[t];
      } else if (2 * thread + odd < kLines) {
        powers[t][2 * thread + odd] = power[t] + line[t] * line[t];
      }
    }
  }
  __syncthreads();
  float most = kLogFloor;
  for (int m = thread; m < num_mels; m += kThreads) {
    const float* filter = filters + static_cast<int64_t>(m) * kLines;
    const int begin = bands[2 * m], end = bands[2 * m + 1];
    for (int t = 0; t < count; ++t) {
      float sum = 0.0f;
      for (int k = begin; k < end; ++k) sum += filter[k] * powers[t][k];
      const float value = sum > kFloor ? log10f(sum) : kLogFloor;
      y[(clip * frames + first + t) * num_mels + m] = value;
      most = fmaxf(most, value);
    }
  }
  most = block_max(most, partial);
  if (thread == 0) *block_largest = most;
}

// y = (max(y, largest of the clip - 8) + 4) / 4; frames that hold zeros are filled in.
//   mapping       block = 16 frames of a clip, as above
//   traffic       8 bytes per value: 3000 x 128 3 MB, floor 0.7 us (computed, H200 4.8 TB/s)
__global__ void __launch_bounds__(kThreads)
    mel_floor_kernel(ClipTable clips, const float* __restrict__ largest, float* __restrict__ y,
                     int32_t frames, int32_t num_mels) {
  __shared__ float partial[kMaxWarps];
  const int thread = static_cast<int>(threadIdx.x), b = static_cast<int>(blockIdx.y);
  const int64_t clip = clips.first + b;
  float most = kLogFloor;
  for (unsigned i = threadIdx.x; i < gridDim.x; i += kThreads)
    most = fmaxf(most, largest[clip * gridDim.x + i]);
  const float floor = block_max(most, partial) - 8.0f;
  const int heard = signal_of(clips, b, frames).heard, first = static_cast<int>(blockIdx.x) * kFrames;
  const int count = min(kFrames, frames - first) * num_mels, computed = (heard - first) * num_mels;
  float* rows = y + (clip * frames + first) * num_mels;
  for (int i = thread; i < count; i += kThreads) {
    const float value = i < computed ? rows[i] : kLogFloor;
    rows[i] = (fmaxf(value, floor) + 4.0f) * 0.25f;
  }
}

}  // namespace
}  // namespace cuda

void log_mel_forward(Stream& stream, const float* samples, const int64_t* begin, const int64_t* end,
                     const float* basis, const float* window, const float* filters, float* y, int64_t B,
                     int64_t frames, int64_t num_mels) {
  using namespace cuda;
  if (B == 0 || frames == 0) return;
  const int64_t blocks = ceil_div(frames, kFrames);
  const auto T = static_cast<int32_t>(frames), M = static_cast<int32_t>(num_mels);
  Scratch scratch(stream);
  int32_t* bands = scratch.take<int32_t>(2 * num_mels);
  float* largest = scratch.take<float>(B * blocks);
  LLASA_LAUNCH(mel_bands_kernel, grid_of(ceil_div(num_mels, kThreads)), kThreads, 0, stream, filters, bands,
               M);
  for (int64_t first = 0; first < B; first += kClipsPerLaunch) {
    ClipTable clips{};  // here: clip b is samples in[b] .. out[b]
    clips.count = static_cast<int32_t>(std::min(kClipsPerLaunch, B - first));
    clips.first = first;
    std::copy(begin + first, begin + first + clips.count, clips.in);
    std::copy(end + first, end + first + clips.count, clips.out);
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(clips.count), 1);
    LLASA_LAUNCH(log_mel_kernel, grid, kThreads, 0, stream, clips, samples, basis, window, filters, bands, y,
                 largest, T, M);
    LLASA_LAUNCH(mel_floor_kernel, grid, kThreads, 0, stream, clips, largest, y, T, M);
  }
}

}  // namespace llasa
