// Row kernels of the sampling family; see ops/sampling.h.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float scan(const float* x, int64_t n, int32_t* bad) {
  VF largest = splat(-kInfinity);
  VI wrong = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const VF v = load(x + i);
    wrong |= v != v;
    largest = vmax(v, largest);
  }
  if (i < n) {
    const VF v = load_partial(x + i, n - i, -kInfinity);
    wrong |= v != v;
    largest = vmax(v, largest);
  }
  const float result = hmax(largest);
  int32_t lanes[W];
  std::memcpy(lanes, &wrong, sizeof lanes);
  int32_t any = result == kInfinity ? 1 : 0;
  for (int lane = 0; lane < W; ++lane) any |= lanes[lane];
  *bad = any != 0 ? 1 : 0;
  return result;
}

void weights(const float* x, float* y, int64_t n, float max, float inverse_temperature, float threshold) {
  map1(x, y, n, [&](VF v) {
    const VF w = vexp((v - max) * inverse_temperature);
    return v >= threshold ? w : splat(0.0f);
  });
}

float sum(const float* x, int64_t n) {
  VF total = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) total += load(x + i);
  if (i < n) total += load_partial(x + i, n - i);
  return hsum(total);
}

float sum_from(const float* x, const float* y, int64_t n, float threshold) {
  VF total = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) total += load(x + i) >= threshold ? load(y + i) : splat(0.0f);
  if (i < n)
    total += load_partial(x + i, n - i, -kInfinity) >= threshold ? load_partial(y + i, n - i) : splat(0.0f);
  return hsum(total);
}

}  // namespace

extern const SamplingKernels sampling_kernels;
const SamplingKernels sampling_kernels = {scan, weights, sum, sum_from};

}  // namespace llasa::cpu::LLASA_ISA
