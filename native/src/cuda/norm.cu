// RMSNorm, LayerNorm and GroupNorm on the device; contract in ops/norm.h.
//
// Rows are read twice (statistics, then result); the second read is served by the first cache, so device
// memory sees each row once. Rows of up to kWarpRow floats belong to a warp, longer ones to a block: the
// shape decides.
#include "core/scratch.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/gpu_scratch.h"
#include "ops/norm.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kWarpRow = 512;

// The threads that share a row: a warp (kLanes = 32, several rows per block) or the whole block.
template <int kLanes>
struct RowThreads {
  static constexpr int kRows = kThreads / kLanes;
  __device__ static int64_t row() { return static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / kLanes; }
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kLanes; }
  template <typename T>
  __device__ static T sum(T value, T* shared) {
    return kLanes == kWarp ? warp_sum(value) : block_sum(value, shared);
  }
};

// Calls body(c, float4 of x) for the columns c, c+1, .. c+3 of a thread, or body of single columns when not
// kVector. The order per thread is fixed.
template <bool kVector, int kLanes, typename Body>
__device__ __forceinline__ void for_columns(int lane, int64_t C, Body body) {
  if (kVector) {
    for (int64_t c = 4 * lane; c < C; c += 4 * kLanes) body(c);
  } else {
    for (int64_t c = lane; c < C; c += kLanes) body(c);
  }
}

template <bool kVector>
struct Columns;  // four neighbouring columns, or one

template <>
struct Columns<true> {
  float4 v;
  __device__ static Columns load(const float* p) { return {load4(p)}; }
  template <typename To>
  __device__ void store(To* p) const {
    store4(p, v);
  }
  __device__ float sum() const { return (v.x + v.y) + (v.z + v.w); }
  template <typename F, typename... Others>
  __device__ Columns map(F f, const Others&... o) const {
    return {make_float4(f(v.x, o.v.x...), f(v.y, o.v.y...), f(v.z, o.v.z...), f(v.w, o.v.w...))};
  }
};
template <>
struct Columns<false> {
  float v;
  __device__ static Columns load(const float* p) { return {*p}; }
  template <typename To>
  __device__ void store(To* p) const {
    assign(p, v);
  }
  __device__ float sum() const { return v; }
  template <typename F, typename... Others>
  __device__ Columns map(F f, const Others&... o) const {
    return {f(v, o.v...)};
  }
};

// s = a + b where b is given (else s = a), y = s rstd w, rstd = 1 / sqrt(mean(s^2) + eps).
//   mapping       row = warp or block, thread = every 32nd or 256th float4; sum (s) and rstd may be NULL
//   traffic       8 C bytes per row (16 C with b and sum; 2 C less with y in bf16): 8192 x 2048 134 MB, floor 28 us
//                 (computed, H200 4.8 TB/s); floors 56 us fused, against 28 + 42 us for add and norm apart
//   numerics      squares summed in f32: C / (lanes * 4) sequential terms, then the tree
//   determinism   fixed order, by C alone
template <bool kVector, int kLanes, typename To>
__global__ void __launch_bounds__(kThreads)
    rmsnorm_forward_kernel(const float* a, const float* b, const float* __restrict__ weight, float* sum,
                           To* y, float* __restrict__ rstd, int64_t T, int64_t C, float eps) {
  using Row = RowThreads<kLanes>;
  using V = Columns<kVector>;
  __shared__ float shared[kMaxWarps];
  const int64_t t = Row::row();
  const bool active = t < T;
  a += t * C, y += t * C;
  if (b != nullptr) b += t * C, sum += t * C;
  float squares = 0.0f;
  if (active) {
    for_columns<kVector, kLanes>(Row::lane(), C, [&](int64_t c) {
      V x = V::load(a + c);
      if (b != nullptr) {
        x = x.map([](float u, float v) { return u + v; }, V::load(b + c));
        x.store(sum + c);
      }
      squares += x.map([](float v) { return v * v; }).sum();
    });
  }
  squares = Row::sum(squares, shared);
  if (!active) return;
  const float r = 1.0f / sqrtf(squares / static_cast<float>(C) + eps);
  if (rstd != nullptr && Row::lane() == 0) rstd[t] = r;
  const float* x = b == nullptr ? a : sum;  // a thread reads back what it wrote itself
  for_columns<kVector, kLanes>(Row::lane(), C, [&](int64_t c) {
    V::load(x + c).map([&](float v, float w) { return v * r * w; }, V::load(weight + c)).store(y + c);
  });
}

