// Twin of CUDA's header: half storage and its conversions, round to nearest even.
#pragma once

#include <cstdint>

#include "core/half.h"
#include "cuda_runtime.h"

struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline __half __float2half(float value) {
  return {llasa::float_to_fp16(value)};
}
inline __half __float2half_rn(float value) {
  return __float2half(value);
}
inline float __half2float(__half value) {
  return llasa::fp16_to_float(value.bits);
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {__float2half(x), __float2half(y)};
}
inline float2 __half22float2(__half2 value) {
  return {__half2float(value.x), __half2float(value.y)};
}
