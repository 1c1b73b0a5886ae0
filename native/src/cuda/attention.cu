// Causal grouped-query attention of packed sequences on the device; contract in ops/attention.h
// (FlashAttention-2, arXiv 2307.08691). Forward: tiles of queries with an online softmax
// (attention_tile.cuh). Backward: two kernels that both recompute the probabilities from the saved
// log-sum-exp. One owns queries and sums over keys (dq), the other owns keys and sums over queries (dk, dv):
// 7 products of tiles instead of 5, and in return no atomics and a fixed order. With p = exp(scale q k -
// lse), dp = dout v, delta = dout . out:
//   ds = p (dp - delta),   dq = scale ds k,   dk = scale ds^T q,   dv = p^T dout.
#include <algorithm>

#include "core/host_device.h"
#include "core/scratch.h"
#include "cuda/attention_tile.cuh"
#include "ops/attention.h"
#include "ops/cast.h"

namespace llasa {
namespace cuda {
namespace {

// Shared memory of both backward kernels: four tiles of rows and two of weights.
template <int kD>
constexpr int64_t backward_shared_bytes() {
  constexpr int64_t kT = backward_tile(kD);
  return 4 * (4 * kT * (kD + 4) + 2 * kT * (kT + 4));
}

// dq of one query tile and head, and delta on the way.
//   mapping       block = (query tile, head), threads as in the forward kernel
//   memory        backward_shared_bytes: 45 KB for D = 64, 77 KB for 128
//   traffic       6 D flops per visible pair and head
//   numerics      f32
//   determinism   keys in order
template <int kD>
__global__ void __launch_bounds__(kTileThreads, 2)
    attention_dq_kernel(BackwardArguments<float> a, const QueryTile* __restrict__ tiles) {
  constexpr int kT = backward_tile(kD), R = kT / kTileSide, C = R;
  using Columns = TileColumns<kD>;
  LLASA_DYNAMIC_SHARED(float, memory);
  float* queries = memory;
  float* douts = queries + kT * (kD + 4);
  float* keys = douts + kT * (kD + 4);
  float* values = keys + kT * (kD + 4);
  float* weights = values + kT * (kD + 4);
  const TileShape& s = a.s;
  const QueryTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y);
  const int64_t q_column = static_cast<int64_t>(head) * s.D;
  const int64_t k_column = static_cast<int64_t>(s.H + head / s.rep) * s.D;
  const int64_t v_column = k_column + static_cast<int64_t>(a.G) * s.D;
  float acc[R][Columns::kCount] = {};
  if (tile.prefix_count + tile.own_count > 0) {
    load_tile<kT, kD>(queries, a.qkv + tile.q_row * s.row_stride + q_column, s.row_stride, tile.q_count, s.D,
                      s.scale, s.vector);
    load_tile<kT, kD>(douts, a.dout + tile.q_row * s.out_stride + q_column, s.out_stride, tile.q_count, s.D,
                      1.0f, s.vector);
    __syncthreads();
    float lse[R], delta[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
      const int row = tile_y() * R + i;
      const bool exists = row < tile.q_count;
      const float* out = a.out + (tile.q_row + row) * s.out_stride + q_column;
      float part = 0.0f;
      for (int d = tile_x(); exists && d < s.D; d += kTileSide) {
        part = fmaf(out[d], douts[row * (kD + 4) + d], part);
      }
      delta[i] = lane_reduce<kTileSide>(part, Sum{});
      lse[i] = exists ? a.lse[(tile.q_row + row) * s.H + head] : 0.0f;
      if (exists && tile_x() == 0) a.delta[(tile.q_row + row) * s.H + head] = delta[i];
    }
    const auto attend = [&](int64_t first_row, int count, int diagonal) {
      __syncthreads();
      load_tile<kT, kD>(keys, a.qkv + first_row * s.row_stride + k_column, s.row_stride, count, s.D, 1.0f,
                        s.vector);
      load_tile<kT, kD>(values, a.qkv + first_row * s.row_stride + v_column, s.row_stride, count, s.D, 1.0f,
                        s.vector);
      __syncthreads();
      float score[R][C], dp[R][C];
      tile_products<kD, R, C>(queries, keys, score);
      tile_products<kD, R, C>(douts, values, dp);
#pragma unroll
      for (int i = 0; i < R; ++i) {
        const int row = tile_y() * R + i;
#pragma unroll
        for (int j = 0; j < C; ++j) {
          const int key = tile_x() + kTileSide * j;
          const bool seen = row < tile.q_count && key < count && key <= diagonal + row;
          const float p = seen ? expf(score[i][j] - lse[i]) : 0.0f;
          weights[row * (kT + 4) + key] = p * (dp[i][j] - delta[i]);
        }
      }
      __syncthreads();
      tile_accumulate<kD, kT, R>(weights, keys, acc);
    };
    for (int first = 0; first < tile.prefix_count; first += kT) {
      attend(tile.prefix_row + first, min(kT, tile.prefix_count - first), kNoDiagonal);
    }
    for (int first = 0; first < tile.own_count; first += kT) {
      attend(tile.own_row + first, min(kT, tile.own_count - first), tile.diagonal - first);
    }
  }
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int row = tile_y() * R + i;
    if (row >= tile.q_count) continue;
    float* place = a.dqkv + (tile.q_row + row) * s.row_stride + q_column;
#pragma unroll
    for (int n = 0; n < Columns::kCount; ++n) {
      if (Columns::column(n) < s.D) place[Columns::column(n)] = acc[i][n] * s.scale;
    }
  }
}

// dk and dv of one tile of keys and key/value head, over the ranges of queries that see it and the head's rep
// query heads. Queries are loaded times scale, so ds^T q is dk.
//   mapping       block = (key tile, key/value head); rows of the accumulators are keys
//   memory        as attention_dq_kernel; registers 2 kT/16 kD/16 accumulators
//   traffic       8 D flops per visible pair and head
//   determinism   query heads in order, for each the ranges in order: prefix, part 0, part 1, ..; keys shared
//                 by many rows are split among blocks by kRowsPerSlot and added in slot order afterwards
template <int kD>
__global__ void __launch_bounds__(kTileThreads, 2)
    attention_dkv_kernel(BackwardArguments<float> a, const KeyTile* __restrict__ tiles,
                         const QueryRange* __restrict__ ranges) {
  constexpr int kT = backward_tile(kD), R = kT / kTileSide, C = R;
  using Columns = TileColumns<kD>;
  LLASA_DYNAMIC_SHARED(float, memory);
  float* queries = memory;
  float* douts = queries + kT * (kD + 4);
  float* keys = douts + kT * (kD + 4);
  float* values = keys + kT * (kD + 4);
  float* p_weights = values + kT * (kD + 4);  // [key, query]
  float* ds_weights = p_weights + kT * (kT + 4);
  const TileShape& s = a.s;
  const KeyTile tile = tiles[blockIdx.x];
  const int g = static_cast<int>(blockIdx.y);
  const int64_t k_column = static_cast<int64_t>(s.H + g) * s.D;
  const int64_t v_column = k_column + static_cast<int64_t>(a.G) * s.D;
  load_tile<kT, kD>(keys, a.qkv + tile.row * s.row_stride + k_column, s.row_stride, tile.count, s.D, 1.0f,
                    s.vector);
  load_tile<kT, kD>(values, a.qkv + tile.row * s.row_stride + v_column, s.row_stride, tile.count, s.D, 1.0f,
                    s.vector);
  float dk[R][Columns::kCount] = {}, dv[R][Columns::kCount] = {};
  const auto attend = [&](int head, int64_t row, int count, int diagonal) {
    const int64_t q_column = static_cast<int64_t>(head) * s.D;
    __syncthreads();
    load_tile<kT, kD>(queries, a.qkv + row * s.row_stride + q_column, s.row_stride, count, s.D, s.scale,
                      s.vector);
    load_tile<kT, kD>(douts, a.dout + row * s.out_stride + q_column, s.out_stride, count, s.D, 1.0f,
                      s.vector);
    __syncthreads();
    float score[R][C], dp[R][C];
    tile_products<kD, R, C>(queries, keys, score);
    tile_products<kD, R, C>(douts, values, dp);
#pragma unroll
    for (int i = 0; i < R; ++i) {
      const int query = tile_y() * R + i;
      const bool exists = query < count;
      const float lse = exists ? a.lse[(row + query) * s.H + head] : 0.0f;
      const float delta = exists ? a.delta[(row + query) * s.H + head] : 0.0f;
#pragma unroll
      for (int j = 0; j < C; ++j) {
        const int key = tile_x() + kTileSide * j;
        const bool seen = exists && key < tile.count && key <= diagonal + query;
        const float p = seen ? expf(score[i][j] - lse) : 0.0f;
        p_weights[key * (kT + 4) + query] = p;
        ds_weights[key * (kT + 4) + query] = p * (dp[i][j] - delta);
      }
    }
    __syncthreads();
    tile_accumulate<kD, kT, R>(p_weights, douts, dv);
    tile_accumulate<kD, kT, R>(ds_weights, queries, dk);
  };
  for (int r = 0; r < s.rep; ++r) {
    for (int i = tile.first_range; i < tile.last_range; ++i) {
      const QueryRange range = ranges[i];
      for (int first = 0; first < range.count; first += kT) {
        attend(g * s.rep + r, range.row + first, min(kT, range.count - first), range.diagonal + first);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int key = tile_y() * R + i;
    if (key >= tile.count) continue;
    float* k_place = a.dqkv + (tile.row + key) * s.row_stride + k_column;
    float* v_place = a.dqkv + (tile.row + key) * s.row_stride + v_column;
    if (tile.slot >= 0) {
      const int64_t slot = static_cast<int64_t>(tile.slot) * a.G + g;
      k_place = a.partial + (slot * 2 * kT + key) * s.D;
      v_place = k_place + kT * s.D;
    }
#pragma unroll
    for (int n = 0; n < Columns::kCount; ++n) {
      if (Columns::column(n) >= s.D) continue;
      k_place[Columns::column(n)] = dk[i][n];
      v_place[Columns::column(n)] = dv[i][n];
    }
  }
}

// dk and dv of shared keys from the slots, in slot order.
//   mapping       block = (tile of shared keys, key/value head), thread = every 256th place
__global__ void __launch_bounds__(kTileThreads, 2)
    attention_slot_sum_kernel(BackwardResults a, const SlotSum* __restrict__ sums, int tile_rows) {
  const SlotSum sum = sums[blockIdx.x];
  const int g = static_cast<int>(blockIdx.y), D = a.s.D;
  const int64_t slot_floats = 2 * static_cast<int64_t>(tile_rows) * D;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * sum.count * D; i += kTileThreads) {
    const int half = i / (sum.count * D), key = i / D % sum.count, d = i % D;
    const int64_t place = (static_cast<int64_t>(half) * tile_rows + key) * D + d;
    float total = 0.0f;
    for (int slot = 0; slot < sum.slots; ++slot) {
      total += a.partial[(static_cast<int64_t>(sum.first_slot + slot) * a.G + g) * slot_floats + place];
    }
    a.dqkv[(sum.row + key) * a.s.row_stride + static_cast<int64_t>(a.s.H + half * a.G + g) * D + d] = total;
  }
}

TileShape tile_shape(const AttentionShape& shape) {
  TileShape s;
  s.row_stride = shape.row();
  s.out_stride = shape.H * shape.D;
  s.H = static_cast<int>(shape.H);
  s.rep = static_cast<int>(shape.H / shape.G);
  s.D = static_cast<int>(shape.D);
  s.scale = 1.0f / sqrtf(static_cast<float>(shape.D));
  s.vector = false;
  return s;
}

template <int kD>
void backward(Stream& stream, BackwardArguments<float> a, const std::vector<AttentionGroup>& groups,
              const AttentionShape& shape) {
  constexpr int64_t kT = backward_tile(kD);
  const std::vector<QueryTile> tiles = query_tiles(groups, shape.prefix_queries, kT, true);
  const KeyPlan plan = key_plan(groups, shape.prefix_queries, kT);
  if (tiles.empty()) return;
  int64_t rows = 0;
  for (const QueryTile& tile : tiles) rows = std::max(rows, tile.q_row + tile.q_count);
  Scratch scratch(stream);
  a.delta = scratch.take<float>(rows * shape.H);
  a.partial = scratch.take<float>(plan.slots * shape.G * 2 * kT * shape.D);
  const QueryTile* device_tiles = scratch.upload(tiles);
  const KeyTile* key_tiles = scratch.upload(plan.tiles);
  const QueryRange* ranges = scratch.upload(plan.ranges);
  const SlotSum* sums = scratch.upload(plan.sums);
  const auto grid = [](size_t count, int64_t heads) {
    return dim3(static_cast<unsigned>(count), static_cast<unsigned>(heads), 1);
  };
  LLASA_LAUNCH((attention_dq_kernel<kD>), grid(tiles.size(), shape.H), kTileThreads,
               backward_shared_bytes<kD>(), stream, a, device_tiles);
  LLASA_LAUNCH((attention_dkv_kernel<kD>), grid(plan.tiles.size(), shape.G), kTileThreads,
               backward_shared_bytes<kD>(), stream, a, key_tiles, ranges);
  launch_slot_sum(stream, a, sums, static_cast<int64_t>(plan.sums.size()), static_cast<int>(kT));
}

}  // namespace

void launch_slot_sum(Stream& stream, const BackwardResults& a, const SlotSum* sums, int64_t count,
                     int key_rows) {
  if (count == 0) return;
  LLASA_LAUNCH(attention_slot_sum_kernel, dim3(static_cast<unsigned>(count), static_cast<unsigned>(a.G), 1),
               kTileThreads, 0, stream, a, sums, key_rows);
}

template <typename To>
void launch_attention_forward(Stream& stream, const float* q, const float* k, const float* v, To* out,
                              float* lse, const QueryTile* tiles, int64_t count, const TileShape& shape,
                              Precision precision) {
  if (uses_tensor_cores(precision, shape.D)) {
    launch_attention_mma_forward(stream, q, k, v, out, lse, tiles, count, shape);
    return;
  }
  LLASA_CHECK(shape.D <= 256, Status::kArgument, "head dimension: %d, the CUDA backend takes at most 256",
              shape.D);
  if (count == 0) return;
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(shape.H), 1);
  if (shape.D <= 32) {
    LLASA_LAUNCH((attention_forward_kernel<32, 64, 64, To>), grid, kTileThreads, 0, stream, q, k, v, out, lse,
                 tiles, shape);
  } else if (shape.D <= 64) {
    LLASA_LAUNCH((attention_forward_kernel<64, 64, 32, To>), grid, kTileThreads, 0, stream, q, k, v, out, lse,
                 tiles, shape);
  } else if (shape.D <= 128) {
    LLASA_LAUNCH((attention_forward_kernel<128, 32, 32, To>), grid, kTileThreads, 0, stream, q, k, v, out,
                 lse, tiles, shape);
  } else {
    LLASA_LAUNCH((attention_forward_kernel<256, 16, 16, To>), grid, kTileThreads, 0, stream, q, k, v, out,
                 lse, tiles, shape);
  }
}

