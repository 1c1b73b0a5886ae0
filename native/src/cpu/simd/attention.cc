// Attention of one key/value head over one group; contract in ops/attention.h, task in cpu/isa.h.
//
// The R query heads that read one key/value head are stacked: a block is M = positions * R query rows. Per
// block, over the keys of the prefix and of the part so far (columns, each set padded to whole vectors):
//   forward:  S = Q K^T; P = softmax(S); O = P V
//   backward: P = exp(Q K^T - lse); dS = P (dO V^T - rowsum(dO O)); dQ = dS K; dK += dS^T Q; dV += P^T dO
// with Q scaled by 1/sqrt(D) when it is packed. Every product is `multiply`: 12 rows times one or two vectors of
// columns in registers, the right side packed into panels of W columns so that it is read in order. Bound by
// multiply-adds: forward 4 D, backward 10 D floating-point operations per query row and visible key.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

constexpr int kRegisterRows = 12;
constexpr int64_t kBlockRows = 48;

int64_t padded(int64_t n) {
  return (n + kW - 1) / kW * kW;
}

// C[M, P * W] = (C +) A B for P panels. A(m, k) = a[m * am + k * ak]; b [K, W], the next panel panel_stride behind;
// c has rows of ldc floats. An element is summed up in the order of k, whatever the tile.
template <int M, int P, bool kAccumulate>
inline void tile(int64_t K, const float* a, int64_t am, int64_t ak, const float* b, int64_t panel_stride,
                 float* c, int64_t ldc) {
  VF sum[P][M];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) sum[p][m] = kAccumulate ? load(c + m * ldc + p * kW) : VF{};
  }
  for (int64_t k = 0; k < K; ++k) {
    VF bk[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) bk[p] = load(b + p * panel_stride + k * kW);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const float value = a[m * am];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) sum[p][m] += value * bk[p];
    }
    a += ak;
  }
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) store(c + m * ldc + p * kW, sum[p][m]);
  }
}

// The last `rows` <= M of a product.
template <int M, int P, bool kAccumulate>
void last_tile(int64_t rows, int64_t K, const float* a, int64_t am, int64_t ak, const float* b,
               int64_t panel_stride, float* c, int64_t ldc) {
  if (rows == M) return tile<M, P, kAccumulate>(K, a, am, ak, b, panel_stride, c, ldc);
  if constexpr (M > 1) last_tile<M - 1, P, kAccumulate>(rows, K, a, am, ak, b, panel_stride, c, ldc);
}

// All rows of P panels.
template <int P, bool kAccumulate>
void multiply_panels(int64_t M, int64_t K, const float* a, int64_t am, int64_t ak, const float* b,
                     int64_t panel_stride, float* c, int64_t ldc) {
  int64_t m = 0;
  for (; m + kRegisterRows <= M; m += kRegisterRows) {
    tile<kRegisterRows, P, kAccumulate>(K, a + m * am, am, ak, b, panel_stride, c + m * ldc, ldc);
  }
  last_tile<kRegisterRows - 1, P, kAccumulate>(M - m, K, a + m * am, am, ak, b, panel_stride, c + m * ldc,
                                               ldc);
}

// C[M, panels * W] = (C +) A B; panel p of B is [K, W] at b + p * panel_stride. A value of A is multiplied with two
// panels where there are registers for them.
template <bool kAccumulate>
void multiply(int64_t M, int64_t panels, int64_t K, const float* a, int64_t am, int64_t ak, const float* b,
              int64_t panel_stride, float* c, int64_t ldc) {
  constexpr int kTogether = W == 16 ? 2 : 1;
  int64_t p = 0;
  for (; p + kTogether <= panels; p += kTogether) {
    multiply_panels<kTogether, kAccumulate>(M, K, a, am, ak, b + p * panel_stride, panel_stride, c + p * kW,
                                            ldc);
  }
  if (p < panels) {
    multiply_panels<1, kAccumulate>(M, K, a, am, ak, b + p * panel_stride, panel_stride, c + p * kW, ldc);
  }
}

