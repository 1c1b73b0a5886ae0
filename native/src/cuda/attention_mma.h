// Attention on tensor cores, as attention.cu and attention_full.cu call it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "ops/attention_plan.h"

namespace llasa::cuda {

struct TileShape;
template <typename T>
struct BackwardArguments;

// As launch_attention_forward; tiles of kMmaForwardTile queries, D <= 128, scale > 0. T and To: float or Bf16, To the
// latter with T.
template <typename T, typename To>
void launch_attention_mma_forward(Stream& stream, const T* q, const T* k, const T* v, To* out, float* lse,
                                  const QueryTile* tiles, int64_t count, const TileShape& shape);
// As attention_backward; takes delta and partial of `a` itself. D <= 128.
template <typename T>
void attention_mma_backward(Stream& stream, const BackwardArguments<T>& a,
                            const std::vector<AttentionGroup>& groups, const AttentionShape& shape);

}  // namespace llasa::cuda
