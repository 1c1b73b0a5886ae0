// Attention of decoding on the device; contract in ops/attention_decode.h.
//
// Flash-decoding (split-K): the tokens of a row's prefix and its own tokens are each cut into a few splits, a
// block attends to one split of one key/value head for all its query heads, a second kernel puts the splits
// together. Where a split begins depends on the row's token counts alone, so a row's bits do not depend on
// its neighbours. Neighbouring rows with one prefix (the samples of a group) read its keys and values
// together.
#include <algorithm>
#include <type_traits>

#include "core/scratch.h"
#include "cuda/attention_mma.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "cuda/rotate.cuh"
#include "cuda/softmax_exponent.cuh"
#include "ops/attention_decode.h"
#include "ops/gpu_scratch.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kBlock = static_cast<int>(kKvBlock);
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kPrefixSplits = 4;
constexpr int kOwnSplits = 8;
constexpr int kSplits = kPrefixSplits + kOwnSplits;
static_assert(kSplits == gpu::kDecodeSplits);
constexpr int kSharedRows = 4;  // neighbours that may read a prefix together
static_assert(kBlock == 16, "a warp scores 8 x 4 floats of a key row of 16 tokens at a time");

struct BlockRange {
  int begin, end;
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
};

// Query vectors [first, first + kVectors) of `count` (vector r of row t is r + R (t - row)) against one
// split.
template <typename T, int kPer, int kVectors>
__device__ void attend_vectors(const DecodeArguments& a, void* const* table, int tokens, BlockRange range,
                               int row, int first, int count, int g, int split) {
  constexpr int kD = kPer * kWarp;
  constexpr bool kRounds = std::is_same_v<T, Bf16> && uses_tensor_cores(Precision::kBf16, kD);
  __shared__ float q[kVectors * kD];
  __shared__ __align__(16) float weights[kWarps][kVectors * kBlock];
  __shared__ float exponents[kWarps][kVectors], sums[kWarps][kVectors];
  __shared__ float outs[kWarps][kVectors * kD];
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int D = a.D, R = a.H / a.G;
  const int64_t qkv_row = static_cast<int64_t>(a.H + 2 * a.G) * D;
  const auto head = [&](int v) { return static_cast<int64_t>(row + v / R) * a.H + g * R + v % R; };
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * D; i += kThreads) {
    const int v = first + i / D;
    const float x = v < count ? a.qkv[(row + v / R) * qkv_row + (g * R + v % R) * D + i % D] : 0.0f;
    q[i] = as_multiplied<kRounds>(x) * a.factor;
  }
  __syncthreads();
  Running<kPer, kVectors> running;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    running.exponent[v] = -INFINITY;
    running.sum[v] = 0.0f;
#pragma unroll
    for (int j = 0; j < kPer; ++j) running.out[v][j] = 0.0f;
  }
  const int64_t head_elements = static_cast<int64_t>(D) * kBlock;
  for (int b = range.begin + warp; b < range.end; b += kWarps) {
    const T* keys = static_cast<const T*>(table[b]) + a.layer_offset + g * head_elements;
    const int left = tokens - b * kBlock;
    attend_block<T, kPer, kVectors, kRounds>(keys, keys + a.G * head_elements, q, D,
                                             left < kBlock ? left : kBlock, weights[warp], running);
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (lane == 0) exponents[warp][v] = running.exponent[v], sums[warp][v] = running.sum[v];
#pragma unroll
    for (int j = 0; j < kPer; ++j) outs[warp][v * kD + lane + kWarp * j] = running.out[v][j];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * D; i += kThreads) {
    const int v = i / D, d = i % D;
    if (first + v >= count) continue;
    float m = exponents[0][v], sum = 0.0f, out = 0.0f;
    for (int w = 1; w < kWarps; ++w) m = fmaxf(m, exponents[w][v]);
    for (int w = 0; w < kWarps; ++w) {
      const float factor = exp2f(exponents[w][v] - m);  // 0 for a warp that saw nothing
      sum = fmaf(sums[w][v], factor, sum);
      out = fmaf(outs[w][v * kD + d], factor, out);
    }
    const int64_t place = head(first + v) * kSplits + split;
    a.partial[place * D + d] = out;
    if (d == 0) a.moments[place] = make_float2(m, sum);
  }
  __syncthreads();
}

