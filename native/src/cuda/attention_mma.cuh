// Attention on tensor cores: the pieces that the kernels of attention_mma.cu and attention_mma_backward.cu
// share. A block of four warps works on tiles of bf16 in shared memory, rounded on the way in from what is f32; each
// warp owns 16 kM rows of the products, whose accumulators are the d fragments of mma.cuh: of 16 x 8 products
// c[m][n] a lane holds rows 16 m + group (elements 0, 1) and + 8 (2, 3), columns 8 n + 2 place and + 1.
//
// Rows of a tile are kD + 8 long: 16 bytes, a bank group, more than a multiple of 64 bytes. Eight rows at one
// column, which is what ldmatrix reads at once, then lie in eight different bank groups, because their
// distance in bank groups, kD / 8 + 1, is odd.
#pragma once

#include <type_traits>

#include "core/host_device.h"
#include "cuda/async_copy.cuh"
#include "cuda/attention_tile.cuh"
#include "cuda/bf16.cuh"
#include "cuda/mma.cuh"
#include "cuda/softmax_exponent.cuh"

namespace llasa::cuda {

constexpr int kMmaWarps = 4;
constexpr int kMmaThreads = kMmaWarps * kWarp;

LLASA_HOST_DEVICE constexpr int mma_stride(int kD) {
  return kD + 8;
}

__device__ __forceinline__ int mma_lane() {
  return static_cast<int>(threadIdx.x) % kWarp;
}
__device__ __forceinline__ int mma_warp() {
  return static_cast<int>(threadIdx.x) / kWarp;
}
__device__ __forceinline__ int mma_group() {
  return mma_lane() / 4;
}
__device__ __forceinline__ int mma_place() {
  return mma_lane() % 4;
}

// Where the row begins that a lane gives to ldmatrix_x4, for 16 rows x 16 columns of a tile as
//   down_first   upper left, lower left, upper right, lower right: a[0..3]; transposed b0, b1 of the left
//                columns, then of the right ones, the contraction running down the rows
//   right_first  upper left, upper right, lower left, lower right: b0, b1 of the upper rows, then of
//                the lower ones, the contraction running along the rows
LLASA_HOST_DEVICE constexpr int down_first(int lane, int stride) {
  return lane % 16 * stride + lane / 16 * 8;
}
LLASA_HOST_DEVICE constexpr int right_first(int lane, int stride) {
  return (lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8;
}

// Four neighbours of a row on their way into a tile, and what the tile has of them.
struct StagedFloats {
  float4 v;

  __device__ __forceinline__ void clear() { v = make_float4(0, 0, 0, 0); }
  __device__ __forceinline__ void load(const float* p) { v = load4(p); }
  __device__ __forceinline__ void load(const float* p, int count) {
    if (count > 0) v.x = p[0];
    if (count > 1) v.y = p[1];
    if (count > 2) v.z = p[2];
    if (count > 3) v.w = p[3];
  }
  __device__ __forceinline__ uint2 rounded() const {
    return make_uint2(pack_bf16(v.x, v.y), pack_bf16(v.z, v.w));
  }
};
struct StagedBf16 {
  uint2 v;

  __device__ __forceinline__ void clear() { v = make_uint2(0, 0); }
  __device__ __forceinline__ void load(const Bf16* p) { v = *reinterpret_cast<const uint2*>(p); }
  __device__ __forceinline__ void load(const Bf16* p, int count) {
    if (count > 0) v.x = p[0].bits;
    if (count > 1) v.x |= static_cast<unsigned>(p[1].bits) << 16;
    if (count > 2) v.y = p[2].bits;
    if (count > 3) v.y |= static_cast<unsigned>(p[3].bits) << 16;
  }
  __device__ __forceinline__ uint2 rounded() const { return v; }
};

// kRows x kD elements on their way into a tile: load() asks for them, store() waits, rounds what is f32, and products
// run between the two. A thread takes four neighbours of every kStep-th row.
template <int kRows, int kD, typename T>
struct Staged {
  static constexpr int kStep = kMmaThreads / (kD / 4), kCount = kRows / kStep;
  static_assert(kStep * kD / 4 == kMmaThreads && kCount * kStep == kRows, "no thread idles");
  std::conditional_t<std::is_same_v<T, Bf16>, StagedBf16, StagedFloats> value[kCount];

  LLASA_HOST_DEVICE static constexpr int row(int thread) { return thread / (kD / 4); }
  LLASA_HOST_DEVICE static constexpr int column(int thread) { return thread % (kD / 4) * 4; }

  // Zeros beyond `count` rows and D.
  __device__ __forceinline__ void load(const T* __restrict__ rows, int64_t stride, int count, int D,
                                       bool vector) {
    const int r = row(static_cast<int>(threadIdx.x)), d = column(static_cast<int>(threadIdx.x));
    const T* place = rows + r * stride + d;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      value[i].clear();
      if (r + i * kStep < count) {
        if (!vector)
          value[i].load(place, D - d);
        else if (d < D)
          value[i].load(place);
      }
      place += kStep * stride;
    }
  }
  __device__ __forceinline__ void store(uint16_t* tile) const {
    const auto thread = static_cast<int>(threadIdx.x);
    tile += row(thread) * mma_stride(kD) + column(thread);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      *reinterpret_cast<uint2*>(tile + i * kStep * mma_stride(kD)) = value[i].rounded();
    }
  }
};

