// What the kernels for 8-bit weights share: 32 floats as whole numbers, and a tile's way to y. Internal to each
// file that includes it, which is compiled for its own instruction set.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/isa.h"

namespace llasa::cpu {

namespace {

constexpr int32_t kLargestWhole = 127 * 256;  // its upper byte, rounded, is one with a sign

// Nearest multiples of the scale, which is 2^-15 of the largest or a little more, into row t's scale and offset.
inline void to_whole_numbers(const float* x, int32_t (&whole)[Q8Group::kColumns], Q8Tile& tile, int64_t t) {
  constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  constexpr float kSmallest = 1e-30f;     // of which the inverse can be multiplied by 32512
  float largest = 0.0f, nothing = 0.0f;
  for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
    largest = std::max(largest, std::fabs(x[k]));
    nothing += 0.0f * x[k];
  }
  const bool finite = nothing == 0.0f, some = finite && largest > kSmallest;
  const float inverse = some ? static_cast<float>(kLargestWhole) / largest : 0.0f;
  int32_t sum = 0;
  for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
    const float rounded = (finite ? x[k] * inverse : 0.0f) + kRounds - kRounds;
    whole[k] = static_cast<int32_t>(rounded);
    sum += whole[k];
  }
  tile.offsets[t] = -128 * sum;
  tile.scales[t] = !finite ? std::numeric_limits<float>::quiet_NaN()
                   : some  ? largest / static_cast<float>(kLargestWhole)
                           : 0.0f;
}

// Rows of x as whole numbers: store(whole, tile, t) puts the 32 of row t into a tile's digits.
template <typename Store>
void pack_rows(const float* x, int64_t ldx, int64_t rows, int64_t blocks, Q8Tile* packed, Store&& store) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t b = 0; b < blocks; ++b) {
      int32_t whole[Q8Group::kColumns];
      to_whole_numbers(x + t * ldx + b * Q8Group::kColumns, whole, packed[b], t);
      store(whole, packed[b], t);
    }
  }
}

// What is read behind a group, but some: with few streams from memory the processor does not ask early enough.
inline void prefetch(const Q8Group& w) {
  constexpr int64_t kAhead = 16;  // groups: 9 KB
  const char* line = reinterpret_cast<const char*>(&w + kAhead);
  for (size_t i = 0; i < sizeof w; i += 64) __builtin_prefetch(line + i);
}

// y = alpha sums + beta y of row t of x and the 16 rows of group g.
inline void finish_group(const Q8Task& task, const float* sums, int64_t g, int64_t t) {
  const int64_t n = g * Q8Group::kRows - task.skip;
  const int64_t first = std::max<int64_t>(0, -n), last = std::min(Q8Group::kRows, task.N - n);
  float* y = task.y + t * task.ldy + n;
  for (int64_t i = first; i < last; ++i) {
    y[i] = task.beta == 0.0f ? task.alpha * sums[i] : task.alpha * sums[i] + task.beta * y[i];
  }
}

// The tiles that hold rows t .. of x, 16 or a divisor of that many.
inline const Q8Tile* tiles_at(const Q8Task& task, int64_t t) {
  return task.x.data + t / Q8Tile::kRows * task.x.blocks;
}

// Calls tile(rows, g, t) for all tiles of `rows` <= kMost rows of x: of few rows all at each group, which is
// read once; of many all groups at each few rows.
template <int64_t kMost, typename Tile>
void for_tiles(const Q8Task& task, int64_t groups_of_tile, Tile&& tile) {
  const auto rows_at = [&](int64_t t) { return std::min(kMost, task.x.count - t); };
  if (task.x.count <= Q8Tile::kRows) {
    for (int64_t g = 0; g < task.groups; g += groups_of_tile) {
      for (int64_t t = 0; t < task.x.count; t += kMost) tile(rows_at(t), g, t);
    }
    return;
  }
  for (int64_t t = 0; t < task.x.count; t += kMost) {
    for (int64_t g = 0; g < task.groups; g += groups_of_tile) tile(rows_at(t), g, t);
  }
}

}  // namespace

}  // namespace llasa::cpu