// Softmax-weighted values of one split, unnormalised, with their maximum and sum.
//   shapes        D <= 32 kPer; a row has H / G query vectors per key/value head, kVectors at a time
//   mapping       block = (row, g, own split) or (kSharedRows rows, g, prefix split); warp = every 4th cache
//                 block of 16 tokens; lane = 4 tokens x D/8 dimensions of the keys, then every 32nd dimension
//                 of values
//   memory        kVectors D floats of queries, four warps' results; registers kVectors (kPer + 6)
//   traffic       8 D bytes per token and g (4 D from bf16), prefixes once per kSharedRows rows: Llasa-1B,
//                 128 rows of 1000 own tokens, one layer 525 MB, floor 109 us (computed, H200 4.8 TB/s)
//   numerics      scores and sums in f32, online softmax per warp. With keys in bf16 q and the weights are
//                 rounded as the training pass does (D <= 128). Unwritten places of a cache block are not
//                 read
//   determinism   a row's arithmetic is the same alone and among others; no atomics
template <typename T, int kPer, int kVectors>
__global__ void __launch_bounds__(kThreads) attention_decode_kernel(DecodeArguments a) {
  const int split = static_cast<int>(blockIdx.z), g = static_cast<int>(blockIdx.y), R = a.H / a.G;
  if (split >= kPrefixSplits) {
    const int row = static_cast<int>(blockIdx.x);
    const DecodeRow r = a.rows[row];
    const BlockRange range = split_blocks(r.own_tokens, kOwnSplits, split - kPrefixSplits);
    if (range.begin == range.end) return;
    for (int first = 0; first < R; first += kVectors) {
      attend_vectors<T, kPer, kVectors>(a, a.tables + r.own_table, r.own_tokens, range, row, first, R, g,
                                        split);
    }
    return;
  }
  int row = static_cast<int>(blockIdx.x) * kSharedRows;
  const int last = row + kSharedRows < a.T ? row + kSharedRows : a.T;
  while (row < last) {
    const DecodeRow r = a.rows[row];
    int end = row + 1;
    while (end < last && a.rows[end].prefix_table == r.prefix_table &&
           a.rows[end].prefix_tokens == r.prefix_tokens) {
      ++end;
    }
    const BlockRange range = split_blocks(r.prefix_tokens, kPrefixSplits, split);
    for (int first = 0; range.begin < range.end && first < (end - row) * R; first += kVectors) {
      attend_vectors<T, kPer, kVectors>(a, a.tables + r.prefix_table, r.prefix_tokens, range, row, first,
                                        (end - row) * R, g, split);
    }
    row = end;
  }
}

// out[t,h] = sum over splits of 2^(m - largest m) partial / sum over splits of 2^(m - largest m) sum.
//   mapping       block = (t, h), thread = every 64th dimension
//   traffic       up to 4 kSplits D bytes per (t, h), from the second cache
//   determinism   prefix splits in order, then own splits in order
constexpr int kCombineThreads = 64;
template <typename To>
__global__ void __launch_bounds__(kCombineThreads)
    attention_decode_combine_kernel(DecodeArguments a, To* __restrict__ out) {
  const int64_t head = blockIdx.x;
  const DecodeRow row = a.rows[head / a.H];
  const auto live = [&](int split) {
    const BlockRange range = split < kPrefixSplits
                                 ? split_blocks(row.prefix_tokens, kPrefixSplits, split)
                                 : split_blocks(row.own_tokens, kOwnSplits, split - kPrefixSplits);
    return range.begin < range.end;
  };
  const float2* moments = a.moments + head * kSplits;
  float m = -INFINITY, sum = 0.0f;
  for (int s = 0; s < kSplits; ++s) {
    if (live(s)) m = fmaxf(m, moments[s].x);
  }
  for (int s = 0; s < kSplits; ++s) {
    if (live(s)) sum = fmaf(moments[s].y, exp2f(moments[s].x - m), sum);
  }
  for (int d = static_cast<int>(threadIdx.x); d < a.D; d += kCombineThreads) {
    float value = 0.0f;
    for (int s = 0; s < kSplits; ++s) {
      if (live(s)) value = fmaf(a.partial[(head * kSplits + s) * a.D + d], exp2f(moments[s].x - m), value);
    }
    assign(out + head * a.D + d, value / sum);
  }
}

