// Inverted dropout (torch.nn.Dropout while training): what it drops is a pure function of a key and an
// element's index, so backward and a recomputed forward draw the same mask without keeping it.
#pragma once

#include "core/host_device.h"
#include "core/philox.h"
#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

struct DropoutMask {
  float rate = 0.0f;  // 0 <= rate < 1
  uint64_t seed = 0;
  uint64_t stream = 0;  // one per place and pass; element i of it is word i % 4 of block i / 4
};

// An element is dropped when its 32 random bits are below this: the rate to within 2^-32.
LLASA_HOST_DEVICE inline uint32_t dropout_threshold(float rate) {
  return static_cast<uint32_t>(static_cast<double>(rate) * 4294967296.0);
}

// y = x / (1 - rate) where kept, else 0. y may be x. Both are f32 or both bf16.
void dropout_forward(Stream& stream, WeightView x, ArrayView y, int64_t count, const DropoutMask& mask);
// dx += dy / (1 - rate) where kept. dy may not overlap dx, which may be bf16.
void dropout_backward(Stream& stream, const float* dy, ArrayView dx, int64_t count, const DropoutMask& mask);

}  // namespace llasa
