// Attention forward on tensor cores (FlashAttention-2, arXiv 2307.08691): the kernel behind Precision::kBf16
// of ops/attention.h and ops/attention_full.h. Derivations: docs/kernels/attention.md.
#include "cuda/attention_mma.cuh"
#include "cuda/attention_mma.h"

namespace llasa::cuda {
namespace {

constexpr int kM = 2;   // of 16 queries per warp: each fragment of keys and values read serves two products
constexpr int kK = 32;  // keys per step: with 64 the accumulators of D = 64 spill
constexpr int kQ = 16 * kM * kMmaWarps;
static_assert(kQ == kMmaForwardTile, "the plan's tiles are the kernel's");

template <int kD>
constexpr int64_t forward_shared_bytes() {
  return 2 * (kQ + 2 * kK) * mma_stride(kD);
}

struct OnlineSoftmax {
  float exponent[kM][2];  // of the largest score, see softmax_exponent; rows group and group + 8
  // Sums of this lane's columns alone: of the weights as they multiply values, which normalises the output,
  // and of the exact ones, for the log-sum-exp.
  float rounded[kM][2];
  float exact[kM][2];
};

// Scores become 2^(factor score - exponent), the accumulators and sums so far are brought to the new
// exponents. factor: scale log2 e, positive.
template <int kD>
__device__ __forceinline__ void soften(OnlineSoftmax& state, float (&score)[kM][kK / 8][4],
                                       float (&acc)[kM][kD / 8][4], float factor) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = -INFINITY;
#pragma unroll
      for (int n = 0; n < kK / 8; ++n) {
        largest = fmaxf(largest, fmaxf(score[m][n][2 * half], score[m][n][2 * half + 1]));
      }
      const float exponent =
          fmaxf(state.exponent[m][half], softmax_exponent(lane_reduce<4>(largest, Max{}) * factor));
      const float correction = exp2f(state.exponent[m][half] - exponent);  // 0 at first
      state.exponent[m][half] = exponent;
      float rounded = 0.0f, exact = 0.0f;
#pragma unroll
      for (int n = 0; n < kK / 8; ++n) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          const float weight = exp2f(fmaf(score[m][n][e], factor, -exponent));
          score[m][n][e] = round_to_bf16(weight);
          rounded += score[m][n][e];
          exact += weight;
        }
      }
      state.rounded[m][half] = fmaf(state.rounded[m][half], correction, rounded);
      state.exact[m][half] = fmaf(state.exact[m][half], correction, exact);
#pragma unroll
      for (int d = 0; d < kD / 8; ++d) {
        acc[m][d][2 * half] *= correction;
        acc[m][d][2 * half + 1] *= correction;
      }
    }
  }
}