struct AppendArguments {
  float* qkv;
  const DecodeRow* rows;
  void* const* tables;
  int64_t layer_offset;
  int H, G, D;
};

// Places of key and value d of head g of row t in the cache.
template <typename T>
struct Place {
  T* key;
  T* value;
};
template <typename T>
__device__ __forceinline__ Place<T> cache_place(const AppendArguments& a, int64_t t, int g, int d) {
  const DecodeRow row = a.rows[t];
  const int index = row.own_tokens - 1, token = index % kBlock;
  T* block = static_cast<T*>(a.tables[row.own_table + index / kBlock]) + a.layer_offset;
  const int64_t head_elements = static_cast<int64_t>(a.D) * kBlock;
  return {block + g * head_elements + d * kBlock + token,
          block + (a.G + g) * head_elements + static_cast<int64_t>(token) * a.D + d};
}

// Keys and values of a row into its cache block, rounded to nearest even where the cache is bf16.
//   mapping       block = row, thread = every 128th of the G D places
//   traffic       16 G D bytes per row; 128 rows of Llasa-1B 1 MB: launch bound
template <typename T>
__global__ void __launch_bounds__(kThreads) kv_append_kernel(AppendArguments a) {
  const int64_t t = blockIdx.x;
  const float* key = a.qkv + t * (a.H + 2 * a.G) * a.D + a.H * a.D;
  for (int i = static_cast<int>(threadIdx.x); i < a.G * a.D; i += kThreads) {
    const Place<T> place = cache_place<T>(a, t, i / a.D, i % a.D);
    assign(place.key, key[i]);
    assign(place.value, key[a.G * a.D + i]);
  }
}

// The same, with the queries turned in place and the keys on their way.
//   mapping       block = row, thread = every 128th pair of the H + G turned heads, then of the values
//   traffic       (8 H + 16 G) D bytes per row: one launch and one pass instead of two
template <typename T>
__global__ void __launch_bounds__(kThreads)
    rope_kv_append_kernel(AppendArguments a, const int32_t* __restrict__ positions,
                          const float* __restrict__ table) {
  const int64_t t = blockIdx.x;
  const int D = a.D, half = D / 2;
  float* row = a.qkv + t * (a.H + 2 * a.G) * D;
  const float* turn = table + static_cast<int64_t>(positions[t]) * D;
  for (int item = static_cast<int>(threadIdx.x); item < (a.H + a.G) * half; item += kThreads) {
    const int head = item / half, i = item % half;
    float low = row[head * D + i], high = row[head * D + half + i];
    rotate(low, high, turn[i], turn[half + i]);
    if (head < a.H) {
      row[head * D + i] = low;
      row[head * D + half + i] = high;
    } else {
      assign(cache_place<T>(a, t, head - a.H, i).key, low);
      assign(cache_place<T>(a, t, head - a.H, half + i).key, high);
    }
  }
  const float* values = row + (a.H + a.G) * D;
  for (int i = static_cast<int>(threadIdx.x); i < a.G * D; i += kThreads) {
    assign(cache_place<T>(a, t, i / D, i % D).value, values[i]);
  }
}

AppendArguments append_arguments(const float* qkv, const DecodeRow* rows, void* const* tables, int64_t layer,
                                 const DecodeShape& shape) {
  return {const_cast<float*>(qkv),
          rows,
          tables,
          layer * shape.layer_elements(),
          static_cast<int>(shape.H),
          static_cast<int>(shape.G),
          static_cast<int>(shape.D)};
}

