// Products with 8-bit weights in 16-bit multiplications; see Q8Kernels in cpu/isa.h. A lane is a row of the
// weight: of each four columns the even and the odd two, as pairs of 16 bits, are multiplied by x's and added.
#include <cstring>

#include "cpu/isa.h"
#include "cpu/simd/simd.h"
#include "cpu/whole_columns.h"

#if LLASA_SIMD_WIDTH > 1
#include <immintrin.h>
#endif

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr int64_t kQuads = Q8Group::kColumns / 4;

// For each four columns 0 and 2 as one digit, 1 and 3 as the other.
void pack(const float* x, int64_t ldx, int64_t rows, int64_t blocks, Q8Tile* packed) {
  pack_rows(x, ldx, rows, blocks, packed, [](const auto& whole, Q8Tile& tile, int64_t t) {
    int16_t pairs[2][kQuads][2];
    for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
      pairs[k % 2][k / 4][k % 4 / 2] = static_cast<int16_t>(whole[k]);
    }
    for (int i = 0; i < 2; ++i) std::memcpy(tile.digits[i][t], pairs[i], sizeof pairs[i]);
  });
}

#if LLASA_SIMD_WIDTH > 1

constexpr int kParts = Q8Group::kRows / W;  // vectors of lanes of a group
constexpr int64_t kMostRows = W == 16 ? 4 : 2;

inline VI multiply_pairs(VI a, VI b) {
#if LLASA_SIMD_WIDTH == 16
  return __builtin_bit_cast(
      VI, _mm512_madd_epi16(__builtin_bit_cast(__m512i, a), __builtin_bit_cast(__m512i, b)));
#else
  return __builtin_bit_cast(
      VI, _mm256_madd_epi16(__builtin_bit_cast(__m256i, a), __builtin_bit_cast(__m256i, b)));
#endif
}
// The even bytes of 16-bit lanes, and the odd ones.
inline VI even_bytes(VI v) {
  return v & 0x00ff00ff;
}
inline VI odd_bytes(VI v) {
  typedef uint16_t VS __attribute__((vector_size(W * 4)));
  return __builtin_bit_cast(VI, __builtin_bit_cast(VS, v) >> 8);
}
inline VI pair_of(const int8_t* digits, int64_t index) {
  int32_t pair;
  std::memcpy(&pair, digits + 4 * index, sizeof pair);
  return VI{} + pair;
}

template <int T>
void tile(const Q8Task& task, int64_t g, int64_t t) {
  const int64_t blocks = task.x.blocks;
  const Q8Group* w = task.w + g * blocks;
  const Q8Tile* x = tiles_at(task, t);
  const int64_t row = t % Q8Tile::kRows;
  VF acc[T][kParts] = {};
  for (int64_t b = 0; b < blocks; ++b) {
    prefetch(w[b]);
    VI sums[T][kParts];
    for (int i = 0; i < T; ++i) {
      for (int p = 0; p < kParts; ++p) sums[i][p] = VI{} + x[b].offsets[row + i];
    }
    for (int64_t j = 0; j < kQuads; ++j) {
      for (int p = 0; p < kParts; ++p) {
        VI bytes;
        std::memcpy(&bytes, &w[b].values[j][p * W][0], sizeof bytes);
        const VI even = even_bytes(bytes), odd = odd_bytes(bytes);
        for (int i = 0; i < T; ++i) {
          sums[i][p] += multiply_pairs(even, pair_of(x[b].digits[0][row + i], j));
          sums[i][p] += multiply_pairs(odd, pair_of(x[b].digits[1][row + i], j));
        }
      }
    }
    for (int i = 0; i < T; ++i) {
      for (int p = 0; p < kParts; ++p) {
        acc[i][p] += __builtin_convertvector(sums[i][p], VF) *
                     (load(w[b].scales + p * W) * splat(x[b].scales[row + i]));
      }
    }
  }
  for (int i = 0; i < T; ++i) {
    float lanes[Q8Group::kRows];
    for (int p = 0; p < kParts; ++p) store(lanes + p * W, acc[i][p]);
    finish_group(task, lanes, g, t + i);
  }
}

#else

constexpr int64_t kMostRows = 1;

template <int T>
void tile(const Q8Task& task, int64_t g, int64_t t) {
  static_assert(T == 1);
  const Q8Group* w = task.w + g * task.x.blocks;
  const Q8Tile* x = tiles_at(task, t);
  const int64_t row = t % Q8Tile::kRows;
  float acc[Q8Group::kRows] = {};
  for (int64_t b = 0; b < task.x.blocks; ++b) {
    prefetch(w[b]);
    int16_t pairs[2][kQuads][2];
    for (int i = 0; i < 2; ++i) std::memcpy(pairs[i], x[b].digits[i][row], sizeof pairs[i]);
    for (int64_t r = 0; r < Q8Group::kRows; ++r) {
      int32_t sum = x[b].offsets[row];
      for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
        sum += int32_t{w[b].values[k / 4][r][k % 4]} * pairs[k % 2][k / 4][k % 4 / 2];
      }
      acc[r] += static_cast<float>(sum) * (w[b].scales[r] * x[b].scales[row]);
    }
  }
  finish_group(task, acc, g, t);
}

#endif

template <int T>
void tile_of(int64_t rows, const Q8Task& task, int64_t g, int64_t t) {
  if constexpr (T > 1) {
    if (rows < T) return tile_of<T - 1>(rows, task, g, t);
  }
  tile<T>(task, g, t);
}

void product(const Q8Task& task) {
  for_tiles<kMostRows>(task, 1, [&](int64_t rows, int64_t g, int64_t t) {
    tile_of<static_cast<int>(kMostRows)>(rows, task, g, t);
  });
}

}  // namespace

extern const Q8Kernels q8_kernels;
const Q8Kernels q8_kernels = {pack, product};

}  // namespace llasa::cpu::LLASA_ISA
