// Attention on tensor cores, as attention.cu and attention_full.cu call it: which head sizes have it, in
// tiles of how many queries, and the launches.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/host_device.h"
#include "cuda/attention_plan.h"
#include "ops/precision.h"

namespace llasa::cuda {

struct TileShape;
template <typename T>
struct BackwardArguments;

// Head sizes up to 128 are padded with zeros to 32, 64 or 128; larger ones stay with the f32 kernels.
LLASA_HOST_DEVICE constexpr bool uses_tensor_cores(Precision precision, int64_t D) {
  return precision == Precision::kBf16 && D <= 128;
}
// Queries of a forward tile: four warps of 32 rows.
constexpr int64_t kMmaForwardTile = 128;

// As launch_attention_forward; tiles of kMmaForwardTile queries, D <= 128, scale > 0. T: float or Bf16.
template <typename T>
void launch_attention_mma_forward(Stream& stream, const T* q, const T* k, const T* v, T* out, float* lse,
                                  const QueryTile* tiles, int64_t count, const TileShape& shape);
// As attention_backward; takes delta and partial of `a` itself. D <= 128.
template <typename T>
void attention_mma_backward(Stream& stream, const BackwardArguments<T>& a,
                            const std::vector<AttentionGroup>& groups, const AttentionShape& shape);

}  // namespace llasa::cuda
