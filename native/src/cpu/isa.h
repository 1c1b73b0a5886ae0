// The per-ISA kernel tables and the choice between them, made once at first use: the widest the processor
// has, or what LLASA_ISA=scalar|avx2|avx512|vnni|avx512_bf16|amx asks for (tests). One table per family; families live in
// cpu/simd/, cpu/tiles/ and cpu/vnni/.
#pragma once

#include <cstdint>

#include "core/weight_view.h"
#include "ops/optimizer.h"

namespace llasa::cpu {

// Rows of n floats; see ops/norm.h and ops/activation.h for the maths.
struct NormKernels {
  float (*rmsnorm_row)(const float* x, const float* weight, float* y, int64_t n, float eps);  // returns rstd
  // dx += ..., dweight += ... of one row
  void (*rmsnorm_backward_row)(const float* x, const float* weight, float rstd, const float* dy, float* dx,
                               float* dweight, int64_t n);
  void (*layernorm_row)(const float* x, const float* weight, const float* bias, float* y, int64_t n,
                        float eps);
};

struct ActivationKernels {
  void (*silu)(const float* x, float* y, int64_t n);
  void (*gelu)(const float* x, float* y, int64_t n);
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  void (*swiglu_backward)(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                          float* y,
                          int64_t n);  // y may be NULL or dy
  void (*add)(const float* a, const float* b, float* y, int64_t n);
};

struct SoftmaxKernels {
  float (*max)(const float* x, int64_t n);
  // y = exp(x * scale - shift); returns the sum of y. y may be x.
  float (*exp_sum)(const float* x, float* y, float scale, float shift, int64_t n);
  void (*scale)(float* x, float factor, int64_t n);
  // With e = exp(x * scale - shift): sum of e, and of e (x * scale - shift).
  void (*exp_moments)(const float* x, float scale, float shift, int64_t n, float* sum, float* weighted);
  // With z = x * scale - lse: x = exp(z) (a + b z).
  void (*logprob_backward)(float* x, float scale, float lse, float a, float b, int64_t n);
};

// One key/value head of one attention group; see ops/attention.h. Offsets are floats within a row.
struct AttentionTask {
  const float* qkv = nullptr;   // row 0
  int64_t row = 0;              // floats per row of qkv and dqkv
  int64_t q = 0, k = 0, v = 0;  // offsets of the first query head and of the key/value head
  int64_t out_row = 0;          // floats per row of out and dout
  int64_t lse_row = 0;
  int64_t head = 0;  // first query head
  int64_t rep = 1;   // query heads of this key/value head
  int64_t D = 0;
  float scale = 1.0f;
  int64_t prefix_begin = 0, prefix_count = 0;
  bool prefix_queries = true;
  const int64_t* parts = nullptr;  // begin, end of each part
  int64_t num_parts = 0;
  int64_t longest_part = 0;
  // forward
  float* out = nullptr;
  float* lse = nullptr;  // may be NULL
  // backward
  const float* saved_out = nullptr;
  const float* saved_lse = nullptr;
  const float* dout = nullptr;
  float* dqkv = nullptr;
};

// Products whose right side is packed into panels of 16 columns, [columns / 16][rows][16], those missing 0; for attention
// over whole clips, ops/attention_full.h.
struct PanelProducts {
  static constexpr int64_t kColumns = 16;

