#include "ops/attention_plan.h"

#include <algorithm>

namespace llasa {

namespace {

int32_t as32(int64_t n) {
  return static_cast<int32_t>(n);
}

// Tiles of one run of rows behind a prefix.
void add_tiles(std::vector<QueryTile>& tiles, const RowRange& prefix, const RowRange& rows, int64_t size,
               bool sees_keys) {
  for (int64_t first = 0; first < rows.count(); first += size) {
    const int64_t count = std::min(size, rows.count() - first);
    QueryTile tile{};
    tile.q_row = rows.begin + first;
    tile.q_count = as32(count);
    tile.prefix_row = prefix.begin;
    tile.own_row = rows.begin;
    tile.diagonal = as32(first);
    if (sees_keys) {
      tile.prefix_count = as32(prefix.count());
      tile.own_count = as32(first + count);
    }
    tiles.push_back(tile);
  }
}

// Query rows a block takes on behind shared keys: enough that adding up the slots costs little beside.
constexpr int64_t kRowsPerSlot = 256;

}  // namespace

std::vector<QueryTile> query_tiles(const std::vector<AttentionGroup>& groups, bool prefix_queries,
                                   int64_t size, bool all_rows) {
  std::vector<QueryTile> tiles;
  for (const AttentionGroup& group : groups) {
    if (prefix_queries || all_rows) add_tiles(tiles, RowRange{}, group.prefix, size, prefix_queries);
    for (const RowRange& part : group.parts) add_tiles(tiles, group.prefix, part, size, true);
  }
  std::stable_sort(tiles.begin(), tiles.end(), [](const QueryTile& a, const QueryTile& b) {
    return a.prefix_count + a.own_count > b.prefix_count + b.own_count;
  });
  return tiles;
}

KeyPlan key_plan(const std::vector<AttentionGroup>& groups, bool prefix_queries, int64_t size) {
  KeyPlan plan;
  std::vector<int64_t> work;
  const auto add_tile = [&](int64_t row, int64_t count, size_t first_range, int32_t slot) {
    plan.tiles.push_back({row, as32(count), as32(static_cast<int64_t>(first_range)),
                          as32(static_cast<int64_t>(plan.ranges.size())), slot});
  };
  for (const AttentionGroup& group : groups) {
    for (int64_t row = group.prefix.begin; row < group.prefix.end; row += size) {
      const int64_t count = std::min(size, group.prefix.end - row);
      const int32_t first_slot = plan.slots;
      size_t first_range = plan.ranges.size();
      int64_t rows = 0;
      const auto close = [&](bool last) {
        if (last && plan.slots == first_slot) {  // one block sees them all
          add_tile(row, count, first_range, -1);
        } else if (rows > 0) {
          add_tile(row, count, first_range, plan.slots++);
        }
        first_range = plan.ranges.size();
        rows = 0;
      };
      const auto add_range = [&](int64_t begin, int64_t queries, int32_t diagonal) {
        if (queries == 0) return;
        if (rows > 0 && rows + queries > kRowsPerSlot) close(false);
        plan.ranges.push_back({begin, as32(queries), diagonal});
        rows += queries;
      };
      if (prefix_queries) add_range(row, group.prefix.end - row, 0);
      for (const RowRange& part : group.parts) add_range(part.begin, part.count(), kNoDiagonal);
      close(true);
      if (plan.slots > first_slot)
        plan.sums.push_back({row, as32(count), first_slot, plan.slots - first_slot});
    }
    for (const RowRange& part : group.parts) {
      for (int64_t row = part.begin; row < part.end; row += size) {
        const size_t first_range = plan.ranges.size();
        plan.ranges.push_back({row, as32(part.end - row), 0});
        add_tile(row, std::min(size, part.end - row), first_range, -1);
      }
    }
  }
  const auto rows_of = [&](const KeyTile& tile) {
    int64_t rows = 0;
    for (int32_t r = tile.first_range; r < tile.last_range; ++r)
      rows += plan.ranges[static_cast<size_t>(r)].count;
    return rows;
  };
  std::stable_sort(plan.tiles.begin(), plan.tiles.end(),
                   [&](const KeyTile& a, const KeyTile& b) { return rows_of(a) > rows_of(b); });
  return plan;
}

int64_t rows_of(const std::vector<AttentionGroup>& groups) {
  int64_t rows = 0;
  for (const AttentionGroup& group : groups) {
    rows = std::max(rows, group.prefix.end);
    for (const RowRange& part : group.parts) rows = std::max(rows, part.end);
  }
  return rows;
}

}  // namespace llasa