// Panels of a row-major matrix x [rows, n]: panel p holds columns p W.. of every row, missing columns 0.
void pack_columns(const float* x, int64_t stride, int64_t rows, int64_t n, float* panels) {
  for (int64_t j = 0; j < n; j += kW) {
    const int64_t width = n - j < kW ? n - j : kW;
    for (int64_t r = 0; r < rows; ++r, panels += kW) {
      store(panels, width == kW ? load(x + r * stride + j) : load_partial(x + r * stride + j, width));
    }
  }
}

// W rows become the columns of W: each of the log2(W) shuffles moves one bit of an element's row to its column.
inline void transpose(VF (&x)[W]) {
  VI low = {}, high = {};
  for (int i = 0; i < W / 2; ++i) {
    low[2 * i] = i;
    low[2 * i + 1] = W + i;
    high[2 * i] = W / 2 + i;
    high[2 * i + 1] = W + W / 2 + i;
  }
#pragma GCC unroll 4
  for (int bit = 1; bit < W; bit *= 2) {
    VF y[W];
#pragma GCC unroll 8
    for (int i = 0; i < W / 2; ++i) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + W / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + W / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) x[i] = y[i];
  }
}

// Panels of the transpose of x [rows, n]: panel p [n, W] holds rows p W.. as columns, missing rows 0.
void pack_transposed(const float* x, int64_t stride, int64_t rows, int64_t n, float* panels) {
  for (int64_t r = 0; r < rows; r += kW, panels += n * kW) {
    const int64_t width = rows - r < kW ? rows - r : kW;
    int64_t j = 0;
    for (; W > 1 && j + kW <= n; j += kW) {
      VF block[W];
#pragma GCC unroll 16
      for (int64_t w = 0; w < kW; ++w) block[w] = w < width ? load(x + (r + w) * stride + j) : VF{};
      transpose(block);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kW; ++i) store(panels + (j + i) * kW, block[i]);
    }
    for (; j < n; ++j) {
      for (int64_t w = 0; w < kW; ++w) panels[j * kW + w] = w < width ? x[(r + w) * stride + j] : 0.0f;
    }
  }
}

// Packed keys and values of a row range.
struct Keys {
  int64_t begin = 0, count = 0;
  float* kt = nullptr;  // panels of K^T: S = Q K^T
  float* vt = nullptr;  // panels of V^T: dP = dO V^T (backward)
  float* kr = nullptr;  // panels of K: dQ = dS K (backward)
  float* vr = nullptr;  // panels of V: O = P V (forward)
  float* dk = nullptr;  // [count, padded(D)] (backward)
  float* dv = nullptr;
};

struct Workspace {
  Keys prefix, own;
  float* q = nullptr;        // [M, D], scaled
  float* qp = nullptr;       // panels of q (backward)
  float* dout = nullptr;     // [M, D]
  float* doutp = nullptr;    // panels
  float* delta = nullptr;    // [M]
  float* scores = nullptr;   // [M, columns]
  float* dscores = nullptr;  // [M, columns]
  float* rows = nullptr;     // [M, padded(D)]: O or dQ
  int64_t block_positions = 1;
};

