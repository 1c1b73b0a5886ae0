// Rows between f32 and bf16; see ops/cast.h.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

// The f32 nearest to v that a bf16 holds, ties to even. A NaN keeps its upper bits and becomes quiet.
inline VU rounded(VF v) {
  const VU bits = __builtin_bit_cast(VU, v);
  const VU even = bits + 0x7fffu + ((bits >> 16) & 1u);
  const VU quiet = bits | 0x00400000u;
  return ((bits & 0x7fffffffu) > 0x7f800000u ? quiet : even) & 0xffff0000u;
}

void narrow(const float* x, Bf16* y, int64_t n) {
  int64_t i = 0;
  for (; i + kW <= n; i += kW) store_bf16(y + i, rounded(load(x + i)));
  if (i == n) return;
  Bf16 lanes[W];
  store_bf16(lanes, rounded(load_partial(x + i, n - i)));
  for (int64_t j = 0; i + j < n; ++j) y[i + j] = lanes[j];
}

void widen(const Bf16* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + kW <= n; i += kW) store(y + i, load(x + i));
  if (i < n) store_partial(y + i, load_partial(x + i, n - i), n - i);
}

void round_row(float* x, int64_t n) {
  map1(x, x, n, [](VF v) { return __builtin_bit_cast(VF, rounded(v)); });
}

}  // namespace

extern const CastKernels cast_kernels;
const CastKernels cast_kernels = {narrow, widen, round_row};

}  // namespace llasa::cpu::LLASA_ISA