// A whole tile at once, 32 rows at a time.
template <int kRows, int kD, typename T>
__device__ __forceinline__ void stage_tile(uint16_t* tile, const T* __restrict__ rows, int64_t stride,
                                           int count, int D, bool vector) {
#pragma unroll 1
  for (int first = 0; first < kRows; first += 32) {
    Staged<32, kD, T> staged;
    staged.load(rows + first * stride, stride, count - first, D, vector);
    staged.store(tile + first * mma_stride(kD));
  }
}

// kRows x kD elements of bf16 on their way into a tile by copies of 16 bytes, past the registers: rows on multiples of
// 16 bytes, D a multiple of 8. load() asks for them; see async_copy.cuh for when they are there. A thread takes eight
// neighbours of every kStep-th row.
template <int kRows, int kD>
struct Copied {
  static constexpr int kStep = kMmaThreads / (kD / 8), kCount = kRows / kStep;
  static_assert(kStep * kD / 8 == kMmaThreads && kCount * kStep == kRows, "no thread idles");

  LLASA_HOST_DEVICE static constexpr int row(int thread) { return thread / (kD / 8); }
  LLASA_HOST_DEVICE static constexpr int column(int thread) { return thread % (kD / 8) * 8; }

  // Zeros beyond `count` rows and D.
  __device__ __forceinline__ static void load(uint16_t* tile, const Bf16* __restrict__ rows, int64_t stride,
                                              int count, int D) {
    const int r = row(static_cast<int>(threadIdx.x)), d = column(static_cast<int>(threadIdx.x));
    if (d >= D) count = 0;
    const Bf16* place = rows + r * stride + d;
    tile += r * mma_stride(kD) + d;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool exists = r + i * kStep < count;
      copy_async(tile + i * kStep * mma_stride(kD), exists ? place : rows, exists ? 16 : 0);
      place += kStep * stride;
    }
  }
};
// Whether rows of D elements, `stride` apart, can be copied so. On the host.
template <typename... Pointers>
bool copied_rows(int64_t D, int64_t stride, Pointers... pointers) {
  return D % 8 == 0 && stride % 8 == 0 && ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

template <int kM, int kN>
__device__ __forceinline__ void clear(float (&c)[kM][kN][4]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) c[m][n][0] = c[m][n][1] = c[m][n][2] = c[m][n][3] = 0.0f;
  }
}

// c[m][n] = 16 kM rows of a times 8 kN rows of b, over kD.
template <int kD, int kUnroll = 2, int kM, int kN>
__device__ __forceinline__ void multiply_rows(const uint16_t* a, const uint16_t* b, float (&c)[kM][kN][4]) {
  constexpr int kStride = mma_stride(kD);
  static_assert(kN % 2 == 0, "two columns of products per load");
  clear(c);
  a += down_first(mma_lane(), kStride);
  b += right_first(mma_lane(), kStride);
#pragma unroll(kUnroll)  // unrolled further, fragments loaded ahead push accumulators out of the registers
  for (int k = 0; k < kD; k += 16) {
    uint32_t rows[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) ldmatrix_x4(rows[m], a + 16 * m * kStride + k);
#pragma unroll
    for (int n = 0; n < kN; n += 2) {
      uint32_t columns[4];
      ldmatrix_x4(columns, b + 8 * n * kStride + k);
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        mma_m16n8k16_bf16(c[m][n], rows[m], columns[0], columns[1]);
        mma_m16n8k16_bf16(c[m][n + 1], rows[m], columns[2], columns[3]);
      }
    }
  }
}