  // Of x [rows, n], rows `stride` apart; and of its transpose, [n, rows].
  void (*pack)(const float* x, int64_t stride, int64_t rows, int64_t n, float* panels);
  void (*pack_transposed)(const float* x, int64_t stride, int64_t rows, int64_t n, float* panels);
  // C [M, 16 panels] = A B; A [M, K] and C with rows lda and ldc apart, B the first K of `rows` packed rows.
  void (*multiply)(int64_t M, int64_t panels, int64_t K, const float* a, int64_t lda, const float* b,
                   int64_t rows, float* c, int64_t ldc);
};

struct AttentionKernels {
  int64_t (*scratch)(const AttentionTask& task, bool backward);  // floats of scratch, 64-byte aligned
  void (*forward)(const AttentionTask& task, float* scratch);
  void (*backward)(const AttentionTask& task, float* scratch);
  // ops/rope.h for one row; sign -1 turns back.
  void (*rotate)(float* x, const float* table, int64_t heads, int64_t D, float sign);
  PanelProducts panels;  // all NULL where vectors have other than 16 lanes
};

struct OptimizerKernels {
  double (*squared_sum)(const float* x, int64_t n);
  void (*adamw)(float* weights, const float* gradients, float* moment1, float* moment2, int64_t n,
                const AdamWFactors& factors);
};

struct SamplingKernels {
  // Largest of x; *bad becomes 1 if a NaN or +infinity is among them, else 0.
  float (*scan)(const float* x, int64_t n, int32_t* bad);
  // y = x >= threshold ? exp((x - max) * inverse_temperature) : 0
  void (*weights)(const float* x, float* y, int64_t n, float max, float inverse_temperature, float threshold);
  float (*sum)(const float* x, int64_t n);
  // Sum of y where x >= threshold, which is above -infinity.
  float (*sum_from)(const float* x, const float* y, int64_t n, float threshold);
};

// Rows of the speech families: ops/norm.h (GroupNorm), ops/istft.h, ops/mel.h, ops/attention_full.h.
struct SpeechKernels {
  // sum[c] = sum over rows of x[r,c]; of (x[r,c] - mean[c])^2
  void (*column_sums)(const float* x, float* sum, int64_t rows, int64_t n);
  void (*column_squares)(const float* x, const float* mean, float* sum, int64_t rows, int64_t n);
  // y = x * scale + shift, with silu on top if asked
  void (*affine)(const float* x, const float* scale, const float* shift, float* y, int64_t n, bool silu);
  // re + i im = min(exp(log_magnitude), 100) e^(i phase)
  void (*polar)(const float* log_magnitude, const float* phase, float* re, float* im, int64_t n);
  // One hop of overlapped frames, frames[j] the quarters of the frame that began j hops earlier (or NULL)
  void (*istft_hop)(const float* const* frames, const float* window, float* y, int64_t hop, int64_t quarter);
  // y = log10(x) where x > floor, else log10_floor; returns the largest y
  float (*log10_floored)(const float* x, float* y, float floor, float log10_floor, int64_t n);
  // out[d] = sum over p of softmax(scale q k)[p] v[d,p]; keys, values [D,capacity], n visible; scores
  // [capacity]
  void (*attend)(const float* q, const float* keys, const float* values, float* scores, float* out, int64_t D,
                 int64_t n, int64_t capacity, float scale);
  void (*attend_bf16)(const float* q, const Bf16* keys, const Bf16* values, float* scores, float* out,
                      int64_t D, int64_t n, int64_t capacity, float scale);
};

// R query heads of one key/value head against `count` blocks of keys (whole blocks) or `tokens` values, each
// `offset` elements into blocks[b]; see ops/attention_decode.h.
struct DecodeKernels {
  // out[r, u] = q[r] . k[u]; q [R, D]; out [R, ld]
  using Scores = void(const float* q, int64_t R, int64_t D, void* const* blocks, int64_t offset,
                      int64_t count, float* out, int64_t ld);
  // out[r] += sum_u p[r, u] v[u]; p [R, ld]; out [R, D]
  using Values = void(const float* p, int64_t ld, int64_t R, int64_t D, void* const* blocks, int64_t offset,
                      int64_t tokens, float* out);
  Scores* scores;
  Values* values;
  Scores* scores_bf16;  // of blocks in bf16
  Values* values_bf16;
};

// y[t,n] = alpha sum_k x[t,k] w[n,k] + beta y[t,n] for T rows of x and N rows of w. An element's rounding
// depends on K alone, not on T or N. beta = 0 overwrites y.
struct ProductTask {
  const float* x = nullptr;
  int64_t ldx = 0;
  const void* w = nullptr;  // of the type that the kernel is for
  int64_t ldw = 0;
  float* y = nullptr;
  int64_t ldy = 0;
  int64_t T = 0, N = 0, K = 0;
  float alpha = 1.0f, beta = 0.0f;
  int64_t skip = 0;  // of w in groups: rows of the first one that are left out
  // For TileProducts: x in their layout, and the task's scratch memory, both 64-byte aligned.
  const float* packed = nullptr;
  float* scratch = nullptr;
};

struct ProductKernels {
  void (*f32)(const ProductTask& task);
  void (*bf16)(const ProductTask& task);
};

// The same for any number of rows of x, which are packed first: block by block of 16 rows, each into its
// place in `packed`, 64-byte aligned. A product may begin with any block. Of f32 all bits are multiplied; in
// bf16 what is f32 is rounded first. x may be stored in bf16 in the latter alone.
struct TileProducts {
  int64_t (*packed_floats)(int64_t T, int64_t K);
  void (*pack)(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed);
  // Of a matrix x[k,t], ldx apart, in place of x[t,k].
  void (*pack_columns)(WeightView x, int64_t ldx, int64_t T, int64_t K, int64_t block, float* packed);
  int64_t (*scratch_floats)(int64_t T, int64_t N, int64_t K);  // of a task
  void (*product)(const ProductTask& task);                    // w f32, or stored in bf16
  // With w in f32 to y[n,t], rows of w one below the other; with the bits of product() where x is the weight and w
  // the rows; and with w[k,n].
  void (*transposed)(const ProductTask& task);
  void (*swapped)(const ProductTask& task);
  void (*columns_transposed)(const ProductTask& task);
};

// The products of TileProducts in bf16, bit for bit, with w in groups (core/bf16_groups.h).
struct GroupProducts {
  // Of some rows of x, which pack_few() rounds into at most T K floats; K is a multiple of 32.
  void (*pack_few)(const float* x, int64_t ldx, int64_t T, int64_t K, float* packed);
  void (*few)(const ProductTask& task);
  // Of more: x in the layout of TileProducts.
  void (*many)(const ProductTask& task);
};

struct TileProductKernels {
  TileProducts f32;  // all NULL where OpenBLAS is faster
  TileProducts bf16;
  GroupProducts groups;  // all NULL where rows as they are stored are as good
};

// 16 rows x 32 columns of x as whole numbers of 16 bits, at most 32512, times a scale of each row. The two
// digits are as the kernels of one table want them. What is below 2^-16 of the largest of the 32 is lost.
struct alignas(64) Q8Tile {
  static constexpr int64_t kRows = 16;

