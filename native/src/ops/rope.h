// Rotary position embedding, "half" style (transformers rotate_half): dimension i turns with dimension i +
// D/2.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// In place, for the first `heads` heads of D floats of every row: with (c, s) = table[positions[t]],
//   x_i' = x_i c_i - x_{i+D/2} s_i,   x_{i+D/2}' = x_{i+D/2} c_i + x_i s_i.
// x [T, stride]; positions [T] on the device; table [P, D]: a row holds D/2 cosines, then D/2 sines. A fused
// q, k, v row has its heads in this order, so H + G heads turn q and k together.
void rope_forward(Stream& stream, float* x, const int32_t* positions, const float* table, int64_t T,
                  int64_t heads, int64_t D, int64_t stride);
// The inverse rotation, in place: dx from dy.
void rope_backward(Stream& stream, float* dx, const int32_t* positions, const float* table, int64_t T,
                   int64_t heads, int64_t D, int64_t stride);

// The same of whole rows into bf16, rounded once: y [T, stride] is x, the first heads turned. y may not overlap x.
void rope_forward(Stream& stream, const float* x, Bf16* y, const int32_t* positions, const float* table,
                  int64_t T, int64_t heads, int64_t D, int64_t stride);
void rope_backward(Stream& stream, const float* dy, Bf16* dx, const int32_t* positions, const float* table,
                   int64_t T, int64_t heads, int64_t D, int64_t stride);

}  // namespace llasa