// Lays the workspace out over memory (nullptr: only measures). Returns the floats it takes.
int64_t lay_out(const AttentionTask& t, bool backward, float* memory, Workspace& w) {
  int64_t used = 0;
  const auto take = [&](int64_t floats) {
    float* start = memory == nullptr ? nullptr : memory + used;
    used += (floats + 15) / 16 * 16;
    return start;
  };
  const int64_t Dp = padded(t.D);
  const auto take_keys = [&](Keys& keys, int64_t count) {
    keys.kt = take(padded(count) * t.D);
    if (backward) {
      keys.vt = take(padded(count) * t.D);
      keys.kr = take(count * Dp);
      keys.dk = take(count * Dp);
      keys.dv = take(count * Dp);
    } else {
      keys.vr = take(count * Dp);
    }
  };
  take_keys(w.prefix, t.prefix_count);
  take_keys(w.own, t.longest_part);
  w.block_positions = kBlockRows / t.rep > 0 ? kBlockRows / t.rep : 1;
  const int64_t M = w.block_positions * t.rep;
  const int64_t columns = padded(t.prefix_count) + padded(t.longest_part);
  w.q = take(M * t.D);
  w.scores = take(M * columns);
  w.rows = take(M * Dp);
  if (backward) {
    w.dscores = take(M * columns);
    w.qp = take(M * Dp);
    w.dout = take(M * t.D);
    w.doutp = take(M * Dp);
    w.delta = take(M);
  }
  return used;
}

void pack_keys(const AttentionTask& t, int64_t begin, int64_t count, bool backward, Keys& keys) {
  keys.begin = begin;
  keys.count = count;
  const float* k = t.qkv + begin * t.row + t.k;
  const float* v = t.qkv + begin * t.row + t.v;
  pack_transposed(k, t.row, count, t.D, keys.kt);
  if (backward) {
    pack_transposed(v, t.row, count, t.D, keys.vt);
    pack_columns(k, t.row, count, t.D, keys.kr);
    const int64_t floats = count * padded(t.D);
    std::memset(keys.dk, 0, static_cast<size_t>(floats) * sizeof(float));
    std::memset(keys.dv, 0, static_cast<size_t>(floats) * sizeof(float));
  } else {
    pack_columns(v, t.row, count, t.D, keys.vr);
  }
}

// Positions [first, first + positions) of a part and what they see: all of `before`, and `own` up to
// themselves.
struct Block {
  const Keys* before;
  const Keys* own;
  int64_t first, positions;
  int64_t rows, visible, own_column,
      columns;  // M; keys of own that any row sees; where they start; all columns
};

Block make_block(const AttentionTask& t, const Keys& before, const Keys& own, int64_t first, int64_t most) {
  Block b;
  b.before = &before;
  b.own = &own;
  b.first = first;
  b.positions = own.count - first < most ? own.count - first : most;
  b.rows = b.positions * t.rep;
  b.visible = first + b.positions;
  b.own_column = padded(before.count);
  b.columns = b.own_column + padded(b.visible);
  return b;
}

void gather_rows(const AttentionTask& t, const Block& b, const float* x, int64_t stride, float scale,
                 float* rows) {
  for (int64_t i = 0; i < b.positions; ++i) {
    const float* source = x + (b.own->begin + b.first + i) * stride;
    for (int64_t j = 0; j < t.rep * t.D; ++j) rows[i * t.rep * t.D + j] = source[j] * scale;
  }
}

// S = Q K^T with -infinity where a row does not see the key.
void score(const AttentionTask& t, const Block& b, Workspace& w) {
  gather_rows(t, b, t.qkv + t.q, t.row, t.scale, w.q);
  const int64_t stride = t.D * kW;
  multiply<false>(b.rows, b.own_column / kW, t.D, w.q, t.D, 1, b.before->kt, stride, w.scores, b.columns);
  multiply<false>(b.rows, (b.columns - b.own_column) / kW, t.D, w.q, t.D, 1, b.own->kt, stride,
                  w.scores + b.own_column, b.columns);
  const float hidden = -std::numeric_limits<float>::infinity();
  for (int64_t m = 0; m < b.rows; ++m) {
    float* row = w.scores + m * b.columns;
    for (int64_t j = b.before->count; j < b.own_column; ++j) row[j] = hidden;
    for (int64_t j = b.own_column + b.first + m / t.rep + 1; j < b.columns; ++j) row[j] = hidden;
  }
}

