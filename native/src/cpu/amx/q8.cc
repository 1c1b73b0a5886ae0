// Products with 8-bit weights on the tile unit; see Q8Kernels in cpu/isa.h. The bits are those of
// cpu/vnni/q8.cc, which packs x and multiplies fewer rows than are worth a tile.
//
// Two tiles of sums [16 rows of x][16 rows of the weight], of x's upper bytes and of its lower ones, over 32
// columns; the weight's tile is the group as it is stored.
#include <immintrin.h>

#include "cpu/isa.h"
#include "cpu/whole_columns.h"

namespace llasa::cpu {

namespace vnni {
extern const Q8Kernels q8_kernels;
}

namespace amx {

namespace {

constexpr int kRows = Q8Tile::kRows;
constexpr int64_t kFewRows = 4;  // that bytes without tiles multiply as fast

// Tiles 0 to 3 are sums, of the upper bytes and of the lower ones of two steps; 4 and 5 x's two digits, 6 the
// weight's bytes.
struct alignas(64) ByteTiles {
  static constexpr uint16_t kColumns = Q8Group::kColumns;
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {64, 64, 64, 64, kColumns, kColumns, 64};
  uint8_t rows[16] = {kRows, kRows, kRows, kRows, kRows, kRows, kColumns / 4};
};

struct alignas(64) Sums {
  int32_t high[kRows][16], low[kRows][16];
};

// Into the tiles of sums that are named: the compiler wants their numbers as they are written.
#define LLASA_MULTIPLY_BYTES(HIGH, LOW, w, x, sums)   \
  do {                                                \
    prefetch(w);                                      \
    _tile_zero(HIGH);                                 \
    _tile_zero(LOW);                                  \
    _tile_loadd(6, (w).values, 64);                   \
    _tile_loadd(4, (x).digits[0], Q8Group::kColumns); \
    _tile_loadd(5, (x).digits[1], Q8Group::kColumns); \
    _tile_dpbsud(HIGH, 4, 6);                         \
    _tile_dpbsud(LOW, 5, 6);                          \
    _tile_stored(HIGH, (sums).high, 64);              \
    _tile_stored(LOW, (sums).low, 64);                \
  } while (false)

template <int T>
inline __attribute__((always_inline)) void add(const Q8Group& w, const Q8Tile& x, const Sums& sums,
                                               __m512 (&acc)[T]) {
  const __m512 scales = _mm512_load_ps(w.scales);
  for (int i = 0; i < T; ++i) {
    const __m512i low = _mm512_add_epi32(_mm512_load_si512(sums.low[i]), _mm512_set1_epi32(x.offsets[i]));
    const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(sums.high[i]), 8), low);
    const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x.scales[i]));
    acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, acc[i]);
  }
}

// Of T <= 16 rows of x from row t on. The tile unit is a step ahead of the sums.
template <int T>
void tile(const Q8Task& task, int64_t g, int64_t t) {
  const int64_t blocks = task.x.blocks;
  const Q8Group* w = task.w + g * blocks;
  const Q8Tile* x = tiles_at(task, t);
  __m512 acc[T] = {};
  Sums even, odd;
  LLASA_MULTIPLY_BYTES(0, 1, w[0], x[0], even);
  int64_t b = 0;
  for (; b + 2 < blocks; b += 2) {
    LLASA_MULTIPLY_BYTES(2, 3, w[b + 1], x[b + 1], odd);
    add(w[b], x[b], even, acc);
    LLASA_MULTIPLY_BYTES(0, 1, w[b + 2], x[b + 2], even);
    add(w[b + 1], x[b + 1], odd, acc);
  }
  if (b + 1 < blocks) LLASA_MULTIPLY_BYTES(2, 3, w[b + 1], x[b + 1], odd);
  add(w[b], x[b], even, acc);
  if (b + 1 < blocks) add(w[b + 1], x[b + 1], odd, acc);
  for (int i = 0; i < T; ++i) {
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, acc[i]);
    finish_group(task, lanes, g, t + i);
  }
}

template <int T>
void tile_of(int64_t rows, const Q8Task& task, int64_t g, int64_t t) {
  if constexpr (T > 1) {
    if (rows < T) return tile_of<T - 1>(rows, task, g, t);
  }
  tile<T>(task, g, t);
}

void product(const Q8Task& task) {
  if (task.x.count <= kFewRows) return vnni::q8_kernels.product(task);
  const ByteTiles config;
  _tile_loadconfig(&config);
  for_tiles<kRows>(task, 1, [&](int64_t rows, int64_t g, int64_t t) { tile_of<kRows>(rows, task, g, t); });
  _tile_release();
}

void pack(const float* x, int64_t ldx, int64_t rows, int64_t blocks, Q8Tile* packed) {
  vnni::q8_kernels.pack(x, ldx, rows, blocks, packed);
}

#undef LLASA_MULTIPLY_BYTES

}  // namespace

extern const Q8Kernels q8_kernels;
const Q8Kernels q8_kernels = {pack, product};

}  // namespace amx
}  // namespace llasa::cpu
