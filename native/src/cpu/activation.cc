// Activation family on the CPU; see ops/activation.h.
#include "ops/activation.h"

#include <algorithm>

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace llasa {

namespace {
constexpr int64_t kGrain = 16384;  // floats per task
struct WideRow;
struct WidePart;

// y = activation(x), of arrays that may be the same.
void apply(void (*activation)(const float* x, float* y, int64_t count), const float* x, ArrayView y,
           int64_t count) {
  parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    const int64_t part = end - begin;
    if (!y.is_bf16()) {
      activation(x + begin, y.f32() + begin, part);
      return;
    }
    float* wide = cpu::task_scratch<WidePart>(part);
    activation(x + begin, wide, part);
    cpu::kernels().cast->narrow(wide, y.bf16() + begin, part);
  });
}
}  // namespace

void silu_forward(Stream&, const float* x, ArrayView y, int64_t count) {
  apply(cpu::kernels().activation->silu, x, y, count);
}

void gelu_forward(Stream&, const float* x, ArrayView y, int64_t count) {
  apply(cpu::kernels().activation->gelu, x, y, count);
}

void swiglu_forward(Stream&, WeightView gate_up, ArrayView y, int64_t T, int64_t F) {
  const auto& k = *cpu::kernels().activation;
  const auto& cast = *cpu::kernels().cast;
  parallel_ranges(T, std::max<int64_t>(1, kGrain / F), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (!y.is_bf16()) {
        const float* row = gate_up.f32() + t * 2 * F;
        k.swiglu(row, row + F, y.f32() + t * F, F);
        continue;
      }
      float* row = cpu::task_scratch<WideRow>(2 * F);
      cast.widen(gate_up.bf16() + t * 2 * F, row, 2 * F);
      k.swiglu(row, row + F, row, F);
      cast.narrow(row, y.bf16() + t * F, F);
    }
  });
}

void swiglu_backward(Stream&, WeightView gate_up, WeightView dy, ArrayView dgate_up, ArrayView y, int64_t T,
                     int64_t F) {
  const auto& k = *cpu::kernels().activation;
  const auto& cast = *cpu::kernels().cast;
  parallel_ranges(T, std::max<int64_t>(1, kGrain / F), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (!dy.is_bf16()) {
        const float* row = gate_up.f32() + t * 2 * F;
        float* drow = dgate_up.f32() + t * 2 * F;
        k.swiglu_backward(row, row + F, dy.f32() + t * F, drow, drow + F,
                          y.data == nullptr ? nullptr : y.f32() + t * F, F);
        continue;
      }
      float *row = cpu::task_scratch<WideRow>(3 * F), *forward = row + 2 * F;
      cast.widen(gate_up.bf16() + t * 2 * F, row, 2 * F);
      cast.widen(dy.bf16() + t * F, forward, F);
      k.swiglu_backward(row, row + F, forward, row, row + F, forward, F);
      cast.narrow(row, dgate_up.bf16() + t * 2 * F, 2 * F);
      if (y.data != nullptr) cast.narrow(forward, y.bf16() + t * F, F);
    }
  });
}

void add_forward(Stream&, const float* a, const float* b, float* y, int64_t count) {
  const auto& k = *cpu::kernels().activation;
  parallel_ranges(count, kGrain,
                  [&](int64_t begin, int64_t end) { k.add(a + begin, b + begin, y + begin, end - begin); });
}

}  // namespace llasa
