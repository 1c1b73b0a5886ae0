// RoPE family on the CPU; see ops/rope.h.
#include "ops/rope.h"

#include <algorithm>

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace llasa {

namespace {

struct TurnedRow;

void rotate(float* x, const int32_t* positions, const float* table, int64_t T, int64_t heads, int64_t D,
            int64_t stride, float sign) {
  const auto& k = *cpu::kernels().attention;
  parallel_ranges(T, std::max<int64_t>(1, 16384 / (heads * D)), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) k.rotate(x + t * stride, table + positions[t] * D, heads, D, sign);
  });
}

void rotate(const float* x, Bf16* y, const int32_t* positions, const float* table, int64_t T, int64_t heads,
            int64_t D, int64_t stride, float sign) {
  const auto& k = *cpu::kernels().attention;
  parallel_ranges(T, std::max<int64_t>(1, 16384 / stride), [&](int64_t begin, int64_t end) {
    float* row = cpu::task_scratch<TurnedRow>(stride);
    for (int64_t t = begin; t < end; ++t) {
      std::copy(x + t * stride, x + (t + 1) * stride, row);
      k.rotate(row, table + positions[t] * D, heads, D, sign);
      cpu::kernels().cast->narrow(row, y + t * stride, stride);
    }
  });
}

}  // namespace

void rope_forward(Stream&, float* x, const int32_t* positions, const float* table, int64_t T, int64_t heads,
                  int64_t D, int64_t stride) {
  rotate(x, positions, table, T, heads, D, stride, 1.0f);
}

void rope_backward(Stream&, float* dx, const int32_t* positions, const float* table, int64_t T, int64_t heads,
                   int64_t D, int64_t stride) {
  rotate(dx, positions, table, T, heads, D, stride, -1.0f);
}

void rope_forward(Stream&, const float* x, Bf16* y, const int32_t* positions, const float* table, int64_t T,
                  int64_t heads, int64_t D, int64_t stride) {
  rotate(x, y, positions, table, T, heads, D, stride, 1.0f);
}

void rope_backward(Stream&, const float* dy, Bf16* dx, const int32_t* positions, const float* table,
                   int64_t T, int64_t heads, int64_t D, int64_t stride) {
  rotate(dy, dx, positions, table, T, heads, D, stride, -1.0f);
}

}  // namespace llasa
