// What every kernel needs: warp and block reductions with a fixed tree, vector access, grids.
//
// Reductions give every thread the same bits whatever runs beside them: lanes meet in a butterfly (__shfl_xor
// adds the same pairs on both sides, and a + b = b + a), warps are added in the order of their index.
//
// Kernels carry cards: what a block and a thread do, what moves, what rounds, what fixes the order of sums. A
// "floor" on a card is computed, not measured: bytes or operations over what an H200's data sheet promises,
// 4.8 TB/s, 67 TFLOP/s in f32, 989 TFLOP/s in bf16 on tensor cores.
#pragma once

#include <cstdint>

#include "core/launch.h"

namespace llasa::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kMaxWarps = 32;

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

// NaN in either operand is kept: a maximum that hides it would hide a broken model.
struct Max {
  __device__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

// Of kLanes neighbouring lanes (a power of two), in all of them. All lanes of the warp call.
template <int kLanes = kWarp, typename T, typename Op>
__device__ __forceinline__ T lane_reduce(T value, Op op) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    value = op(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
}

template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  return lane_reduce(value, Sum{});
}

__device__ __forceinline__ float warp_max(float value) {
  return lane_reduce(value, Max{});
}

// Of the whole block (one-dimensional, a multiple of 32 threads), in every thread. `shared` has a place per
// warp; it is free again when the call returns. All threads call.
template <typename T, typename Op>
__device__ __forceinline__ T block_reduce(T value, T* shared, Op op) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  value = lane_reduce(value, op);
  if (warps == 1) return value;
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  T total = shared[0];
  for (int w = 1; w < warps; ++w) total = op(total, shared[w]);
  __syncthreads();
  return total;
}

template <typename T>
__device__ __forceinline__ T block_sum(T value, T* shared) {
  return block_reduce(value, shared, Sum{});
}

__device__ __forceinline__ float block_max(float value, float* shared) {
  return block_reduce(value, shared, Max{});
}

// Largest value and the sum of exp(x - largest) of what was seen, in one pass (Milakov and Gimelshein,
// arXiv 1805.02867). Nothing seen, or -inf alone: {-inf, 0}.
struct SoftmaxSum {
  float max;
  float sum;

  // Of nothing. Not a constructor: shared memory takes trivial types only.
  __device__ static SoftmaxSum none() { return {-INFINITY, 0.0f}; }
  __device__ __forceinline__ void add(float x) {
    if (x > max) {
      sum = sum * expf(max - x) + 1.0f;
      max = x;
    } else if (x != -INFINITY) {  // NaN comes here and stays
      sum += expf(x - max);
    }
  }
};

struct MergeSoftmax {
  __device__ __forceinline__ SoftmaxSum operator()(const SoftmaxSum& a, const SoftmaxSum& b) const {
    const float max = fmaxf(a.max, b.max);
    if (max == -INFINITY) return {max, a.sum + b.sum};  // 0, or the NaN of either
    return {max, a.sum * expf(a.max - max) + b.sum * expf(b.max - max)};
  }
};

// Of the whole block; `shared` has a place per warp.
__device__ __forceinline__ SoftmaxSum block_softmax_sum(SoftmaxSum value, SoftmaxSum* shared) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const MergeSoftmax merge;
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    SoftmaxSum other;
    other.max = __shfl_xor_sync(kAllLanes, value.max, offset);
    other.sum = __shfl_xor_sync(kAllLanes, value.sum, offset);
    value = merge(value, other);
  }
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  SoftmaxSum total = shared[0];
  for (int w = 1; w < static_cast<int>(blockDim.x) / kWarp; ++w) total = merge(total, shared[w]);
  __syncthreads();
  return total;
}

__device__ __forceinline__ float4 load4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ void store4(float* p, float4 v) {
  *reinterpret_cast<float4*>(p) = v;
}

// True if rows of `count` floats from each pointer can be read as float4.
inline bool vector_rows(int64_t count) {
  return count % 4 == 0;
}
template <typename... Pointers>
bool vector_rows(int64_t count, const void* pointer, Pointers... pointers) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && vector_rows(count, pointers...);
}

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// One-dimensional grid; x may be 2^31 - 1 blocks.
inline dim3 grid_of(int64_t blocks) {
  return dim3(static_cast<unsigned>(blocks), 1, 1);
}

}  // namespace llasa::cuda
