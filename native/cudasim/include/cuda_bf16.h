// Twin of CUDA's header: bfloat16 storage and its conversions, round to nearest even. Arithmetic happens in
// float, as in this project's kernels.
#pragma once

#include <cstdint>

#include "core/half.h"
#include "cuda_runtime.h"

struct __nv_bfloat16 {
  uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

inline __nv_bfloat16 __float2bfloat16(float value) {
  return {llasa::float_to_bf16(value)};
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return __float2bfloat16(value);
}
inline float __bfloat162float(__nv_bfloat16 value) {
  return llasa::bf16_to_float(value.bits);
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__float2bfloat16(x), __float2bfloat16(y)};
}
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(uint16_t bits) {
  return {bits};
}
