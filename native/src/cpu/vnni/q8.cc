// Products with 8-bit weights by AVX-512's multiplication of bytes; see Q8Kernels in cpu/isa.h. A whole number of
// x is 256 times its upper byte, rounded, and its lower one, both with a sign: two products of bytes, added up
// exactly.
#include <immintrin.h>

#include <cstring>

#include "cpu/isa.h"
#include "cpu/whole_columns.h"

namespace llasa::cpu::vnni {

namespace {

constexpr int64_t kQuads = Q8Group::kColumns / 4;

// The upper bytes as one digit, the lower ones as the other.
void pack(const float* x, int64_t ldx, int64_t rows, int64_t blocks, Q8Tile* packed) {
  pack_rows(x, ldx, rows, blocks, packed, [](const auto& whole, Q8Tile& tile, int64_t t) {
    for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
      const int32_t high = (whole[k] + 128) >> 8;
      tile.digits[0][t][k] = static_cast<int8_t>(high);
      tile.digits[1][t][k] = static_cast<int8_t>(whole[k] - 256 * high);
    }
  });
}

inline __m512i four_of(const int8_t* digits, int64_t index) {
  int32_t four;
  std::memcpy(&four, digits + 4 * index, sizeof four);
  return _mm512_set1_epi32(four);
}

// G groups times T rows of x; the groups are as many streams from memory.
template <int G, int T>
void tile(const Q8Task& task, int64_t g, int64_t t) {
  const int64_t blocks = task.x.blocks;
  const Q8Group* w = task.w + g * blocks;
  const Q8Tile* x = tiles_at(task, t);
  const int64_t row = t % Q8Tile::kRows;
  __m512 acc[G][T] = {};
  for (int64_t b = 0; b < blocks; ++b) {
    __m512i high[G][T], low[G][T];
    for (int i = 0; i < T; ++i) {
      for (int n = 0; n < G; ++n) {
        high[n][i] = _mm512_setzero_si512();
        low[n][i] = _mm512_set1_epi32(x[b].offsets[row + i]);
      }
    }
    if constexpr (T > 1) {
      for (int n = 0; n < G; ++n) prefetch(w[n * blocks + b]);
    }
    for (int64_t j = 0; j < kQuads; ++j) {
      __m512i bytes[G];
      for (int n = 0; n < G; ++n) bytes[n] = _mm512_loadu_si512(w[n * blocks + b].values[j]);
      for (int i = 0; i < T; ++i) {
        const __m512i upper = four_of(x[b].digits[0][row + i], j);
        const __m512i lower = four_of(x[b].digits[1][row + i], j);
        for (int n = 0; n < G; ++n) {
          high[n][i] = _mm512_dpbusd_epi32(high[n][i], bytes[n], upper);
          low[n][i] = _mm512_dpbusd_epi32(low[n][i], bytes[n], lower);
        }
      }
    }
    for (int n = 0; n < G; ++n) {
      const __m512 scales = _mm512_loadu_ps(w[n * blocks + b].scales);
      for (int i = 0; i < T; ++i) {
        const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high[n][i], 8), low[n][i]);
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x[b].scales[row + i]));
        acc[n][i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, acc[n][i]);
      }
    }
  }
  for (int n = 0; n < G; ++n) {
    for (int i = 0; i < T; ++i) {
      alignas(64) float lanes[Q8Group::kRows];
      _mm512_store_ps(lanes, acc[n][i]);
      finish_group(task, lanes, g + n, t + i);
    }
  }
}

template <int G, int T>
void tile_of(int64_t rows, const Q8Task& task, int64_t g, int64_t t) {
  if constexpr (T > 1) {
    if (rows < T) return tile_of<G, T - 1>(rows, task, g, t);
  }
  const int64_t groups = std::min<int64_t>(G, task.groups - g);
  if (groups == G) return tile<G, T>(task, g, t);
  for (int64_t n = 0; n < groups; ++n) tile<1, T>(task, g + n, t);
}

void product(const Q8Task& task) {
  constexpr int kRows = 4, kGroups = 2, kStreams = 4;
  if (task.x.count == 1) {
    for_tiles<1>(task, kStreams,
                 [&](int64_t rows, int64_t g, int64_t t) { tile_of<kStreams, 1>(rows, task, g, t); });
  } else {
    for_tiles<kRows>(task, kGroups,
                     [&](int64_t rows, int64_t g, int64_t t) { tile_of<kGroups, kRows>(rows, task, g, t); });
  }
}

}  // namespace

extern const Q8Kernels q8_kernels;
const Q8Kernels q8_kernels = {pack, product};

}  // namespace llasa::cpu::vnni
