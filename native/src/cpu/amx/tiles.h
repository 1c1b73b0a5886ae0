// How operands of the tile unit lie in memory; see product.cc. For the files of this folder alone.
//
// Tiles of x: [16 pairs of columns][16 rows][2]. Tiles of the weight: [16 rows][32 columns].
#pragma once

#include <immintrin.h>

#include <algorithm>

#include "cpu/isa.h"

namespace llasa::cpu::amx {

constexpr int64_t kRows = 16;     // of a tile
constexpr int64_t kColumns = 32;  // of K in a tile
constexpr int64_t kTile = kRows * kColumns;
constexpr int64_t kParts = 3;              // bf16 that make up an f32
constexpr int64_t kStep = kParts * kTile;  // bf16 of a packed block for kColumns
constexpr int64_t kSums = kRows * kRows;   // f32 of a tile of sums

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {};
  uint8_t rows[16] = {};
};

// Tiles of 16 rows x 64 bytes, as long as it lives: a thread that is switched saves none afterwards.
class TilesInUse {
 public:
  TilesInUse() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) {
      config.bytes_per_row[i] = 64;
      config.rows[i] = kRows;
    }
    _tile_loadconfig(&config);
  }
  ~TilesInUse() { _tile_release(); }
};

inline int64_t steps(int64_t K) {
  return (K + kColumns - 1) / kColumns;
}

inline int64_t packed_floats(int64_t T, int64_t K) {
  return (T + kRows - 1) / kRows * steps(K) * kStep / 2;
}

// The upper bits of 32 floats as bf16, one after the other.
inline __m512i upper_halves(__m512 first, __m512 second) {
  alignas(64) static constexpr uint16_t kOdd[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                    23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                    45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(_mm512_castps_si512(first), _mm512_load_si512(kOdd),
                                   _mm512_castps_si512(second));
}
inline __m512 upper_bits(__m512 v) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(-65536)));
}
// What the upper bits leave: exact; nothing of an infinity or a NaN.
inline __m512 without_upper_bits(__m512 v) {
  const __m512 rest = _mm512_sub_ps(v, upper_bits(v));
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(rest, rest, _CMP_ORD_Q), rest);
}

// 32 floats as the sum of three rows of 32 bf16. A NaN becomes quiet by the addition: its upper bits are a NaN,
// too.
inline void split(__m512 a, __m512 b, __m512i (&parts)[kParts]) {
  a = _mm512_add_ps(a, _mm512_setzero_ps());
  b = _mm512_add_ps(b, _mm512_setzero_ps());
  for (int i = 0; i < kParts; ++i) {
    parts[i] = upper_halves(a, b);
    a = without_upper_bits(a);
    b = without_upper_bits(b);
  }
}
// The first `count` (1 to 32) of 32 floats.
inline void split(const float* x, int64_t count, __m512i (&parts)[kParts]) {
  const uint32_t mask = count >= kColumns ? 0xffffffffu : (1u << count) - 1;
  split(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x),
        _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + 16), parts);
}

// rows[j] becomes what was column j.
inline void transpose(__m512 (&rows)[16]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = rows[i];
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  // a[4 g + j]: column j of each 128-bit lane of rows 4 g .. 4 g + 3
  for (int g = 0; g < 4; ++g) {
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(b[4 * g + j]), high = _mm512_castps_pd(b[4 * g + 2 + j]);
      a[4 * g + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[4 * g + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  for (int j = 0; j < 4; ++j) {
    const __m512 even_low = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
    const __m512 even_high = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
    const __m512 odd_high = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
    rows[j] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
    rows[8 + j] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
    rows[4 + j] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
    rows[12 + j] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
  }
}

inline void transpose(const float* tile, __m512 (&rows)[16]) {
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_ps(tile + 16 * i);
  transpose(rows);
}

// 32 columns of 16 rows of the weight as tiles of a panel: one of bf16, three of f32. Rows and columns past
// `rows` and `count` are zeros.
inline void panel_tile(const Bf16* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  const uint32_t mask = count >= kColumns ? 0xffffffffu : (1u << count) - 1;
  for (int64_t r = 0; r < kRows; ++r) {
    const uint32_t kept = r < rows ? mask : 0;
    _mm512_store_si512(to + r * kColumns, _mm512_maskz_loadu_epi16(kept, w + r * ld));
  }
}
inline void panel_tile(const float* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  for (int64_t r = 0; r < kRows; ++r) {
    __m512i parts[kParts] = {};
    if (r < rows) split(w + r * ld, count, parts);
    for (int i = 0; i < kParts; ++i) _mm512_store_si512(to + i * kTile + r * kColumns, parts[i]);
  }
}

// Rows k and k + 1 of a matrix stored column by column, side by side: 16 pairs.
inline __m512i pairs(__m512i first, __m512i second) {
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(first, 16), second);
}

// 32 columns of 16 rows of a matrix that is stored column by column, [k][row], as tiles of pairs, one part
// after the other: three of f32, one of bf16. Rows and columns past `rows` and `count` are zeros.
inline void pair_tile(const float* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  const auto mask = static_cast<__mmask16>(rows >= kRows ? 0xffffu : (1u << rows) - 1);
  const auto column = [&](int64_t k) {
    return k < count ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, w + k * ld), _mm512_setzero_ps())
                     : _mm512_setzero_ps();
  };
  for (int64_t j = 0; j < kRows; ++j) {
    __m512 a = column(2 * j), b = column(2 * j + 1);
    for (int i = 0; i < kParts; ++i) {
      _mm512_store_si512(to + i * kTile + j * kColumns,
                         pairs(_mm512_castps_si512(a), _mm512_castps_si512(b)));
      a = without_upper_bits(a);
      b = without_upper_bits(b);
    }
  }
}
inline void pair_tile(const Bf16* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  const auto mask = static_cast<__mmask16>(rows >= kRows ? 0xffffu : (1u << rows) - 1);
  const auto column = [&](int64_t k) {
    return k < count
               ? _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w + k * ld)), 16)
               : _mm512_setzero_si512();
  };
  for (int64_t j = 0; j < kRows; ++j) {
    _mm512_store_si512(to + j * kColumns, pairs(column(2 * j), column(2 * j + 1)));
  }
}

// The same as tiles of a panel.
inline void column_panel_tile(const float* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  const auto mask = static_cast<__mmask16>(rows >= kRows ? 0xffffu : (1u << rows) - 1);
  __m512 halves[2][kRows];
  for (int64_t h = 0; h < 2; ++h) {
    for (int64_t i = 0; i < kRows; ++i) {
      const int64_t k = h * kRows + i;
      halves[h][i] = k < count ? _mm512_maskz_loadu_ps(mask, w + k * ld) : _mm512_setzero_ps();
    }
    transpose(halves[h]);
  }
  for (int64_t r = 0; r < kRows; ++r) {
    __m512i parts[kParts];
    split(halves[0][r], halves[1][r], parts);
    for (int i = 0; i < kParts; ++i) _mm512_store_si512(to + i * kTile + r * kColumns, parts[i]);
  }
}

// Block `block` of x into its place in `packed`, rows past T and columns past K as zeros. pack_columns()
// takes them from a matrix x[k][t]; of bf16 it fills the first tile of each step.
void pack(const ProductTask& p, int64_t block, float* packed);
void pack_columns(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed);

}  // namespace llasa::cpu::amx
