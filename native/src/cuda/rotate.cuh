// One rotation of a pair of coordinates, for rope.cu and for the decode step that turns keys while it stores
// them: both must give the same bits.
#pragma once

#include "cuda/bf16.cuh"

namespace llasa::cuda {

// (low, high) turned by the angle whose cosine and sine are given.
__device__ __forceinline__ void rotate(float& low, float& high, float cosine, float sine) {
  const float a = low, b = high;
  low = fmaf(a, cosine, -(b * sine));
  high = fmaf(b, cosine, a * sine);
}

template <int W>
__device__ __forceinline__ void load_floats(float (&values)[W], const float* p) {
  if (W == 4) {
    const float4 v = load4(p);
    values[0] = v.x, values[1 % W] = v.y, values[2 % W] = v.z, values[3 % W] = v.w;
  } else {
    for (int i = 0; i < W; ++i) values[i] = p[i];
  }
}

template <int W, typename To>
__device__ __forceinline__ void store_floats(To* p, const float (&values)[W]) {
  if (W == 4) {
    store4(p, make_float4(values[0], values[1 % W], values[2 % W], values[3 % W]));
  } else {
    for (int i = 0; i < W; ++i) assign(p + i, values[i]);
  }
}

}  // namespace llasa::cuda
