// Attention of decoding: what the kernels of attention_decode.cu and the reading of shared prefixes
// (attention_decode_prefix.cuh) have in common. Scores are exponents of 2 (softmax_exponent.cuh).
#pragma once

#include <type_traits>

#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "cuda/softmax_exponent.cuh"
#include "ops/attention_decode.h"
#include "ops/attention_plan.h"
#include "ops/gpu_scratch.h"

namespace llasa::cuda {

constexpr int kBlock = static_cast<int>(kKvBlock);
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kPrefixSplits = 4;
constexpr int kOwnSplits = 8;
constexpr int kSplits = kPrefixSplits + kOwnSplits;
static_assert(kSplits == gpu::kDecodeSplits);
static_assert(kBlock == 16, "a warp scores 8 x 4 floats of a key row of 16 tokens at a time");

struct BlockRange {
  int begin, end;

  __device__ __forceinline__ bool empty() const { return begin >= end; }
};

// Cache blocks of split `index` of `splits`; a split has at least one block per warp.
__device__ __forceinline__ BlockRange split_blocks(int tokens, int splits, int index) {
  const int blocks = (tokens + kBlock - 1) / kBlock;
  int size = (blocks + splits - 1) / splits;
  size = size < kWarps ? kWarps : size;
  const int begin = index * size, end = begin + size;
  return {begin < blocks ? begin : blocks, end < blocks ? end : blocks};
}

// Running softmax of kVectors queries over the tokens a warp has seen; lane owns values d = lane + 32 j.
template <int kPer, int kVectors>
struct Running {
  float exponent[kVectors];  // see softmax_exponent
  float sum[kVectors];
  float out[kVectors][kPer];
};

// scores[v] = q[v] . keys of 4 tokens (those of lane % 4), in all lanes; keys [D, 16] of one cache block, of
// which `valid` tokens are written: others are not read.
template <typename T, int kVectors>
__device__ __forceinline__ void score_block(const T* __restrict__ keys, const float* q, int D, int valid,
                                            float4 (&scores)[kVectors]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, token = lane % 4 * 4;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) scores[v] = make_float4(0, 0, 0, 0);
#pragma unroll(kVectors == 8 ? 2 : 4)  // 8 queries' sums leave registers for two keys in flight
  for (int d = lane / 4; d < D; d += kWarp / 4) {
    const T* row = keys + d * kBlock + token;
    float4 k = make_float4(0, 0, 0, 0);
    if (valid == kBlock) {
      k = load4(row);
    } else {
      if (token < valid) k.x = to_float(row[0]);
      if (token + 1 < valid) k.y = to_float(row[1]);
      if (token + 2 < valid) k.z = to_float(row[2]);
      if (token + 3 < valid) k.w = to_float(row[3]);
    }
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const float query = q[v * D + d];
      scores[v].x = fmaf(query, k.x, scores[v].x);
      scores[v].y = fmaf(query, k.y, scores[v].y);
      scores[v].z = fmaf(query, k.z, scores[v].z);
      scores[v].w = fmaf(query, k.w, scores[v].w);
    }
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int offset = 4; offset < kWarp; offset *= 2) {
      scores[v].x += __shfl_xor_sync(kAllLanes, scores[v].x, offset);
      scores[v].y += __shfl_xor_sync(kAllLanes, scores[v].y, offset);
      scores[v].z += __shfl_xor_sync(kAllLanes, scores[v].z, offset);
      scores[v].w += __shfl_xor_sync(kAllLanes, scores[v].w, offset);
    }
  }
}

// What the tensor cores of the training pass (attention_mma.cu) see of a factor of a product.
template <bool kRounds>
__device__ __forceinline__ float as_multiplied(float x) {
  return kRounds ? to_float(to_bf16(x)) : x;
}
template <bool kRounds>
__device__ __forceinline__ float4 as_multiplied(float4 x) {
  return make_float4(as_multiplied<kRounds>(x.x), as_multiplied<kRounds>(x.y), as_multiplied<kRounds>(x.z),
                     as_multiplied<kRounds>(x.w));
}

// One cache block more for a warp: the online softmax step. `weights` is the warp's own [kVectors, 16].
template <typename T, int kPer, int kVectors, bool kRounds>
__device__ __forceinline__ void attend_block(const T* __restrict__ keys, const T* __restrict__ values,
                                             const float* q, int D, int valid, float* weights,
                                             Running<kPer, kVectors>& running) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, token = lane % 4 * 4;
  float4 scores[kVectors];
  score_block<T, kVectors>(keys, q, D, valid, scores);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    float4& s = scores[v];
    if (token >= valid) s.x = -INFINITY;
    if (token + 1 >= valid) s.y = -INFINITY;
    if (token + 2 >= valid) s.z = -INFINITY;
    if (token + 3 >= valid) s.w = -INFINITY;
    const float largest = lane_reduce<4>(fmaxf(fmaxf(s.x, s.y), fmaxf(s.z, s.w)), Max{});
    const float m = fmaxf(running.exponent[v], softmax_exponent(largest));
    const float4 p =
        as_multiplied<kRounds>(make_float4(exp2f(s.x - m), exp2f(s.y - m), exp2f(s.z - m), exp2f(s.w - m)));
    const float correction = exp2f(running.exponent[v] - m);  // 0 at first
    running.sum[v] = running.sum[v] * correction + lane_reduce<4>((p.x + p.y) + (p.z + p.w), Sum{});
    running.exponent[v] = m;
#pragma unroll
    for (int j = 0; j < kPer; ++j) running.out[v][j] *= correction;
    if (lane < 4) store4(weights + v * kBlock + token, p);
  }
  __syncwarp();
#pragma unroll 4
  for (int t = 0; t < valid; ++t) {
    float value[kPer];
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      const int d = lane + kWarp * j;
      value[j] = d < D ? to_float(values[t * D + d]) : 0.0f;
    }
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const float p = weights[v * kBlock + t];
#pragma unroll
      for (int j = 0; j < kPer; ++j) running.out[v][j] = fmaf(p, value[j], running.out[v][j]);
    }
  }
  __syncwarp();
}

struct DecodeArguments {
  const float* qkv;
  const DecodeRow* rows;
  void* const* tables;
  float* partial;   // [T, H, kSplits, D]
  float2* moments;  // [T, H, kSplits]: exponent m of the largest weight, sum of 2^(score - m)
  int64_t layer_offset;
  int T, H, G, D;
  float factor;  // log2 e / sqrt D: scores are exponents of 2

  // Query vector v of key/value head g, counted from `row` on (H / G of each row): where it lies in qkv, and
  // the place of its split.
  __device__ __forceinline__ const float* query(int row, int g, int v) const {
    const int R = H / G;
    return qkv + static_cast<int64_t>(row + v / R) * (H + 2 * G) * D + (g * R + v % R) * D;
  }
  __device__ __forceinline__ int64_t place(int row, int g, int v, int split) const {
    const int R = H / G;
    return (static_cast<int64_t>(row + v / R) * H + g * R + v % R) * kSplits + split;
  }
};

}  // namespace llasa::cuda