// Rows [part * rows, ...) of one part, in order: dx += rstd (w dy - x rstd^2 mean(w dy x)), and the part's
// sum of dy x rstd goes to partial[part, :].
//   mapping       block = part, thread = every 256th float4 of each row; its columns of the part's sum are
//                 its own shared memory words, C floats in all
//   traffic       16 C bytes per row, 2 C more with dx in bf16 beside: 8192 x 2048 268 MB, floor 56 us (computed, H200
//                 4.8 TB/s)
//   determinism   parts by T alone; rows of a part in order
template <bool kVector>
__global__ void __launch_bounds__(kThreads, 4)  // of 256 in all: there is room, and without this a spill
    rmsnorm_backward_kernel(const float* __restrict__ x, const float* __restrict__ weight,
                            const float* __restrict__ rstd, const float* __restrict__ dy,
                            float* __restrict__ dx, Bf16* __restrict__ narrowed, float* __restrict__ partial,
                            int64_t T, int64_t C, int64_t rows) {
  using V = Columns<kVector>;
  __shared__ float shared[kMaxWarps];
  LLASA_DYNAMIC_SHARED(float, dweight);
  const int lane = static_cast<int>(threadIdx.x);
  for_columns<kVector, kThreads>(lane, C,
                                 [&](int64_t c) { V{}.map([](float) { return 0.0f; }).store(dweight + c); });
  const int64_t begin = blockIdx.x * rows, end = begin + rows < T ? begin + rows : T;
  for (int64_t t = begin; t < end; ++t) {
    const float* xt = x + t * C;
    const float* dyt = dy + t * C;
    float dot = 0.0f;
    for_columns<kVector, kThreads>(lane, C, [&](int64_t c) {
      dot +=
          V::load(xt + c)
              .map([](float v, float d, float w) { return v * d * w; }, V::load(dyt + c), V::load(weight + c))
              .sum();
    });
    const float r = rstd[t];
    const float scale = block_sum(dot, shared) / static_cast<float>(C) * r * r * r;
    for_columns<kVector, kThreads>(lane, C, [&](int64_t c) {
      const V v = V::load(xt + c), d = V::load(dyt + c);
      float* out = dx + t * C + c;
      const V sum = V::load(out).map(
          [&](float old, float xv, float dv, float w) { return old + (w * dv * r - xv * scale); }, v, d,
          V::load(weight + c));
      sum.store(out);
      if (narrowed != nullptr) sum.store(narrowed + t * C + c);
      V::load(dweight + c)
          .map([&](float old, float xv, float dv) { return old + dv * xv * r; }, v, d)
          .store(dweight + c);
    });
  }
  if (partial == nullptr) return;
  float* out = partial + blockIdx.x * C;
  for_columns<kVector, kThreads>(lane, C, [&](int64_t c) { V::load(dweight + c).store(out + c); });
}

// out[c] += the sum of partial[:, c].
//   mapping       block = 32 columns, warp = every 8th part, then warps in order
//   traffic       4 parts C bytes from the second cache: 256 x 2048 2 MB: launch bound
__global__ void __launch_bounds__(kThreads)
    column_sum_kernel(const float* __restrict__ partial, float* __restrict__ out, int64_t parts, int64_t C) {
  __shared__ float sums[kThreads];
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  constexpr int kWarps = kThreads / kWarp;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWarp + lane;
  float sum = 0.0f;
  if (c < C) {
    for (int64_t part = warp; part < parts; part += kWarps) sum += partial[part * C + c];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp != 0 || c >= C) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w * kWarp + lane];
  out[c] += sum;
}

// y = (x - mean) rstd w + b per row, the variance from centred values: a large mean cancels nothing.
//   mapping       as rmsnorm
//   traffic       8 C bytes per row, 6 C with y in bf16: 1500 x 1280 (Whisper) 15 MB, floor 3 us (computed, H200
//                 4.8 TB/s)
template <bool kVector, int kLanes, typename To>
__global__ void __launch_bounds__(kThreads)
    layernorm_forward_kernel(const float* x, const float* __restrict__ weight, const float* __restrict__ bias,
                             To* y, int64_t T, int64_t C, float eps) {
  using Row = RowThreads<kLanes>;
  using V = Columns<kVector>;
  __shared__ float shared[kMaxWarps];
  const int64_t t = Row::row();
  const bool active = t < T;
  x += t * C, y += t * C;
  float sum = 0.0f, squares = 0.0f;
  if (active) for_columns<kVector, kLanes>(Row::lane(), C, [&](int64_t c) { sum += V::load(x + c).sum(); });
  const float mean = Row::sum(sum, shared) / static_cast<float>(C);
  if (active) {
    for_columns<kVector, kLanes>(Row::lane(), C, [&](int64_t c) {
      squares += V::load(x + c).map([&](float v) { return (v - mean) * (v - mean); }).sum();
    });
  }
  const float r = 1.0f / sqrtf(Row::sum(squares, shared) / static_cast<float>(C) + eps);
  if (!active) return;
  for_columns<kVector, kLanes>(Row::lane(), C, [&](int64_t c) {
    V::load(x + c)
        .map([&](float v, float w, float shift) { return (v - mean) * r * w + shift; }, V::load(weight + c),
             V::load(bias + c))
        .store(y + c);
  });
}

