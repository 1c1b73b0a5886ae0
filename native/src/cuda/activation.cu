// Elementwise activations on the device; contract in ops/activation.h.
//
// All are bound by memory. A thread reads everything it needs before it writes, so every aliasing that the
// contract allows (same element in, same element out) is safe; hence no __restrict__.
#include "cuda/bf16.cuh"
#include "ops/activation.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// x sigmoid(x) without overflow: expf(-x) is inf for x < -88, and x / inf = -0.
__device__ __forceinline__ float sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

struct Silu {
  __device__ float operator()(float x, float) const { return x * sigmoid(x); }
};
struct Gelu {
  __device__ float operator()(float x, float) const {
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  }
};
struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};

// y[i] = op(a[i], b[i]); one-operand ops pass a twice.
//   mapping       thread = 4 neighbouring elements (1 when a pointer is not 16-byte aligned)
//   traffic       8 bytes per element (12 for two operands; 2 less with y in bf16): 8192 x 8192 elements 537 MB,
//                 floor 112 us (computed, H200 4.8 TB/s)
//   numerics      erff and expf are within 2 ulp; in bf16 one rounding of the result
//   determinism   no sums
template <bool kVector, typename Op, typename To>
__global__ void __launch_bounds__(kThreads)
    elementwise_kernel(const float* a, const float* b, To* y, int64_t count, Op op) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (!kVector) {
    if (i < count) assign(y + i, op(a[i], b[i]));
  } else if (4 * i + 3 < count) {
    const float4 u = load4(a + 4 * i), v = load4(b + 4 * i);
    store4(y + 4 * i, make_float4(op(u.x, v.x), op(u.y, v.y), op(u.z, v.z), op(u.w, v.w)));
  } else {
    for (int64_t j = 4 * i; j < count; ++j) assign(y + j, op(a[j], b[j]));  // the last one to three
  }
}

template <typename Op, typename To>
void elementwise(Stream& stream, const float* a, const float* b, To* y, int64_t count, Op op) {
  if (count == 0) return;
  if (vector_rows(4, a, b, y)) {
    LLASA_LAUNCH((elementwise_kernel<true, Op, To>), grid_of(ceil_div(count, 4 * kThreads)), kThreads, 0,
                 stream, a, b, y, count, op);
  } else {
    LLASA_LAUNCH((elementwise_kernel<false, Op, To>), grid_of(ceil_div(count, kThreads)), kThreads, 0, stream,
                 a, b, y, count, op);
  }
}

// y = op(x).
template <typename Op>
void elementwise(Stream& stream, const float* x, ArrayView y, int64_t count, Op op) {
  if (y.is_bf16())
    elementwise(stream, x, x, y.bf16(), count, op);
  else
    elementwise(stream, x, x, y.f32(), count, op);
}

// y[t,f] = silu(gate_up[t,f]) gate_up[t,F+f].
//   mapping       block = row x kThreads * 4 columns, thread = 4 columns (1 unaligned)
//   traffic       12 bytes per element of y, 6 in bf16: 8192 x 8192 805 MB, floor 168 us (computed, H200 4.8 TB/s), or
//                 half of both
//   numerics      f32; in bf16 one rounding of the result
template <bool kVector, typename T>
__global__ void __launch_bounds__(kThreads)
    swiglu_forward_kernel(const T* __restrict__ gate_up, T* __restrict__ y, int64_t F) {
  const int64_t t = blockIdx.x, i = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  const T* gate = gate_up + t * 2 * F;
  const T* up = gate + F;
  const Silu silu;
  if (kVector) {
    const int64_t f = 4 * i;
    if (f >= F) return;
    const float4 g = load4(gate + f), u = load4(up + f);
    store4(y + t * F + f,
           make_float4(silu(g.x, 0) * u.x, silu(g.y, 0) * u.y, silu(g.z, 0) * u.z, silu(g.w, 0) * u.w));
  } else if (i < F) {
    assign(y + t * F + i, silu(to_float(gate[i]), 0) * to_float(up[i]));
  }
}

struct SwigluGradient {
  float gate, up, forward;
};

// With s = sigmoid(g), silu(g) = g s: dup = dy g s, dgate = dy u s (1 + g (1 - s)).
__device__ __forceinline__ SwigluGradient swiglu_gradient(float g, float u, float dy) {
  const float s = sigmoid(g);
  return {dy * u * s * (1.0f + g * (1.0f - s)), dy * g * s, g * s * u};
}

