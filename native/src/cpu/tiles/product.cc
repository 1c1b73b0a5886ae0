// Products in tiles of bf16, by the tile unit (AMX) or by vectors of pairs (AVX512_BF16); see TileProductKernels in
// cpu/isa.h, and unit.h.
//
// In bf16 x, and w where it is stored in f32, are rounded to that and multiplied once, as a GPU does. An f32 is the
// sum of three bf16 exactly, its upper, middle and lower eight bits, so products of the parts give what a product in
// f32 gives, on the tile unit several times as fast: six of the nine. What is left out, middle times lower and lower
// times middle or lower, is below 2^-21 of |x w|, 2^-24 on average, like the rounding of a product in f32. Vectors
// would need three times as long as in f32, so they have none of these.
//
// Sums are in the order of K, for each 32 columns in the order of unit.h, whatever else is in the call.
//
// x is packed once per call, 16 rows to a block: for each 32 columns a tile of each part. The weight of a task becomes
// a panel in the second cache, its parts one after the other; with one block of x alone bf16 is read as it is
// stored. A tile of sums is y transposed. Either operand may also lie column by column in memory, as those of
// a gradient do: of x that is the easier way, for pairs of columns are what a tile of it has.
#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "cpu/isa.h"
#include "cpu/tiles/tiles.h"
#include "cpu/tiles/unit.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr int64_t kPanelSteps = 16;  // steps of K in a panel

// The lanes of columns n .. n + 16 that are there.
__mmask16 lanes_of(const ProductTask& p, int64_t n) {
  return static_cast<__mmask16>(first_of_16(p.N - n) & ~first_of_16(-n));
}

// y[t, n..] from a tile of sums [16 weight rows][16 rows of x].
void finish(const ProductTask& p, const float* tile, int64_t t, int64_t n) {
  __m512 rows[16];
  transpose(tile, rows);
  const int64_t count = std::min(kRows, p.T - t);
  const __mmask16 mask = lanes_of(p, n);
  const __m512 alpha = _mm512_set1_ps(p.alpha), beta = _mm512_set1_ps(p.beta);
  float* y = p.y + t * p.ldy + n;
  for (int64_t i = 0; i < count; ++i, y += p.ldy) {
    __m512 value = _mm512_mul_ps(alpha, rows[i]);
    if (p.beta != 0.0f) value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, y), value);
    _mm512_mask_storeu_ps(y, mask, value);
  }
}

// The same for y[n, t].
void finish_transposed(const ProductTask& p, const float* tile, int64_t t, int64_t n) {
  const int64_t rows = std::min(kRows, p.N - n), count = std::min(kRows, p.T - t);
  const auto mask = static_cast<__mmask16>((1u << count) - 1);
  const __m512 alpha = _mm512_set1_ps(p.alpha), beta = _mm512_set1_ps(p.beta);
  float* y = p.y + n * p.ldy + t;
  for (int64_t i = 0; i < rows; ++i, y += p.ldy) {
    __m512 value = _mm512_mul_ps(alpha, _mm512_load_ps(tile + 16 * i));
    if (p.beta != 0.0f) value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, y), value);
    _mm512_mask_storeu_ps(y, mask, value);
  }
}

// Weight rows [n, n + 16 NB), as they are stored, times the one block of x.
template <int NB>
void stored_rows(const ProductTask& p, int64_t n) {
  alignas(64) float sums[4 * kSums];
  sum_stored<NB>(p, n, sums);
  for (int64_t i = 0; i < NB && n + i * kRows < p.N; ++i) finish(p, sums + i * kSums, 0, n + i * kRows);
}

// Steps [first, last) of K of the weight's rows, as tiles: those of the next 16 rows `next` bf16 on.
struct Panel {
  const Bf16* tiles;
  int64_t first, last, next;
};

// Rows n .. n + NB of tiles times blocks b .. b + TB of x. Where the panel is not the last, its sums wait for
// the next one.
template <Order O, bool Transposed, bool Grouped, int NB, int TB>
void panel_pair(const ProductTask& p, const Panel& panel, int64_t n, int64_t b, float* waiting) {
  constexpr int64_t kStep = parts_of(O) * kTile;  // bf16 of 32 columns
  const int64_t count = panel.last - panel.first, next_x = steps(p.K) * kStep;
  const Bf16* w = panel.tiles + n * panel.next;
  const Bf16* x = reinterpret_cast<const Bf16*>(p.packed) + b * next_x + panel.first * kStep;
  const bool last = panel.last == steps(p.K);
  alignas(64) float sums[4 * kSums];
  float* to = last ? sums : waiting;
  const float* from = panel.first == 0 ? nullptr : waiting;
  if constexpr (Grouped) {
    sum_panel<O, NB, TB, true>(w, panel.next, x, next_x, count, from, to);
  } else {
    sum_panel<O, NB, TB>(w, panel.next, x, next_x, count, from, to);
  }
  if (!last) return;
  for (int64_t i = 0; i < NB; ++i) {
    for (int64_t j = 0; j < TB; ++j) {
      const float* tile = sums + (2 * i + j) * kSums;
      if constexpr (Transposed) {
        finish_transposed(p, tile, (b + j) * kRows, (n + i) * kRows);
      } else {
        finish(p, tile, (b + j) * kRows, (n + i) * kRows - p.skip);
      }
    }
  }
}

