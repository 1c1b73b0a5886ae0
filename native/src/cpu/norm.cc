// Norm family on the CPU: one row per step, rows in parallel; see ops/norm.h for the maths.
#include "ops/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace llasa {

namespace {
int64_t rows_per_task(int64_t C) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(C, 1)); }
}  // namespace

void rmsnorm_forward(Stream&, const float* x, const float* weight, float* y, float* rstd, int64_t T, int64_t C,
                     float eps) {
  const auto& k = *cpu::kernels().norm;
  parallel_ranges(T, rows_per_task(C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float r = k.rmsnorm_row(x + t * C, weight, y + t * C, C, eps);
      if (rstd != nullptr) rstd[t] = r;
    }
  });
}

void rmsnorm_backward(Stream&, const float* x, const float* weight, const float* rstd, const float* dy, float* dx,
                      float* dweight, int64_t T, int64_t C) {
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
    }
  });
  for (int64_t part = 0; part < kParts; ++part) {
    for (int64_t c = 0; c < C; ++c) dweight[c] += partial[static_cast<size_t>(part * C + c)];
  }
}

void layernorm_forward(Stream&, const float* x, const float* weight, const float* bias, float* y, int64_t T,
                       int64_t C, float eps) {
  const auto& k = *cpu::kernels().norm;
  parallel_ranges(T, rows_per_task(C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) k.layernorm_row(x + t * C, weight, bias, y + t * C, C, eps);
  });
}

void groupnorm_forward(Stream&, const float* x, const float* weight, const float* bias, float* y,
                       const int64_t* offsets, int64_t B, int64_t C, int64_t groups, float eps) {
  const int64_t channels = C / groups;
  parallel_for(B, [&](int64_t b) {
    const int64_t begin = offsets[b], end = offsets[b + 1];
    const double count = static_cast<double>((end - begin) * channels);
    if (end == begin) return;
    std::vector<double> mean(static_cast<size_t>(groups), 0.0), variance(static_cast<size_t>(groups), 0.0);
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < C; ++c) mean[static_cast<size_t>(c / channels)] += x[t * C + c];
    }
    for (double& m : mean) m /= count;
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < C; ++c) {
        const double d = x[t * C + c] - mean[static_cast<size_t>(c / channels)];
        variance[static_cast<size_t>(c / channels)] += d * d;
      }
    }
    std::vector<float> scale(static_cast<size_t>(C)), shift(static_cast<size_t>(C));
    for (int64_t c = 0; c < C; ++c) {
      const auto g = static_cast<size_t>(c / channels);
      const double rstd = 1.0 / std::sqrt(variance[g] / count + static_cast<double>(eps));
      scale[static_cast<size_t>(c)] = static_cast<float>(rstd * weight[c]);
      shift[static_cast<size_t>(c)] = static_cast<float>(bias[c] - mean[g] * rstd * weight[c]);
    }
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < C; ++c) {
        y[t * C + c] = x[t * C + c] * scale[static_cast<size_t>(c)] + shift[static_cast<size_t>(c)];
      }
    }
  });
}

}  // namespace llasa
