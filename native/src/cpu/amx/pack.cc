// Packs x for the tile unit; see product.cc.
#include "cpu/amx/tiles.h"

namespace llasa::cpu::amx {

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

void pack_columns(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed) {
  Bf16* out = reinterpret_cast<Bf16*>(packed) + block * steps(K) * kStep;
  const int64_t first = block * kRows;
  for (int64_t s = 0; s < steps(K); ++s) {
    const WeightView from = x + (s * kColumns * ldx + first);
    if (x.is_bf16()) {
      pair_tile(from.bf16(), ldx, T - first, K - s * kColumns, out + s * kStep);
    } else {
      pair_tile(from.f32(), ldx, T - first, K - s * kColumns, out + s * kStep);
    }
  }
}

}  // namespace llasa::cpu::amx
