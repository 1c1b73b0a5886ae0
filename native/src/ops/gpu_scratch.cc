#include "ops/gpu_scratch.h"

#include <algorithm>

#include "ops/attention_plan.h"

namespace llasa::gpu {

namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t as64(size_t n) {
  return static_cast<int64_t>(n);
}

template <typename T>
void take_list(Scratch& scratch, const std::vector<T>& list) {
  scratch.take<T>(as64(list.size()));
}

int64_t longest_sequence(const int64_t* offsets, int64_t A) {
  int64_t longest = 0;
  for (int64_t a = 0; a < A; ++a) longest = std::max(longest, offsets[a + 1] - offsets[a]);
  return longest;
}

// A product of two operands that are as they will be multiplied.
void product(Stream& stream, int64_t M, int64_t N, int64_t K, float alpha = 1.0f) {
  if (M <= 0 || N <= 0 || K <= 0 || alpha == 0.0f) return;
  Scratch scratch(stream);
  scratch.take<char>(kWorkspaceBytes);
}

void attention_gradients(Stream& stream, bool on_tensor_cores, const std::vector<AttentionGroup>& groups,
                         const AttentionShape& shape) {
  const int64_t size = on_tensor_cores ? mma_backward_tile(shape.D) : backward_tile(shape.D);
  const std::vector<QueryTile> tiles = query_tiles(groups, shape.prefix_queries, size, true);
  const KeyPlan plan = key_plan(groups, shape.prefix_queries, size);
  if (tiles.empty()) return;
  Scratch scratch(stream);
  scratch.take<float>(rows_of(groups) * shape.H);
  scratch.take<float>(int64_t{plan.slots} * shape.G * 2 * size * shape.D);
  take_list(scratch, tiles);
  take_list(scratch, plan.tiles);
  take_list(scratch, plan.ranges);
  take_list(scratch, plan.sums);
}

}  // namespace

void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          WeightView A, WeightView B, ArrayView C, Precision precision) {
  if (A.is_bf16() || B.is_bf16() || C.is_bf16()) precision = Precision::kBf16;
  if (M > 0 && N > 0 && K > 0 && alpha != 0.0f &&
      is_thin_product(transpose_a, transpose_b, M, N, K, C.is_bf16()))
    return;
  Scratch scratch(stream);
  if (precision == Precision::kBf16) {
    take_operand(scratch, A, transpose_a ? K : M, transpose_a ? M : K);
    take_operand(scratch, B, transpose_b ? N : K, transpose_b ? K : N);
  }
  product(stream, M, N, K, alpha);
}

void linear_forward(Stream& stream, WeightView x, WeightView weight, ArrayView y, int64_t T, int64_t K,
                    int64_t N) {
  Scratch scratch(stream);
  if (x.is_bf16() || weight.is_bf16() || y.is_bf16()) {
    take_operand(scratch, x, T, K);
    take_operand(scratch, weight, N, K);
  }
  product(stream, T, N, K);
}

void linear_backward(Stream& stream, WeightView x, WeightView weight, WeightView dy, ArrayView dx,
                     const float* dweight, int64_t T, int64_t K, int64_t N) {
  Scratch scratch(stream);
  if (x.is_bf16() || weight.is_bf16() || dy.is_bf16() || dx.is_bf16()) {
    take_operand(scratch, dy, T, N);
    take_operand(scratch, x, dweight == nullptr ? 0 : T, K);
    take_operand(scratch, weight, dx.data == nullptr ? 0 : N, K);
  }
  if (dx.data != nullptr) product(stream, T, K, N);
  if (dweight != nullptr) product(stream, N, K, T);
}

void attention_forward(Stream& stream, bool bf16_out, const std::vector<AttentionGroup>& groups,
                       const AttentionShape& shape, Precision precision) {
  if (bf16_out) precision = Precision::kBf16;
  Scratch scratch(stream);
  if (bf16_out && !uses_tensor_cores(precision, shape.D)) {
    const int64_t rows = rows_of(groups);
    scratch.take<float>(rows * shape.row());
    scratch.take<float>(rows * shape.H * shape.D);
  }
  take_list(scratch, query_tiles(groups, shape.prefix_queries, forward_tile(shape.D, precision), false));
}

