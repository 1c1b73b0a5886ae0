// Causal grouped-query attention over packed sequences that may share a prefix (FlashAttention-2,
// arXiv 2307.08691: forward keeps one log-sum-exp per row and head, backward recomputes the probabilities).
#pragma once

#include <vector>

#include "core/weight_view.h"
#include "ops/precision.h"
#include "ops/shapes.h"

namespace llasa {

struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t count() const { return end - begin; }
};

// Rows that belong together: a shared prefix (may be empty), whose rows see themselves and the prefix rows
// before them, and parts, whose rows see the whole prefix and, within their own part, themselves and the rows
// before.
struct AttentionGroup {
  RowRange prefix;
  std::vector<RowRange> parts;
};

struct AttentionShape {
  int64_t H = 0;  // query heads; head h reads key/value head h / (H / G)
  int64_t G = 0;
  int64_t D = 0;
  bool prefix_queries = true;  // false: rows of prefixes are keys only; their out and lse are left alone
  int64_t row() const { return (H + 2 * G) * D; }
};

// out[t, h] = sum over visible u of softmax_u(q[t,h] k[u] / sqrt D) v[u]. qkv [T, (H+2G) D], a row holds q,
// k, v; out [T, H D]; lse [T,H] or NULL: log of the sum of exp(q k / sqrt D). With kBf16, q, k, v and the
// weights of the sum over v may be rounded to bf16, whatever the arrays are. qkv and out are f32 or both are bf16, and
// then the precision is kBf16.
void attention_forward(Stream& stream, WeightView qkv, ArrayView out, float* lse,
                       const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                       Precision precision = Precision::kF32);
// dqkv [T, (H+2G) D] is assigned in every row of the groups: dq, dk and dv, the gradients of shared keys
// summed in the order prefix, part 0, part 1, ... With prefix_queries false, dq of prefix rows is 0. dqkv may
// not be qkv. precision: the forward pass's, whose out and lse these are; dout has the type of out.
void attention_backward(Stream& stream, WeightView qkv, WeightView out, const float* lse, WeightView dout,
                        float* dqkv, const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                        Precision precision = Precision::kF32);

}  // namespace llasa
