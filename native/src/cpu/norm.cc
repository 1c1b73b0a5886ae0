// Norm family on the CPU: one row per step, rows in parallel; see ops/norm.h for the maths.
#include "ops/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {
struct WideRow;

int64_t rows_per_task(int64_t C) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(C, 1));
}

// A row of y, whose norm is returned.
float rmsnorm_row(const float* x, const float* weight, ArrayView y, int64_t C, float eps) {
  const auto& k = *cpu::kernels().norm;
  if (!y.is_bf16()) return k.rmsnorm_row(x, weight, y.f32(), C, eps);
  float* wide = cpu::task_scratch<WideRow>(C);
  const float rstd = k.rmsnorm_row(x, weight, wide, C, eps);
  cpu::kernels().cast->narrow(wide, y.bf16(), C);
  return rstd;
}
}  // namespace

void rmsnorm_forward(Stream&, const float* x, const float* weight, ArrayView y, float* rstd, int64_t T,
                     int64_t C, float eps) {
  parallel_ranges(T, rows_per_task(C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float r = rmsnorm_row(x + t * C, weight, y + t * C, C, eps);
      if (rstd != nullptr) rstd[t] = r;
    }
  });
}

void add_rmsnorm_forward(Stream&, const float* a, const float* b, const float* weight, float* sum,
                         ArrayView y, float* rstd, int64_t T, int64_t C, float eps) {
  const auto& elementwise = *cpu::kernels().activation;
  parallel_ranges(T, rows_per_task(C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      elementwise.add(a + t * C, b + t * C, sum + t * C, C);
      const float r = rmsnorm_row(sum + t * C, weight, y + t * C, C, eps);
      if (rstd != nullptr) rstd[t] = r;
    }
  });
}

void rmsnorm_backward(Stream& stream, const float* x, const float* weight, const float* rstd, const float* dy,
                      float* dx, float* dweight, int64_t T, int64_t C, Bf16* narrowed) {
  const auto& k = *cpu::kernels().norm;
  // A fixed number of partial sums of dweight, added in order: the result does not depend on the threads.
  constexpr int64_t kParts = 16;
  const int64_t rows = (T + kParts - 1) / kParts;
  std::vector<float> partial(static_cast<size_t>(kParts * C), 0.0f);
  parallel_for(kParts, [&](int64_t part) {
    float* dw = partial.data() + part * C;
    const int64_t end = std::min(T, (part + 1) * rows);
    for (int64_t t = part * rows; t < end; ++t) {
      k.rmsnorm_backward_row(x + t * C, weight, rstd[t], dy + t * C, dx + t * C, dw, C);
      if (narrowed != nullptr) cpu::kernels().cast->narrow(dx + t * C, narrowed + t * C, C);
    }
  });
  if (planning_for_gpu()) gpu::rmsnorm_backward(stream, dweight, T, C);
  if (planning() || dweight == nullptr) return;
  for (int64_t part = 0; part < kParts; ++part) {
    for (int64_t c = 0; c < C; ++c) dweight[c] += partial[static_cast<size_t>(part * C + c)];
  }
}

void layernorm_forward(Stream&, const float* x, const float* weight, const float* bias, ArrayView y,
                       int64_t T, int64_t C, float eps) {
  const auto& k = *cpu::kernels().norm;
  parallel_ranges(T, rows_per_task(C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = y.is_bf16() ? cpu::task_scratch<WideRow>(C) : y.f32() + t * C;
      k.layernorm_row(x + t * C, weight, bias, row, C, eps);
      if (y.is_bf16()) cpu::kernels().cast->narrow(row, y.bf16() + t * C, C);
    }
  });
}

void groupnorm_forward(Stream& stream, const float* x, const float* weight, const float* bias, float* y,
                       const int64_t* offsets, int64_t B, int64_t C, int64_t groups, float eps, bool silu) {
  if (planning_for_gpu()) gpu::groupnorm_forward(stream, offsets, B, C, groups);
  const auto& k = *cpu::kernels().speech;
  const auto channels = static_cast<size_t>(C / groups), width = static_cast<size_t>(C);
  constexpr int64_t kRows = 64;  // summed in f32, then added to the total in double
  parallel_for(B, [&](int64_t b) {
    const int64_t begin = offsets[b], end = offsets[b + 1];
    if (end == begin) return;
    const double count = static_cast<double>(end - begin) * static_cast<double>(channels);
    std::vector<float> part(width), mean(width), scale(width), shift(width);
    std::vector<double> total(width / channels, 0.0), variance(width / channels, 0.0);
    for (int64_t t = begin; t < end; t += kRows) {
      k.column_sums(x + t * C, part.data(), std::min(kRows, end - t), C);
      for (size_t c = 0; c < width; ++c) total[c / channels] += static_cast<double>(part[c]);
    }
    for (size_t c = 0; c < width; ++c) mean[c] = static_cast<float>(total[c / channels] / count);
    for (int64_t t = begin; t < end; t += kRows) {
      k.column_squares(x + t * C, mean.data(), part.data(), std::min(kRows, end - t), C);
      for (size_t c = 0; c < width; ++c) variance[c / channels] += static_cast<double>(part[c]);
    }
    for (size_t c = 0; c < width; ++c) {
      const double rstd = 1.0 / std::sqrt(variance[c / channels] / count + static_cast<double>(eps));
      scale[c] = static_cast<float>(rstd * static_cast<double>(weight[c]));
      shift[c] = static_cast<float>(static_cast<double>(bias[c]) -
                                    total[c / channels] / count * rstd * static_cast<double>(weight[c]));
    }
    for (int64_t t = begin; t < end; ++t) k.affine(x + t * C, scale.data(), shift.data(), y + t * C, C, silu);
  });
}

}  // namespace llasa