template void launch_attention_forward(Stream&, const float*, const float*, const float*, float*, float*,
                                       const QueryTile*, int64_t, const TileShape&, Precision);
template void launch_attention_forward(Stream&, const float*, const float*, const float*, Bf16*, float*,
                                       const QueryTile*, int64_t, const TileShape&, Precision);

namespace {

void forward(Stream& stream, const float* qkv, float* out, float* lse,
             const std::vector<AttentionGroup>& groups, const AttentionShape& shape, Precision precision) {
  const std::vector<QueryTile> tiles =
      query_tiles(groups, shape.prefix_queries, forward_tile(shape.D, precision), false);
  TileShape s = tile_shape(shape);
  s.vector = vector_rows(shape.D, qkv);
  Scratch scratch(stream);
  launch_attention_forward(stream, qkv, qkv + shape.H * shape.D, qkv + (shape.H + shape.G) * shape.D, out,
                           lse, scratch.upload(tiles), static_cast<int64_t>(tiles.size()), s, precision);
}

void forward(Stream& stream, const Bf16* qkv, Bf16* out, float* lse,
             const std::vector<AttentionGroup>& groups, const AttentionShape& shape) {
  const std::vector<QueryTile> tiles = query_tiles(groups, shape.prefix_queries, kMmaForwardTile, false);
  TileShape s = tile_shape(shape);
  s.vector = vector_rows(shape.D, qkv);
  Scratch scratch(stream);
  launch_attention_mma_forward(stream, qkv, qkv + shape.H * shape.D, qkv + (shape.H + shape.G) * shape.D, out,
                               lse, scratch.upload(tiles), static_cast<int64_t>(tiles.size()), s);
}

template <typename T>
BackwardArguments<T> backward_arguments(const T* qkv, const T* out, const float* lse, const T* dout,
                                        float* dqkv, const AttentionShape& shape) {
  BackwardArguments<T> a{};
  a.qkv = qkv, a.out = out, a.lse = lse, a.dout = dout, a.dqkv = dqkv;
  a.s = tile_shape(shape);
  a.s.vector = vector_rows(shape.D, qkv, dout);
  a.G = static_cast<int>(shape.G);
  return a;
}

// The same in f32, for heads that are too large for the tensor cores' kernels.
float* widened(Stream& stream, Scratch& scratch, const Bf16* values, int64_t count) {
  float* wide = scratch.take<float>(count);
  widen_to_f32(stream, values, wide, count);
  return wide;
}

}  // namespace
}  // namespace cuda

