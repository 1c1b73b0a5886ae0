// How the operands of products in tiles lie in memory; see product.cc. For the files of this folder alone, which
// are compiled for "amx" and for "avx512_bf16" (LLASA_ISA).
//
// Tiles of x: [16 pairs of columns][16 rows][2]. Tiles of the weight: [16 rows][32 columns].
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "cpu/isa.h"

namespace llasa::cpu::LLASA_ISA {

constexpr int64_t kRows = 16;     // of a tile
constexpr int64_t kColumns = 32;  // of K in a tile
constexpr int64_t kTile = kRows * kColumns;
constexpr int64_t kParts = 3;             // bf16 that make up an f32
constexpr int64_t kSums = kRows * kRows;  // f32 of a tile of sums

inline int64_t steps(int64_t K) {
  return (K + kColumns - 1) / kColumns;
}

// Of x in `Parts` parts: an f32 has kParts, or one, rounded.
template <int Parts>
int64_t packed_floats(int64_t T, int64_t K) {
  return (T + kRows - 1) / kRows * steps(K) * Parts * kTile / 2;
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

// 32 floats as the sum of three rows of 32 bf16, or as one that is nearest. A NaN becomes quiet by the addition: its
// upper bits are a NaN, too.
inline void split(__m512 a, __m512 b, __m512i (&parts)[kParts]) {
  a = _mm512_add_ps(a, _mm512_setzero_ps());
  b = _mm512_add_ps(b, _mm512_setzero_ps());
  for (int i = 0; i < kParts; ++i) {
    parts[i] = upper_halves(a, b);
    a = without_upper_bits(a);
    b = without_upper_bits(b);
  }
}
inline void split(__m512 a, __m512 b, __m512i (&parts)[1]) {
  parts[0] = (__m512i)_mm512_cvtne2ps_pbh(b, a);
}
inline __mmask16 first_of_16(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffu : count <= 0 ? 0 : (1u << count) - 1);
}
inline __mmask32 first_of_32(int64_t count) {
  return count >= kColumns ? 0xffffffffu : (1u << count) - 1;
}
// The first `count` (1 to 32) of 32 floats.
template <int Parts>
inline void split(const float* x, int64_t count, __m512i (&parts)[Parts]) {
  split(_mm512_maskz_loadu_ps(first_of_16(count), x), _mm512_maskz_loadu_ps(first_of_16(count - 16), x + 16),
        parts);
}
inline void split(const Bf16* x, int64_t count, __m512i (&parts)[1]) {
  parts[0] = _mm512_maskz_loadu_epi16(first_of_32(count), x);
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

// 32 columns of 16 rows of the weight as tiles of a panel, one for each part. Rows and columns past `rows` and
// `count` are zeros.
template <int Parts, typename T>
inline void panel_tile(const T* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  for (int64_t r = 0; r < kRows; ++r) {
    __m512i parts[Parts] = {};
    if (r < rows) split(w + r * ld, count, parts);
    for (int i = 0; i < Parts; ++i) _mm512_store_si512(to + i * kTile + r * kColumns, parts[i]);
  }
}

// Rows k and k + 1 of a matrix stored column by column, side by side: 16 pairs, for each part.
inline void pairs(__m512 a, __m512 b, __m512i (&parts)[kParts]) {
  a = _mm512_add_ps(a, _mm512_setzero_ps());
  b = _mm512_add_ps(b, _mm512_setzero_ps());
  for (int i = 0; i < kParts; ++i) {
    parts[i] = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(_mm512_castps_si512(a), 16),
                                       _mm512_castps_si512(b));
    a = without_upper_bits(a);
    b = without_upper_bits(b);
  }
}
inline void pairs(__m512 a, __m512 b, __m512i (&parts)[1]) {
  alignas(64) static constexpr uint16_t kInTurn[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  split(a, b, parts);
  parts[0] = _mm512_permutexvar_epi16(_mm512_load_si512(kInTurn), parts[0]);
}

// The first `rows` of 16 in column k of such a matrix.
inline __m512 column(const float* w, int64_t rows) {
  return _mm512_maskz_loadu_ps(first_of_16(rows), w);
}
inline __m512 column(const Bf16* w, int64_t rows) {
  const __m256i stored = _mm256_maskz_loadu_epi16(first_of_16(rows), w);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}

// 32 columns of 16 rows of a matrix that is stored column by column, [k][row], as tiles of pairs, one part
// after the other. Rows and columns past `rows` and `count` are zeros.
template <int Parts, typename T>
inline void pair_tile(const T* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  const auto at = [&](int64_t k) { return k < count ? column(w + k * ld, rows) : _mm512_setzero_ps(); };
  for (int64_t j = 0; j < kRows; ++j) {
    __m512i parts[Parts];
    pairs(at(2 * j), at(2 * j + 1), parts);
    for (int i = 0; i < Parts; ++i) _mm512_store_si512(to + i * kTile + j * kColumns, parts[i]);
  }
}

// The same as tiles of a panel.
template <int Parts>
inline void column_panel_tile(const float* w, int64_t ld, int64_t rows, int64_t count, Bf16* to) {
  pair_tile<Parts>(w, ld, rows, count, to);
  for (int i = 0; i < Parts; ++i) {
    auto* tile = reinterpret_cast<float*>(to + i * kTile);
    __m512 turned[16];
    transpose(tile, turned);
    for (int r = 0; r < 16; ++r) _mm512_store_ps(tile + 16 * r, turned[r]);
  }
}

// Block `block` of x into its place in `packed`, rows past T and columns past K as zeros. pack_columns()
// takes them from a matrix x[k][t]. x is f32, or in one part bf16, too.
template <int Parts>
void pack(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed);
template <int Parts>
void pack_columns(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed);

}  // namespace llasa::cpu::LLASA_ISA
