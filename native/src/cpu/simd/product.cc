// The product of a few rows of x with rows of a weight as they are stored; see ProductKernels in cpu/isa.h.
//
// Every element of y is a dot product in an order of its own: lane l of a vector sums the products of columns
// l, l + W, ... of a block of columns, the lanes are added in a fixed tree, and the blocks in order. How many
// rows are in the call and which tile an element falls into has no part in it. A tile of NR weight rows and
// TR rows of x lives in registers; the weight is read from memory once, for its other rows of x from the
// first cache.
#include <algorithm>

#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr int64_t kBlockK = 1024;  // columns: those of a tile's rows fit the first cache

// a and b hold sums in groups of S lanes; the result has twice the groups of half the lanes, a's first.
template <int S>
inline VF halve_groups(VF a, VF b) {
  VI low = {}, high = {};
  constexpr int kGroups = W / S, kHalf = S / 2;
  for (int j = 0; j < 2 * kGroups; ++j) {
    for (int i = 0; i < kHalf; ++i) {
      const int lane = j * kHalf + i;
      low[lane] = (j < kGroups ? 0 : W) + (j % kGroups) * S + i;
      high[lane] = low[lane] + kHalf;
    }
  }
  return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// Sums of `Count` vectors, each in a group of W / Count lanes: the tree of hsum() for all at once.
template <int Count>
inline VF grouped_sums(const VF* v) {
  if constexpr (Count == 1) {
    return v[0];
  } else {
    return halve_groups<2 * W / Count>(grouped_sums<Count / 2>(v), grouped_sums<Count / 2>(v + Count / 2));
  }
}

// y = alpha sum + beta y of one tile; the sums are [TR][NR].
__attribute__((noinline)) void finish(const ProductTask& p, const float* sums, int64_t NR, int64_t TR,
                                      float* y, float beta) {
  for (int64_t t = 0; t < TR; ++t) {
    float* row = y + t * p.ldy;
    const float* s = sums + t * NR;
    if (beta == 0.0f) {
      for (int64_t n = 0; n < NR; ++n) row[n] = p.alpha * s[n];
    } else {
      for (int64_t n = 0; n < NR; ++n) row[n] = p.alpha * s[n] + beta * row[n];
    }
  }
}

template <typename T, int NR, int TR>
void tile(const ProductTask& p, const float* x, const T* w, int64_t K, float* y, float beta) {
  constexpr int kSums = NR * TR, kGroups = (kSums + W - 1) / W;
  VF acc[kGroups * W] = {};
  const auto step = [&](auto&& vector) __attribute__((always_inline)) {
    VF in[TR];
    for (int t = 0; t < TR; ++t) in[t] = vector(x + t * p.ldx);
    for (int n = 0; n < NR; ++n) {
      const VF weight = vector(w + n * p.ldw);
      for (int t = 0; t < TR; ++t) acc[t * NR + n] += in[t] * weight;
    }
  };
  int64_t k = 0;
  for (; k + kW <= K; k += kW) step([k](const auto* row) { return load(row + k); });
  if (k < K) step([k, K](const auto* row) { return load_partial(row + k, K - k); });
  float sums[kGroups * W];
  for (int g = 0; g < kGroups; ++g) store(sums + g * W, grouped_sums<W>(acc + g * W));
  finish(p, sums, NR, TR, y, beta);
}

// A tile of `rows` <= TR rows of x.
template <typename T, int NR, int TR>
void tile_of(int64_t rows, const ProductTask& p, const float* x, const T* w, int64_t K, float* y,
             float beta) {
  if constexpr (TR > 1) {
    if (rows < TR) return tile_of<T, NR, TR - 1>(rows, p, x, w, K, y, beta);
  }
  tile<T, NR, TR>(p, x, w, K, y, beta);
}

// Weight rows [n, end) in steps of NR as far as they go; returns where they stop.
template <typename T, int NR, int TR>
int64_t weight_rows(const ProductTask& p, int64_t n, int64_t end) {
  const int64_t passes = (p.T + TR - 1) / TR, rows = (p.T + passes - 1) / passes;
  for (; n + NR <= end; n += NR) {
    const T* w = static_cast<const T*>(p.w) + n * p.ldw;
    for (int64_t k = 0; k == 0 || k < p.K; k += kBlockK) {
      const int64_t count = std::min(kBlockK, p.K - k);
      for (int64_t t = 0; t < p.T; t += rows) {
        tile_of<T, NR, TR>(std::min(rows, p.T - t), p, p.x + t * p.ldx + k, w + k, count, p.y + t * p.ldy + n,
                           k == 0 ? p.beta : 1.0f);
      }
    }
  }
  return n;
}

// One row reads the weight as eight streams. More share what is read in registers, as many as there are; what
// must be widened first, too, among more rows.
template <typename T>
void product(const ProductTask& p) {
  constexpr bool kWidens = sizeof(T) < sizeof(float);
  constexpr int kWeights = W == 16 && !kWidens ? 8 : 4;
  constexpr int kRows = W == 16 && kWidens ? 6 : 3;
  int64_t n = 0;
  if (p.T == 1) {
    n = weight_rows<T, 8, 1>(p, n, p.N);
  } else {
    n = weight_rows<T, kWeights, kRows>(p, n, p.N);
  }
  weight_rows<T, 1, kRows>(p, n, p.N);
}

}  // namespace

extern const ProductKernels product_kernels;
const ProductKernels product_kernels = {product<float>, product<Bf16>};

}  // namespace llasa::cpu::LLASA_ISA
