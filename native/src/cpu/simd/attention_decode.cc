// Kernels of decode attention: R query heads of one key/value head at a time; see ops/attention_decode.h.
#include "ops/attention_decode.h"

#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr int kB = static_cast<int>(kKvBlock);
constexpr int kVectors = kB / W;        // vectors across the tokens of a block
constexpr int kPair = W == 16 ? 2 : 1;  // blocks at a time: enough independent sums to hide an FMA's latency
constexpr int kTile = W == 1 ? 8 : 2;   // vectors across D at a time

// out[r, b kB + t] = q[r] . k[b][.., t] for `N` blocks.
template <typename T, int R, int N>
void score_blocks(const float* q, int64_t D, void* const* blocks, int64_t offset, float* out, int64_t ld) {
  VF acc[R][N * kVectors] = {};
  for (int64_t d = 0; d < D; ++d) {
    for (int b = 0; b < N; ++b) {
      const T* k = static_cast<const T*>(blocks[b]) + offset + d * kB;
      for (int v = 0; v < kVectors; ++v) {
        const VF key = load(k + v * W);
        for (int r = 0; r < R; ++r) acc[r][b * kVectors + v] += q[r * D + d] * key;
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < N * kVectors; ++v) store(out + r * ld + v * W, acc[r][v]);
  }
}

template <typename T, int R>
void score_heads(const float* q, int64_t D, void* const* blocks, int64_t offset, int64_t count, float* out,
                 int64_t ld) {
  int64_t b = 0;
  for (; b + kPair <= count; b += kPair) {
    score_blocks<T, R, kPair>(q, D, blocks + b, offset, out + b * kB, ld);
  }
  for (; b < count; ++b) score_blocks<T, R, 1>(q, D, blocks + b, offset, out + b * kB, ld);
}

template <typename T>
void scores(const float* q, int64_t R, int64_t D, void* const* blocks, int64_t offset, int64_t count,
            float* out, int64_t ld) {
  while (R > 0) {
    const int64_t heads = R < 4 ? R : 4;
    if (heads == 4) score_heads<T, 4>(q, D, blocks, offset, count, out, ld);
    if (heads == 3) score_heads<T, 3>(q, D, blocks, offset, count, out, ld);
    if (heads == 2) score_heads<T, 2>(q, D, blocks, offset, count, out, ld);
    if (heads == 1) score_heads<T, 1>(q, D, blocks, offset, count, out, ld);
    q += heads * D;
    out += heads * ld;
    R -= heads;
  }
}

// out[r, d0..] += sum_t p[r, t] v[t, d0..] for NV vectors across D; `rest` < W: a partial last vector.
template <typename T, int R, int NV>
void value_tile(const float* p, int64_t ld, int64_t D, void* const* blocks, int64_t offset, int64_t tokens,
                float* out, int64_t rest) {
  VF acc[R][NV];
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < NV; ++n)
      acc[r][n] = rest == 0 ? load(out + r * D + n * W) : load_partial(out + r * D, rest);
  }
  for (int64_t first = 0; first < tokens; first += kB) {
    const T* v = static_cast<const T*>(blocks[first / kB]) + offset;
    const int64_t last = tokens - first < kB ? tokens - first : kB;
    for (int64_t t = 0; t < last; ++t) {
      for (int n = 0; n < NV; ++n) {
        const VF value = rest == 0 ? load(v + t * D + n * W) : load_partial(v + t * D, rest);
        for (int r = 0; r < R; ++r) acc[r][n] += p[r * ld + first + t] * value;
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < NV; ++n) {
      if (rest == 0) {
        store(out + r * D + n * W, acc[r][n]);
      } else {
        store_partial(out + r * D, acc[r][n], rest);
      }
    }
  }
}

template <typename T, int R>
void value_heads(const float* p, int64_t ld, int64_t D, void* const* blocks, int64_t offset, int64_t tokens,
                 float* out) {
  int64_t d = 0;
  for (; d + kTile * kW <= D; d += kTile * kW) {
    value_tile<T, R, kTile>(p, ld, D, blocks, offset + d, tokens, out + d, 0);
  }
  for (; d + kW <= D; d += kW) value_tile<T, R, 1>(p, ld, D, blocks, offset + d, tokens, out + d, 0);
  if (d < D) value_tile<T, R, 1>(p, ld, D, blocks, offset + d, tokens, out + d, D - d);
}

template <typename T>
void values(const float* p, int64_t ld, int64_t R, int64_t D, void* const* blocks, int64_t offset,
            int64_t tokens, float* out) {
  while (R > 0) {
    const int64_t heads = R < 4 ? R : 4;
    if (heads == 4) value_heads<T, 4>(p, ld, D, blocks, offset, tokens, out);
    if (heads == 3) value_heads<T, 3>(p, ld, D, blocks, offset, tokens, out);
    if (heads == 2) value_heads<T, 2>(p, ld, D, blocks, offset, tokens, out);
    if (heads == 1) value_heads<T, 1>(p, ld, D, blocks, offset, tokens, out);
    p += heads * ld;
    out += heads * D;
    R -= heads;
  }
}

}  // namespace

extern const DecodeKernels decode_kernels;
const DecodeKernels decode_kernels = {scores<float>, values<float>, scores<Bf16>, values<Bf16>};

}  // namespace llasa::cpu::LLASA_ISA
