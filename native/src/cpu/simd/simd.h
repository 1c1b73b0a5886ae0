// Width-agnostic SIMD: files of this folder are compiled once per instruction set (LLASA_ISA, width
// LLASA_SIMD_WIDTH) on top of GCC's vector extensions. A width of 1 is the scalar path.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "core/weight_view.h"

namespace llasa::cpu::LLASA_ISA {

constexpr int W = LLASA_SIMD_WIDTH;
constexpr int64_t kW = W;

typedef float VF __attribute__((vector_size(W * 4)));
typedef int32_t VI __attribute__((vector_size(W * 4)));
typedef uint32_t VU __attribute__((vector_size(W * 4)));
typedef uint16_t VH __attribute__((vector_size(W * 2)));

inline VF load(const float* p) {
  VF v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, VF v) {
  std::memcpy(p, &v, sizeof v);
}

// First n < W lanes from p, the others `fill`.
inline VF load_partial(const float* p, int64_t n, float fill = 0.0f) {
  float lanes[W];
  for (int i = 0; i < W; ++i) lanes[i] = i < n ? p[i] : fill;
  return load(lanes);
}
inline void store_partial(float* p, VF v, int64_t n) {
  float lanes[W];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

// W stored bf16 as f32, exactly.
inline VF load(const Bf16* p) {
  VH half;
  std::memcpy(&half, p, sizeof half);
  return __builtin_bit_cast(VF, __builtin_convertvector(half, VU) << 16);
}
inline VF load_partial(const Bf16* p, int64_t n) {
  Bf16 lanes[W];
  for (int i = 0; i < W; ++i) lanes[i] = i < n ? p[i] : Bf16{0};
  return load(lanes);
}
// The upper halves of W f32 bit patterns.
inline void store_bf16(Bf16* p, VU bits) {
  const VH half = __builtin_convertvector(bits >> 16, VH);
  std::memcpy(p, &half, sizeof half);
}

inline VF splat(float x) {
  return VF{} + x;
}
inline VF vmax(VF a, VF b) {
  return a > b ? a : b;
}
inline VF vmin(VF a, VF b) {
  return a < b ? a : b;
}

// Lane i takes lane i + Half.
template <int Half>
inline VF lanes_from(VF v) {
  VI order;
  for (int i = 0; i < W; ++i) order[i] = (i + Half) % W;
  return __builtin_shuffle(v, order);
}

// Lane sums in a fixed tree, so that a reduction has one order per width: upper halves are added to lower ones.
template <int Half = W / 2>
inline float hsum(VF v) {
  if constexpr (Half > 0) {
    return hsum<Half / 2>(v + lanes_from<Half>(v));
  } else {
    return v[0];
  }
}
template <int Half = W / 2>
inline float hmax(VF v) {
  if constexpr (Half > 0) {
    return hmax<Half / 2>(vmax(v, lanes_from<Half>(v)));
  } else {
    return v[0];
  }
}

inline VF as_float(VI v) {
  return __builtin_bit_cast(VF, v);
}
inline VI as_int(VF v) {
  return __builtin_bit_cast(VI, v);
}

// exp(x): x = n ln2 + r with |r| <= ln2/2, degree-6 polynomial for e^r (relative error 2e-8 before rounding;
// below 2 ulp in all), 2^n through the exponent bits. x < -87.3 gives 0, x > 88.7 infinity, NaN stays NaN.
inline VF vexp(VF x) {
  const VF magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const VF clamped = vmin(vmax(x, splat(-88.0f)), splat(89.0f));
  const VF t = clamped * 1.44269504088896341f + magic;
  const VF n = t - magic;
  VF r = clamped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  VF p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
#if defined(__AVX512F__) && LLASA_SIMD_WIDTH == 16
  // With a mask that takes all: the plain one hands GCC 12 a value that is undefined (GCC bug 105593).
  VF y = __builtin_bit_cast(
      VF, _mm512_maskz_scalef_ps(0xffff, __builtin_bit_cast(__m512, p), __builtin_bit_cast(__m512, n)));
#else
  // 2^n in two factors, because n reaches 128 (above the largest exponent) on the way to infinity.
  const VI ni = as_int(t) - as_int(magic);
  const VI half = ni >> 1;
  VF y = p * as_float((half + 127) << 23) * as_float((ni - half + 127) << 23);
#endif
  y = x < -87.336544f ? splat(0.0f) : y;
  y = x > 88.722839f ? splat(std::numeric_limits<float>::infinity()) : y;
  return x == x ? y : x;
}

inline VF vsigmoid(VF x) {
  return 1.0f / (1.0f + vexp(-x));
}

// erf(x) as an odd rational function on [-4, 4], where it reaches +-1 in f32 (absolute error below 4e-7).
inline VF verf(VF x) {
  const VF c = vmin(vmax(x, splat(-4.0f)), splat(4.0f));
  const VF s = c * c;
  VF p = splat(-2.72614225801306e-10f);
  p = p * s + 2.77068142495902e-08f;
  p = p * s + -2.10102402082508e-06f;
  p = p * s + -5.69250639462346e-05f;
  p = p * s + -7.34990630326855e-04f;
  p = p * s + -2.95459980854025e-03f;
  p = p * s + -1.60960333262415e-02f;
  VF q = splat(-1.45660718464996e-05f);
  q = q * s + -2.13374055278905e-04f;
  q = q * s + -1.68282697438203e-03f;
  q = q * s + -7.37332916720468e-03f;
  q = q * s + -1.42647390514189e-02f;
  return c * p / q;
}

// sin(x) and cos(x): x = j pi/2 + r, pi/2 in three parts of which the first two multiply exactly (|j| <
// 2^16), then degree-7 and degree-8 polynomials on [-pi/4, pi/4] (cephes). Absolute error below 2e-7 for |x|
// < 1e4; an infinite or NaN x gives NaN.
inline void vsincos(VF x, VF& sine, VF& cosine) {
  const VF magic = splat(12582912.0f);
  const VF t = x * 0.63661977236758134f + magic;
  const VF j = t - magic;
  VF r = x - j * 1.5703125f;
  r = r - j * 4.837512969970703125e-4f;
  r = r - j * 7.54978995489188216e-8f;
  const VF z = r * r;
  const VF s = ((splat(-1.9515295891e-4f) * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  const VF c =
      ((splat(2.443315711809948e-5f) * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
      0.5f * z + 1.0f;
  const VI quadrant = as_int(t) - as_int(magic);
  const VI odd = (quadrant & 1) != 0;
  sine = odd ? c : s;
  cosine = odd ? s : c;
  sine = (quadrant & 2) != 0 ? -sine : sine;
  cosine = ((quadrant + 1) & 2) != 0 ? -cosine : cosine;
}

// ln(x) for normal positive x: x = 2^e m with m in [sqrt(1/2), sqrt(2)), degree-9 polynomial in m - 1
// (cephes); relative error below 2 ulp.
inline VF vlog(VF x) {
  const VI bits = as_int(x);
  VI e = ((bits >> 23) & 255) - 126;
  VF m = as_float((bits & 0x007fffff) | 0x3f000000);  // [1/2, 1)
  const VI low = m < 0.70710678118654752f;
  e = low ? e - 1 : e;
  m = low ? m + m : m;
  const VF r = m - 1.0f;
  const VF z = r * r;
  VF p = splat(7.0376836292e-2f);
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  const VF ef = __builtin_convertvector(e, VF);
  VF y = p * r * z + ef * -2.12194440e-4f - 0.5f * z;
  return r + y + ef * 0.693359375f;
}

// Lanes in reverse order.
inline VF vreverse(VF v) {
  if constexpr (W == 1) {
    return v;
  } else {
    VI order;
    for (int i = 0; i < W; ++i) order[i] = W - 1 - i;
    return __builtin_shuffle(v, order);
  }
}

// Applies f(vector) over a row, the tail in a padded vector.
template <typename F>
inline void map1(const float* x, float* y, int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + kW <= n; i += kW) store(y + i, f(load(x + i)));
  if (i < n) store_partial(y + i, f(load_partial(x + i, n - i)), n - i);
}
template <typename F>
inline void map2(const float* a, const float* b, float* y, int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + kW <= n; i += kW) store(y + i, f(load(a + i), load(b + i)));
  if (i < n) store_partial(y + i, f(load_partial(a + i, n - i), load_partial(b + i, n - i)), n - i);
}

inline float dot(const float* a, const float* b, int64_t n) {
  VF s0 = {}, s1 = {};
  int64_t i = 0;
  for (; i + 2 * kW <= n; i += 2 * kW) {
    s0 += load(a + i) * load(b + i);
    s1 += load(a + i + kW) * load(b + i + kW);
  }
  for (; i + kW <= n; i += kW) s0 += load(a + i) * load(b + i);
  if (i < n) s1 += load_partial(a + i, n - i) * load_partial(b + i, n - i);
  return hsum(s0 + s1);
}

}  // namespace llasa::cpu::LLASA_ISA