void attention_forward(Stream& stream, WeightView qkv, ArrayView out, float* lse,
                       const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                       Precision precision) {
  if (!out.is_bf16()) {
    cuda::forward(stream, qkv.f32(), out.f32(), lse, groups, shape, precision);
    return;
  }
  if (uses_tensor_cores(Precision::kBf16, shape.D)) {
    cuda::forward(stream, qkv.bf16(), out.bf16(), lse, groups, shape);
    return;
  }
  Scratch scratch(stream);
  const int64_t rows = rows_of(groups), columns = shape.H * shape.D;
  const float* wide = cuda::widened(stream, scratch, qkv.bf16(), rows * shape.row());
  // Rows that are left alone come back as they were.
  float* result = cuda::widened(stream, scratch, out.bf16(), rows * columns);
  cuda::forward(stream, wide, result, lse, groups, shape, Precision::kBf16);
  narrow_to_bf16(stream, result, columns, out.bf16(), rows, columns);
}

void attention_backward(Stream& stream, WeightView qkv, WeightView out, const float* lse, WeightView dout,
                        float* dqkv, const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                        Precision precision) {
  using namespace cuda;
  LLASA_CHECK(shape.D <= 256, Status::kArgument, "head dimension: %lld, the CUDA backend takes at most 256",
              static_cast<long long>(shape.D));
  if (qkv.is_bf16() && uses_tensor_cores(Precision::kBf16, shape.D)) {
    attention_mma_backward(stream, backward_arguments(qkv.bf16(), out.bf16(), lse, dout.bf16(), dqkv, shape),
                           groups, shape);
    return;
  }
  Scratch scratch(stream);
  if (qkv.is_bf16()) {
    const int64_t rows = rows_of(groups), columns = shape.H * shape.D;
    qkv = widened(stream, scratch, qkv.bf16(), rows * shape.row());
    out = widened(stream, scratch, out.bf16(), rows * columns);
    dout = widened(stream, scratch, dout.bf16(), rows * columns);
  }
  const BackwardArguments<float> a = backward_arguments(qkv.f32(), out.f32(), lse, dout.f32(), dqkv, shape);
  if (uses_tensor_cores(precision, shape.D)) {
    attention_mma_backward(stream, a, groups, shape);
  } else if (shape.D <= 32) {
    backward<32>(stream, a, groups, shape);
  } else if (shape.D <= 64) {
    backward<64>(stream, a, groups, shape);
  } else if (shape.D <= 128) {
    backward<128>(stream, a, groups, shape);
  } else {
    backward<256>(stream, a, groups, shape);
  }
}

}  // namespace llasa
