// Products with a weight in bf16 on the tile unit (AMX); see ProductKernels in cpu/isa.h.
//
// The unit multiplies bf16 with bf16. An f32 is the sum of three bf16 exactly, its upper, middle and lower
// eight bits, so three products with the stored weight give what a product in f32 gives, at up to five times
// its speed: the sums are f32, in the order of K, upper to lower part within 32 columns, whatever else is in
// the call.
//
// The weight is read as it is stored, 16 rows of 32 columns to a tile. x is packed once per call, 16 rows to
// a block: for each 32 columns three tiles [16 pairs of columns][16 rows][2]. A tile of sums is y transposed.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "cpu/isa.h"

namespace llasa::cpu::amx {

namespace {

constexpr int64_t kRows = 16;     // of a tile
constexpr int64_t kColumns = 32;  // of K in a tile
constexpr int64_t kTile = kRows * kColumns;
constexpr int64_t kStep = 3 * kTile;  // bf16 of a packed block for kColumns

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

// The upper halves of 32 floats, one bf16 after the other.
inline __m512i upper_halves(__m512 first, __m512 second) {
  const __m256i a = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(first), 16));
  const __m256i b = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(second), 16));
  return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}
inline __m512 upper_bits(__m512 v) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(-65536)));
}

// Block `block` of x, rows past T and columns past K as zeros.
void pack(const ProductTask& p, int64_t block, float* packed) {
  Bf16* out = reinterpret_cast<Bf16*>(packed) + block * steps(p.K) * kStep;
  const int64_t first = block * kRows, rows = std::min(kRows, p.T - first);
  if (rows < kRows) std::memset(out, 0, static_cast<size_t>(steps(p.K) * kStep) * sizeof(Bf16));
  const __m512i pairs =
      _mm512_slli_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 4);
  for (int64_t t = 0; t < rows; ++t) {
    const float* row = p.x + (first + t) * p.ldx;
    for (int64_t s = 0; s < steps(p.K); ++s) {
      const auto left = static_cast<uint32_t>(std::min(kColumns, p.K - s * kColumns));
      const uint32_t mask = left == 32 ? 0xffffffffu : (1u << left) - 1;
      __m512 v[2];
      for (int i = 0; i < 2; ++i) {
        v[i] = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> (16 * i)), row + s * kColumns + 16 * i);
        v[i] =
            _mm512_add_ps(v[i], _mm512_setzero_ps());  // a NaN becomes quiet: its upper bits are a NaN, too
      }
      auto* to = reinterpret_cast<int*>(out + s * kStep) + t;
      for (int part = 0; part < 3; ++part) {
        _mm512_i32scatter_epi32(to + part * kTile / 2, pairs, upper_halves(v[0], v[1]), 4);
        for (__m512& rest : v) {
          const __m512 less = _mm512_sub_ps(rest, upper_bits(rest));
          // What is left of an infinity or a NaN is none.
          rest = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(less, less, _CMP_ORD_Q), less);
        }
      }
    }
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

// Adds 32 columns of NB tiles of weight rows, `ld` bf16 apart, times TB blocks of x. Tiles 0-3 are the sums;
// with one block 5-7 hold its parts and 4 the weight's tiles in turn, with two 4 and 5 the weight and 6 and 7
// the blocks.
template <int NB, int TB>
inline __attribute__((always_inline)) void multiply(const Bf16* w, int64_t ld, const Bf16* x, int64_t block) {
  const auto bytes = static_cast<size_t>(ld) * sizeof(Bf16);
  if constexpr (TB == 1) {
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
  } else {
    _tile_loadd(4, w, bytes);
    if constexpr (NB > 1) _tile_loadd(5, w + kRows * ld, bytes);
    for (int part = 0; part < 3; ++part) {
      _tile_loadd(6, x + part * kTile, 64);
      _tile_loadd(7, x + block + part * kTile, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (NB > 1) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
}

// Weight rows [n, n + 16 NB) times blocks [b, b + TB) of x.
template <int NB, int TB>
void tiles(const ProductTask& p, int64_t n, int64_t b) {
  const int64_t block = steps(p.K) * kStep;
  const Bf16* w = static_cast<const Bf16*>(p.w) + n * p.ldw;
  const Bf16* x = reinterpret_cast<const Bf16*>(p.packed) + b * block;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int64_t rows = std::min<int64_t>(NB * kRows, p.N - n);
  const int64_t whole = rows == NB * kRows ? p.K / kColumns : 0;
  for (int64_t s = 0; s < whole; ++s) multiply<NB, TB>(w + s * kColumns, p.ldw, x + s * kStep, block);
  // A tile must not read past the weight's last row or column.
  alignas(64) Bf16 edge[NB * kTile];
  for (int64_t s = whole; s < steps(p.K); ++s) {
    std::memset(edge, 0, sizeof edge);
    const int64_t columns = std::min(kColumns, p.K - s * kColumns);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(edge + r * kColumns, w + r * p.ldw + s * kColumns,
                  static_cast<size_t>(columns) * sizeof(Bf16));
    }
    multiply<NB, TB>(edge, kColumns, x + s * kStep, block);
  }
  alignas(64) float sums[4][kRows * kRows];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  for (int64_t i = 0; i < NB; ++i) {
    for (int64_t j = 0; j < TB; ++j) {
      if (n + i * kRows < p.N) finish(p, sums[i * TB + j], (b + j) * kRows, n + i * kRows);
    }
  }
}

// Weight rows of a block of x at a time: streams from memory.
constexpr int kStreams = 4;
// Blocks of x that stay in the second cache while the weight's rows pass.
constexpr int64_t kBlocks = 4;

void product(const ProductTask& p) {
  const TilesInUse in_use;
  const int64_t blocks = (p.T + kRows - 1) / kRows;
  if (blocks == 1) {
    int64_t n = 0;
    for (; n + kStreams * kRows <= p.N; n += kStreams * kRows) tiles<kStreams, 1>(p, n, 0);
    for (; n < p.N; n += kRows) tiles<1, 1>(p, n, 0);
    return;
  }
  for (int64_t first = 0; first < blocks; first += kBlocks) {
    const int64_t last = std::min(blocks, first + kBlocks);
    for (int64_t n = 0; n < p.N; n += 2 * kRows) {
      const bool pair = n + kRows < p.N;
      for (int64_t b = first; b < last; b += 2) {
        if (b + 1 < last) {
          pair ? tiles<2, 2>(p, n, b) : tiles<1, 2>(p, n, b);
        } else {
          pair ? tiles<2, 1>(p, n, b) : tiles<1, 1>(p, n, b);
        }
      }
    }
  }
}

}  // namespace

extern const PackedProductKernels packed_kernels;
const PackedProductKernels packed_kernels = {packed_floats, pack, product};

}  // namespace llasa::cpu::amx
