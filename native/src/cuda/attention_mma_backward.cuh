// Gradients of attention on tensor cores: the pieces that the kernels of attention_mma_backward.cu share, whichever way
// their tiles come. Derivations: docs/kernels/attention.md.
#pragma once

#include "cuda/attention_mma.cuh"

namespace llasa::cuda {

constexpr int kStep = 32;  // keys per step of dq, queries per step of dk and dv

static_assert(mma_backward_tile(128) == 16 * mma_backward_rows(128) * kMmaWarps);

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

// p of a warp's queries: exp(scale q k - lse), 0 for keys not seen. lse: times log2 e.
template <int kD, int kM>
__device__ __forceinline__ void probabilities(const uint16_t* queries, const uint16_t* keys,
                                              const KeyStep& step, int first_row, const float (&lse)[kM][2],
                                              float factor, float (&p)[kM][kStep / 8][4]) {
  multiply_rows<kD>(queries + first_row * mma_stride(kD), keys, p);
  mask_scores(p, step, first_row);
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kStep / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) p[m][n][e] = exp2f(fmaf(p[m][n][e], factor, -lse[m][e / 2]));
    }
  }
}

// dq += ds k, less the scale; p becomes ds = p (dout v - delta).
template <int kD, int kM>
__device__ __forceinline__ void add_to_dq(const uint16_t* douts, const uint16_t* keys, const uint16_t* values,
                                          int first_row, const float (&delta)[kM][2],
                                          float (&p)[kM][kStep / 8][4], float (&dq)[kM][kD / 8][4]) {
  float dp[kM][kStep / 8][4];
  multiply_rows<kD>(douts + first_row * mma_stride(kD), values, dp);
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kStep / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) p[m][n][e] *= dp[m][n][e] - delta[m][e / 2];
    }
  }
  accumulate_rows<kD>(p, keys, dq);
}

template <int kD, int kM>
__device__ __forceinline__ void write_dq(float* dqkv, const QueryTile& tile, int head, const TileShape& s,
                                         const float (&dq)[kM][kD / 8][4]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = (mma_warp() * kM + m) * 16 + 8 * half + mma_group();
      if (row >= tile.q_count) continue;
      float* place = dqkv + (tile.q_row + row) * s.row_stride + static_cast<int64_t>(head) * s.D;
#pragma unroll
      for (int d = 0; d < kD / 8; ++d) {
        store_pair(place, d, s.D, dq[m][d][2 * half] * s.scale, dq[m][d][2 * half + 1] * s.scale);
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

// dv += p^T dout, then dk += ds^T q, less the scale; p^T becomes ds^T.
template <int kD, int kM>
__device__ __forceinline__ void add_to_dkv(const uint16_t* values, const uint16_t* queries,
                                           const uint16_t* douts, const float* deltas, int first_key,
                                           float (&p)[kM][kStep / 8][4], float (&dk)[kM][kD / 8][4],
                                           float (&dv)[kM][kD / 8][4]) {
  accumulate_rows<kD>(p, douts, dv);
#pragma unroll
  for (int n = 0; n < kStep / 8; n += 2) {  // 16 queries at a time: there are no registers for more
    float dp[kM][2][4];
    multiply_rows<kD>(values + first_key * mma_stride(kD), douts + 8 * n * mma_stride(kD), dp);
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      const float delta = deltas[8 * n + e / 4 * 8 + 2 * mma_place() + e % 2];
#pragma unroll
      for (int m = 0; m < kM; ++m) p[m][n + e / 4][e % 4] *= dp[m][e / 4][e % 4] - delta;
    }
  }
  accumulate_rows<kD>(p, queries, dk);
}

// To dqkv, or to the tile's slot.
template <int kD, int kM>
__device__ __forceinline__ void write_dkv(const BackwardResults& a, const KeyTile& tile, int g,
                                          const float (&dk)[kM][kD / 8][4],
                                          const float (&dv)[kM][kD / 8][4]) {
  constexpr int kT = mma_backward_tile(kD);
  const TileShape& s = a.s;
  const int64_t k_column = static_cast<int64_t>(s.H + g) * s.D;
  const int64_t v_column = k_column + static_cast<int64_t>(a.G) * s.D;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = (mma_warp() * kM + m) * 16 + 8 * half + mma_group();
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

}  // namespace llasa::cuda
