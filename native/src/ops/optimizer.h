// Gradient norm and AdamW (arXiv 1711.05101; torch.optim.AdamW).
#pragma once

#include <cmath>

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

// What a step multiplies by, derived once in double:
//   w = w decay - step_size m / (sqrt(v) inverse_root + epsilon), m and v of the gradient times `gradient`.
struct AdamWFactors {
  float decay, beta1, beta2, gradient, step_size, inverse_root, epsilon;
};

inline AdamWFactors adamw_factors(const AdamW& o) {
  const double step = static_cast<double>(o.step), rate = static_cast<double>(o.learning_rate);
  const double correction1 = 1.0 - std::pow(static_cast<double>(o.beta1), step);
  const double correction2 = 1.0 - std::pow(static_cast<double>(o.beta2), step);
  AdamWFactors f;
  f.decay = static_cast<float>(1.0 - rate * static_cast<double>(o.weight_decay));
  f.beta1 = o.beta1;
  f.beta2 = o.beta2;
  f.gradient = o.grad_scale;
  f.step_size = static_cast<float>(rate / correction1);
  f.inverse_root = static_cast<float>(1.0 / std::sqrt(correction2));
  f.epsilon = o.epsilon;
  return f;
}

// w *= 1 - lr wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
// w -= lr / (1 - b1^step) m / (sqrt(v / (1 - b2^step)) + epsilon).
void adamw_step(Stream& stream, float* weights, const float* gradients, float* moment1, float* moment2,
                int64_t count, const AdamW& options);

}  // namespace llasa