// out[t,h] = softmax(scale q k) v over the keys that a tile sees; lse [T,H] (may be NULL) log of the sum.
//   maths         as attention_forward_kernel, exponentials as 2^(scale log2 e s - m), m whole
//   shapes        D <= kD; 128 queries, 32 keys per step
//   mapping       block = (query tile, head), 4 warps of 32 queries; per step one barrier after the keys and
//                 one after the values are in place, each loaded while the product before runs. Warps without
//                 queries, or whose queries see no key of the step, only help loading
//   memory        384 (kD + 8) bytes of shared memory: 28 KB for D = 64, 52 KB for 128; registers kD + 32 of
//                 accumulators, kD / 4 on the way to a tile: no spills, two blocks per multiprocessor
//   traffic       4 D flops per visible pair and head on tensor cores: 8192 causal tokens, 32 heads of 64:
//                 275 GFLOP, floor 0.28 ms (computed, H200 989 TFLOP/s)
//   numerics      q, k, v rounded to bf16 unless they are it, and out where it is; products exact, sums f32; softmax f32, its weights rounded to bf16
//                 for the product with v and divided by the sum of what they were rounded to, so that they
//                 sum to 1; lse from the sum of the exact ones. A row sees a key in its first step, so no
//                 exponent stays -inf. NaN in q or k: NaN
//   determinism   keys in order
template <int kD, typename T>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_forward_kernel(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
                                 T* __restrict__ out, float* __restrict__ lse,
                                 const QueryTile* __restrict__ tiles, TileShape s) {
  constexpr int kStride = mma_stride(kD);
  LLASA_DYNAMIC_SHARED(uint16_t, queries);
  uint16_t* keys = queries + kQ * kStride;
  uint16_t* values = keys + kK * kStride;
  const QueryTile tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first_row = mma_warp() * 16 * kM;
  const int64_t column = static_cast<int64_t>(head) * s.D;
  k += static_cast<int64_t>(head / s.rep) * s.D;
  v += static_cast<int64_t>(head / s.rep) * s.D;
  const float factor = s.scale * kLog2E;
  OnlineSoftmax state;
  float acc[kM][kD / 8][4];
#pragma unroll
  for (int m = 0; m < kM; ++m) {
    state.exponent[m][0] = state.exponent[m][1] = -INFINITY;
    state.rounded[m][0] = state.rounded[m][1] = state.exact[m][0] = state.exact[m][1] = 0.0f;
#pragma unroll
    for (int d = 0; d < kD / 8; ++d) acc[m][d][0] = acc[m][d][1] = acc[m][d][2] = acc[m][d][3] = 0.0f;
  }
  const int steps = key_steps(tile, kK);
  KeyStep step = key_step(tile, 0, kK);
  Staged<kK, kD, T> staged;
  stage_tile<kQ, kD>(queries, q + tile.q_row * s.row_stride + column, s.row_stride, tile.q_count, s.D,
                     s.vector);
  staged.load(k + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
  for (int i = 0; i < steps; ++i) {
    staged.store(keys);  // last read before the second barrier of the step before
    staged.load(v + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
    __syncthreads();
    const bool sees = first_row < tile.q_count && step.diagonal + first_row + 16 * kM - 1 >= 0;
    float score[kM][kK / 8][4];
    if (sees) {
      multiply_rows<kD>(queries + first_row * kStride, keys, score);
      mask_scores(score, step, first_row);
      soften<kD>(state, score, acc, factor);
    }
    staged.store(values);  // last read before this step's first barrier
    if (i + 1 < steps) {
      step = key_step(tile, i + 1, kK);
      staged.load(k + step.row * s.row_stride, s.row_stride, step.count, s.D, s.vector);
    }
    __syncthreads();
    if (sees) accumulate_rows<kD>(score, values, acc);
  }
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = lane_reduce<4>(state.rounded[m][half], Sum{});
      const float exact = lane_reduce<4>(state.exact[m][half], Sum{});
      const int row = first_row + 16 * m + 8 * half + mma_group();
      if (row >= tile.q_count) continue;
      T* place = out + (tile.q_row + row) * s.out_stride + column;
      const float inverse = 1.0f / sum;
#pragma unroll
      for (int d = 0; d < kD / 8; ++d) {
        store_pair(place, d, s.D, acc[m][d][2 * half] * inverse, acc[m][d][2 * half + 1] * inverse);
      }
      if (lse != nullptr && mma_place() == 0) {
        lse[(tile.q_row + row) * s.H + head] = fmaf(state.exponent[m][half], kLn2, logf(exact));
      }
    }
  }
}

}  // namespace

template <typename T>
void launch_attention_mma_forward(Stream& stream, const T* q, const T* k, const T* v, T* out, float* lse,
                                  const QueryTile* tiles, int64_t count, const TileShape& shape) {
  LLASA_CHECK(shape.scale > 0, Status::kArgument, "scale: %g, attention in bf16 takes a positive one",
              static_cast<double>(shape.scale));
  if (count == 0) return;
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(shape.H), 1);
  if (shape.D <= 32) {
    LLASA_LAUNCH((attention_mma_forward_kernel<32, T>), grid, kMmaThreads, forward_shared_bytes<32>(), stream,
                 q, k, v, out, lse, tiles, shape);
  } else if (shape.D <= 64) {
    LLASA_LAUNCH((attention_mma_forward_kernel<64, T>), grid, kMmaThreads, forward_shared_bytes<64>(), stream,
                 q, k, v, out, lse, tiles, shape);
  } else {
    LLASA_LAUNCH((attention_mma_forward_kernel<128, T>), grid, kMmaThreads, forward_shared_bytes<128>(),
                 stream, q, k, v, out, lse, tiles, shape);
  }
}

template void launch_attention_mma_forward(Stream&, const float*, const float*, const float*, float*, float*,
                                           const QueryTile*, int64_t, const TileShape&);
template void launch_attention_mma_forward(Stream&, const Bf16*, const Bf16*, const Bf16*, Bf16*, float*,
                                           const QueryTile*, int64_t, const TileShape&);

}  // namespace llasa::cuda
