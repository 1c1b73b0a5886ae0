// Gradients of attention on tensor cores: the kernels behind Precision::kBf16 of ops/attention.h. As in
// attention.cu one kernel owns queries (dq) and one owns keys (dk, dv), so that nothing is added atomically;
// the sums over shared keys' slots are attention.cu's. In the second kernel scores are computed turned, keys
// down and queries across: then the probabilities a lane holds are already the fragments of p^T dout and
// ds^T q, and never pass through shared memory. Derivations: docs/kernels/attention.md.
#include <algorithm>

#include "core/scratch.h"
#include "cuda/attention_mma.cuh"
#include "cuda/attention_mma.h"

namespace llasa::cuda {
namespace {

constexpr int kStep = 32;  // keys per step of dq, queries per step of dk and dv

static_assert(mma_backward_tile(128) == 16 * mma_backward_rows(128) * kMmaWarps);

// Two tiles that a block keeps, three of a step (one of them twice, so that the next may be stored while the
// last is read), and two numbers per row of a step.
constexpr int64_t backward_shared_bytes(int kD) {
  return 2 * (2 * mma_backward_tile(kD) + 3 * kStep) * mma_stride(kD) + 2 * 4 * kStep;
}

// lse log2 e and delta = dout . out of a lane's rows of a query tile; delta is also kept for the other
// kernel. dout is taken rounded, as dp = dout v has it: what the rounding changes in both cancels in dp -
// delta.
template <int kD, int kM, typename T>
__device__ __forceinline__ void row_constants(const BackwardArguments<T>& a, const QueryTile& tile, int head,
                                              int first_row, const uint16_t* douts, float (&lse)[kM][2],
                                              float (&delta)[kM][2]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + 16 * m + 8 * half + mma_group();
      const bool exists = row < tile.q_count;
      const T* out = a.out + (tile.q_row + row) * a.s.out_stride + static_cast<int64_t>(head) * a.s.D;
      float part = 0.0f;
      for (int d = mma_place(); exists && d < a.s.D; d += 4) {
        part = fmaf(to_float(out[d]), unpack_bf16(douts[row * mma_stride(kD) + d]), part);
      }
      delta[m][half] = lane_reduce<4>(part, Sum{});
      const int64_t place = (tile.q_row + row) * a.s.H + head;
      lse[m][half] = exists ? a.lse[place] * kLog2E : 0.0f;
      if (exists && mma_place() == 0) a.delta[place] = delta[m][half];
    }
  }
}

// dq of one query tile and head, and delta on the way.
//   maths         p = exp(scale q k - lse), ds = p (dout v - delta), dq = scale ds k
//   mapping       block = (query tile, head), 4 warps of 32 queries (16 for D > 64); steps of 32 keys with
//                 two barriers, as in attention_mma_forward_kernel
//   memory        backward_shared_bytes: 51 KB for D = 64, 61 KB for 128
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
      if (sees) {
        multiply_rows<kD>(queries + first_row * kStride, own, weight);
        mask_scores(weight, step, first_row);
#pragma unroll
        for (int m = 0; m < kM; ++m) {
#pragma unroll
          for (int n = 0; n < kStep / 8; ++n) {
#pragma unroll
            for (int e = 0; e < 4; ++e)
              weight[m][n][e] = exp2f(fmaf(weight[m][n][e], factor, -lse[m][e / 2]));
          }
        }
      }
      staged.store(values);  // last read before this step's first barrier
      if (i + 1 < steps) {
        step = key_step(tile, i + 1, kStep);
        staged.load(k + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
      }
      __syncthreads();
      if (sees) {
        float dp[kM][kStep / 8][4];
        multiply_rows<kD>(douts + first_row * kStride, values, dp);
#pragma unroll
        for (int m = 0; m < kM; ++m) {
#pragma unroll
          for (int n = 0; n < kStep / 8; ++n) {
#pragma unroll
            for (int e = 0; e < 4; ++e) weight[m][n][e] *= dp[m][n][e] - delta[m][e / 2];
          }
        }
        accumulate_rows<kD>(weight, own, acc);
      }
    }
  }
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + 16 * m + 8 * half + mma_group();
      if (row >= tile.q_count) continue;
      float* place = a.dqkv + (tile.q_row + row) * s.row_stride + q_column;