template <typename T, int kPer, int kVectors>
void launch_decode(Stream& stream, const DecodeArguments& a) {
  const dim3 grid(static_cast<unsigned>(a.T), static_cast<unsigned>(a.G), kSplits);
  LLASA_LAUNCH((attention_decode_kernel<T, kPer, kVectors>), grid, kThreads, 0, stream, a);
}

template <typename T, int kPer>
void launch_decode(Stream& stream, const DecodeArguments& a) {
  a.H / a.G <= 4 ? launch_decode<T, kPer, 4>(stream, a) : launch_decode<T, kPer, 8>(stream, a);
}

template <typename T>
void launch_decode(Stream& stream, const DecodeArguments& a) {
  if (a.D <= 32)
    launch_decode<T, 1>(stream, a);
  else if (a.D <= 64)
    launch_decode<T, 2>(stream, a);
  else if (a.D <= 128)
    launch_decode<T, 4>(stream, a);
  else
    launch_decode<T, 8>(stream, a);
}

}  // namespace
}  // namespace cuda

void kv_append(Stream& stream, const float* qkv, const DecodeRow* rows, void* const* tables, int64_t layer,
               int64_t T, const DecodeShape& shape) {
  using namespace cuda;
  if (T == 0) return;
  const AppendArguments a = append_arguments(qkv, rows, tables, layer, shape);
  if (shape.dtype == DType::kBf16) {
    LLASA_LAUNCH((kv_append_kernel<Bf16>), grid_of(T), kThreads, 0, stream, a);
  } else {
    LLASA_LAUNCH((kv_append_kernel<float>), grid_of(T), kThreads, 0, stream, a);
  }
}

void rope_kv_append(Stream& stream, float* qkv, const int32_t* positions, const float* table,
                    const DecodeRow* rows, void* const* tables, int64_t layer, int64_t T,
                    const DecodeShape& shape) {
  using namespace cuda;
  if (T == 0) return;
  const AppendArguments a = append_arguments(qkv, rows, tables, layer, shape);
  if (shape.dtype == DType::kBf16) {
    LLASA_LAUNCH((rope_kv_append_kernel<Bf16>), grid_of(T), kThreads, 0, stream, a, positions, table);
  } else {
    LLASA_LAUNCH((rope_kv_append_kernel<float>), grid_of(T), kThreads, 0, stream, a, positions, table);
  }
}

void attention_decode(Stream& stream, const float* qkv, ArrayView out, const DecodeRow* rows,
                      void* const* tables, int64_t layer, int64_t T, const DecodeShape& shape) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_CHECK(shape.D <= 256, Status::kArgument, "head dimension: %lld, the CUDA backend takes at most 256",
              static_cast<long long>(shape.D));
  const int64_t chunk = std::min(T, gpu::kDecodeRows);
  Scratch scratch(stream);
  DecodeArguments a;
  a.partial = scratch.take<float>(chunk * shape.H * kSplits * shape.D);
  a.moments = scratch.take<float2>(chunk * shape.H * kSplits);
  a.tables = tables;
  a.layer_offset = layer * shape.layer_elements();
  a.H = static_cast<int>(shape.H), a.G = static_cast<int>(shape.G), a.D = static_cast<int>(shape.D);
  a.factor = kLog2E / sqrtf(static_cast<float>(shape.D));
  for (int64_t first = 0; first < T; first += chunk) {
    a.T = static_cast<int>(std::min(chunk, T - first));
    a.qkv = qkv + first * shape.row();
    a.rows = rows + first;
    shape.dtype == DType::kBf16 ? launch_decode<Bf16>(stream, a) : launch_decode<float>(stream, a);
    const ArrayView rows_out = out + first * shape.H * shape.D;
    if (out.is_bf16()) {
      LLASA_LAUNCH((attention_decode_combine_kernel<Bf16>), grid_of(a.T * shape.H), kCombineThreads, 0,
                   stream, a, rows_out.bf16());
    } else {
      LLASA_LAUNCH((attention_decode_combine_kernel<float>), grid_of(a.T * shape.H), kCombineThreads, 0,
                   stream, a, rows_out.f32());
    }
  }
}

}  // namespace llasa