  int8_t digits[2][kRows][Q8Group::kColumns];
  float scales[kRows];     // NaN where one of the 32 is not finite
  int32_t offsets[kRows];  // -128 times the sum of the 32: a weight is stored with 128 added to it
};

struct Q8Rows {
  Q8Tile* data = nullptr;  // [ceil(count / 16)][blocks]; in a tile rows beyond count are anything
  int64_t count = 0, blocks = 0;
};

// y[t,n] = alpha sum over b of scale_x[t,b] scale_w[n,b] (whole numbers of x and w multiplied and added, which
// is exact) + beta y[t,n], b in order: an element's bits depend on nothing else in the call.
struct Q8Task {
  const Q8Group* w = nullptr;  // [groups][x.blocks]
  int64_t groups = 0;
  int64_t skip = 0, N = 0;  // rows of the first group that are left out, and rows after those
  Q8Rows x;
  float* y = nullptr;
  int64_t ldy = 0;
  float alpha = 1.0f, beta = 0.0f;
};

struct Q8Kernels {
  // Up to 16 rows of x into their tiles [blocks].
  void (*pack)(const float* x, int64_t ldx, int64_t rows, int64_t blocks, Q8Tile* packed);
  void (*product)(const Q8Task& task);
};

// n elements; see ops/cast.h.
struct CastKernels {
  void (*narrow)(const float* x, Bf16* y, int64_t n);
  void (*widen)(const Bf16* x, float* y, int64_t n);
  void (*round)(float* x, int64_t n);
};

struct Kernels {
  // "scalar", "avx2", "avx512", "vnni": AVX-512 with products of bytes, "avx512_bf16": that with products of bf16,
  // "amx": both on the tile unit
  const char* isa;
  const NormKernels* norm;
  const ActivationKernels* activation;
  const SoftmaxKernels* softmax;
  const SamplingKernels* sampling;
  const SpeechKernels* speech;
  const DecodeKernels* decode;
  const AttentionKernels* attention;
  const OptimizerKernels* optimizer;
  const CastKernels* cast;
  const ProductKernels* product;
  const Q8Kernels* q8;
  const TileProductKernels* tile_product = nullptr;  // of "avx512_bf16" and "amx"
};

const Kernels& kernels();

// Makes kernels() return another ISA's table from now on, or the default for nullptr; false if there is none
// of that name. For tests, while nothing runs.
bool use_kernels(const char* isa);

// Table of one ISA by name, or nullptr if it was not built or the processor lacks it. For tests that compare.
const Kernels* kernels_for(const char* isa);

}  // namespace llasa::cpu
