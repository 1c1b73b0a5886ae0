// One-dimensional convolutions over packed clips (torch.nn.Conv1d), channel last. A clip's borders see zeros,
// never its neighbour's frames, so that a batch of different lengths gives what each clip gives alone.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

struct Conv1dShape {
  int64_t in_channels;
  int64_t out_channels;
  int64_t kernel;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad_left = 0;   // zeros before a clip's first frame
  int64_t pad_right = 0;  // and after its last
};

// Frames a clip of `frames` becomes: floor((frames + pads - dilation (kernel - 1) - 1) / stride) + 1, at
// least 0.
inline int64_t conv1d_frames(const Conv1dShape& shape, int64_t frames) {
  const int64_t span = frames + shape.pad_left + shape.pad_right - shape.dilation * (shape.kernel - 1) - 1;
  return frames <= 0 || span < 0 ? 0 : span / shape.stride + 1;
}

// Weight order of this library: torch's [O,I,K] as [O,K,I], so that the taps of an output frame are one
// contiguous row. Host arrays, no overlap.
inline void conv1d_reorder_weight(const float* weight, float* reordered, int64_t O, int64_t I, int64_t K) {
  for (int64_t o = 0; o < O; ++o) {
    for (int64_t i = 0; i < I; ++i) {
      for (int64_t k = 0; k < K; ++k) reordered[(o * K + k) * I + i] = weight[(o * I + i) * K + k];
    }
  }
}

// y[t,o] = bias[o] + sum over k,i of weight[o,k,i] x[t stride + k dilation - pad_left, i] (+ y when
// accumulate). x [T,I] and y [T',O] hold B clips; clip b is rows in_offsets[b].. of x and out_offsets[b].. of
// y (host arrays [B+1]; out_offsets differ by conv1d_frames). weight [O,K,I], f32 or bf16 as in ops/gemm.h;
// bias [O] or NULL. x and y must not overlap.
void conv1d_forward(Stream& stream, const float* x, WeightView weight, const float* bias, float* y,
                    const int64_t* in_offsets, const int64_t* out_offsets, int64_t B,
                    const Conv1dShape& shape, bool accumulate = false);

// One filter per channel, stride 1: y[t,c] = sum over k of weight[c,k] x[t + k - pad_left, c]. weight [C,K]
// as torch's [C,1,K]. x, y [T,C]; must not overlap; pads must add up to K - 1.
void depthwise_conv1d_forward(Stream& stream, const float* x, const float* weight, float* y,
                              const int64_t* offsets, int64_t B, int64_t C, int64_t K, int64_t pad_left);

}  // namespace llasa
