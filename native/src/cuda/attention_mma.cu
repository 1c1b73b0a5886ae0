// Attention forward on tensor cores (FlashAttention-2, arXiv 2307.08691): the kernel behind Precision::kBf16
// of ops/attention.h and ops/attention_full.h. Derivations: docs/kernels/attention.md.
#include "cuda/attention_mma.cuh"
#include "cuda/attention_mma.h"

namespace llasa::cuda {
namespace {

constexpr int kM = 2;  // of 16 queries per warp: each fragment of keys and values read serves two products
constexpr int kQ = 16 * kM * kMmaWarps;
static_assert(kQ == kMmaForwardTile, "the plan's tiles are the kernel's");
// Keys per step: of tiles that pass through registers, and of tiles that are copied past them. With 64 the
// accumulators of D = 64 and what is on its way to a tile do not fit into the registers.
constexpr int kStagedKeys = 32, kCopiedKeys = 64;
// Tiles of keys and values in shared memory at a time, where they are copied: one is read, the others are under way. Three
// of D = 128 would leave room for one block per multiprocessor of sm_80.
template <int kD>
constexpr int kSlots = kD <= 64 ? 3 : 2;

constexpr int64_t staged_shared_bytes(int kD) {
  return 2 * (kQ + 2 * kStagedKeys) * mma_stride(kD);
}
template <int kD>
constexpr int64_t copied_shared_bytes() {
  return 2 * (kQ + kSlots<kD> * kCopiedKeys) * mma_stride(kD);
}

struct OnlineSoftmax {
  float exponent[kM][2];  // of the largest score, see softmax_exponent; rows group and group + 8
  // Sums of this lane's columns alone: of the weights as they multiply values, which normalises the output,
  // and of the exact ones, for the log-sum-exp.
  float rounded[kM][2];
  float exact[kM][2];

  // Of no keys.
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      exponent[m][0] = exponent[m][1] = -INFINITY;
      rounded[m][0] = rounded[m][1] = exact[m][0] = exact[m][1] = 0.0f;
    }
  }
};

// Scores become 2^(factor score - exponent), the accumulators and sums so far are brought to the new
// exponents. factor: scale log2 e, positive.
template <int kD, int kN>
__device__ __forceinline__ void soften(OnlineSoftmax& state, float (&score)[kM][kN][4],
                                       float (&acc)[kM][kD / 8][4], float factor) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = -INFINITY;
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        largest = fmaxf(largest, fmaxf(score[m][n][2 * half], score[m][n][2 * half + 1]));
      }
      const float exponent =
          fmaxf(state.exponent[m][half], softmax_exponent(lane_reduce<4>(largest, Max{}) * factor));
      const float correction = exp2f(state.exponent[m][half] - exponent);  // 0 at first
      state.exponent[m][half] = exponent;
      float rounded = 0.0f, exact = 0.0f;
