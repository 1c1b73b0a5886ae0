// What multiplies tiles of bf16, adding in f32: the tile unit (AMX) where a file is compiled for it, else vectors
// of pairs (AVX512_BF16). For product.cc alone.
//
// Tiles of sums are [16 rows of the weight][16 rows of x]. Both add a pair of columns after the other.
#pragma once

#include "cpu/tiles/tiles.h"

namespace llasa::cpu::LLASA_ISA {

// What is multiplied, and in which order. Swapped gives the bits of kF32 with x and w swapped.
enum class Order { kF32, kF32Swapped, kBf16 };

constexpr int parts_of(Order order) {
  return order == Order::kBf16 ? 1 : kParts;
}

#if defined(__AMX_BF16__)

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

// Adds 32 columns of up to four tiles of weight rows, `ld` bf16 apart, times one block of x: tiles 0-3 are
// the sums, 5 holds x and 4 the weight's tiles in turn.
template <int NB>
inline __attribute__((always_inline)) void multiply_rows(const Bf16* w, int64_t ld, const Bf16* x) {
  const auto bytes = static_cast<size_t>(ld) * sizeof(Bf16);
  _tile_loadd(5, x, 64);
#define LLASA_ONE_BLOCK(sum)                     \
  if constexpr (NB > sum) {                      \
    _tile_loadd(4, w + sum * kRows * ld, bytes); \
    _tile_dpbf16ps(sum, 4, 5);                   \
  }
  LLASA_ONE_BLOCK(0)
  LLASA_ONE_BLOCK(1)
  LLASA_ONE_BLOCK(2)
  LLASA_ONE_BLOCK(3)
#undef LLASA_ONE_BLOCK
}

// Adds 32 columns of NB rows of tiles of a panel times TB blocks of x: tiles 0-3 are the
// sums, 4 and 5 a part of the weight, 6 and 7 one of x.
template <Order O, int NB, int TB>
inline __attribute__((always_inline)) void multiply(const Bf16* w, int64_t next_w, const Bf16* x,
                                                    int64_t next_x) {
  const auto weight = [&](int part) __attribute__((always_inline)) {
    _tile_loadd(4, w + part * kTile, 64);
    if constexpr (NB > 1) _tile_loadd(5, w + next_w + part * kTile, 64);
  };
  const auto rows = [&](int part) __attribute__((always_inline)) {
    _tile_loadd(6, x + part * kTile, 64);
    if constexpr (TB > 1) _tile_loadd(7, x + next_x + part * kTile, 64);
  };
  const auto add = [&]() __attribute__((always_inline)) {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (TB > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (NB > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (NB > 1 && TB > 1) _tile_dpbf16ps(3, 5, 7);
  };
  if constexpr (O == Order::kBf16) {
    weight(0);
    rows(0), add();
  } else if constexpr (O == Order::kF32) {
    weight(0);
    rows(2), add();
    rows(1), add();
    rows(0), add();
    weight(2), add();
    weight(1), add();
    rows(1), add();
  } else {
    rows(0);
    weight(2), add();
    weight(1), add();
    weight(0), add();
    rows(2), add();
    rows(1), add();
    weight(1), add();
  }
}

inline void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
inline void load_tiles(const float* sums) {
  _tile_loadd(0, sums, 64);
  _tile_loadd(1, sums + kSums, 64);
  _tile_loadd(2, sums + 2 * kSums, 64);
  _tile_loadd(3, sums + 3 * kSums, 64);
}
inline void store_tiles(float* sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kSums, 64);
  _tile_stored(2, sums + 2 * kSums, 64);
  _tile_stored(3, sums + 3 * kSums, 64);
}

// `count` steps of NB rows of a panel's tiles, next_w apart, times TB blocks of x, next_x apart, added to the tiles of
// `from` (zeros if NULL) into `to`: tile 2 i + j is row i's and block j's.
template <Order O, int NB, int TB>
void sum_panel(const Bf16* w, int64_t next_w, const Bf16* x, int64_t next_x, int64_t count, const float* from,
               float* to) {
  constexpr int64_t kStep = parts_of(O) * kTile;
  if (from == nullptr) {
    zero_tiles();
  } else {
    load_tiles(from);
  }
  for (int64_t s = 0; s < count; ++s) {
    multiply<O, NB, TB>(w + s * kStep, next_w, x + s * kStep, next_x);
  }
  store_tiles(to);
}

// Weight rows [n, n + 16 NB), as they are stored, times the one block of x, into NB tiles.
template <int NB>
void sum_stored(const ProductTask& p, int64_t n, float* sums) {
  const Bf16* w = static_cast<const Bf16*>(p.w) + n * p.ldw;
  const Bf16* x = reinterpret_cast<const Bf16*>(p.packed);
  zero_tiles();
  const int64_t rows = std::min<int64_t>(NB * kRows, p.N - n);
  const int64_t whole = rows == NB * kRows ? p.K / kColumns : 0;
  for (int64_t s = 0; s < whole; ++s) multiply_rows<NB>(w + s * kColumns, p.ldw, x + s * kTile);
  // A tile must not read past the weight's last row or column.
  alignas(64) Bf16 edge[NB * kTile];
  for (int64_t s = whole; s < steps(p.K); ++s) {
    for (int64_t i = 0; i < NB; ++i) {
      panel_tile<1>(w + i * kRows * p.ldw + s * kColumns, p.ldw, rows - i * kRows, p.K - s * kColumns,
                    edge + i * kTile);
    }
    multiply_rows<NB>(edge, kColumns, x + s * kTile);
  }
  store_tiles(sums);
}

#else

// Nothing to set up.
class TilesInUse {
 public:
  TilesInUse() {}
};

inline __m512bh pair_of(const Bf16* x) {
  int32_t two;
  std::memcpy(&two, x, sizeof two);
  return (__m512bh)_mm512_set1_epi32(two);
}
inline __m512bh pairs_at(const Bf16* x) {
  return (__m512bh)_mm512_load_si512(x);
}

// One tile of 16 rows of the weight times one block of x. A register is a row of the tile of sums. Pair k of row r is
// at w[r ld + k next].
inline __attribute__((always_inline)) void multiply(const Bf16* w, int64_t ld, int64_t next, const Bf16* x,
                                                    __m512 (&sums)[16]) {
  for (int64_t k = 0; k < kColumns / 2; ++k) {
    const __m512bh rows = pairs_at(x + kColumns * k);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r)
      sums[r] = _mm512_dpbf16_ps(sums[r], pair_of(w + r * ld + next * k), rows);
  }
}

// See above; with Grouped w is in groups.
template <Order O, int NB, int TB, bool Grouped = false>
void sum_panel(const Bf16* w, int64_t next_w, const Bf16* x, int64_t next_x, int64_t count, const float* from,
               float* to) {
  static_assert(O == Order::kBf16);
  for (int64_t tile = 0; tile < 4; ++tile) {
    const int64_t i = tile / 2, j = tile % 2;
    if (i >= NB || j >= TB) continue;
    __m512 sums[16];
    for (int r = 0; r < 16; ++r) {
      sums[r] = from == nullptr ? _mm512_setzero_ps() : _mm512_load_ps(from + tile * kSums + 16 * r);
    }
    for (int64_t s = 0; s < count; ++s) {
      multiply(w + i * next_w + s * kTile, Grouped ? 2 : kColumns, Grouped ? kColumns : 2,
               x + j * next_x + s * kTile, sums);
    }
    for (int r = 0; r < 16; ++r) _mm512_store_ps(to + tile * kSums + 16 * r, sums[r]);
  }
}

// At step s of the K of 16 rows of the weight, as they are stored: asks for two of the rows 8 to 16 steps ahead, the
// next 16 rows' after the end of these. 16 rows side by side are more streams than the processor follows; lines one
// after the other of two rows at a time are not.
inline void prefetch_rows(const Bf16* w, int64_t ld, int64_t s, int64_t count) {
  constexpr int64_t kSteps = 8, kAtATime = kRows / kSteps;
  const int64_t ahead = (s / kSteps + 2) * kSteps, row = s % kSteps * kAtATime;
  w += ahead < count ? row * ld + ahead * kColumns : (row + kRows) * ld + (ahead - count) * kColumns;
  for (int64_t r = 0; r < kAtATime; ++r) {
    for (int64_t i = 0; i < kSteps; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(w + r * ld + i * kColumns), _MM_HINT_T1);
    }
  }
}

