// Elementwise activations.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// y = x sigmoid(x). y in f32 may be x; in bf16, here and below, it is what narrow_to_bf16 makes of the f32 result.
void silu_forward(Stream& stream, const float* x, ArrayView y, int64_t count);
// y = x/2 (1 + erf(x / sqrt 2)): torch.nn.GELU(). y in f32 may be x.
void gelu_forward(Stream& stream, const float* x, ArrayView y, int64_t count);

// y = silu(gate) * up: the inside of LlamaMLP. gate_up [T, 2F], gate first; y [T,F]. All arrays of these two functions
// are f32 or all are bf16, of which a result is rounded once, from f32.
void swiglu_forward(Stream& stream, WeightView gate_up, ArrayView y, int64_t T, int64_t F);
// dgate_up [T, 2F] assigned; may be gate_up itself. y [T,F] or NULL: the forward output once more (it costs
// nothing here, and so need not be kept); may be dy.
void swiglu_backward(Stream& stream, WeightView gate_up, WeightView dy, ArrayView dgate_up, ArrayView y,
                     int64_t T, int64_t F);

// y = a + b. y may be a or b.
void add_forward(Stream& stream, const float* a, const float* b, float* y, int64_t count);

}  // namespace llasa
