// Attention of packed clips and over caches on the device; contract in ops/attention_full.h. Clips use the
// tiles of attention_tile.cuh, or with kBf16 tensor cores; queries against a cache have kernels of their own,
// because its keys and values lie transposed: neighbouring positions are neighbouring floats.
#include <algorithm>
#include <vector>

#include "core/scratch.h"
#include "cuda/attention_tile.cuh"
#include "cuda/bf16.cuh"
#include "ops/attention_full.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

struct CacheArguments {
  void* data;
  int64_t channels, capacity;
  const int64_t* offsets;
  const int64_t* slots;
  const int64_t* start;  // of cache_append; visible of cached_attention_forward
  int64_t row_stride;
  const DecodeRow* rows = nullptr;  // in place of the three arrays: one row of each sequence
  int64_t visible = 0;              // positions that these see; 0: their own
  RowKeys own = {};                 // of these, to be stored

  LLASA_HOST_DEVICE int64_t begin(int64_t sequence) const {
    return rows != nullptr ? sequence : offsets[sequence];
  }
  LLASA_HOST_DEVICE int64_t count(int64_t sequence) const {
    return rows != nullptr ? 1 : offsets[sequence + 1] - offsets[sequence];
  }
  LLASA_HOST_DEVICE int64_t slot(int64_t sequence) const {
    return rows != nullptr ? rows[sequence].own_table : slots[sequence];
  }
  LLASA_HOST_DEVICE int64_t place(int64_t sequence) const {
    return rows != nullptr ? rows[sequence].own_tokens - 1 : start[sequence];
  }
  LLASA_HOST_DEVICE int64_t seen(int64_t sequence) const {
    if (rows == nullptr) return start[sequence];
    return visible != 0 ? visible : rows[sequence].own_tokens;
  }
};

// Rows of keys and values into the columns of their slots, through a tile that turns them.
//   mapping       block = (32 rows, 32 channels, sequence and keys or values); warp = every 8th row, then
//                 channel
//   traffic       16 bytes per row and channel (12 in bf16); 64 B of neighbours per write where rows allow
template <typename T>
__global__ void __launch_bounds__(kThreads)
    cache_append_kernel(const float* __restrict__ keys, const float* __restrict__ values, CacheArguments a) {
  __shared__ float tile[kWarp][kWarp + 1];
  const int64_t sequence = blockIdx.z / 2;
  const bool is_value = blockIdx.z % 2 == 1;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t begin = a.begin(sequence), rows = a.count(sequence);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kWarp;
  const int64_t first_channel = static_cast<int64_t>(blockIdx.y) * kWarp;
  if (first_row >= rows) return;
  const float* source = (is_value ? values : keys) + begin * a.row_stride;
  for (int r = warp; r < kWarp; r += kWarps) {
    const int64_t row = first_row + r, channel = first_channel + lane;
    if (row < rows && channel < a.channels) tile[r][lane] = source[row * a.row_stride + channel];
  }
  __syncthreads();
  T* slot = static_cast<T*>(a.data) + (a.slot(sequence) * 2 + is_value) * a.channels * a.capacity +
            a.place(sequence);
  for (int c = warp; c < kWarp; c += kWarps) {
    const int64_t row = first_row + lane, channel = first_channel + c;
    if (row < rows && channel < a.channels) assign(slot + channel * a.capacity + row, tile[lane][c]);
  }
}

