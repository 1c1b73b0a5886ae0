// Elementwise kernels of the optimizer family; see ops/optimizer.h.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

// 16 partial sums in a fixed tree, whatever the vector width: every instruction set gives the same double.
double squared_sum(const float* x, int64_t n) {
  double sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int64_t j = 0; j < 16; ++j) {
      const double value = static_cast<double>(x[i + j]);
      sums[j] += value * value;
    }
  }
  for (int64_t j = 0; i + j < n; ++j) {
    const double value = static_cast<double>(x[i + j]);
    sums[j] += value * value;
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

void adamw(float* __restrict__ weights, const float* __restrict__ gradients, float* __restrict__ moment1,
           float* __restrict__ moment2, int64_t n, const AdamWFactors& factors) {
  const AdamWFactors f = factors;
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradients[i] * f.gradient;
    const float m = f.beta1 * moment1[i] + (1.0f - f.beta1) * g;
    const float v = f.beta2 * moment2[i] + (1.0f - f.beta2) * g * g;
    moment1[i] = m;
    moment2[i] = v;
    weights[i] = weights[i] * f.decay - f.step_size * m / (__builtin_sqrtf(v) * f.inverse_root + f.epsilon);
  }
}

}  // namespace

extern const OptimizerKernels optimizer_kernels;
const OptimizerKernels optimizer_kernels = {squared_sum, adamw};

}  // namespace llasa::cpu::LLASA_ISA
