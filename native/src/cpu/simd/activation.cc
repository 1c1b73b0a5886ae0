// Row kernels of the activation and softmax families; see ops/activation.h.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

void silu(const float* x, float* y, int64_t n) {
  map1(x, y, n, [](VF v) { return v * vsigmoid(v); });
}

void gelu(const float* x, float* y, int64_t n) {
  map1(x, y, n, [](VF v) { return 0.5f * v * (1.0f + verf(v * 0.70710678118654752f)); });
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  map2(gate, up, y, n, [](VF g, VF u) { return g * vsigmoid(g) * u; });
}

// With s = sigmoid(g), silu(g) = g s: dup = dy g s, dgate = dy u s (1 + g (1 - s)).
void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup, float* y,
                     int64_t n) {
  const auto block = [](VF g, VF u, VF d, VF& dg, VF& du, VF& forward) {
    const VF s = vsigmoid(g);
    forward = g * s * u;
    du = d * g * s;
    dg = d * u * s * (1.0f + g * (1.0f - s));
  };
  int64_t i = 0;
  VF dg, du, forward;
  for (; i + kW <= n; i += kW) {
    block(load(gate + i), load(up + i), load(dy + i), dg, du, forward);
    store(dgate + i, dg);
    store(dup + i, du);
    if (y != nullptr) store(y + i, forward);
  }
  if (i < n) {
    const int64_t rest = n - i;
    block(load_partial(gate + i, rest), load_partial(up + i, rest), load_partial(dy + i, rest), dg, du,
          forward);
    store_partial(dgate + i, dg, rest);
    store_partial(dup + i, du, rest);
    if (y != nullptr) store_partial(y + i, forward, rest);
  }
}

void add(const float* a, const float* b, float* y, int64_t n) {
  map2(a, b, y, n, [](VF u, VF v) { return u + v; });
}

float max(const float* x, int64_t n) {
  const float lowest = -std::numeric_limits<float>::infinity();
  // Four at a time, or each comparison waits for the one before.
  VF m[4] = {splat(lowest), splat(lowest), splat(lowest), splat(lowest)};
  int64_t i = 0;
  for (; i + 4 * kW <= n; i += 4 * kW) {
    for (int j = 0; j < 4; ++j) m[j] = vmax(load(x + i + j * kW), m[j]);
  }
  for (; i + kW <= n; i += kW) m[0] = vmax(load(x + i), m[0]);
  if (i < n) m[0] = vmax(load_partial(x + i, n - i, lowest), m[0]);
  return hmax(vmax(vmax(m[0], m[1]), vmax(m[2], m[3])));
}

float exp_sum(const float* x, float* y, float scale, float shift, int64_t n) {
  VF sum = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const VF e = vexp(load(x + i) * scale - shift);
    store(y + i, e);
    sum += e;
  }
  float total = hsum(sum);
  if (i < n) {
    float lanes[W];
    store(lanes, vexp(load_partial(x + i, n - i) * scale - shift));
    for (int64_t j = 0; i + j < n; ++j) {
      y[i + j] = lanes[j];
      total += lanes[j];
    }
  }
  return total;
}

void scale_row(float* x, float factor, int64_t n) {
  map1(x, x, n, [&](VF v) { return v * factor; });
}

void exp_moments(const float* x, float scale, float shift, int64_t n, float* sum, float* weighted) {
  VF sums = {}, products = {};
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const VF z = load(x + i) * scale - shift;
    const VF e = vexp(z);
    sums += e;
    products += e * z;
  }
  if (i < n) {  // absent lanes: e = 0, and 0 * z must stay 0
    float zs[W], es[W];
    store(zs, load_partial(x + i, n - i) * scale - shift);
    store(es, vexp(load(zs)));
    for (int64_t j = n - i; j < kW; ++j) zs[j] = es[j] = 0.0f;
    sums += load(es);
    products += load(es) * load(zs);
  }
  *sum = hsum(sums);
  *weighted = hsum(products);
}

void logprob_backward(float* x, float scale, float lse, float a, float b, int64_t n) {
  map1(x, x, n, [&](VF v) {
    const VF z = v * scale - lse;
    return vexp(z) * (a + b * z);
  });
}

}  // namespace

extern const ActivationKernels activation_kernels;
const ActivationKernels activation_kernels = {silu, gelu, swiglu, swiglu_backward, add};
extern const SoftmaxKernels softmax_kernels;
const SoftmaxKernels softmax_kernels = {max, exp_sum, scale_row, exp_moments, logprob_backward};

}  // namespace llasa::cpu::LLASA_ISA
