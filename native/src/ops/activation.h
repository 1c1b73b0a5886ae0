// Elementwise activations.
#pragma once

#include "ops/shapes.h"

namespace llasa {

// y = x sigmoid(x). y may be x.
void silu_forward(Stream& stream, const float* x, float* y, int64_t count);
// y = x/2 (1 + erf(x / sqrt 2)): torch.nn.GELU(). y may be x.
void gelu_forward(Stream& stream, const float* x, float* y, int64_t count);

// y = silu(gate) * up: the inside of LlamaMLP. gate_up [T, 2F], gate first; y [T,F].
void swiglu_forward(Stream& stream, const float* gate_up, float* y, int64_t T, int64_t F);
// dgate_up [T, 2F] assigned; may be gate_up itself. y [T,F] or NULL: the forward output once more (it costs
// nothing here, and so need not be kept); may be dy.
void swiglu_backward(Stream& stream, const float* gate_up, const float* dy, float* dgate_up, float* y,
                     int64_t T, int64_t F);

// y = a + b. y may be a or b.
void add_forward(Stream& stream, const float* a, const float* b, float* y, int64_t count);

}  // namespace llasa
