// Attention of decoding on the device; contract in ops/attention_decode.h.
//
// Flash-decoding (split-K): the tokens of a row's prefix and its own tokens are each cut into a few splits, a
// block attends to one split of one key/value head for all its query heads, a second kernel puts the splits
// together. Where a split begins depends on the row's token counts alone, so a row's bits do not depend on
// its neighbours. Of neighbouring rows with one prefix (the samples of a group) one block reads its keys and
// values for all (attention_decode_prefix.cuh), in the same launch.
#include <algorithm>

#include "core/scratch.h"
#include "cuda/attention_decode.cuh"
#include "cuda/attention_decode_prefix.cuh"
#include "cuda/attention_decode_prefix_mma.cuh"
#include "cuda/rotate.cuh"

namespace llasa {
namespace cuda {
namespace {

// Memory of attend_own: queries, weights, and what each warp found.
template <int kPer, int kVectors>
struct OwnMemory {
  static constexpr int kD = kPer * kWarp;
  float weights[kWarps][kVectors * kBlock];
  float q[kVectors * kD];
  float exponents[kWarps][kVectors], sums[kWarps][kVectors];
  float outs[kWarps][kVectors * kD];
};

// Query vectors [first, first + kVectors) of a row against one split of its own tokens.
template <typename T, int kPer, int kVectors>
__device__ void attend_own(const DecodeArguments& a, const DecodeRow& r, BlockRange range, int row, int first,
                           int g, int split, OwnMemory<kPer, kVectors>& memory) {
  constexpr int kD = kPer * kWarp;
  constexpr bool kRounds = std::is_same_v<T, Bf16> && uses_tensor_cores(Precision::kBf16, kD);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int D = a.D, count = a.H / a.G;
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * D; i += kThreads) {
    const int v = first + i / D;
    const float x = v < count ? a.query(row, g, v)[i % D] : 0.0f;
    memory.q[i] = as_multiplied<kRounds>(x) * a.factor;
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
  void* const* table = a.tables + r.own_table;
  const int64_t head_elements = static_cast<int64_t>(D) * kBlock;
  for (int b = range.begin + warp; b < range.end; b += kWarps) {
    const T* keys = static_cast<const T*>(table[b]) + a.layer_offset + g * head_elements;
    const int left = r.own_tokens - b * kBlock;
    attend_block<T, kPer, kVectors, kRounds>(keys, keys + a.G * head_elements, memory.q, D,
                                             left < kBlock ? left : kBlock, memory.weights[warp], running);
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (lane == 0) memory.exponents[warp][v] = running.exponent[v], memory.sums[warp][v] = running.sum[v];
#pragma unroll
    for (int j = 0; j < kPer; ++j) memory.outs[warp][v * kD + lane + kWarp * j] = running.out[v][j];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * D; i += kThreads) {
    const int v = i / D, d = i % D;
    if (first + v >= count) continue;
    float m = memory.exponents[0][v], sum = 0.0f, out = 0.0f;
    for (int w = 1; w < kWarps; ++w) m = fmaxf(m, memory.exponents[w][v]);
    for (int w = 0; w < kWarps; ++w) {
      const float factor = exp2f(memory.exponents[w][v] - m);  // 0 for a warp that saw nothing
      sum = fmaf(memory.sums[w][v], factor, sum);
      out = fmaf(memory.outs[w][v * kD + d], factor, out);
    }
    const int64_t place = a.place(row, g, first + v, split);
    a.partial[place * D + d] = out;
    if (d == 0) a.moments[place] = make_float2(m, sum);
  }
  __syncthreads();
}

// Who meets a prefix: tensor cores, where the training pass has them for such keys.
template <typename T, int kPer, int kVectors>
using PrefixQueriesOf =
    std::conditional_t<std::is_same_v<T, Bf16> && uses_tensor_cores(Precision::kBf16, kPer* kWarp),
                       MmaPrefixQueries<kPer>, PrefixQueries<T, kPer, kVectors>>;

// Blocks of a multiprocessor that registers are to suffice for: rows' own tokens, most of what is read, want many. Where
// tensor cores meet a prefix with D > 32, nvcc 11.8 spills on sm_90 if it is to be one more.
template <typename T, int kPer, int kVectors>
constexpr int kResidentBlocks = kVectors > 4 || kPer > 4               ? 1
                                : kPer == 4                            ? (std::is_same_v<T, Bf16> ? 2 : 4)
                                : kPer == 2 && std::is_same_v<T, Bf16> ? 4
                                                                       : 5;

// Softmax-weighted values of one split, unnormalised, with their maximum and sum.
//   shapes        D <= 32 kPer; a row has H / G query vectors per key/value head, kVectors at a time
//   mapping       block = (row, g, split). Own tokens: warp = every 4th cache block of 16 tokens; lane = 4
//                 tokens x D/8 dimensions of the keys, then every 32nd dimension of values. Of the rows that
//                 share a prefix the first reads it for all, the others' blocks return: warp = 16 of all their
//                 query vectors on tensor cores, or kVectors
//   memory        kVectors D floats of queries, four warps' results; for prefixes 64 tokens of keys and values (32
//                 with D = 128), or 16 KB of them and kVectors D floats of queries a warp; registers
//                 kVectors (kPer + 6) or D / 2 of the output and D / 4 of queries. On sm_90 by nvcc 11.8 and up to 4
//                 query heads a head: 96, 117 and 197 with D = 32, 64 and 128 in bf16 (5, 4 and 2 blocks of a
//                 multiprocessor, 20, 16 and 8 warps of 64), 96, 94 and 127 in f32 (5, 5 and 4); nothing spills
//   traffic       8 D bytes per token and g (4 D from bf16), prefixes once for all rows: Llasa-1B, 128 rows
//                 of 1000 own tokens and 8 prompts of 128 tokens, one layer 529 MB, floor 110 us (computed,
//                 H200 4.8 TB/s)
//   numerics      scores and sums in f32, online softmax per warp. With keys in bf16 q and the weights are
//                 rounded as the training pass does (D <= 128). Unwritten places of a cache block are not
//                 read
//   determinism   a row's arithmetic is the same alone and among others; no atomics
template <typename T, int kPer, int kVectors>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<T, kPer, kVectors>)
    attention_decode_kernel(DecodeArguments a) {
  using Prefix = PrefixQueriesOf<T, kPer, kVectors>;
  using Own = OwnMemory<kPer, kVectors>;
  constexpr size_t kBytes = sizeof(Own) > Prefix::kBytes ? sizeof(Own) : Prefix::kBytes;
  __shared__ __align__(16) unsigned char memory[kBytes];
  __shared__ unsigned votes[kWarps];
  const int row = static_cast<int>(blockIdx.x), g = static_cast<int>(blockIdx.y), R = a.H / a.G;
  const int split = static_cast<int>(blockIdx.z);
  const DecodeRow r = a.rows[row];
  if (split >= kPrefixSplits) {
    const BlockRange range = split_blocks(r.own_tokens, kOwnSplits, split - kPrefixSplits);
    for (int first = 0; !range.empty() && first < R; first += kVectors)
      attend_own<T, kPer, kVectors>(a, r, range, row, first, g, split, *reinterpret_cast<Own*>(memory));
    return;
  }
  const BlockRange range = split_blocks(r.prefix_tokens, kPrefixSplits, split);
  if (range.empty() || (row > 0 && share_prefix(a.rows[row - 1], r))) return;
  const int rows = sharing_rows(a, row, r, votes);
  attend_prefix<Prefix>(a, {a.tables + r.prefix_table, r.prefix_tokens, row, rows * R, g, split}, range,
                        memory);
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
    return !range.empty();
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
