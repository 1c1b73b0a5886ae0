// Gradient norm and AdamW (arXiv 1711.05101; torch.optim.AdamW).
#pragma once

#include "ops/shapes.h"

namespace llasa {

// Sum of squares in double, blocks of fixed size added in order; NaN or infinity iff an element is not
// finite. Returns when the value is on the host.
double squared_norm(Stream& stream, const float* x, int64_t count);

struct AdamW {
  float learning_rate = 0.0f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.0f;
  float grad_scale = 1.0f;  // multiplies every gradient
  int64_t step = 1;         // this step's number, from 1, for the bias correction
};

// w *= 1 - lr wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
// w -= lr / (1 - b1^step) m / (sqrt(v / (1 - b2^step)) + epsilon).
void adamw_step(Stream& stream, float* weights, const float* gradients, float* moment1, float* moment2,
                int64_t count, const AdamW& options);

}  // namespace llasa