// The products of multiply_rows in bf16: the left side of a product of 8 kN columns.
template <int kM, int kN>
__device__ __forceinline__ void pack_products(const float (&w)[kM][kN][4], uint32_t (&packed)[kM][kN][2]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) {
      packed[m][n][0] = pack_bf16(w[m][n][0], w[m][n][1]);
      packed[m][n][1] = pack_bf16(w[m][n][2], w[m][n][3]);
    }
  }
}

// c += w b: b a tile of 8 kN rows.
template <int kD, int kM, int kN>
__device__ __forceinline__ void accumulate_rows(const uint32_t (&w)[kM][kN][2], const uint16_t* b,
                                                float (&c)[kM][kD / 8][4]) {
  constexpr int kStride = mma_stride(kD);
  static_assert(kN % 2 == 0 && kD % 16 == 0, "16 rows and 16 columns of b per load");
  b += down_first(mma_lane(), kStride);
#pragma unroll
  for (int n = 0; n < kN; n += 2) {
    uint32_t rows[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      rows[m][0] = w[m][n][0];
      rows[m][1] = w[m][n][1];
      rows[m][2] = w[m][n + 1][0];
      rows[m][3] = w[m][n + 1][1];
    }
#pragma unroll
    for (int d = 0; d < kD / 8; d += 2) {
      uint32_t columns[4];
      ldmatrix_x4_transposed(columns, b + 8 * n * kStride + 8 * d);
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        mma_m16n8k16_bf16(c[m][d], rows[m], columns[0], columns[1]);
        mma_m16n8k16_bf16(c[m][d + 1], rows[m], columns[2], columns[3]);
      }
    }
  }
}

// The same with products of multiply_rows, which are rounded to bf16.
template <int kD, int kM, int kN>
__device__ __forceinline__ void accumulate_rows(const float (&w)[kM][kN][4], const uint16_t* b,
                                                float (&c)[kM][kD / 8][4]) {
  uint32_t packed[kM][kN][2];
  pack_products(w, packed);
  accumulate_rows<kD>(packed, b, c);
}

// One step of a query tile along the keys it sees: rows row .. + count; query i sees key j if j <= diagonal +
// i.
struct KeyStep {
  int64_t row;
  int count;
  int diagonal;
};
__device__ __forceinline__ int key_steps(const QueryTile& tile, int size) {
  return (tile.prefix_count + size - 1) / size + (tile.own_count + size - 1) / size;
}
__device__ __forceinline__ KeyStep key_step(const QueryTile& tile, int step, int size) {
  const int behind = (tile.prefix_count + size - 1) / size;
  const int first = (step < behind ? step : step - behind) * size;
  if (step < behind) return {tile.prefix_row + first, min(size, tile.prefix_count - first), kNoDiagonal};
  return {tile.own_row + first, min(size, tile.own_count - first), tile.diagonal - first};
}

// -inf in place of the scores of keys that a row does not see; first_row: of the warp, in its query tile.
template <int kM, int kN>
__device__ __forceinline__ void mask_scores(float (&score)[kM][kN][4], const KeyStep& step, int first_row) {
  if (step.count >= 8 * kN && step.diagonal + first_row >= 8 * kN - 1) return;  // all seen
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int key = 8 * n + 2 * mma_place() + e % 2;
        const int row = first_row + 16 * m + e / 2 * 8 + mma_group();
        if (key >= step.count || key > step.diagonal + row) score[m][n][e] = -INFINITY;
      }
    }
  }
}

// Columns 8 n + 2 place and + 1 of a row of D floats; n is even in a multiple of 8 bytes.
__device__ __forceinline__ void store_pair(float* row, int n, int D, float x, float y) {
  const int d = 8 * n + 2 * mma_place();
  if (d + 1 < D && reinterpret_cast<uintptr_t>(row) % 8 == 0) {
    *reinterpret_cast<float2*>(row + d) = make_float2(x, y);
  } else {
    if (d < D) row[d] = x;
    if (d + 1 < D) row[d + 1] = y;
  }
}
// The same, rounded.
__device__ __forceinline__ void store_pair(Bf16* row, int n, int D, float x, float y) {
  const int d = 8 * n + 2 * mma_place();
  if (d + 1 < D && reinterpret_cast<uintptr_t>(row) % 4 == 0) {
    *reinterpret_cast<uint32_t*>(row + d) = pack_bf16(x, y);
  } else {
    if (d < D) assign(row + d, x);
    if (d + 1 < D) assign(row + d + 1, y);
  }
}

}  // namespace llasa::cuda
