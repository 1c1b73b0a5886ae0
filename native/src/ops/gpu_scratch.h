// The scratch memory (core/scratch.h) that operations take on a GPU, for a plan that a library without one makes
// (core/memory_plan.h): each function takes what the operation of its name takes there, in the same order, and gives it
// back, so that the stream's memory grows as on a card. Arguments are the operation's. The kernels' own sizes stand here,
// and native/tests/device/gpu_plan_test.cc holds a plan made so to that of the CUDA backend.
#pragma once

#include <cstdint>
#include <vector>

#include "core/scratch.h"
#include "core/weight_view.h"
#include "ops/attention.h"
#include "ops/conv1d.h"
#include "ops/precision.h"

namespace llasa::gpu {

// The most that cuBLASLt is given: cuBLAS's recommendation for Hopper. A plan counts with it whatever the card.
constexpr int64_t kWorkspaceBytes = int64_t{32} << 20;
constexpr int64_t kMaxNormParts = 256;    // of a gain's gradient: about two blocks per multiprocessor
constexpr int64_t kNormElements = 65536;  // of one partial sum of a squared norm
constexpr int64_t kDecodeSplits = 4 + 8;  // of a prefix's tokens and of a row's own
constexpr int64_t kDecodeRows = 128;      // of one launch, which bounds what it takes
constexpr int64_t kSmallConvolution = 256 * 1024;  // elements of a weight that needs no taps written out
constexpr int64_t kConvolutionBytes = int64_t{64} << 20;  // of taps written out at a time
constexpr int64_t kClipsPerLaunch = 120;  // 2 KB of the 4 KB that a kernel's arguments may take
constexpr int64_t kMelFrames = 16;        // of a block
constexpr int64_t kGroupElements = 4096;  // of one group of channels in one block

// Whether a product goes by a kernel of its own in place of cuBLASLt's: N or K is 1, or M is and A is a column of a
// matrix, and C is f32. None of M, N and K is 0.
constexpr bool is_thin_product(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                               bool bf16_c) {
  constexpr int64_t kLargestGrid = int64_t{65535} * 256;
  return !bf16_c && (N == 1 || (K == 1 && N <= kLargestGrid) || (M == 1 && transpose_a && !transpose_b));
}

// A stored matrix as an operand in bf16: NULL if it is one, or has no elements, else room for it.
inline Bf16* take_operand(Scratch& scratch, WeightView matrix, int64_t rows, int64_t columns) {
  return matrix.is_bf16() || rows <= 0 || columns <= 0 ? nullptr : scratch.take<Bf16>(rows * columns);
}

void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          WeightView A, WeightView B, ArrayView C, Precision precision);
void linear_forward(Stream& stream, WeightView x, WeightView weight, ArrayView y, int64_t T, int64_t K,
                    int64_t N);
void linear_backward(Stream& stream, WeightView x, WeightView weight, WeightView dy, ArrayView dx,
                     const float* dweight, int64_t T, int64_t K, int64_t N);
void attention_forward(Stream& stream, bool bf16_out, const std::vector<AttentionGroup>& groups,
                       const AttentionShape& shape, Precision precision);
void attention_backward(Stream& stream, bool bf16_qkv, const std::vector<AttentionGroup>& groups,
                        const AttentionShape& shape, Precision precision);
void attention_decode(Stream& stream, int64_t T, int64_t H, int64_t D);
void attention_full_forward(Stream& stream, const int64_t* offsets, int64_t B, int64_t D,
                            Precision precision);
// cache_append and cached_attention_forward.
void cached_sequences(Stream& stream, const int64_t* offsets, int64_t A);
void conv1d_forward(Stream& stream, WeightView weight, const int64_t* out_offsets, int64_t B,
                    const Conv1dShape& shape);
void log_mel_forward(Stream& stream, int64_t B, int64_t frames, int64_t num_mels);
void groupnorm_forward(Stream& stream, const int64_t* offsets, int64_t B, int64_t C, int64_t groups);
void rmsnorm_backward(Stream& stream, const float* dweight, int64_t T, int64_t C);
void embedding_backward(Stream& stream, int64_t T, int64_t C);
void squared_norm(Stream& stream, int64_t count);

}  // namespace llasa::gpu