void attention_backward(Stream& stream, bool bf16_qkv, const std::vector<AttentionGroup>& groups,
                        const AttentionShape& shape, Precision precision) {
  if (bf16_qkv) precision = Precision::kBf16;
  const bool on_tensor_cores = uses_tensor_cores(precision, shape.D);
  Scratch scratch(stream);
  if (bf16_qkv && !on_tensor_cores) {
    const int64_t rows = rows_of(groups), columns = shape.H * shape.D;
    scratch.take<float>(rows * shape.row());
    scratch.take<float>(rows * columns);
    scratch.take<float>(rows * columns);
  }
  attention_gradients(stream, on_tensor_cores, groups, shape);
}

void attention_decode(Stream& stream, int64_t T, int64_t H, int64_t D) {
  if (T == 0) return;
  const int64_t rows = std::min(T, kDecodeRows) * H * kDecodeSplits;
  Scratch scratch(stream);
  scratch.take<float>(rows * D);
  scratch.take<float>(rows * 2);
}

void attention_full_forward(Stream& stream, const int64_t* offsets, int64_t B, int64_t D,
                            Precision precision) {
  int64_t tiles = 0;
  for (int64_t b = 0; b < B; ++b) tiles += ceil_div(offsets[b + 1] - offsets[b], forward_tile(D, precision));
  Scratch scratch(stream);
  scratch.take<QueryTile>(tiles);
}

void cached_sequences(Stream& stream, const int64_t* offsets, int64_t A) {
  if (longest_sequence(offsets, A) == 0) return;
  Scratch scratch(stream);
  scratch.take<int64_t>(3 * A + 1);
}

void conv1d_forward(Stream& stream, WeightView weight, const int64_t* out_offsets, int64_t B,
                    const Conv1dShape& shape) {
  const int64_t O = shape.out_channels, J = shape.kernel * shape.in_channels;
  if (O * J <= kSmallConvolution && !weight.is_bf16()) return;
  Scratch scratch(stream);
  const int64_t chunk = std::max<int64_t>(1, kConvolutionBytes / (J * static_cast<int64_t>(sizeof(float))));
  float* columns = scratch.take<float>(std::min(out_offsets[B] - out_offsets[0], chunk) * J);
  for (int64_t first = 0; first < B; first += kClipsPerLaunch) {
    const int64_t rows = out_offsets[std::min(B, first + kClipsPerLaunch)] - out_offsets[first];
    for (int64_t done = 0; done < rows; done += chunk) {
      gemm(stream, false, true, std::min(chunk, rows - done), O, J, 1.0f, columns, weight, ArrayView(columns),
           Precision::kF32);
    }
  }
}

void log_mel_forward(Stream& stream, int64_t B, int64_t frames, int64_t num_mels) {
  if (B == 0 || frames == 0) return;
  Scratch scratch(stream);
  scratch.take<int32_t>(2 * num_mels);
  scratch.take<float>(B * ceil_div(frames, kMelFrames));
}

void groupnorm_forward(Stream& stream, const int64_t* offsets, int64_t B, int64_t C, int64_t groups) {
  const int64_t longest = longest_sequence(offsets, B);
  if (longest == 0) return;
  const int64_t rows = std::max<int64_t>(1, kGroupElements / (C / groups));
  Scratch scratch(stream);
  scratch.take<int64_t>(B + 1);
  scratch.take<float>(2 * B * groups * ceil_div(longest, rows));
  scratch.take<double>(2 * B * groups);
}

void rmsnorm_backward(Stream& stream, const float* dweight, int64_t T, int64_t C) {
  if (T == 0 || dweight == nullptr) return;
  Scratch scratch(stream);
  scratch.take<float>(ceil_div(T, ceil_div(T, kMaxNormParts)) * C);
}

void embedding_backward(Stream& stream, int64_t T, int64_t C) {
  if (T == 0 || C == 0) return;
  Scratch scratch(stream);
  scratch.take<int32_t>(T);
}

void squared_norm(Stream& stream, int64_t count) {
  if (count == 0) return;
  Scratch scratch(stream);
  scratch.take<double>(ceil_div(count, kNormElements) + 1);
}

}  // namespace llasa::gpu
