// Attention on tiles of f32: the pieces that the forward and backward kernels of attention.cu and the
// encoder's in attention_full.cu share. A block of 16 x 16 threads works on kQ queries and kK keys; thread
// (ty, tx) owns rows ty * kQ/16 + i and columns tx + 16 j of the scores, and the same rows of the output. The
// 16 threads of a row are half a warp, so row sums need no barrier. Tiles are padded to kD + 4 floats per
// row: 16 threads reading float4 of 16 different rows meet no bank twice.
#pragma once

#include "cuda/attention_mma.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "ops/attention_plan.h"

namespace llasa::cuda {

constexpr int kTileThreads = 256;
constexpr int kTileSide = 16;

__device__ __forceinline__ int tile_x() {
  return static_cast<int>(threadIdx.x) % kTileSide;
}
__device__ __forceinline__ int tile_y() {
  return static_cast<int>(threadIdx.x) / kTileSide;
}

// rows x D floats of a packed array, `stride` apart, as [kRows, kD + 4]: times scale, zeros beyond count and
// D.
template <int kRows, int kD>
__device__ __forceinline__ void load_tile(float* tile, const float* __restrict__ rows, int64_t stride,
                                          int count, int D, float scale, bool vector) {
  if (vector) {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kD / 4; i += kTileThreads) {
      const int r = i / (kD / 4), d = i % (kD / 4) * 4;
      float4 v = make_float4(0, 0, 0, 0);
      if (r < count && d < D) v = load4(rows + r * stride + d);
      store4(tile + r * (kD + 4) + d, make_float4(v.x * scale, v.y * scale, v.z * scale, v.w * scale));
    }
  } else {
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kD; i += kTileThreads) {
      const int r = i / kD, d = i % kD;
      tile[r * (kD + 4) + d] = r < count && d < D ? rows[r * stride + d] * scale : 0.0f;
    }
  }
}

__device__ __forceinline__ float dot4(float4 a, float4 b, float sum) {
  return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

// out[i][j] = a[ty R + i] . b[tx + 16 j] over kD.
template <int kD, int R, int C>
__device__ __forceinline__ void tile_products(const float* a, const float* b, float (&out)[R][C]) {
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int j = 0; j < C; ++j) out[i][j] = 0.0f;
  }
#pragma unroll 2
  for (int d = 0; d < kD; d += 4) {
    float4 column[C];
#pragma unroll
    for (int j = 0; j < C; ++j) column[j] = load4(b + (tile_x() + kTileSide * j) * (kD + 4) + d);
#pragma unroll
    for (int i = 0; i < R; ++i) {
      const float4 row = load4(a + (tile_y() * R + i) * (kD + 4) + d);
#pragma unroll
      for (int j = 0; j < C; ++j) out[i][j] = dot4(row, column[j], out[i][j]);
    }
  }
}

// Dimensions of the output that a thread owns: kChunks runs of kWide neighbours.
template <int kD>
struct TileColumns {
  static constexpr int kWide = kD >= 64 ? 4 : 2;
  static constexpr int kChunks = kD / (kTileSide * kWide);
  static constexpr int kCount = kWide * kChunks;
  __device__ static int column(int n) {  // n-th dimension of this thread
    return n / kWide * kTileSide * kWide + tile_x() * kWide + n % kWide;
  }
};

// out[i][n] += sum over k < kN of weights[ty R + i, k] values[k, column(n)]. weights [.., kN + 4].
template <int kD, int kN, int R>
__device__ __forceinline__ void tile_accumulate(const float* weights, const float* values,
                                                float (&out)[R][TileColumns<kD>::kCount]) {
  using Columns = TileColumns<kD>;
#pragma unroll 2
  for (int k = 0; k < kN; k += 4) {
    float4 weight[R];
#pragma unroll
    for (int i = 0; i < R; ++i) weight[i] = load4(weights + (tile_y() * R + i) * (kN + 4) + k);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float* row = values + (k + e) * (kD + 4);
#pragma unroll
      for (int chunk = 0; chunk < Columns::kChunks; ++chunk) {
        float value[Columns::kWide];
        const float* place = row + Columns::column(chunk * Columns::kWide);
        if (Columns::kWide == 4) {
          const float4 v = load4(place);
          value[0] = v.x, value[1] = v.y, value[2 % Columns::kWide] = v.z, value[3 % Columns::kWide] = v.w;
        } else {
          value[0] = place[0], value[1] = place[1];
        }
#pragma unroll
        for (int i = 0; i < R; ++i) {
          const float w = e == 0 ? weight[i].x : e == 1 ? weight[i].y : e == 2 ? weight[i].z : weight[i].w;
#pragma unroll
          for (int n = 0; n < Columns::kWide; ++n) {
            out[i][chunk * Columns::kWide + n] = fmaf(w, value[n], out[i][chunk * Columns::kWide + n]);
          }
        }
      }
    }
  }
}

// Rows of q, k, v: strides in floats; query head h reads key/value head h / rep.
struct TileShape {
  int64_t row_stride;
  int64_t out_stride;
  int H, rep, D;
  float scale;
  bool vector;  // rows may be read as float4
};