// 32 columns of 16 rows of the weight, `ld` bf16 apart, times R rows of x. The weight's tile is turned, so that a
// register holds the sums of one row of x: of few rows no more is multiplied than there is.
template <int R>
inline __attribute__((always_inline)) void multiply_turned(const Bf16* w, int64_t ld, const Bf16* x,
                                                           __m512 (&sums)[16]) {
  __m512 tile[16];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) tile[r] = _mm512_castsi512_ps(_mm512_loadu_si512(w + r * ld));
  transpose(tile);
#pragma GCC unroll 16
  for (int64_t k = 0; k < kColumns / 2; ++k) {
#pragma GCC unroll 8
    for (int64_t t = 0; t < R; ++t) {
      sums[t] = _mm512_dpbf16_ps(sums[t], (__m512bh)_mm512_castps_si512(tile[k]),
                                 pair_of(x + kColumns * k + 2 * t));
    }
  }
}

// sums[..] of 16 rows of the weight, of which `rows` are there, by multiply(w, ld, x, sums) of 32 columns.
template <typename Multiply>
inline __attribute__((always_inline)) void sum_rows(const Bf16* w, int64_t ld, int64_t rows, int64_t K,
                                                    const Bf16* x, __m512 (&sums)[16], Multiply&& multiply) {
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const int64_t whole = rows >= kRows ? K / kColumns : 0;
  for (int64_t s = 0; s < whole; ++s) {
    prefetch_rows(w, ld, s, whole);
    multiply(w + s * kColumns, ld, x + s * kTile, sums);
  }
  alignas(64) Bf16 edge[kTile];
  for (int64_t s = whole; s < steps(K); ++s) {
    panel_tile<1>(w + s * kColumns, ld, rows, K - s * kColumns, edge);
    multiply(edge, kColumns, x + s * kTile, sums);
  }
}

