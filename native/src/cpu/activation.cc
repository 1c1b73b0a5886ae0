// Activation family on the CPU; see ops/activation.h.
#include "ops/activation.h"

#include <algorithm>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace llasa {

namespace {
constexpr int64_t kGrain = 16384;  // floats per task
}

void silu_forward(Stream&, const float* x, float* y, int64_t count) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(count, kGrain,
                  [&](int64_t begin, int64_t end) { k.silu(x + begin, y + begin, end - begin); });
}

void gelu_forward(Stream&, const float* x, float* y, int64_t count) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(count, kGrain,
                  [&](int64_t begin, int64_t end) { k.gelu(x + begin, y + begin, end - begin); });
}

void swiglu_forward(Stream&, const float* gate_up, float* y, int64_t T, int64_t F) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(T, std::max<int64_t>(1, kGrain / F), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      k.swiglu(gate_up + t * 2 * F, gate_up + t * 2 * F + F, y + t * F, F);
    }
  });
}

void swiglu_backward(Stream&, const float* gate_up, const float* dy, float* dgate_up, float* y, int64_t T,
                     int64_t F) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(T, std::max<int64_t>(1, kGrain / F), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t row = t * 2 * F;
      k.swiglu_backward(gate_up + row, gate_up + row + F, dy + t * F, dgate_up + row, dgate_up + row + F,
                        y == nullptr ? nullptr : y + t * F, F);
    }
  });
}

void add_forward(Stream&, const float* a, const float* b, float* y, int64_t count) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(count, kGrain,
                  [&](int64_t begin, int64_t end) { k.add(a + begin, b + begin, y + begin, end - begin); });
}

}  // namespace llasa
