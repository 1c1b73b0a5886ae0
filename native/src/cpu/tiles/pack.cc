// Packs x for products in tiles; see product.cc.
#include "cpu/tiles/tiles.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

// Where block `block` begins.
template <int Parts>
Bf16* place(int64_t K, int64_t block, float* packed) {
  return reinterpret_cast<Bf16*>(packed) + block * steps(K) * Parts * kTile;
}

template <int Parts, typename T>
void pack_rows(const T* x, int64_t ldx, int64_t rows, int64_t K, Bf16* out) {
  for (int64_t s = 0; s < steps(K); ++s, out += Parts * kTile) {
    alignas(64) Bf16 tiles[Parts * kTile];
    panel_tile<Parts>(x + s * kColumns, ldx, rows, K - s * kColumns, tiles);
    for (int i = 0; i < Parts; ++i) {
      __m512 pairs[16];
      transpose(reinterpret_cast<const float*>(tiles + i * kTile), pairs);
      auto* to = reinterpret_cast<float*>(out + i * kTile);
      for (int j = 0; j < 16; ++j) _mm512_store_ps(to + 16 * j, pairs[j]);
    }
  }
}

template <int Parts, typename T>
void pack_pairs(const T* x, int64_t ldx, int64_t rows, int64_t K, Bf16* out) {
  for (int64_t s = 0; s < steps(K); ++s) {
    pair_tile<Parts>(x + s * kColumns * ldx, ldx, rows, K - s * kColumns, out + s * Parts * kTile);
  }
}

}  // namespace

template <>
void pack<kParts>(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed) {
  const int64_t first = block * kRows;
  pack_rows<kParts>(x.f32() + first * ldx, ldx, T - first, K, place<kParts>(K, block, packed));
}
template <>
void pack<1>(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed) {
  const int64_t first = block * kRows;
  Bf16* out = place<1>(K, block, packed);
  if (x.is_bf16()) {
    pack_rows<1>(x.bf16() + first * ldx, ldx, T - first, K, out);
  } else {
    pack_rows<1>(x.f32() + first * ldx, ldx, T - first, K, out);
  }
}

template <>
void pack_columns<kParts>(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed) {
  const int64_t first = block * kRows;
  pack_pairs<kParts>(x.f32() + first, ldx, T - first, K, place<kParts>(K, block, packed));
}
template <>
void pack_columns<1>(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed) {
  const int64_t first = block * kRows;
  Bf16* out = place<1>(K, block, packed);
  if (x.is_bf16()) {
    pack_pairs<1>(x.bf16() + first, ldx, T - first, K, out);
  } else {
    pack_pairs<1>(x.f32() + first, ldx, T - first, K, out);
  }
}

}  // namespace llasa::cpu::LLASA_ISA