// The row kernels' variants, picked by shape and alignment: kVector, then a warp or a block per row.
template <typename Launch>
void for_row_kernel(bool vector, int64_t C, Launch launch) {
  using Warp = std::integral_constant<int, kWarp>;
  using Block = std::integral_constant<int, kThreads>;
  if (C <= kWarpRow) {
    vector ? launch(std::true_type{}, Warp{}) : launch(std::false_type{}, Warp{});
  } else {
    vector ? launch(std::true_type{}, Block{}) : launch(std::false_type{}, Block{});
  }
}

template <typename To>
void rmsnorm(Stream& stream, const float* a, const float* b, const float* weight, float* sum, To* y,
             float* rstd, int64_t T, int64_t C, float eps) {
  if (T == 0) return;
  for_row_kernel(vector_rows(C, a, b, weight, sum, y), C, [&](auto vector, auto lanes) {
    constexpr bool kVector = decltype(vector)::value;
    constexpr int kLanes = decltype(lanes)::value;
    LLASA_LAUNCH((rmsnorm_forward_kernel<kVector, kLanes, To>),
                 grid_of(ceil_div(T, RowThreads<kLanes>::kRows)), kThreads, 0, stream, a, b, weight, sum, y,
                 rstd, T, C, eps);
  });
}

template <typename To>
void layernorm(Stream& stream, const float* x, const float* weight, const float* bias, To* y, int64_t T,
               int64_t C, float eps) {
  if (T == 0) return;
  for_row_kernel(vector_rows(C, x, weight, bias, y), C, [&](auto vector, auto lanes) {
    constexpr bool kVector = decltype(vector)::value;
    constexpr int kLanes = decltype(lanes)::value;
    LLASA_LAUNCH((layernorm_forward_kernel<kVector, kLanes, To>),
                 grid_of(ceil_div(T, RowThreads<kLanes>::kRows)), kThreads, 0, stream, x, weight, bias, y, T,
                 C, eps);
  });
}

}  // namespace
}  // namespace cuda

void rmsnorm_forward(Stream& stream, const float* x, const float* weight, ArrayView y, float* rstd, int64_t T,
                     int64_t C, float eps) {
  add_rmsnorm_forward(stream, x, nullptr, weight, nullptr, y, rstd, T, C, eps);
}

void add_rmsnorm_forward(Stream& stream, const float* a, const float* b, const float* weight, float* sum,
                         ArrayView y, float* rstd, int64_t T, int64_t C, float eps) {
  if (y.is_bf16())
    cuda::rmsnorm(stream, a, b, weight, sum, y.bf16(), rstd, T, C, eps);
  else
    cuda::rmsnorm(stream, a, b, weight, sum, y.f32(), rstd, T, C, eps);
}

void rmsnorm_backward(Stream& stream, const float* x, const float* weight, const float* rstd, const float* dy,
                      float* dx, float* dweight, int64_t T, int64_t C, Bf16* narrowed) {
  using namespace cuda;
  if (T == 0) return;
  const int64_t rows = ceil_div(T, gpu::kMaxNormParts), parts = ceil_div(T, rows);
  const int64_t shared_bytes = C * static_cast<int64_t>(sizeof(float));
  Scratch scratch(stream);
  float* partial = dweight == nullptr ? nullptr : scratch.take<float>(parts * C);
  if (vector_rows(C, x, weight, dy, dx, narrowed)) {
    LLASA_LAUNCH((rmsnorm_backward_kernel<true>), grid_of(parts), kThreads, shared_bytes, stream, x, weight,
                 rstd, dy, dx, narrowed, partial, T, C, rows);
  } else {
    LLASA_LAUNCH((rmsnorm_backward_kernel<false>), grid_of(parts), kThreads, shared_bytes, stream, x, weight,
                 rstd, dy, dx, narrowed, partial, T, C, rows);
  }
  if (dweight == nullptr) return;
  LLASA_LAUNCH(column_sum_kernel, grid_of(ceil_div(C, kWarp)), kThreads, 0, stream, partial, dweight, parts,
               C);
}

void layernorm_forward(Stream& stream, const float* x, const float* weight, const float* bias, ArrayView y,
                       int64_t T, int64_t C, float eps) {
  if (y.is_bf16())
    cuda::layernorm(stream, x, weight, bias, y.bf16(), T, C, eps);
  else
    cuda::layernorm(stream, x, weight, bias, y.f32(), T, C, eps);
}

}  // namespace llasa
