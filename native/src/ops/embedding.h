// Token embedding (torch.nn.Embedding).
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// y[t] = weight[ids[t]], exactly. weight [V,C] in f32, bf16 or, on the CPU, 8 bits, ids [T] on the device and within 0..V-1, y
// [T,C].
void embedding_forward(Stream& stream, WeightView weight, const int32_t* ids, float* y, int64_t T, int64_t C);
// dweight[ids[t]] += dy[t], rows of one id added in the order of t.
void embedding_backward(Stream& stream, const int32_t* ids, const float* dy, float* dweight, int64_t T,
                        int64_t C);

}  // namespace llasa