// out[t,h] = softmax(scale q k) v over the keys that a tile sees; lse [T,H] (may be NULL) log of the sum.
//   maths         per key tile: m' = max(m, s), l = l e^(m-m') + sum e^(s-m'), o = o e^(m-m') + e^(s-m') v
//   shapes        D <= kD; queries kQ, keys kK per tile
//   mapping       block = (query tile, head), 256 threads; keys and values pass through one buffer in turn
//   memory        (kQ + kK) (kD + 4) + kQ (kK + 4) floats of shared memory: 35 KB for D = 64, 38 KB for 128;
//                 registers kQ/16 (kD/16 + kK/16) accumulators
//   traffic       4 D flops per visible pair and head, bound by f32 arithmetic: 8192 causal tokens, 32 heads
//                 of 64: 275 GFLOP, floor 4.1 ms (computed, H200 67 TFLOP/s), at a third of that rate 12 ms:
//                 what this tiling is meant to reach
//   numerics      f32 throughout, out rounded where it is bf16; every row sees a key in its first tile, so no
//                 maximum stays -inf
//   determinism   keys in order
template <int kD, int kQ, int kK, typename To>
__global__ void __launch_bounds__(kTileThreads, 2)
    attention_forward_kernel(const float* __restrict__ q, const float* __restrict__ k,
                             const float* __restrict__ v, To* __restrict__ out, float* __restrict__ lse,
                             const QueryTile* __restrict__ tiles, TileShape s) {
  constexpr int R = kQ / kTileSide, C = kK / kTileSide;
  using Columns = TileColumns<kD>;
  __shared__ __align__(16) float queries[kQ * (kD + 4)];
  __shared__ __align__(16) float keys[kK * (kD + 4)];
  __shared__ __align__(16) float weights[kQ * (kK + 4)];
  const QueryTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y);
  const int64_t key_column = static_cast<int64_t>(head / s.rep) * s.D;
  load_tile<kQ, kD>(queries, q + tile.q_row * s.row_stride + static_cast<int64_t>(head) * s.D, s.row_stride,
                    tile.q_count, s.D, s.scale, s.vector);
  float max[R], sum[R], acc[R][Columns::kCount];
#pragma unroll
  for (int i = 0; i < R; ++i) {
    max[i] = -INFINITY, sum[i] = 0.0f;
#pragma unroll
    for (int n = 0; n < Columns::kCount; ++n) acc[i][n] = 0.0f;
  }
  const auto attend = [&](int64_t first_row, int count, int diagonal) {
    const int64_t offset = first_row * s.row_stride + key_column;
    __syncthreads();  // the last tile's values are no longer read
    load_tile<kK, kD>(keys, k + offset, s.row_stride, count, s.D, 1.0f, s.vector);
    __syncthreads();
    float score[R][C];
    tile_products<kD, R, C>(queries, keys, score);
#pragma unroll
    for (int i = 0; i < R; ++i) {
      const int last = diagonal + tile_y() * R + i;
      float largest = -INFINITY;
#pragma unroll
      for (int j = 0; j < C; ++j) {
        const int key = tile_x() + kTileSide * j;
        if (key >= count || key > last) score[i][j] = -INFINITY;
        largest = fmaxf(largest, score[i][j]);
      }
      largest = fmaxf(max[i], lane_reduce<kTileSide>(largest, Max{}));
      const float correction = expf(max[i] - largest);
      float total = 0.0f;
#pragma unroll
      for (int j = 0; j < C; ++j) {
        const float p = expf(score[i][j] - largest);
        total += p;
        weights[(tile_y() * R + i) * (kK + 4) + tile_x() + kTileSide * j] = p;
      }
      sum[i] = sum[i] * correction + lane_reduce<kTileSide>(total, Sum{});
      max[i] = largest;
#pragma unroll
      for (int n = 0; n < Columns::kCount; ++n) acc[i][n] *= correction;
    }
    __syncthreads();
    load_tile<kK, kD>(keys, v + offset, s.row_stride, count, s.D, 1.0f, s.vector);
    __syncthreads();
    tile_accumulate<kD, kK, R>(weights, keys, acc);
  };
  for (int first = 0; first < tile.prefix_count; first += kK) {
    attend(tile.prefix_row + first, min(kK, tile.prefix_count - first), kNoDiagonal);
  }
  for (int first = 0; first < tile.own_count; first += kK) {
    attend(tile.own_row + first, min(kK, tile.own_count - first), tile.diagonal - first);
  }
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int row = tile_y() * R + i;
    if (row >= tile.q_count) continue;
    To* place = out + (tile.q_row + row) * s.out_stride + static_cast<int64_t>(head) * s.D;
    const float inverse = 1.0f / sum[i];
#pragma unroll
    for (int n = 0; n < Columns::kCount; ++n) {
      if (Columns::column(n) < s.D) assign(place + Columns::column(n), acc[i][n] * inverse);
    }
    if (lse != nullptr && tile_x() == 0) lse[(tile.q_row + row) * s.H + head] = max[i] + logf(sum[i]);
  }
}

// tiles: of forward_tile(D, precision) queries, on the device. Throws for D > 256. To: float or Bf16.
template <typename To>
void launch_attention_forward(Stream& stream, const float* q, const float* k, const float* v, To* out,
                              float* lse, const QueryTile* tiles, int64_t count, const TileShape& shape,
                              Precision precision);

// What the backward kernels write, and its shape.
struct BackwardResults {
  float* dqkv;
  float* delta;    // [rows, H]
  float* partial;  // [slots, G, 2, tile, D]
  TileShape s;
  int G;
};
// T: float or Bf16.
template <typename T>
struct BackwardArguments : BackwardResults {
  const T* qkv;
  const T* out;
  const float* lse;
  const T* dout;
};

// dk and dv of the shared keys of `count` sums (on the device), from slots of key_rows rows, in slot order.
void launch_slot_sum(Stream& stream, const BackwardResults& a, const SlotSum* sums, int64_t count,
                     int key_rows);

}  // namespace llasa::cuda
