// Which tiles of queries and keys a packed batch of shared prefixes and parts needs: worked out on the host
// from the groups alone, so that kernels see a flat list. Longest work first, for an even end.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace llasa::cuda {

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

}  // namespace llasa::cuda
