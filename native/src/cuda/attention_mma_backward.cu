// Gradients of attention on tensor cores: the kernels behind Precision::kBf16 of ops/attention.h. As in
// attention.cu one kernel owns queries (dq) and one owns keys (dk, dv), so that nothing is added atomically;
// the sums over shared keys' slots are attention.cu's. In the second kernel scores are computed turned, keys
// down and queries across: then the probabilities a lane holds are already the fragments of p^T dout and
// ds^T q, and never pass through shared memory. Derivations: docs/kernels/attention.md.
#include <algorithm>

#include "core/scratch.h"
#include "cuda/attention_mma.h"
#include "cuda/attention_mma_backward.cuh"

namespace llasa::cuda {
namespace {

// Two tiles that a block keeps, three of a step (one of them twice, so that the next may be stored while the
// last is read), and two numbers per row of a step.
constexpr int64_t staged_shared_bytes(int kD) {
  return 2 * (2 * mma_backward_tile(kD) + 3 * kStep) * mma_stride(kD) + 2 * 4 * kStep;
}
// Where tiles are copied, two of each step's, and of its numbers: one is read, the other is under way.
constexpr int64_t copied_shared_bytes(int kD) {
  return 2 * (2 * mma_backward_tile(kD) + 4 * kStep) * mma_stride(kD) + 4 * 4 * kStep;
}

// dq of one query tile and head, and delta on the way.
//   maths         p = exp(scale q k - lse), ds = p (dout v - delta), dq = scale ds k
//   mapping       block = (query tile, head), 4 warps of 32 queries (16 for D > 64); steps of 32 keys with
//                 two barriers, as in attention_mma_forward_kernel
//   memory        staged_shared_bytes: 51 KB for D = 64, 61 KB for 128
//   traffic       6 D flops per visible pair and head on tensor cores
//   numerics      q, k, v, dout rounded to bf16 unless they are it, ds rounded for its product; all sums f32
//   determinism   keys in order
template <int kD, typename T>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_dq_kernel(BackwardArguments<T> a, const QueryTile* __restrict__ tiles) {
  constexpr int kM = mma_backward_rows(kD), kQ = mma_backward_tile(kD), kStride = mma_stride(kD);
  LLASA_DYNAMIC_SHARED(uint16_t, queries);
  uint16_t* douts = queries + kQ * kStride;
  uint16_t* keys = douts + kQ * kStride;  // of this step and of the next
  uint16_t* values = keys + 2 * kStep * kStride;
  const TileShape& s = a.s;
  const QueryTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first_row = mma_warp() * 16 * kM;
  const int64_t q_column = static_cast<int64_t>(head) * s.D;
  const T* k = a.qkv + static_cast<int64_t>(s.H + head / s.rep) * s.D;
  const T* v = k + static_cast<int64_t>(a.G) * s.D;
  const float factor = s.scale * kLog2E;
  float acc[kM][kD / 8][4];
  clear(acc);
  const int steps = key_steps(tile, kStep);
  if (steps > 0) {  // else rows that are keys alone
    KeyStep step = key_step(tile, 0, kStep);
    Staged<kStep, kD, T> staged;
    stage_tile<kQ, kD>(queries, a.qkv + tile.q_row * s.row_stride + q_column, s.row_stride, tile.q_count, s.D,
                       s.vector);
    stage_tile<kQ, kD>(douts, a.dout + tile.q_row * s.out_stride + q_column, s.out_stride, tile.q_count, s.D,
                       s.vector);
    staged.load(k + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
    __syncthreads();
    float lse[kM][2], delta[kM][2];
    row_constants<kD>(a, tile, head, first_row, douts, lse, delta);
    for (int i = 0; i < steps; ++i) {
      uint16_t* own = keys + i % 2 * kStep * kStride;
      staged.store(own);  // last read in the step before the last
      staged.load(v + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
      __syncthreads();
      const bool sees = first_row < tile.q_count && step.diagonal + first_row + 16 * kM - 1 >= 0;
      float weight[kM][kStep / 8][4];
      if (sees) probabilities<kD>(queries, own, step, first_row, lse, factor, weight);
      staged.store(values);  // last read before this step's first barrier
      if (i + 1 < steps) {
        step = key_step(tile, i + 1, kStep);
        staged.load(k + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
      }
      __syncthreads();
      if (sees) add_to_dq<kD>(douts, own, values, first_row, delta, weight, acc);
    }
  }
  write_dq<kD>(a.dqkv, tile, head, s, acc);
}

// The same of bf16 whose rows can be copied (copied_rows), to the bit.
//   mapping       as attention_mma_dq_kernel; with a step's one barrier, which says that the step before has been read, the
//                 copies of the next step's keys and values begin
//   memory        copied_shared_bytes: 56 KB for D = 64, 70 KB for 128
template <int kD>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_dq_copied_kernel(BackwardArguments<Bf16> a, const QueryTile* __restrict__ tiles) {
  constexpr int kM = mma_backward_rows(kD), kQ = mma_backward_tile(kD), kStride = mma_stride(kD);
  LLASA_DYNAMIC_SHARED(uint16_t, queries);
  uint16_t* douts = queries + kQ * kStride;
  uint16_t* places = douts + kQ * kStride;  // keys and values of a step, then of the next
  const TileShape& s = a.s;
  const QueryTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first_row = mma_warp() * 16 * kM;
  const int64_t q_column = static_cast<int64_t>(head) * s.D;
  const Bf16* k = a.qkv + static_cast<int64_t>(s.H + head / s.rep) * s.D;
  const Bf16* v = k + static_cast<int64_t>(a.G) * s.D;
  const float factor = s.scale * kLog2E;
  float acc[kM][kD / 8][4];
  clear(acc);
  const int steps = key_steps(tile, kStep);
  const auto keys_of = [&](int i) { return places + i % 2 * 2 * kStep * kStride; };
  const auto request = [&](int i) {
    if (i < steps) {
      const KeyStep step = key_step(tile, i, kStep);
      const int64_t offset = step.row * s.row_stride;
      Copied<kStep, kD>::load(keys_of(i), k + offset, s.row_stride, step.count, s.D);
      Copied<kStep, kD>::load(keys_of(i) + kStep * kStride, v + offset, s.row_stride, step.count, s.D);
    }
    commit_copies();
  };
  if (steps > 0) {  // else rows that are keys alone
    Copied<kQ, kD>::load(queries, a.qkv + tile.q_row * s.row_stride + q_column, s.row_stride, tile.q_count,
                         s.D);
    Copied<kQ, kD>::load(douts, a.dout + tile.q_row * s.out_stride + q_column, s.out_stride, tile.q_count,
                         s.D);
    commit_copies();
    request(0);
    wait_for_copies<1>();
    __syncthreads();
    float lse[kM][2], delta[kM][2];
    row_constants<kD>(a, tile, head, first_row, douts, lse, delta);
    for (int i = 0; i < steps; ++i) {
      wait_for_copies<0>();
      __syncthreads();
      request(i + 1);
      const KeyStep step = key_step(tile, i, kStep);
      if (first_row >= tile.q_count || step.diagonal + first_row + 16 * kM - 1 < 0)
        continue;  // sees none of them
      float weight[kM][kStep / 8][4];
      probabilities<kD>(queries, keys_of(i), step, first_row, lse, factor, weight);
      add_to_dq<kD>(douts, keys_of(i), keys_of(i) + kStep * kStride, first_row, delta, weight, acc);
    }
  }
  write_dq<kD>(a.dqkv, tile, head, s, acc);
}

// dk and dv of one tile of keys and key/value head, over the ranges of queries that see it and the head's rep
// query heads.
//   maths         dv = p^T dout, dk = scale ds^T q
//   mapping       block = (key tile, key/value head), 4 warps of 32 keys (16 for D > 64); steps of 32 queries
//   memory        as attention_mma_dq_kernel; registers kM kD of accumulators
//   traffic       8 D flops per visible pair and head on tensor cores
//   numerics      as attention_mma_dq_kernel, p rounded too
//   determinism   query heads in order, for each the ranges in order: prefix, part 0, part 1, ..; keys shared
//                 by many rows are split among blocks and added in slot order afterwards
template <int kD, typename T>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_dkv_kernel(BackwardArguments<T> a, const KeyTile* __restrict__ tiles,
                             const QueryRange* __restrict__ ranges) {
  constexpr int kM = mma_backward_rows(kD), kT = mma_backward_tile(kD), kStride = mma_stride(kD);
  LLASA_DYNAMIC_SHARED(uint16_t, keys);
  uint16_t* values = keys + kT * kStride;
  uint16_t* queries = values + kT * kStride;  // of this step and of the next
  uint16_t* douts = queries + 2 * kStep * kStride;
  float* lses = reinterpret_cast<float*>(douts + kStep * kStride);
  float* deltas = lses + kStep;
  const TileShape& s = a.s;
  const KeyTile tile = tiles[blockIdx.x];
  const int g = static_cast<int>(blockIdx.y), first_key = mma_warp() * 16 * kM;
  const int64_t k_column = static_cast<int64_t>(s.H + g) * s.D;
  const int64_t v_column = k_column + static_cast<int64_t>(a.G) * s.D;
  const float factor = s.scale * kLog2E;
  float dk[kM][kD / 8][4], dv[kM][kD / 8][4];
  clear(dk), clear(dv);
  Staged<kStep, kD, T> staged;
  float of_row = 0.0f;  // lse, then delta, of query threadIdx.x of the step
  const auto load_queries = [&](const QueryStep& step) {
    staged.load(a.qkv + step.row * s.row_stride + static_cast<int64_t>(step.head) * s.D, s.row_stride,
                step.count, s.D, s.vector);
    const int row = static_cast<int>(threadIdx.x);
    of_row = row < step.count ? a.lse[(step.row + row) * s.H + step.head] * kLog2E : 0.0f;
  };
  const auto load_douts = [&](const QueryStep& step) {
    staged.load(a.dout + step.row * s.out_stride + static_cast<int64_t>(step.head) * s.D, s.out_stride,
                step.count, s.D, s.vector);
    const int row = static_cast<int>(threadIdx.x);
    of_row = row < step.count ? a.delta[(step.row + row) * s.H + step.head] : 0.0f;
  };
  stage_tile<kT, kD>(keys, a.qkv + tile.row * s.row_stride + k_column, s.row_stride, tile.count, s.D,
                     s.vector);
  stage_tile<kT, kD>(values, a.qkv + tile.row * s.row_stride + v_column, s.row_stride, tile.count, s.D,
                     s.vector);
  QueryCursor cursor{0, tile.first_range, 0};
  bool more = tile.first_range < tile.last_range;
  if (more) load_queries(cursor.step(ranges, g * s.rep));
  for (int turn = 0; more; turn ^= 1) {
    const QueryStep step = cursor.step(ranges, g * s.rep);
    uint16_t* own = queries + turn * kStep * kStride;
    staged.store(own);  // last read in the step before the last
    if (threadIdx.x < kStep) lses[threadIdx.x] = of_row;
    load_douts(step);
    __syncthreads();
    const bool sees = first_key < tile.count && first_key <= step.diagonal + step.count - 1;
    float weight[kM][kStep / 8][4];
    if (sees) {
      multiply_rows<kD>(keys + first_key * kStride, own, weight);
      turned_probabilities(weight, lses, step, tile.count, first_key, factor);
    }
    staged.store(douts);  // last read before this step's first barrier
    if (threadIdx.x < kStep) deltas[threadIdx.x] = of_row;
    cursor.advance(ranges, tile);
    more = cursor.r < s.rep;
    if (more) load_queries(cursor.step(ranges, g * s.rep));
    __syncthreads();
    if (sees) add_to_dkv<kD>(values, own, douts, deltas, first_key, weight, dk, dv);
  }
  write_dkv<kD>(a, tile, g, dk, dv);
}

// The same of bf16 whose rows can be copied (copied_rows), to the bit.
//   mapping       as attention_mma_dkv_kernel; with a step's one barrier, which says that the step before has been read, the
//                 copies of the next step's queries and gradients begin
//   memory        as attention_mma_dq_copied_kernel; registers kM kD of accumulators
template <int kD>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_dkv_copied_kernel(BackwardArguments<Bf16> a, const KeyTile* __restrict__ tiles,
                                    const QueryRange* __restrict__ ranges) {
  constexpr int kM = mma_backward_rows(kD), kT = mma_backward_tile(kD), kStride = mma_stride(kD);
  LLASA_DYNAMIC_SHARED(uint16_t, keys);
  uint16_t* values = keys + kT * kStride;
  uint16_t* places = values + kT * kStride;  // queries and gradients of a step, then of the next
  auto* numbers = reinterpret_cast<float*>(places + 4 * kStep * kStride);  // lse and delta likewise
  const TileShape& s = a.s;
  const KeyTile tile = tiles[blockIdx.x];
  const int g = static_cast<int>(blockIdx.y), first_key = mma_warp() * 16 * kM;
  const int64_t k_column = static_cast<int64_t>(s.H + g) * s.D;
  const int64_t v_column = k_column + static_cast<int64_t>(a.G) * s.D;
  const float factor = s.scale * kLog2E;
  float dk[kM][kD / 8][4], dv[kM][kD / 8][4];
  clear(dk), clear(dv);
  float lse = 0.0f, delta = 0.0f;  // of query threadIdx.x of the step that is under way
  const auto queries_of = [&](int turn) { return places + turn * 2 * kStep * kStride; };
  const auto request = [&](const QueryStep& step, int turn) {
    const int64_t column = static_cast<int64_t>(step.head) * s.D;
    Copied<kStep, kD>::load(queries_of(turn), a.qkv + step.row * s.row_stride + column, s.row_stride,
                            step.count, s.D);
    Copied<kStep, kD>::load(queries_of(turn) + kStep * kStride, a.dout + step.row * s.out_stride + column,
                            s.out_stride, step.count, s.D);
    commit_copies();
    const int row = static_cast<int>(threadIdx.x);
    const int64_t place = (step.row + row) * s.H + step.head;
    lse = row < step.count ? a.lse[place] * kLog2E : 0.0f;
    delta = row < step.count ? a.delta[place] : 0.0f;
  };
  QueryCursor cursor{0, tile.first_range, 0};
  bool more = tile.first_range < tile.last_range;
  if (more) {
    const Bf16* rows = a.qkv + tile.row * s.row_stride;
    Copied<kT, kD>::load(keys, rows + k_column, s.row_stride, tile.count, s.D);
    Copied<kT, kD>::load(values, rows + v_column, s.row_stride, tile.count, s.D);
    request(cursor.step(ranges, g * s.rep), 0);  // the keys and values are in its group
  }
  for (int turn = 0; more; turn ^= 1) {
    const QueryStep step = cursor.step(ranges, g * s.rep);
    float* own = numbers + turn * 2 * kStep;
    if (threadIdx.x < kStep) own[threadIdx.x] = lse, own[kStep + threadIdx.x] = delta;
    wait_for_copies<0>();
    __syncthreads();
    cursor.advance(ranges, tile);
    more = cursor.r < s.rep;
    if (more) request(cursor.step(ranges, g * s.rep), turn ^ 1);
    if (first_key >= tile.count || first_key > step.diagonal + step.count - 1) continue;  // none sees them
    float weight[kM][kStep / 8][4];
    multiply_rows<kD>(keys + first_key * kStride, queries_of(turn), weight);
    turned_probabilities(weight, own, step, tile.count, first_key, factor);
    add_to_dkv<kD>(values, queries_of(turn), queries_of(turn) + kStep * kStride, own + kStep, first_key,
                   weight, dk, dv);
  }
  write_dkv<kD>(a, tile, g, dk, dv);
}

template <int kD, typename T>
void backward(Stream& stream, BackwardArguments<T> a, const std::vector<AttentionGroup>& groups,
              const AttentionShape& shape) {
  constexpr int kT = mma_backward_tile(kD);
  const std::vector<QueryTile> tiles = query_tiles(groups, shape.prefix_queries, kT, true);
  const KeyPlan plan = key_plan(groups, shape.prefix_queries, kT);
  if (tiles.empty()) return;
  int64_t rows = 0;
  for (const QueryTile& tile : tiles) rows = std::max(rows, tile.q_row + tile.q_count);
  Scratch scratch(stream);
  a.delta = scratch.take<float>(rows * shape.H);
  a.partial = scratch.take<float>(static_cast<int64_t>(plan.slots) * shape.G * 2 * kT * shape.D);
  const QueryTile* device_tiles = scratch.upload(tiles);
  const KeyTile* key_tiles = scratch.upload(plan.tiles);
  const QueryRange* ranges = scratch.upload(plan.ranges);
  const SlotSum* sums = scratch.upload(plan.sums);
  const auto grid = [](size_t count, int64_t heads) {
    return dim3(static_cast<unsigned>(count), static_cast<unsigned>(heads), 1);
  };
  const dim3 query_grid = grid(tiles.size(), shape.H), key_grid = grid(plan.tiles.size(), shape.G);
  bool copied = false;
  if constexpr (std::is_same_v<T, Bf16>) {
    copied = copied_rows(shape.D, a.s.row_stride, a.qkv, a.dout);
    if (copied) {
      LLASA_LAUNCH((attention_mma_dq_copied_kernel<kD>), query_grid, kMmaThreads, copied_shared_bytes(kD),
                   stream, a, device_tiles);
      LLASA_LAUNCH((attention_mma_dkv_copied_kernel<kD>), key_grid, kMmaThreads, copied_shared_bytes(kD),
                   stream, a, key_tiles, ranges);
    }
  }
  if (!copied) {
    LLASA_LAUNCH((attention_mma_dq_kernel<kD, T>), query_grid, kMmaThreads, staged_shared_bytes(kD), stream,
                 a, device_tiles);
    LLASA_LAUNCH((attention_mma_dkv_kernel<kD, T>), key_grid, kMmaThreads, staged_shared_bytes(kD), stream, a,
                 key_tiles, ranges);
  }
  launch_slot_sum(stream, a, sums, static_cast<int64_t>(plan.sums.size()), kT);
}

}  // namespace

template <typename T>
void attention_mma_backward(Stream& stream, const BackwardArguments<T>& a,
                            const std::vector<AttentionGroup>& groups, const AttentionShape& shape) {
  if (shape.D <= 32) {
    backward<32>(stream, a, groups, shape);
  } else if (shape.D <= 64) {
    backward<64>(stream, a, groups, shape);
  } else {
    backward<128>(stream, a, groups, shape);
  }
}

template void attention_mma_backward(Stream&, const BackwardArguments<float>&,
                                     const std::vector<AttentionGroup>&, const AttentionShape&);
template void attention_mma_backward(Stream&, const BackwardArguments<Bf16>&,
                                     const std::vector<AttentionGroup>&, const AttentionShape&);

}  // namespace llasa::cuda
