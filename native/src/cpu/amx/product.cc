// Products on the tile unit (AMX); see TileProductKernels in cpu/isa.h.
//
// The unit multiplies bf16 with bf16 and adds in f32. An f32 is the sum of three bf16 exactly, its upper,
// middle and lower eight bits, so products of the parts give what a product in f32 gives, several times as
// fast. With a weight in bf16 these are three products, and they are exact. With a weight in f32 they are
// six of the nine: what is left out, middle times lower and lower times middle or lower, is below 2^-21 of
// |x w|, 2^-24 on average, like the rounding of a product in f32.
//
// Sums are in the order of K, for each 32 columns in the order of multiply() below, whatever else is in the
// call.
//
// x is packed once per call, 16 rows to a block: for each 32 columns three tiles [16 pairs of columns][16
// rows][2]. The weight of a task becomes a panel in the second cache, tiles [16 rows][32 columns], its parts
// one after the other; with one block of x alone bf16 is read as it is stored. A tile of sums is y
// transposed.
#include <immintrin.h>

#include <algorithm>
#include <type_traits>

#include "cpu/isa.h"

namespace llasa::cpu::amx {

namespace {

constexpr int64_t kRows = 16;     // of a tile
constexpr int64_t kColumns = 32;  // of K in a tile
constexpr int64_t kTile = kRows * kColumns;
constexpr int64_t kParts = 3;              // bf16 that make up an f32
constexpr int64_t kStep = kParts * kTile;  // bf16 of a packed block for kColumns
constexpr int64_t kSums = kRows * kRows;   // f32 of a tile of sums
constexpr int64_t kPanelSteps = 16;        // steps of K in a panel

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

int64_t steps(int64_t K) {
  return (K + kColumns - 1) / kColumns;
}

int64_t packed_floats(int64_t T, int64_t K) {
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

// The first `count` (1 to 32) of 32 floats as the sum of three rows of 32 bf16.
inline void split(const float* x, int64_t count, __m512i (&parts)[kParts]) {
  const uint32_t mask = count >= kColumns ? 0xffffffffu : (1u << count) - 1;
  // A NaN becomes quiet by the addition: its upper bits are a NaN, too.
  __m512 a = _mm512_add_ps(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x), _mm512_setzero_ps());
  __m512 b =
      _mm512_add_ps(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + 16), _mm512_setzero_ps());
  for (int i = 0; i < kParts; ++i) {
    parts[i] = upper_halves(a, b);
    a = without_upper_bits(a);
    b = without_upper_bits(b);
  }
}

inline void transpose(const float* tile, __m512 (&rows)[16]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = _mm512_load_ps(tile + 16 * i);
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

// y[t, n..] from a tile of sums [16 weight rows][16 rows of x].
void finish(const ProductTask& p, const float* tile, int64_t t, int64_t n) {
  __m512 rows[16];
  transpose(tile, rows);
  const int64_t columns = std::min(kRows, p.N - n), count = std::min(kRows, p.T - t);
  const auto mask = static_cast<__mmask16>((1u << columns) - 1);
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

// Block `block` of x, rows past T and columns past K as zeros.
void pack(const ProductTask& p, int64_t block, float* packed) {
  Bf16* out = reinterpret_cast<Bf16*>(packed) + block * steps(p.K) * kStep;
  const int64_t first = block * kRows, rows = std::min(kRows, p.T - first);
  alignas(64) Bf16 tiles[kParts][kTile] = {};
  for (int64_t s = 0; s < steps(p.K); ++s) {
    const int64_t k = s * kColumns;
    for (int64_t t = 0; t < rows; ++t) {
      __m512i parts[kParts];
      split(p.x + (first + t) * p.ldx + k, p.K - k, parts);
      for (int i = 0; i < kParts; ++i) _mm512_store_si512(tiles[i] + t * kColumns, parts[i]);
    }
    for (int i = 0; i < kParts; ++i) {
      __m512 pairs[16];
      transpose(reinterpret_cast<const float*>(tiles[i]), pairs);
      auto* to = reinterpret_cast<float*>(out + s * kStep + i * kTile);
      for (int j = 0; j < 16; ++j) _mm512_store_ps(to + 16 * j, pairs[j]);
    }
  }
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

// Adds 32 columns of up to four tiles of weight rows, `ld` bf16 apart, times one block of x: tiles 0-3 are
// the sums, 5-7 hold x's parts and 4 the weight's tiles in turn.
template <int NB>
inline __attribute__((always_inline)) void multiply_rows(const Bf16* w, int64_t ld, const Bf16* x) {
  const auto bytes = static_cast<size_t>(ld) * sizeof(Bf16);
  _tile_loadd(5, x, 64);
  _tile_loadd(6, x + kTile, 64);
  _tile_loadd(7, x + 2 * kTile, 64);
#define LLASA_ONE_BLOCK(sum)                     \
  if constexpr (NB > sum) {                      \
    _tile_loadd(4, w + sum * kRows * ld, bytes); \
    _tile_dpbf16ps(sum, 4, 5);                   \
    _tile_dpbf16ps(sum, 4, 6);                   \
    _tile_dpbf16ps(sum, 4, 7);                   \
  }
  LLASA_ONE_BLOCK(0)
  LLASA_ONE_BLOCK(1)
  LLASA_ONE_BLOCK(2)
  LLASA_ONE_BLOCK(3)
#undef LLASA_ONE_BLOCK
}

// Adds 32 columns of NB rows of tiles of a panel times TB blocks of x: tiles 0-3 are the sums, 4 and 5 a part
// of the weight, 6 and 7 one of x.
template <int Parts, int NB, int TB>
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
  weight(0);
  if constexpr (Parts == 1) {
    rows(0), add();
    rows(1), add();
    rows(2), add();
  } else {
    rows(2), add();
    rows(1), add();
    rows(0), add();
    weight(2), add();
    weight(1), add();
    rows(1), add();
  }
}

void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
void load_tiles(const float* sums) {
  _tile_loadd(0, sums, 64);
  _tile_loadd(1, sums + kSums, 64);
  _tile_loadd(2, sums + 2 * kSums, 64);
  _tile_loadd(3, sums + 3 * kSums, 64);
}
void store_tiles(float* sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kSums, 64);
  _tile_stored(2, sums + 2 * kSums, 64);
  _tile_stored(3, sums + 3 * kSums, 64);
}

// Weight rows [n, n + 16 NB), as they are stored, times the one block of x.
template <int NB>
void stored_rows(const ProductTask& p, int64_t n) {
  const Bf16* w = static_cast<const Bf16*>(p.w) + n * p.ldw;
  const Bf16* x = reinterpret_cast<const Bf16*>(p.packed);
  zero_tiles();
  const int64_t rows = std::min<int64_t>(NB * kRows, p.N - n);
  const int64_t whole = rows == NB * kRows ? p.K / kColumns : 0;
  for (int64_t s = 0; s < whole; ++s) multiply_rows<NB>(w + s * kColumns, p.ldw, x + s * kStep);
  // A tile must not read past the weight's last row or column.
  alignas(64) Bf16 edge[NB * kTile];
  for (int64_t s = whole; s < steps(p.K); ++s) {
    for (int64_t i = 0; i < NB; ++i) {
      panel_tile(w + i * kRows * p.ldw + s * kColumns, p.ldw, rows - i * kRows, p.K - s * kColumns,
                 edge + i * kTile);
    }
    multiply_rows<NB>(edge, kColumns, x + s * kStep);
  }
  alignas(64) float sums[4 * kSums];
  store_tiles(sums);
  for (int64_t i = 0; i < NB && n + i * kRows < p.N; ++i) finish(p, sums + i * kSums, 0, n + i * kRows);
}

// Steps [first, last) of K of the weight's rows, as tiles.
struct Panel {
  const Bf16* tiles;
  int64_t first, last;
};

// Rows n .. n + NB of tiles times blocks b .. b + TB of x. Where the panel is not the last, its sums wait for
// the next one.
template <int Parts, bool Transposed, int NB, int TB>
void panel_pair(const ProductTask& p, const Panel& panel, int64_t n, int64_t b, float* waiting) {
  const int64_t count = panel.last - panel.first, next_w = count * Parts * kTile;
  const int64_t next_x = steps(p.K) * kStep;
  const Bf16* w = panel.tiles + n * next_w;
  const Bf16* x = reinterpret_cast<const Bf16*>(p.packed) + b * next_x + panel.first * kStep;
  if (panel.first == 0) {
    zero_tiles();
  } else {
    load_tiles(waiting);
  }
  for (int64_t s = 0; s < count; ++s) {
    multiply<Parts, NB, TB>(w + s * Parts * kTile, next_w, x + s * kStep, next_x);
  }
  if (panel.last < steps(p.K)) {
    store_tiles(waiting);
    return;
  }
  alignas(64) float sums[4 * kSums];
  store_tiles(sums);
  for (int64_t i = 0; i < NB; ++i) {
    for (int64_t j = 0; j < TB; ++j) {
      const float* tile = sums + (2 * i + j) * kSums;
      if constexpr (Transposed) {
        finish_transposed(p, tile, (b + j) * kRows, (n + i) * kRows);
      } else {
        finish(p, tile, (b + j) * kRows, (n + i) * kRows);
      }
    }
  }
}

int64_t panel_floats(int64_t N, int64_t K) {
  return (N + kRows - 1) / kRows * std::min(kPanelSteps, steps(K)) * kParts * kTile / 2;
}

int64_t scratch_floats(int64_t T, int64_t N, int64_t K) {
  const int64_t pairs = (T + 2 * kRows - 1) / (2 * kRows) * ((N + 2 * kRows - 1) / (2 * kRows));
  return panel_floats(N, K) + (steps(K) > kPanelSteps ? pairs * 4 * kSums : 0);
}

template <typename T, bool Transposed>
void panel_product(const ProductTask& p) {
  constexpr int kWeightParts = std::is_same_v<T, float> ? kParts : 1;
  const TilesInUse in_use;
  const int64_t blocks = (p.T + kRows - 1) / kRows, tiles = (p.N + kRows - 1) / kRows;
  Bf16* memory = reinterpret_cast<Bf16*>(p.scratch);
  for (int64_t first = 0; first == 0 || first < steps(p.K); first += kPanelSteps) {
    const Panel panel{memory, first, std::min(steps(p.K), first + kPanelSteps)};
    const int64_t count = panel.last - first;
    for (int64_t n = 0; n < tiles; ++n) {
      for (int64_t s = 0; s < count; ++s) {
        const int64_t k = (first + s) * kColumns;
        panel_tile(static_cast<const T*>(p.w) + n * kRows * p.ldw + k, p.ldw, p.N - n * kRows, p.K - k,
                   memory + (n * count + s) * kWeightParts * kTile);
      }
    }
    float* waiting = p.scratch + panel_floats(p.N, p.K);
    for (int64_t b = 0; b < blocks; b += 2) {
      for (int64_t n = 0; n < tiles; n += 2, waiting += 4 * kSums) {
        const bool rows = n + 1 < tiles, columns = b + 1 < blocks;
        if (rows && columns) panel_pair<kWeightParts, Transposed, 2, 2>(p, panel, n, b, waiting);
        if (rows && !columns) panel_pair<kWeightParts, Transposed, 2, 1>(p, panel, n, b, waiting);
        if (!rows && columns) panel_pair<kWeightParts, Transposed, 1, 2>(p, panel, n, b, waiting);
        if (!rows && !columns) panel_pair<kWeightParts, Transposed, 1, 1>(p, panel, n, b, waiting);
      }
    }
  }
}

void product_bf16(const ProductTask& p) {
  if (p.T > kRows) return panel_product<Bf16, false>(p);
  constexpr int kStreams = 4;  // rows of tiles at a time: streams from memory
  const TilesInUse in_use;
  int64_t n = 0;
  for (; n + kStreams * kRows <= p.N; n += kStreams * kRows) stored_rows<kStreams>(p, n);
  for (; n < p.N; n += kRows) stored_rows<1>(p, n);
}

}  // namespace

extern const TileProductKernels tile_product_kernels;
const TileProductKernels tile_product_kernels = {packed_floats,
                                                 pack,
                                                 scratch_floats,
                                                 product_bf16,
                                                 panel_product<float, false>,
                                                 panel_product<float, true>};

}  // namespace llasa::cpu::amx
