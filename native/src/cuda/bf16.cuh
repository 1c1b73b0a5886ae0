// Stored bf16 in kernels: single elements and four at a time.
#pragma once

#include <cuda_bf16.h>

#include "core/weight_view.h"
#include "cuda/common.cuh"

namespace llasa::cuda {

__device__ __forceinline__ float to_float(float x) {
  return x;
}
__device__ __forceinline__ float to_float(Bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
// Round to nearest even.
__device__ __forceinline__ Bf16 to_bf16(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
__device__ __forceinline__ void assign(float* place, float x) {
  *place = x;
}
__device__ __forceinline__ void assign(Bf16* place, float x) {
  *place = to_bf16(x);
}

// Four neighbours, aligned to their 8 bytes.
__device__ __forceinline__ float4 load4(const Bf16* p) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(p);
  return make_float4(__uint_as_float(pairs.x << 16), __uint_as_float(pairs.x & 0xffff0000u),
                     __uint_as_float(pairs.y << 16), __uint_as_float(pairs.y & 0xffff0000u));
}
__device__ __forceinline__ void store4(Bf16* p, float4 v) {
  const auto pair = [](float low, float high) {
    return static_cast<unsigned>(to_bf16(low).bits) | static_cast<unsigned>(to_bf16(high).bits) << 16;
  };
  *reinterpret_cast<uint2*>(p) = make_uint2(pair(v.x, v.y), pair(v.z, v.w));
}

}  // namespace llasa::cuda
