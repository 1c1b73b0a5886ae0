// The per-ISA kernel tables and the choice between them, made once at first use: the widest the processor has,
// or what LLASA_ISA=scalar|avx2|avx512 asks for (tests). One table per family; families live in cpu/simd/.
#pragma once

#include <cstdint>

namespace llasa::cpu {

// Rows of n floats; see ops/norm.h and ops/activation.h for the maths.
struct NormKernels {
  float (*rmsnorm_row)(const float* x, const float* weight, float* y, int64_t n, float eps);  // returns rstd
  // dx += ..., dweight += ... of one row
  void (*rmsnorm_backward_row)(const float* x, const float* weight, float rstd, const float* dy, float* dx,
                               float* dweight, int64_t n);
  void (*layernorm_row)(const float* x, const float* weight, const float* bias, float* y, int64_t n, float eps);
};

struct ActivationKernels {
  void (*silu)(const float* x, float* y, int64_t n);
  void (*gelu)(const float* x, float* y, int64_t n);
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  void (*swiglu_backward)(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                          int64_t n);
  void (*add)(const float* a, const float* b, float* y, int64_t n);
};

struct SoftmaxKernels {
  float (*max)(const float* x, int64_t n);
  // y = exp(x * scale - shift); returns the sum of y. y may be x.
  float (*exp_sum)(const float* x, float* y, float scale, float shift, int64_t n);
  void (*scale)(float* x, float factor, int64_t n);
};

struct SamplingKernels {
  // Largest of x; *bad becomes 1 if a NaN or +infinity is among them, else 0.
  float (*scan)(const float* x, int64_t n, int32_t* bad);
  // y = x >= threshold ? exp((x - max) * inverse_temperature) : 0
  void (*weights)(const float* x, float* y, int64_t n, float max, float inverse_temperature, float threshold);
  float (*sum)(const float* x, int64_t n);
};

struct Kernels {
  const char* isa;  // "scalar", "avx2", "avx512"
  const NormKernels* norm;
  const ActivationKernels* activation;
  const SoftmaxKernels* softmax;
  const SamplingKernels* sampling;
};

const Kernels& kernels();

// Table of one ISA by name, or nullptr if it was not built or the processor lacks it. For tests that compare.
const Kernels* kernels_for(const char* isa);

}  // namespace llasa::cpu
