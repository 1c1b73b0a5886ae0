// Which tiles of queries and keys a GPU has of a packed batch of shared prefixes and parts: worked out on the host
// from the groups alone, so that kernels see a flat list. Longest work first, for an even end.
#pragma once

#include <cstdint>
#include <vector>

#include "core/host_device.h"
#include "ops/attention.h"
#include "ops/precision.h"

namespace llasa {

// Head sizes up to 128 are padded with zeros to 32, 64 or 128; larger ones stay with the f32 kernels.
LLASA_HOST_DEVICE constexpr bool uses_tensor_cores(Precision precision, int64_t D) {
  return precision == Precision::kBf16 && D <= 128;
}
// Queries of a forward tile on tensor cores: four warps of 32 rows.
constexpr int64_t kMmaForwardTile = 128;
// Queries per forward tile for a head dimension.
constexpr int64_t forward_tile(int64_t D, Precision precision) {
  if (uses_tensor_cores(precision, D)) return kMmaForwardTile;
  return D <= 64 ? 64 : D <= 128 ? 32 : 16;
}
// Queries of a tile of dq, and keys of one of dk and dv: in f32, and on tensor cores, where each of four warps has as
// many 16 rows as its accumulators have room for.
LLASA_HOST_DEVICE constexpr int backward_tile(int64_t D) {
  return D <= 128 ? 32 : 16;
}
LLASA_HOST_DEVICE constexpr int mma_backward_rows(int64_t D) {
  return D <= 64 ? 2 : 1;
}
LLASA_HOST_DEVICE constexpr int mma_backward_tile(int64_t D) {
  return 4 * 16 * mma_backward_rows(D);
}

// Queries of one block. Query i (row q_row + i) sees keys prefix_row .. + prefix_count, then the key of row
// own_row + j for j < own_count and j <= diagonal + i.
struct QueryTile {
  int64_t q_row;
  int64_t prefix_row;
  int64_t own_row;
  int32_t q_count;
  int32_t prefix_count;
  int32_t own_count;
  int32_t diagonal;
};

// Without a diagonal every key is seen.
constexpr int32_t kNoDiagonal = INT32_MAX / 2;

// Tiles of at most `size` rows. With `all_rows`, rows that are keys alone get tiles that see nothing.
std::vector<QueryTile> query_tiles(const std::vector<AttentionGroup>& groups, bool prefix_queries,
                                   int64_t size, bool all_rows);

// Queries that see a tile of keys: of rows row .. + count, query i sees key j of the tile if j <= diagonal +
// i.
struct QueryRange {
  int64_t row;
  int32_t count;
  int32_t diagonal;
};

// Keys of one block, and the ranges that see them, in the order in which their gradients are added. The block
// writes the sum to dqkv, or, for keys whose ranges are split among blocks, to place `slot` of a scratch
// array.
struct KeyTile {
  int64_t row;
  int32_t count;
  int32_t first_range, last_range;
  int32_t slot;  // -1: dqkv
};

// Keys whose gradients lie in slots first_slot .. + slots, to be added in this order.
struct SlotSum {
  int64_t row;
  int32_t count;
  int32_t first_slot, slots;
};

struct KeyPlan {
  std::vector<KeyTile> tiles;
  std::vector<QueryRange> ranges;
  std::vector<SlotSum> sums;
  int32_t slots = 0;
};

KeyPlan key_plan(const std::vector<AttentionGroup>& groups, bool prefix_queries, int64_t size);

// Rows up to the last of any group.
int64_t rows_of(const std::vector<AttentionGroup>& groups);

}  // namespace llasa
