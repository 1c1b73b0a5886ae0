// Matrices in 8 bits: of 32 columns of a row each weight is a whole number from -127 to 127 times the scale of
// the 32, the largest of them over 127. A weight is half a scale away from the one it stands for, at most.
#pragma once

#include <cstdint>

namespace llasa {

// 16 rows x 32 columns, as products read them: the same four columns of all rows side by side, so that a lane
// is a row and a tile unit takes them as they lie. A matrix [N,K] is [ceil(N / 16)][K / 32] of these.
struct alignas(64) Q8Group {
  static constexpr int64_t kRows = 16, kColumns = 32;

  uint8_t values[kColumns / 4][kRows][4];  // [column / 4][row][column % 4]: the whole number plus 128
  float scales[kRows];
};
static_assert(sizeof(Q8Group) == 9 * 64);

// Whether rows of K columns can be kept in groups.
inline constexpr bool fits_groups(int64_t K) {
  return K > 0 && K % Q8Group::kColumns == 0;
}
inline constexpr int64_t count_groups(int64_t N, int64_t K) {
  return (N + Q8Group::kRows - 1) / Q8Group::kRows * (K / Q8Group::kColumns);
}

// One row into lane `lane` of the K / 32 groups that hold it, and out again. On the host; x is finite.
void store_row(Q8Group* groups, int64_t lane, const float* x, int64_t K);
void load_row(const Q8Group* groups, int64_t lane, float* x, int64_t K);

}  // namespace llasa