// All rows of tiles times all blocks of x.
template <Order O, bool Transposed, bool Grouped>
void panel_pairs(const ProductTask& p, const Panel& panel, float* waiting) {
  const int64_t blocks = (p.T + kRows - 1) / kRows, tiles = (p.skip + p.N + kRows - 1) / kRows;
  for (int64_t b = 0; b < blocks; b += 2) {
    for (int64_t n = 0; n < tiles; n += 2, waiting += 4 * kSums) {
      const bool rows = n + 1 < tiles, columns = b + 1 < blocks;
      const auto pair = rows && columns ? panel_pair<O, Transposed, Grouped, 2, 2>
                        : rows          ? panel_pair<O, Transposed, Grouped, 2, 1>
                        : columns       ? panel_pair<O, Transposed, Grouped, 1, 2>
                                        : panel_pair<O, Transposed, Grouped, 1, 1>;
      pair(p, panel, n, b, waiting);
    }
  }
}

template <int Parts>
int64_t panel_floats(int64_t N, int64_t K) {
  return (N + kRows - 1) / kRows * std::min(kPanelSteps, steps(K)) * Parts * kTile / 2;
}

template <int Parts>
int64_t scratch_floats(int64_t T, int64_t N, int64_t K) {
  const int64_t pairs = (T + 2 * kRows - 1) / (2 * kRows) * ((N + 2 * kRows - 1) / (2 * kRows));
  return panel_floats<Parts>(N, K) + (steps(K) > kPanelSteps ? pairs * 4 * kSums : 0);
}

// w of type T; Columns: w is [K,N], its rows ldw apart.
template <Order O, bool Transposed, bool Columns, typename T = float>
void panel_product(const ProductTask& p) {
  constexpr int kPartsOf = parts_of(O);
  const T* w = static_cast<const T*>(p.w);
  const TilesInUse in_use;
  const int64_t tiles = (p.N + kRows - 1) / kRows;
  Bf16* memory = reinterpret_cast<Bf16*>(p.scratch);
  for (int64_t first = 0; first == 0 || first < steps(p.K); first += kPanelSteps) {
    const int64_t last = std::min(steps(p.K), first + kPanelSteps), count = last - first;
    const Panel panel{memory, first, last, count * kPartsOf * kTile};
    for (int64_t n = 0; n < tiles; ++n) {
      for (int64_t s = 0; s < count; ++s) {
        const int64_t k = (first + s) * kColumns;
        Bf16* to = memory + (n * count + s) * kPartsOf * kTile;
        if constexpr (Columns) {
          column_panel_tile<kPartsOf>(w + k * p.ldw + n * kRows, p.ldw, p.N - n * kRows, p.K - k, to);
        } else {
          panel_tile<kPartsOf>(w + n * kRows * p.ldw + k, p.ldw, p.N - n * kRows, p.K - k, to);
        }
      }
    }
    panel_pairs<O, Transposed, false>(p, panel, p.scratch + panel_floats<kPartsOf>(p.N, p.K));
  }
}

#if !defined(__AMX_BF16__)

// Rows of x that are multiplied together: 1, 2, 4 or 8.
int64_t rows_together(int64_t T) {
  return std::min<int64_t>(8, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(T))));
}

// Blocks of [K / 2][rows_together][2], those that are not there being zeros.
void pack_few(const float* x, int64_t ldx, int64_t T, int64_t K, float* packed) {
  const int64_t R = rows_together(T);
  std::memset(packed, 0, static_cast<size_t>((T + R - 1) / R * R * K) * sizeof(Bf16));
  for (int64_t t = 0; t < T; ++t) {
    uint32_t* to = reinterpret_cast<uint32_t*>(packed) + t / R * R * K / 2;
    for (int64_t k = 0; k < K; k += kColumns) {
      __m512i parts[1];
      split(x + t * ldx + k, kColumns, parts);
      alignas(64) uint32_t pairs[kColumns / 2];
      _mm512_store_si512(pairs, parts[0]);
      for (int64_t i = 0; i < kColumns / 2; ++i) to[(k / 2 + i) * R + t % R] = pairs[i];
    }
  }
}