// dgate_up from gate_up and dy; y (may be NULL) is the forward output once more, with the bits of the
// forward.
//   mapping       as forward
//   traffic       20 bytes per element (24 with y), half in bf16: 8192 x 8192 1.6 GB, floor 336 us (computed, H200
//                 4.8 TB/s)
//   numerics      as forward
template <bool kVector, typename T>
__global__ void __launch_bounds__(kThreads)
    swiglu_backward_kernel(const T* gate_up, const T* dy, T* dgate_up, T* y, int64_t F) {
  const int64_t t = blockIdx.x, i = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  const T* gate = gate_up + t * 2 * F;
  const T* up = gate + F;
  T* dgate = dgate_up + t * 2 * F;
  T* dup = dgate + F;
  if (kVector) {
    const int64_t f = 4 * i;
    if (f >= F) return;
    const float4 g = load4(gate + f), u = load4(up + f), d = load4(dy + t * F + f);
    const SwigluGradient a = swiglu_gradient(g.x, u.x, d.x), b = swiglu_gradient(g.y, u.y, d.y),
                         c = swiglu_gradient(g.z, u.z, d.z), e = swiglu_gradient(g.w, u.w, d.w);
    store4(dgate + f, make_float4(a.gate, b.gate, c.gate, e.gate));
    store4(dup + f, make_float4(a.up, b.up, c.up, e.up));
    if (y != nullptr) store4(y + t * F + f, make_float4(a.forward, b.forward, c.forward, e.forward));
  } else if (i < F) {
    const SwigluGradient a = swiglu_gradient(to_float(gate[i]), to_float(up[i]), to_float(dy[t * F + i]));
    assign(dgate + i, a.gate);
    assign(dup + i, a.up);
    if (y != nullptr) assign(y + t * F + i, a.forward);
  }
}

dim3 rows_by_columns(int64_t rows, int64_t columns) {
  return dim3(static_cast<unsigned>(rows), static_cast<unsigned>(ceil_div(columns, kThreads)), 1);
}

template <typename Element>
void swiglu_forward(Stream& stream, const Element* gate_up, Element* y, int64_t T, int64_t F) {
  if (vector_rows(F, gate_up, y)) {
    LLASA_LAUNCH((swiglu_forward_kernel<true, Element>), rows_by_columns(T, F / 4), kThreads, 0, stream,
                 gate_up, y, F);
  } else {
    LLASA_LAUNCH((swiglu_forward_kernel<false, Element>), rows_by_columns(T, F), kThreads, 0, stream, gate_up,
                 y, F);
  }
}

template <typename Element>
void swiglu_backward(Stream& stream, const Element* gate_up, const Element* dy, Element* dgate_up, Element* y,
                     int64_t T, int64_t F) {
  if (vector_rows(F, gate_up, dy, dgate_up, y)) {
    LLASA_LAUNCH((swiglu_backward_kernel<true, Element>), rows_by_columns(T, F / 4), kThreads, 0, stream,
                 gate_up, dy, dgate_up, y, F);
  } else {
    LLASA_LAUNCH((swiglu_backward_kernel<false, Element>), rows_by_columns(T, F), kThreads, 0, stream,
                 gate_up, dy, dgate_up, y, F);
  }
}

}  // namespace
}  // namespace cuda

void silu_forward(Stream& stream, const float* x, ArrayView y, int64_t count) {
  cuda::elementwise(stream, x, y, count, cuda::Silu{});
}

void gelu_forward(Stream& stream, const float* x, ArrayView y, int64_t count) {
  cuda::elementwise(stream, x, y, count, cuda::Gelu{});
}

void add_forward(Stream& stream, const float* a, const float* b, float* y, int64_t count) {
  cuda::elementwise(stream, a, b, y, count, cuda::Add{});
}

void swiglu_forward(Stream& stream, WeightView gate_up, ArrayView y, int64_t T, int64_t F) {
  if (T == 0 || F == 0) return;
  if (y.is_bf16())
    cuda::swiglu_forward(stream, gate_up.bf16(), y.bf16(), T, F);
  else
    cuda::swiglu_forward(stream, gate_up.f32(), y.f32(), T, F);
}

void swiglu_backward(Stream& stream, WeightView gate_up, WeightView dy, ArrayView dgate_up, ArrayView y,
                     int64_t T, int64_t F) {
  if (T == 0 || F == 0) return;
  if (dy.is_bf16())
    cuda::swiglu_backward(stream, gate_up.bf16(), dy.bf16(), dgate_up.bf16(), y.bf16(), T, F);
  else
    cuda::swiglu_backward(stream, gate_up.f32(), dy.f32(), dgate_up.f32(), y.f32(), T, F);
}

}  // namespace llasa
