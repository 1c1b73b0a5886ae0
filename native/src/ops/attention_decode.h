// Attention of decoding: queries of single tokens against keys and values in blocks (PagedAttention,
// arXiv 2309.06180), a shared prefix first (the prompt of a group), then the sequence's own tokens.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// Tokens of one block. A block holds all layers, one after the other; in each layer the keys as [G, D,
// kKvBlock] (a token is a column, so that scores of neighbouring tokens are one vector), then the values as
// [G, kKvBlock, D]. Elements are f32 or bf16: keys and values are rounded to nearest even when they are
// written, and everything is computed in f32.
constexpr int64_t kKvBlock = 16;

struct DecodeShape {
  int64_t H = 0;  // query heads; head h reads key/value head h / (H / G)
  int64_t G = 0;
  int64_t D = 0;
  DType dtype = DType::kF32;  // of the blocks: DType::kF32 or DType::kBf16

  int64_t row() const { return (H + 2 * G) * D; }  // floats of a fused q, k, v row
  int64_t layer_elements() const { return 2 * G * D * kKvBlock; }
  int64_t element_bytes() const { return dtype == DType::kBf16 ? 2 : 4; }
  int64_t blocks(int64_t tokens) const { return (tokens + kKvBlock - 1) / kKvBlock; }
};

// One query token. Its keys are tokens 0..prefix_tokens of the blocks tables[prefix_table..] and then tokens
// 0..own_tokens of tables[own_table..]; own_tokens counts the token itself, whose key and value are written
// as the last of them.
struct DecodeRow {
  int64_t prefix_table = 0;
  int64_t own_table = 0;
  int32_t prefix_tokens = 0;
  int32_t own_tokens = 0;
};

// Writes the key and value of every row (rotated already) into its block. qkv [T, (H+2G) D]; rows [T];
// tables: device array of block pointers, all on the device. Rows name different places.
void kv_append(Stream& stream, const float* qkv, const DecodeRow* rows, void* const* tables, int64_t layer,
               int64_t T, const DecodeShape& shape);

// rope_forward of the queries, in place, and kv_append of the turned keys, in one pass. positions, table as
// in ops/rope.h. What is left of the keys in qkv is unspecified.
void rope_kv_append(Stream& stream, float* qkv, const int32_t* positions, const float* table,
                    const DecodeRow* rows, void* const* tables, int64_t layer, int64_t T,
                    const DecodeShape& shape);

// out[t, h] = sum_u softmax_u(q[t,h] k[u] / sqrt D) v[u] over the keys of row t. qkv [T, (H+2G) D], of which
// q is read; out [T, H D], f32 or rounded to bf16. Computed in f32; with blocks of bf16, q and the weights of the sum over v are
// rounded to bf16 where attention_forward with Precision::kBf16 does so, and as it does, so that what a
// rollout and a training pass compute differs by the order of f32 sums alone. A row's result depends on its
// keys alone, not on the other rows. A GPU reads the prefix of neighbouring rows once if it is the same table and
// number of tokens; what is computed does not depend on that.
void attention_decode(Stream& stream, const float* qkv, ArrayView out, const DecodeRow* rows,
                      void* const* tables, int64_t layer, int64_t T, const DecodeShape& shape);

}  // namespace llasa