#pragma unroll
      for (int n = 0; n < kN; ++n) {
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

// A warp's rows of out and lse.
template <int kD, typename To>
__device__ __forceinline__ void write_rows(const OnlineSoftmax& state, const float (&acc)[kM][kD / 8][4],
                                           const QueryTile& tile, int head, const TileShape& s,
                                           To* __restrict__ out, float* __restrict__ lse) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = lane_reduce<4>(state.rounded[m][half], Sum{});
      const float exact = lane_reduce<4>(state.exact[m][half], Sum{});
      const int row = (mma_warp() * kM + m) * 16 + 8 * half + mma_group();
      if (row >= tile.q_count) continue;
      To* place = out + (tile.q_row + row) * s.out_stride + static_cast<int64_t>(head) * s.D;
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

// out[t,h] = softmax(scale q k) v over the keys that a tile sees; lse [T,H] (may be NULL) log of the sum.
//   maths         as attention_forward_kernel, exponentials as 2^(scale log2 e s - m), m whole
//   shapes        D <= kD; 128 queries, 32 keys per step
//   mapping       block = (query tile, head), 4 warps of 32 queries; per step one barrier after the keys and
//                 one after the values are in place, each loaded while the product before runs. Warps without
//                 queries, or whose queries see no key of the step, only help loading
//   memory        384 (kD + 8) bytes of shared memory: 28 KB for D = 64, 52 KB for 128; registers kD + 32 of
//                 accumulators, kD / 4 (bf16: kD / 8) on the way to a tile, and the weights wait for the values
//                 in bf16: no spills, two blocks per multiprocessor
//   traffic       4 D flops per visible pair and head on tensor cores: 8192 causal tokens, 32 heads of 64:
//                 275 GFLOP, floor 0.28 ms (computed, H200 989 TFLOP/s)
//   numerics      q, k, v rounded to bf16 unless they are it, and out where it is; products exact, sums f32; softmax f32, its weights rounded to bf16
//                 for the product with v and divided by the sum of what they were rounded to, so that they
//                 sum to 1; lse from the sum of the exact ones. A row sees a key in its first step, so no
//                 exponent stays -inf. NaN in q or k: NaN
//   determinism   keys in order
template <int kD, typename T, typename To>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_forward_kernel(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
                                 To* __restrict__ out, float* __restrict__ lse,
                                 const QueryTile* __restrict__ tiles, TileShape s) {
  // Rows in f32 take twice the registers on their way.
  constexpr int kUnroll = kD == 128 && std::is_same_v<T, float> ? 1 : 2;
  constexpr int kStride = mma_stride(kD), kK = kStagedKeys;
  LLASA_DYNAMIC_SHARED(uint16_t, queries);
  uint16_t* keys = queries + kQ * kStride;
  uint16_t* values = keys + kK * kStride;
  const QueryTile& tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first_row = mma_warp() * 16 * kM;
  const int column = head * s.D;
  const int kv_column = head / s.rep * s.D;
  const float factor = s.scale * kLog2E;
  OnlineSoftmax state;
  state.clear();
  float acc[kM][kD / 8][4];
  clear(acc);
  const int steps = key_steps(tile, kK);
  KeyStep step = key_step(tile, 0, kK);
  Staged<kK, kD, T> staged;
  stage_tile<kQ, kD>(queries, q + tile.q_row * s.row_stride + column, s.row_stride, tile.q_count, s.D,
                     s.vector);
  staged.load(k + step.row * s.row_stride + kv_column, s.row_stride, step.count, s.D, s.vector);
  for (int i = 0; i < steps; ++i) {
    staged.store(keys);  // last read before the second barrier of the step before
    staged.load(v + step.row * s.row_stride + kv_column, s.row_stride, step.count, s.D, s.vector);
    __syncthreads();
    const bool sees = first_row < tile.q_count && step.diagonal + first_row + 16 * kM - 1 >= 0;
    uint32_t weights[kM][kK / 8][2];
    if (sees) {
      float score[kM][kK / 8][4];
      multiply_rows<kD, kUnroll>(queries + first_row * kStride, keys, score);
      mask_scores(score, step, first_row);
      soften<kD>(state, score, acc, factor);
      pack_products(score, weights);
    }
    staged.store(values);  // last read before this step's first barrier
    if (i + 1 < steps) {
      step = key_step(tile, i + 1, kK);
      staged.load(k + step.row * s.row_stride + kv_column, s.row_stride, step.count, s.D, s.vector);
    }
    __syncthreads();
    if (sees) accumulate_rows<kD>(weights, values, acc);
  }
  write_rows<kD>(state, acc, tile, head, s, out, lse);
}

// The same of bf16 whose rows can be copied (copied_rows).
//   maths, numerics, traffic, determinism  as attention_mma_forward_kernel; sums of weights are of 64 keys at a time
//   shapes        D <= kD; 128 queries, 64 keys per step
//   mapping       block = (query tile, head), 4 warps of 32 queries. Tiles, of keys and of values in turn, pass through
//                 kSlots places by cp.async: with the barrier before a product, which says that the product before has been
//                 read, the copy of the tile kSlots - 1 further begins
//   memory        2 (128 + 64 kSlots) (kD + 8) bytes of shared memory: 46 KB for D = 64, 70 KB for 128; registers
//                 kD + 64 of accumulators: no spills, two blocks per multiprocessor
template <int kD>
__global__ void __launch_bounds__(kMmaThreads, 2)
    attention_mma_forward_copied_kernel(const Bf16* __restrict__ q, const Bf16* __restrict__ k,
                                        const Bf16* __restrict__ v, Bf16* __restrict__ out,
                                        float* __restrict__ lse, const QueryTile* __restrict__ tiles,
                                        TileShape s) {
  constexpr int kStride = mma_stride(kD), kK = kCopiedKeys, kAhead = kSlots<kD> - 1,
                kUnroll = kD == 128 ? 1 : 2;
  LLASA_DYNAMIC_SHARED(uint16_t, queries);
  uint16_t* slots = queries + kQ * kStride;
  const QueryTile& tile = tiles[blockIdx.x];
  const int head = static_cast<int>(blockIdx.y), first_row = mma_warp() * 16 * kM;
  const int kv_column = head / s.rep * s.D;
  const float factor = s.scale * kLog2E;
  const int steps = key_steps(tile, kK);
  const auto slot = [&](int t) { return slots + t % kSlots<kD> * kK * kStride; };
  // Tile t: of step t / 2, keys where t is even, else values.
  const auto request = [&](int t) {
    if (t < 2 * steps) {
      const KeyStep step = key_step(tile, t / 2, kK);
      Copied<kK, kD>::load(slot(t), (t % 2 == 0 ? k : v) + step.row * s.row_stride + kv_column, s.row_stride,
                           step.count, s.D);
    }
    commit_copies();  // a group even where there is no tile: waiting is by their number
  };
  // Until tile t is there, and the place of tile t + kAhead free, which is asked for.
  const auto await = [&](int t) {
    wait_for_copies<kAhead - 1>();
    __syncthreads();
    request(t + kAhead);
  };
  Copied<kQ, kD>::load(queries, q + tile.q_row * s.row_stride + static_cast<int64_t>(head) * s.D,
                       s.row_stride, tile.q_count, s.D);
#pragma unroll
  for (int t = 0; t < kAhead; ++t) request(t);  // the queries are in the first group
  OnlineSoftmax state;
  state.clear();
  float acc[kM][kD / 8][4];
  clear(acc);
  for (int i = 0; i < steps; ++i) {
    const KeyStep step = key_step(tile, i, kK);
    const bool sees = first_row < tile.q_count && step.diagonal + first_row + 16 * kM - 1 >= 0;
    uint32_t weights[kM][kK / 8][2];
    await(2 * i);
    if (sees) {
      float score[kM][kK / 8][4];
      multiply_rows<kD, kUnroll>(queries + first_row * kStride, slot(2 * i), score);
      mask_scores(score, step, first_row);
      soften<kD>(state, score, acc, factor);
      pack_products(score, weights);
    }
    await(2 * i + 1);
    if (sees) accumulate_rows<kD>(weights, slot(2 * i + 1), acc);
  }
  write_rows<kD>(state, acc, tile, head, s, out, lse);
}

template <int kD, typename T, typename To>
void forward(Stream& stream, const T* q, const T* k, const T* v, To* out, float* lse, const QueryTile* tiles,
             int64_t count, const TileShape& shape) {
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(shape.H), 1);
  if constexpr (std::is_same_v<T, Bf16>) {
    if (copied_rows(shape.D, shape.row_stride, q, k, v)) {
      LLASA_LAUNCH((attention_mma_forward_copied_kernel<kD>), grid, kMmaThreads, copied_shared_bytes<kD>(),
                   stream, q, k, v, out, lse, tiles, shape);
      return;
    }
  }
  LLASA_LAUNCH((attention_mma_forward_kernel<kD, T, To>), grid, kMmaThreads, staged_shared_bytes(kD), stream,
               q, k, v, out, lse, tiles, shape);
}

}  // namespace