// x has at most R rows.
template <int R>
void sum_few_rows(const Bf16* w, int64_t ld, int64_t rows, int64_t K, const Bf16* x, float* sums) {
  __m512 of_rows[16];
  sum_rows(
      w, ld, rows, K, x, of_rows,
      [](auto&&... of) __attribute__((always_inline)) { multiply_turned<R>(of...); });
  transpose(of_rows);
  for (int r = 0; r < 16; ++r) _mm512_store_ps(sums + 16 * r, of_rows[r]);
}

inline void sum_all_rows(const Bf16* w, int64_t ld, int64_t rows, int64_t K, const Bf16* x, float* sums) {
  __m512 of_weight[16];
  sum_rows(
      w, ld, rows, K, x, of_weight,
      [](const Bf16* tile, int64_t between, const Bf16* block, auto& of)
          __attribute__((always_inline)) { multiply(tile, between, 2, block, of); });
  for (int r = 0; r < 16; ++r) _mm512_store_ps(sums + 16 * r, of_weight[r]);
}

// G times 16 rows of the weight in groups, K / 32 of them to 16 rows, times R rows of x: sums [G][R][16], in the order
// of the tiles above. x is [K / 2][R][2].
template <int G, int R>
inline __attribute__((always_inline)) void sum_groups(const Bf16* w, int64_t K, const Bf16* x,
                                                      __m512 (&sums)[G][R]) {
  for (int64_t g = 0; g < G; ++g) {
    for (int64_t t = 0; t < R; ++t) sums[g][t] = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < K; k += 2, w += 2 * kRows, x += 2 * R) {
#pragma GCC unroll 16
    for (int64_t t = 0; t < R; ++t) {
      const __m512bh pair = pair_of(x + 2 * t);
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g)
        sums[g][t] = _mm512_dpbf16_ps(sums[g][t], pairs_at(w + g * kRows * K), pair);
    }
  }
}

// See above.
template <int NB>
void sum_stored(const ProductTask& p, int64_t n, float* sums) {
  const auto sum = p.T <= 1   ? sum_few_rows<1>
                   : p.T <= 2 ? sum_few_rows<2>
                   : p.T <= 4 ? sum_few_rows<4>
                   : p.T <= 8 ? sum_few_rows<8>
                              : sum_all_rows;
  for (int64_t i = 0; i < NB && n < p.N; ++i, n += kRows) {
    sum(static_cast<const Bf16*>(p.w) + n * p.ldw, p.ldw, p.N - n, p.K,
        reinterpret_cast<const Bf16*>(p.packed), sums + i * kSums);
  }
}

#endif

}  // namespace llasa::cpu::LLASA_ISA