#pragma unroll
      for (int d = 0; d < kD / 8; ++d) {
        store_pair(place, d, s.D, acc[m][d][2 * half] * s.scale, acc[m][d][2 * half + 1] * s.scale);
      }
    }
  }
}

// One step of a key tile along the queries that see it: of one head after another, range after range.
struct QueryStep {
  int head;
  int64_t row;
  int count;
  int diagonal;  // key j is seen by query i if j <= diagonal + i
};
struct QueryCursor {
  int r, range, first;

  __device__ __forceinline__ QueryStep step(const QueryRange* __restrict__ ranges, int first_head) const {
    const QueryRange rows = ranges[range];
    return {first_head + r, rows.row + first, min(kStep, rows.count - first), rows.diagonal + first};
  }
  __device__ __forceinline__ void advance(const QueryRange* __restrict__ ranges, const KeyTile& tile) {
    first += kStep;
    if (first < ranges[range].count) return;
    first = 0;
    if (++range < tile.last_range) return;
    range = tile.first_range;
    ++r;
  }
};

// p^T of a warp's keys from the turned scores: exp(scale q k - lse), 0 for keys not seen. lses: times log2 e.
template <int kM>
__device__ __forceinline__ void turned_probabilities(float (&score)[kM][kStep / 8][4], const float* lses,
                                                     const QueryStep& step, int keys, int first_key,
                                                     float factor) {
  const bool all =
      step.count == kStep && first_key + 16 * kM <= keys && first_key + 16 * kM - 1 <= step.diagonal;
#pragma unroll
  for (int n = 0; n < kStep / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int query = 8 * n + 2 * mma_place() + e % 2;
      const float lse = lses[query];
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        const int key = first_key + 16 * m + e / 2 * 8 + mma_group();
        const bool seen = all || (query < step.count && key < keys && key <= step.diagonal + query);
        score[m][n][e] = seen ? exp2f(fmaf(score[m][n][e], factor, -lse)) : 0.0f;
      }
    }
  }
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
    if (sees) {
      accumulate_rows<kD>(weight, douts, dv);
#pragma unroll
      for (int n = 0; n < kStep / 8; n += 2) {  // 16 queries at a time: there are no registers for more
        float dp[kM][2][4];
        multiply_rows<kD>(values + first_key * kStride, douts + 8 * n * kStride, dp);
#pragma unroll
        for (int e = 0; e < 8; ++e) {
          const float delta = deltas[8 * n + e / 4 * 8 + 2 * mma_place() + e % 2];
#pragma unroll
          for (int m = 0; m < kM; ++m) weight[m][n + e / 4][e % 4] *= dp[m][e / 4][e % 4] - delta;
        }
      }
      accumulate_rows<kD>(weight, own, dk);
    }
  }
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = first_key + 16 * m + 8 * half + mma_group();
      if (key >= tile.count) continue;
      float* k_place = a.dqkv + (tile.row + key) * s.row_stride + k_column;
      float* v_place = a.dqkv + (tile.row + key) * s.row_stride + v_column;
      if (tile.slot >= 0) {
        const int64_t slot = static_cast<int64_t>(tile.slot) * a.G + g;
        k_place = a.partial + (slot * 2 * kT + key) * s.D;
        v_place = k_place + static_cast<int64_t>(kT) * s.D;
      }
#pragma unroll
      for (int d = 0; d < kD / 8; ++d) {
        store_pair(k_place, d, s.D, dk[m][d][2 * half] * s.scale, dk[m][d][2 * half + 1] * s.scale);
        store_pair(v_place, d, s.D, dv[m][d][2 * half], dv[m][d][2 * half + 1]);
      }
    }
  }
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
  LLASA_LAUNCH((attention_mma_dq_kernel<kD, T>), grid(tiles.size(), shape.H), kMmaThreads,
               backward_shared_bytes(kD), stream, a, device_tiles);
  LLASA_LAUNCH((attention_mma_dkv_kernel<kD, T>), grid(plan.tiles.size(), shape.G), kMmaThreads,
               backward_shared_bytes(kD), stream, a, key_tiles, ranges);
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
