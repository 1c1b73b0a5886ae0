// Finite scalar quantisation on the device; contract in ops/fsq.h. The levels travel in the kernel's
// arguments: no copy to wait for, nothing to keep alive.
#include "cuda/common.cuh"
#include "ops/fsq.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxLevels = 16;

struct Levels {
  int32_t value[kMaxLevels];
};

Levels levels_of(const int32_t* levels, int64_t n) {
  LLASA_CHECK(n >= 1 && n <= kMaxLevels, Status::kArgument, "FSQ: %lld levels, expected 1..%lld",
              static_cast<long long>(n), static_cast<long long>(kMaxLevels));
  Levels l{};
  for (int64_t i = 0; i < n; ++i) l.value[i] = levels[i];
  return l;
}

// y[t,i] = (digit_i(code_t) - half) / half.
//   mapping       thread = frame; 4 (1 + n) bytes per frame. 50 frames/s x 30 s x 64 clips, n = 8: 3.5 MB,
//                 launch bound
//   numerics      one division, exact digits
__global__ void __launch_bounds__(kThreads)
    fsq_dequantize_kernel(const int32_t* __restrict__ codes, Levels levels, float* __restrict__ y, int64_t T,
                          int n) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (t >= T) return;
  int32_t rest = codes[t];
  for (int i = 0; i < n; ++i) {
    const int32_t level = levels.value[i], half = level / 2;
    y[t * n + i] = static_cast<float>(rest % level - half) / static_cast<float>(half);
    rest /= level;
  }
}

// bound(z) = tanh(z + shift) half - offset, in double as on the CPU: n values per frame are few, and a value
// on a rounding border decides a code.
__global__ void __launch_bounds__(kThreads)
    fsq_bound_kernel(const float* x, Levels levels, float* y, int64_t count, int n) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= count) return;
  const int32_t level = levels.value[j % n];
  const double half = static_cast<double>(level - 1) * 1.001 / 2.0;
  const double offset = level % 2 == 0 ? 0.5 : 0.0;
  const double z = static_cast<double>(x[j]) + atanh(offset / half);
  y[j] = static_cast<float>(tanh(z) * half - offset);
}

// code_t = sum over i of (round half to even(x[t,i]) + levels[i] / 2) basis_i; thread = frame.
__global__ void __launch_bounds__(kThreads)
    fsq_quantize_kernel(const float* __restrict__ x, Levels levels, int32_t* __restrict__ codes, int64_t T,
                        int n) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (t >= T) return;
  int32_t code = 0, basis = 1;
  for (int i = 0; i < n; ++i) {
    code += (static_cast<int32_t>(rintf(x[t * n + i])) + levels.value[i] / 2) * basis;
    basis *= levels.value[i];
  }
  codes[t] = code;
}

}  // namespace
}  // namespace cuda

void fsq_dequantize(Stream& stream, const int32_t* codes, const int32_t* levels, float* y, int64_t T,
                    int64_t n) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_LAUNCH(fsq_dequantize_kernel, grid_of(ceil_div(T, kThreads)), kThreads, 0, stream, codes,
               levels_of(levels, n), y, T, static_cast<int>(n));
}

void fsq_bound(Stream& stream, const float* x, const int32_t* levels, float* y, int64_t T, int64_t n) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_LAUNCH(fsq_bound_kernel, grid_of(ceil_div(T * n, kThreads)), kThreads, 0, stream, x,
               levels_of(levels, n), y, T * n, static_cast<int>(n));
}

void fsq_quantize(Stream& stream, const float* x, const int32_t* levels, int32_t* codes, int64_t T,
                  int64_t n) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_LAUNCH(fsq_quantize_kernel, grid_of(ceil_div(T, kThreads)), kThreads, 0, stream, x,
               levels_of(levels, n), codes, T, static_cast<int>(n));
}

}  // namespace llasa
