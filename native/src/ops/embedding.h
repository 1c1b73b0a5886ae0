// Token embedding (torch.nn.Embedding).
#pragma once

#include "ops/shapes.h"

namespace llasa {

// y[t] = weight[ids[t]]. weight [V,C], ids [T] on the device and within 0..V-1, y [T,C].
void embedding_forward(Stream& stream, const float* weight, const int32_t* ids, float* y, int64_t T,
                       int64_t C);
// dweight[ids[t]] += dy[t], rows of one id added in the order of t.
void embedding_backward(Stream& stream, const int32_t* ids, const float* dy, float* dweight, int64_t T,
                        int64_t C);

}  // namespace llasa