// y = softmax(scale q k) v for kQ queries of one sequence and head.
//   maths         online softmax over chunks of positions, as in attention_tile.cuh
//   mapping       block = (kQ queries, head, sequence); scores: thread = position, all queries at once;
//                 values: warp = every 8th dimension, lanes along the positions. The key and value of a decode
//                 loop's row are written by the block that reads them, no other does
//   memory        kQ (kChunk + 2 D) floats of shared memory, kChunk = 1024 for one query, 256 for eight; two
//                 blocks of eight queries per multiprocessor, for nvcc 12.4 spills to fit three. 0: not told
//   traffic       8 D bytes (4 D in bf16) per position and kQ queries: one token of Whisper large v3 (20 heads of 64, 1500
//                 positions), 64 sequences: 983 MB per layer, floor 205 us (computed, H200 4.8 TB/s)
//   numerics      f32, in bf16 one rounding of the result; a query sees at least one position
//   determinism   fixed by positions and kQ; kQ by the number of rows of the launch's longest sequence
template <typename T, int kQ, typename To>
__global__ void __launch_bounds__(kThreads, kQ == 1 ? 0 : 2)
    cached_attention_kernel(const float* __restrict__ q, To* __restrict__ y, CacheArguments a, int D,
                            float scale, bool causal) {
  constexpr int kChunk = kQ == 1 ? 1024 : 256;
  LLASA_DYNAMIC_SHARED(float, memory);
  float* queries = memory;        // [kQ, D]
  float* acc = queries + kQ * D;  // [kQ, D]
  float* weights = acc + kQ * D;  // [kQ, kChunk]
  __shared__ float shared[kMaxWarps];
  const int64_t sequence = blockIdx.z, first = static_cast<int64_t>(blockIdx.x) * kQ;
  const int64_t begin = a.begin(sequence), rows = a.count(sequence);
  if (first >= rows) return;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * D;
  if (a.slot(sequence) < 0) {
    for (int d = static_cast<int>(threadIdx.x); d < D; d += kThreads)
      assign(y + begin * a.channels + column + d, 0.0f);
    return;
  }
  const int count = static_cast<int>(rows - first < kQ ? rows - first : kQ);
  T* keys = static_cast<T*>(a.data) + (a.slot(sequence) * 2 * a.channels + column) * a.capacity;
  T* values = keys + a.channels * a.capacity;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  if (a.own.keys != nullptr) {
    const int64_t source = begin * a.row_stride + column, place = a.place(sequence);
    for (int d = static_cast<int>(threadIdx.x); d < D; d += kThreads) {
      assign(keys + d * a.capacity + place, a.own.keys[source + d]);
      assign(values + d * a.capacity + place, a.own.values[source + d]);
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < kQ * D; i += kThreads) {
    queries[i] = i / D < count ? q[(begin + first + i / D) * a.row_stride + column + i % D] * scale : 0.0f;
    acc[i] = 0.0f;
  }
  __syncthreads();
  const auto visible = [&](int i) { return a.seen(sequence) + (causal ? first + i : 0); };  // of query i
  const int64_t longest = visible(count - 1);
  float max[kQ], sum[kQ];
#pragma unroll
  for (int i = 0; i < kQ; ++i) max[i] = -INFINITY, sum[i] = 0.0f;
  for (int64_t from = 0; from < longest; from += kChunk) {
    const int positions = static_cast<int>(longest - from < kChunk ? longest - from : kChunk);
    float largest[kQ];
#pragma unroll
    for (int i = 0; i < kQ; ++i) largest[i] = -INFINITY;
    for (int p = static_cast<int>(threadIdx.x); p < positions; p += kThreads) {
      float score[kQ] = {};
      const T* key = keys + from + p;
#pragma unroll 8
      for (int d = 0; d < D; ++d) {
        const float k = to_float(key[d * a.capacity]);
#pragma unroll
        for (int i = 0; i < kQ; ++i) score[i] = fmaf(queries[i * D + d], k, score[i]);
      }
#pragma unroll
      for (int i = 0; i < kQ; ++i) {
        if (from + p >= visible(i)) score[i] = -INFINITY;
        weights[i * kChunk + p] = score[i];
        largest[i] = fmaxf(largest[i], score[i]);
      }
    }
    float correction[kQ];
#pragma unroll
    for (int i = 0; i < kQ; ++i) {
      const float top = fmaxf(max[i], block_max(largest[i], shared));
      correction[i] = expf(max[i] - top);
      max[i] = top;
      float total = 0.0f;
      for (int p = static_cast<int>(threadIdx.x); p < positions; p += kThreads) {
        const float e = expf(weights[i * kChunk + p] - top);
        weights[i * kChunk + p] = e;
        total += e;
      }
      sum[i] = sum[i] * correction[i] + block_sum(total, shared);
    }
    __syncthreads();
    for (int d = warp; d < D; d += kWarps) {
      float part[kQ] = {};
      const T* value = values + d * a.capacity + from;
#pragma unroll 2
      for (int p = lane; p < positions; p += kWarp) {
        const float v = to_float(value[p]);
#pragma unroll
        for (int i = 0; i < kQ; ++i) part[i] = fmaf(weights[i * kChunk + p], v, part[i]);
      }
#pragma unroll
      for (int i = 0; i < kQ; ++i) {
        const float total = warp_sum(part[i]);
        if (lane == 0) acc[i * D + d] = acc[i * D + d] * correction[i] + total;
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kQ; ++i) {
    if (i >= count) break;
    const float inverse = 1.0f / sum[i];
    To* place = y + (begin + first + i) * a.channels + column;
    for (int d = static_cast<int>(threadIdx.x); d < D; d += kThreads)
      assign(place + d, acc[i * D + d] * inverse);
  }
}

int64_t longest_sequence(const int64_t* offsets, int64_t A) {
  int64_t longest = 0;
  for (int64_t a = 0; a < A; ++a) longest = std::max(longest, offsets[a + 1] - offsets[a]);
  return longest;
}

CacheArguments cache_arguments(Scratch& scratch, const KeyValueCache& cache, int64_t row_stride,
                               const int64_t* offsets, const int64_t* slots, const int64_t* start,
                               int64_t A) {
  std::vector<int64_t> host(offsets, offsets + A + 1);
  host.insert(host.end(), slots, slots + A);
  host.insert(host.end(), start, start + A);
  const int64_t* device = scratch.upload(host);
  return {cache.data, cache.channels, cache.capacity, device, device + A + 1, device + 2 * A + 1, row_stride};
}
CacheArguments cache_arguments(const KeyValueCache& cache, int64_t row_stride, const DecodeRow* rows,
                               int64_t visible, RowKeys own) {
  CacheArguments a{cache.data, cache.channels, cache.capacity, nullptr, nullptr, nullptr, row_stride};
  a.rows = rows;
  a.visible = visible;
  a.own = own;
  return a;
}

void launch_append(Stream& stream, const float* keys, const float* values, const KeyValueCache& cache,
                   const CacheArguments& a, int64_t longest, int64_t A) {
  const dim3 grid(static_cast<unsigned>(ceil_div(longest, kWarp)),
                  static_cast<unsigned>(ceil_div(cache.channels, kWarp)), static_cast<unsigned>(2 * A));
  if (cache.dtype == DType::kBf16) {
    LLASA_LAUNCH((cache_append_kernel<Bf16>), grid, kThreads, 0, stream, keys, values, a);
  } else {
    LLASA_LAUNCH((cache_append_kernel<float>), grid, kThreads, 0, stream, keys, values, a);
  }
}

template <int kQ, typename To>
void launch_attention(Stream& stream, const float* q, To* y, const KeyValueCache& cache,
                      const CacheArguments& a, int64_t longest, int64_t A, int64_t H, int64_t D, float scale,
                      bool causal) {
  constexpr int kChunk = kQ == 1 ? 1024 : 256;
  const dim3 grid(static_cast<unsigned>(ceil_div(longest, kQ)), static_cast<unsigned>(H),
                  static_cast<unsigned>(A));
  const auto launch_D = static_cast<int>(D);
  const auto bytes = 4 * kQ * (2 * D + kChunk);
  if (cache.dtype == DType::kBf16) {
    LLASA_LAUNCH((cached_attention_kernel<Bf16, kQ, To>), grid, kThreads, bytes, stream, q, y, a, launch_D,
                 scale, causal);
  } else {
    LLASA_LAUNCH((cached_attention_kernel<float, kQ, To>), grid, kThreads, bytes, stream, q, y, a, launch_D,
                 scale, causal);
  }
}

template <int kQ>
void launch_attention(Stream& stream, const float* q, ArrayView y, const KeyValueCache& cache,
                      const CacheArguments& a, int64_t longest, int64_t A, int64_t H, int64_t D, float scale,
                      bool causal) {
  if (y.is_bf16())
    launch_attention<kQ>(stream, q, y.bf16(), cache, a, longest, A, H, D, scale, causal);
  else
    launch_attention<kQ>(stream, q, y.f32(), cache, a, longest, A, H, D, scale, causal);
}

}  // namespace
}  // namespace cuda

void attention_full_forward(Stream& stream, const float* q, const float* k, const float* v, ArrayView y,
                            const int64_t* offsets, int64_t B, int64_t H, int64_t D, int64_t row_stride,
                            float scale, bool causal, Precision precision) {
  using namespace cuda;
  std::vector<QueryTile> tiles;
  const int64_t size = forward_tile(D, precision);
  for (int64_t b = 0; b < B; ++b) {
    const int64_t frames = offsets[b + 1] - offsets[b];
    for (int64_t first = 0; first < frames; first += size) {
      QueryTile tile{};
      const int64_t count = std::min(size, frames - first);
      tile.q_row = offsets[b] + first;
      tile.q_count = static_cast<int32_t>(count);
      tile.own_row = offsets[b];
      tile.own_count = static_cast<int32_t>(causal ? first + count : frames);
      tile.diagonal = causal ? static_cast<int32_t>(first) : kNoDiagonal;
      tiles.push_back(tile);
    }
  }
  TileShape shape;
  shape.row_stride = row_stride;
  shape.out_stride = H * D;
  shape.H = static_cast<int>(H);
  shape.rep = 1;
  shape.D = static_cast<int>(D);
  shape.scale = scale;
  shape.vector = row_stride % 4 == 0 && vector_rows(D, q, k, v);
  Scratch scratch(stream);
  const QueryTile* device_tiles = scratch.upload(tiles);
  const auto count = static_cast<int64_t>(tiles.size());
  if (y.is_bf16())
    launch_attention_forward(stream, q, k, v, y.bf16(), nullptr, device_tiles, count, shape, precision);
  else
    launch_attention_forward(stream, q, k, v, y.f32(), nullptr, device_tiles, count, shape, precision);
}

void cache_append(Stream& stream, const float* keys, const float* values, int64_t row_stride,
                  const KeyValueCache& cache, const int64_t* offsets, const int64_t* slots,
                  const int64_t* start, int64_t A) {
  using namespace cuda;
  const int64_t longest = longest_sequence(offsets, A);
  if (longest == 0) return;
  Scratch scratch(stream);
  launch_append(stream, keys, values, cache,
                cache_arguments(scratch, cache, row_stride, offsets, slots, start, A), longest, A);
}

void cached_attention_forward(Stream& stream, const float* q, int64_t row_stride, const KeyValueCache& cache,
                              ArrayView y, const int64_t* offsets, const int64_t* slots,
                              const int64_t* visible, int64_t A, int64_t H, int64_t D, float scale,
                              bool causal) {
  using namespace cuda;
  const int64_t longest = longest_sequence(offsets, A);
  if (longest == 0) return;
  Scratch scratch(stream);
  const CacheArguments a = cache_arguments(scratch, cache, row_stride, offsets, slots, visible, A);
  if (longest == 1)
    launch_attention<1>(stream, q, y, cache, a, longest, A, H, D, scale, causal);
  else
    launch_attention<8>(stream, q, y, cache, a, longest, A, H, D, scale, causal);
}

void cached_attention_rows(Stream& stream, const float* q, RowKeys own, int64_t row_stride,
                           const KeyValueCache& cache, ArrayView y, const DecodeRow* rows, int64_t visible,
                           int64_t A, int64_t H, int64_t D, float scale) {
  using namespace cuda;
  if (A == 0) return;
  launch_attention<1>(stream, q, y, cache, cache_arguments(cache, row_stride, rows, visible, own), 1, A, H, D,
                      scale, false);
}

}  // namespace llasa