// rows = X Y over both sets of keys: O = P V or dQ = dS K.
void gather_values(const AttentionTask& t, const Block& b, const float* x, const float* before,
                   const float* own, float* rows) {
  const int64_t Dp = padded(t.D);
  multiply<false>(b.rows, Dp / kW, b.before->count, x, b.columns, 1, before, b.before->count * kW, rows, Dp);
  multiply<true>(b.rows, Dp / kW, b.visible, x + b.own_column, b.columns, 1, own, b.own->count * kW, rows,
                 Dp);
}

// dY += X^T rows over both sets of keys: dV += P^T dO or dK += dS^T Q.
void scatter_values(const AttentionTask& t, const Block& b, const float* x, const float* row_panels,
                    float* before, float* own) {
  const int64_t Dp = padded(t.D);
  multiply<true>(b.before->count, Dp / kW, b.rows, x, 1, b.columns, row_panels, b.rows * kW, before, Dp);
  multiply<true>(b.visible, Dp / kW, b.rows, x + b.own_column, 1, b.columns, row_panels, b.rows * kW, own,
                 Dp);
}

void forward_part(const AttentionTask& t, const Keys& before, const Keys& own, Workspace& w) {
  const int64_t Dp = padded(t.D);
  for (int64_t first = 0; first < own.count; first += w.block_positions) {
    const Block b = make_block(t, before, own, first, w.block_positions);
    score(t, b, w);
    for (int64_t m = 0; m < b.rows; ++m) {
      float* row = w.scores + m * b.columns;
      VF highest = load(row);
      for (int64_t j = kW; j < b.columns; j += kW) highest = vmax(load(row + j), highest);
      const float shift = hmax(highest);
      VF sums = {};
      for (int64_t j = 0; j < b.columns; j += kW) {
        const VF e = vexp(load(row + j) - shift);
        store(row + j, e);
        sums += e;
      }
      const float sum = hsum(sums);
      w.q[m] = 1.0f / sum;  // the scaled queries are spent
      if (t.lse != nullptr) {
        t.lse[(own.begin + first + m / t.rep) * t.lse_row + t.head + m % t.rep] = shift + std::log(sum);
      }
    }
    gather_values(t, b, w.scores, before.vr, own.vr, w.rows);
    for (int64_t m = 0; m < b.rows; ++m) {
      float* out = t.out + (own.begin + first + m / t.rep) * t.out_row + (t.head + m % t.rep) * t.D;
      for (int64_t d = 0; d < t.D; ++d) out[d] = w.rows[m * Dp + d] * w.q[m];
    }
  }
}

void backward_part(const AttentionTask& t, const Keys& before, const Keys& own, Workspace& w) {
  const int64_t Dp = padded(t.D), stride = t.D * kW;
  for (int64_t first = 0; first < own.count; first += w.block_positions) {
    const Block b = make_block(t, before, own, first, w.block_positions);
    score(t, b, w);
    gather_rows(t, b, t.dout + t.head * t.D, t.out_row, 1.0f, w.dout);
    multiply<false>(b.rows, b.own_column / kW, t.D, w.dout, t.D, 1, before.vt, stride, w.dscores, b.columns);
    multiply<false>(b.rows, (b.columns - b.own_column) / kW, t.D, w.dout, t.D, 1, own.vt, stride,
                    w.dscores + b.own_column, b.columns);
    for (int64_t m = 0; m < b.rows; ++m) {
      const int64_t position = own.begin + first + m / t.rep, head = t.head + m % t.rep;
      const float lse = t.saved_lse[position * t.lse_row + head];
      const float delta = dot(w.dout + m * t.D, t.saved_out + position * t.out_row + head * t.D, t.D);
      float* p = w.scores + m * b.columns;
      float* ds = w.dscores + m * b.columns;
      for (int64_t j = 0; j < b.columns; j += kW) {
        const VF probability = vexp(load(p + j) - lse);
        store(p + j, probability);
        store(ds + j, probability * (load(ds + j) - delta));
      }
    }
    pack_columns(w.q, t.D, b.rows, t.D, w.qp);
    pack_columns(w.dout, t.D, b.rows, t.D, w.doutp);
    gather_values(t, b, w.dscores, before.kr, own.kr, w.rows);
    for (int64_t m = 0; m < b.rows; ++m) {
      float* dq = t.dqkv + (own.begin + first + m / t.rep) * t.row + t.q + (m % t.rep) * t.D;
      for (int64_t d = 0; d < t.D; ++d) dq[d] = w.rows[m * Dp + d] * t.scale;
    }
    scatter_values(t, b, w.dscores, w.qp, before.dk, own.dk);
    scatter_values(t, b, w.scores, w.doutp, before.dv, own.dv);
  }
}

