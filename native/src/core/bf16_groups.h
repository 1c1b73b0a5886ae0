// Matrices in bf16 as vectors of pairs read them.
#pragma once

#include <cstdint>

#include "core/weight_view.h"

namespace llasa {

// 16 rows x 32 columns: the same two columns of all rows side by side, so that a lane is a row. A matrix [N,K] is
// [ceil(N / 16)][K / 32] of these, as of Q8Group (core/q8.h).
struct alignas(64) Bf16Group {
  static constexpr int64_t kRows = Q8Group::kRows, kColumns = Q8Group::kColumns;

  Bf16 pairs[kColumns / 2][kRows][2];  // [column / 2][row][column % 2]
};
static_assert(sizeof(Bf16Group) == 16 * 64);

// One row into lane `lane` of the K / 32 groups that hold it, rounded to nearest even, and out again. On the host.
void store_row(Bf16Group* groups, int64_t lane, const float* x, int64_t K);
void load_row(const Bf16Group* groups, int64_t lane, float* x, int64_t K);

}  // namespace llasa
