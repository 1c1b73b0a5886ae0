// Row kernels of the norm family; see ops/norm.h.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

float rmsnorm_row(const float* x, const float* weight, float* y, int64_t n, float eps) {
  const float rstd = 1.0f / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  map2(x, weight, y, n, [&](VF v, VF w) { return v * rstd * w; });
  return rstd;
}

// dx_i += rstd (w_i dy_i - x_i rstd^2 mean(w dy x))
void rmsnorm_backward_row(const float* x, const float* weight, float rstd, const float* dy, float* dx,
                          float* dweight, int64_t n) {
  VF sum = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) sum += load(weight + i) * load(dy + i) * load(x + i);
  if (i < n) {
    sum += load_partial(weight + i, n - i) * load_partial(dy + i, n - i) * load_partial(x + i, n - i);
  }
  const float scale = hsum(sum) / static_cast<float>(n) * rstd * rstd * rstd;
  for (i = 0; i + kW <= n; i += kW) {
    const VF xv = load(x + i), dyv = load(dy + i);
    store(dx + i, load(dx + i) + (load(weight + i) * dyv * rstd - xv * scale));
    store(dweight + i, load(dweight + i) + dyv * xv * rstd);
  }
  for (; i < n; ++i) {
    dx[i] += weight[i] * dy[i] * rstd - x[i] * scale;
    dweight[i] += dy[i] * x[i] * rstd;
  }
}

void layernorm_row(const float* x, const float* weight, const float* bias, float* y, int64_t n, float eps) {
  VF sum = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) sum += load(x + i);
  float total = hsum(sum);
  for (; i < n; ++i) total += x[i];
  const float mean = total / static_cast<float>(n);
  // Second pass over the centred values: no cancellation when the mean is large.
  VF squares = {};
  for (i = 0; i + kW <= n; i += kW) {
    const VF c = load(x + i) - mean;
    squares += c * c;
  }
  float variance = hsum(squares);
  for (; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const float rstd = 1.0f / std::sqrt(variance / static_cast<float>(n) + eps);
  for (i = 0; i + kW <= n; i += kW) {
    store(y + i, (load(x + i) - mean) * rstd * load(weight + i) + load(bias + i));
  }
  for (; i < n; ++i) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {rmsnorm_row, rmsnorm_backward_row, layernorm_row};

}  // namespace llasa::cpu::LLASA_ISA