void store_key_gradients(const AttentionTask& t, const Keys& keys) {
  const size_t bytes = static_cast<size_t>(t.D) * sizeof(float);
  for (int64_t r = 0; r < keys.count; ++r) {
    float* row = t.dqkv + (keys.begin + r) * t.row;
    std::memcpy(row + t.k, keys.dk + r * padded(t.D), bytes);
    std::memcpy(row + t.v, keys.dv + r * padded(t.D), bytes);
  }
}

int64_t scratch(const AttentionTask& task, bool backward) {
  Workspace w;
  return lay_out(task, backward, nullptr, w);
}

void forward(const AttentionTask& t, float* memory) {
  Workspace w;
  lay_out(t, false, memory, w);
  pack_keys(t, t.prefix_begin, t.prefix_count, false, w.prefix);
  if (t.prefix_queries) forward_part(t, Keys{}, w.prefix, w);
  for (int64_t i = 0; i < t.num_parts; ++i) {
    pack_keys(t, t.parts[2 * i], t.parts[2 * i + 1] - t.parts[2 * i], false, w.own);
    forward_part(t, w.prefix, w.own, w);
  }
}

void backward(const AttentionTask& t, float* memory) {
  Workspace w;
  lay_out(t, true, memory, w);
  pack_keys(t, t.prefix_begin, t.prefix_count, true, w.prefix);
  if (t.prefix_queries) {
    backward_part(t, Keys{}, w.prefix, w);
  } else {
    const size_t bytes = static_cast<size_t>(t.rep * t.D) * sizeof(float);
    for (int64_t r = 0; r < t.prefix_count; ++r)
      std::memset(t.dqkv + (t.prefix_begin + r) * t.row + t.q, 0, bytes);
  }
  for (int64_t i = 0; i < t.num_parts; ++i) {
    pack_keys(t, t.parts[2 * i], t.parts[2 * i + 1] - t.parts[2 * i], true, w.own);
    backward_part(t, w.prefix, w.own, w);
    store_key_gradients(t, w.own);
  }
  store_key_gradients(t, w.prefix);
}

void rotate(float* x, const float* table, int64_t heads, int64_t D, float sign) {
  const int64_t half = D / 2;
  for (int64_t h = 0; h < heads; ++h, x += D) {
    int64_t i = 0;
    for (; i + kW <= half; i += kW) {
      const VF c = load(table + i), s = load(table + half + i) * sign;
      const VF a = load(x + i), b = load(x + half + i);
      store(x + i, a * c - b * s);
      store(x + half + i, b * c + a * s);
    }
    for (; i < half; ++i) {
      const float c = table[i], s = table[half + i] * sign, a = x[i], b = x[half + i];
      x[i] = a * c - b * s;
      x[half + i] = b * c + a * s;
    }
  }
}

void multiply_packed(int64_t M, int64_t panels, int64_t K, const float* a, int64_t lda, const float* b,
                     int64_t rows, float* c, int64_t ldc) {
  multiply<false>(M, panels, K, a, lda, 1, b, rows * kW, c, ldc);
}

constexpr PanelProducts panel_products() {
  if constexpr (kW == PanelProducts::kColumns) return {pack_columns, pack_transposed, multiply_packed};
  return {};
}

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = {scratch, forward, backward, rotate, panel_products()};

}  // namespace llasa::cpu::LLASA_ISA