template <typename T, typename To>
void launch_attention_mma_forward(Stream& stream, const T* q, const T* k, const T* v, To* out, float* lse,
                                  const QueryTile* tiles, int64_t count, const TileShape& shape) {
  LLASA_CHECK(shape.scale > 0, Status::kArgument, "scale: %g, attention in bf16 takes a positive one",
              static_cast<double>(shape.scale));
  if (count == 0) return;
  if (shape.D <= 32) {
    forward<32>(stream, q, k, v, out, lse, tiles, count, shape);
  } else if (shape.D <= 64) {
    forward<64>(stream, q, k, v, out, lse, tiles, count, shape);
  } else {
    forward<128>(stream, q, k, v, out, lse, tiles, count, shape);
  }
}

template void launch_attention_mma_forward(Stream&, const float*, const float*, const float*, float*, float*,
                                           const QueryTile*, int64_t, const TileShape&);
template void launch_attention_mma_forward(Stream&, const float*, const float*, const float*, Bf16*, float*,
                                           const QueryTile*, int64_t, const TileShape&);
template void launch_attention_mma_forward(Stream&, const Bf16*, const Bf16*, const Bf16*, Bf16*, float*,
                                           const QueryTile*, int64_t, const TileShape&);

}  // namespace llasa::cuda