// G times 16 columns of y from n on, of up to R rows of x from `first` on.
template <int G, int R>
void few_of_groups(const ProductTask& p, const Bf16* w, int64_t first, int64_t n) {
  __m512 sums[G][R];
  sum_groups(w, p.K, reinterpret_cast<const Bf16*>(p.packed) + first * p.K, sums);
  const __m512 alpha = _mm512_set1_ps(p.alpha), beta = _mm512_set1_ps(p.beta);
#pragma GCC unroll 4
  for (int64_t g = 0; g < G; ++g) {
    const __mmask16 mask = lanes_of(p, n + g * kRows);
    float* y = p.y + first * p.ldy + n + g * kRows;
#pragma GCC unroll 8
    for (int64_t t = 0; t < R; ++t, y += p.ldy) {
      if (first + t >= p.T) break;
      __m512 value = _mm512_mul_ps(alpha, sums[g][t]);
      if (p.beta != 0.0f) value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, y), value);
      _mm512_mask_storeu_ps(y, mask, value);
    }
  }
}

// As many rows of tiles at a time as there are registers for: streams from memory, and sums that do not wait for each
// other. More rows of x find them in the second cache.
template <int G, int R>
void few_of_all_groups(const ProductTask& p) {
  const auto* w = static_cast<const Bf16*>(p.w);
  int64_t n = -p.skip;
  for (; n + (G - 1) * kRows < p.N; n += G * kRows, w += G * kRows * p.K) {
    for (int64_t t = 0; t < p.T; t += R) few_of_groups<G, R>(p, w, t, n);
  }
  for (; n < p.N; n += kRows, w += kRows * p.K) {
    for (int64_t t = 0; t < p.T; t += R) few_of_groups<1, R>(p, w, t, n);
  }
}

void groups_with_few_rows(const ProductTask& p) {
  switch (rows_together(p.T)) {
    case 1:
      return few_of_all_groups<4, 1>(p);
    case 2:
      return few_of_all_groups<4, 2>(p);
    case 4:
      return few_of_all_groups<4, 4>(p);
    default:
      return few_of_all_groups<2, 8>(p);
  }
}

// Groups are the tiles of a panel.
void groups_with_many_rows(const ProductTask& p) {
  for (int64_t first = 0; first < steps(p.K); first += kPanelSteps) {
    const Panel panel{static_cast<const Bf16*>(p.w) + first * kTile, first,
                      std::min(steps(p.K), first + kPanelSteps), steps(p.K) * kTile};
    panel_pairs<Order::kBf16, false, true>(p, panel, p.scratch);
  }
}

#endif

void stored_product(const ProductTask& p) {
  if (p.T > kRows) return panel_product<Order::kBf16, false, false, Bf16>(p);
  constexpr int kStreams = 4;  // rows of tiles at a time: streams from memory
  const TilesInUse in_use;
  int64_t n = 0;
  for (; n + kStreams * kRows <= p.N; n += kStreams * kRows) stored_rows<kStreams>(p, n);
  for (; n < p.N; n += kRows) stored_rows<1>(p, n);
}

template <Order O, Order Swapped>
constexpr TileProducts products(void (*product)(const ProductTask&)) {
  constexpr int kPartsOf = parts_of(O);
  return {
      .packed_floats = packed_floats<kPartsOf>,
      .pack = pack<kPartsOf>,
      .pack_columns = pack_columns<kPartsOf>,
      .scratch_floats = scratch_floats<kPartsOf>,
      .product = product,
      .transposed = panel_product<O, true, false>,
      .swapped = panel_product<Swapped, true, false>,
      .columns_transposed = panel_product<O, true, true>,
  };
}

}  // namespace

extern const TileProductKernels tile_product_kernels;
const TileProductKernels tile_product_kernels = {
#if defined(__AMX_BF16__)
    .f32 = products<Order::kF32, Order::kF32Swapped>(panel_product<Order::kF32, false, false>),
#else
    .f32 = {},
#endif
    .bf16 = products<Order::kBf16, Order::kBf16>(stored_product),
#if defined(__AMX_BF16__)
    .groups = {},
#else
    .groups = {pack_few, groups_with_few_rows, groups_with_many_rows},
#endif
};

}  // namespace llasa::cpu::LLASA_ISA
