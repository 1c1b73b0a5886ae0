// Inverse STFT on the device; maths in ops/istft.h, derivation in docs/kernels/vocoder.md.
#include "cuda/clips.h"
#include "cuda/common.cuh"
#include "ops/gemm.h"
#include "ops/istft.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// spectrum[t] = even and odd lines of Re, then of Im, of min(exp(m), 100) e^(i phase).
//   shapes        prediction [T, 4h+2]; spectrum [T, 4, Q], lines past the end 0: the products run over whole
//                 rows of Q, which is a multiple of 16
//   mapping       block = frame, thread = every 256th line
//   traffic       4 (4h + 2 + 4Q) bytes per frame: 96,000 frames (64 clips x 30 s) at h = 320 1.0 GB, floor
//                 210 us (computed, H200 4.8 TB/s); sincosf takes phases of many turns in its slow path
//   numerics      expf, sincosf (2 ulp, any finite phase); NaN stays NaN
//   determinism   no sums
__global__ void __launch_bounds__(kThreads)
    istft_polar_kernel(const float* __restrict__ prediction, float* __restrict__ spectrum, int32_t h,
                       int32_t Q) {
  const int64_t t = blockIdx.x;
  const int lines = 2 * h + 1;
  const float* row = prediction + t * 2 * lines;
  float* out = spectrum + t * 4 * Q;
  for (int k = static_cast<int>(threadIdx.x); k < 2 * Q; k += kThreads) {
    float re = 0.0f, im = 0.0f;
    if (k < lines) {
      const float e = expf(row[k]), magnitude = e > 100.0f ? 100.0f : e;
      float sine, cosine;
      sincosf(row[lines + k], &sine, &cosine);
      re = magnitude * cosine;
      im = magnitude * sine;
    }
    out[(k % 2) * Q + k / 2] = re;
    out[(2 + k % 2) * Q + k / 2] = im;
  }
}

// y[s] = sum over the four frames j above sample s of window_j x_j[s], over the sum of window_j^2. Quarter j
// of a frame is a, b, c, d with the signs of ops/istft.h, the second and fourth read backwards.
//   mapping       block = hop of one clip, thread = every 256th sample of it
//   traffic       16 quarters of Q floats in (L2 serves 3 of 4), h floats out: 96,000 frames at h = 320 0.6
//                 GB, floor 130 us (computed, H200 4.8 TB/s)
//   numerics      f32, frames from the newest to the oldest
//   determinism   that order
__global__ void __launch_bounds__(kThreads)
    istft_overlap_kernel(ClipTable clips, const float* __restrict__ quarters,
                         const float* __restrict__ window, float* __restrict__ y, int32_t h, int32_t Q) {
  const int64_t row = clips.out[0] + blockIdx.x;
  const int32_t b = clips.clip_of(row);
  const int64_t begin = clips.out[b];
  const int frames = static_cast<int>(clips.out[b + 1] - begin), trim = (4 * h - h) / 2;
  for (int s = static_cast<int>(threadIdx.x); s < h; s += kThreads) {
    const int q = static_cast<int>(row - begin) + (s + trim) / h, i = (s + trim) % h;
    float sum = 0.0f, envelope = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int frame = q - j;
      if (frame < 0 || frame >= frames) continue;
      const float* f = quarters + (begin + frame) * 4 * Q + (j % 2 == 0 ? i : h - i);
      const float p = j == 0 || j == 3 ? 1.0f : -1.0f, c = j % 2 == 0 ? 1.0f : -1.0f,
                  d = j < 2 ? 1.0f : -1.0f;
      const float v = f[0] + p * f[Q] + c * f[2 * Q] + d * f[3 * Q];
      const float w = window[j * h + i];
      sum = fmaf(w, v, sum);
      envelope = fmaf(w, w, envelope);
    }
    y[row * h + s] = envelope > 0.0f ? sum / envelope : 0.0f;
  }
}

}  // namespace
}  // namespace cuda

void istft_forward(Stream& stream, const float* prediction, const float* basis, const float* window,
                   float* spectrum, float* quarters, float* y, const int64_t* offsets, int64_t B,
                   int64_t hop) {
  using namespace cuda;
  const int64_t T = offsets[B], Q = istft_quarter(hop);
  if (T == 0) return;
  LLASA_LAUNCH(istft_polar_kernel, grid_of(T), kThreads, 0, stream, prediction, spectrum,
               static_cast<int32_t>(hop), static_cast<int32_t>(Q));
  for (int64_t part = 0; part < 4; ++part) {
    gemm(stream, false, true, T, Q, Q, 1.0f, spectrum + part * Q, 4 * Q, basis + part * Q * Q, Q, 0.0f,
         quarters + part * Q, 4 * Q);
  }
  for_clips(offsets, offsets, B, [&](const ClipTable& clips, int64_t rows) {
    LLASA_LAUNCH(istft_overlap_kernel, grid_of(rows), kThreads, 0, stream, clips, quarters, window, y,
                 static_cast<int32_t>(hop), static_cast<int32_t>(Q));
  });
}

}  // namespace llasa
