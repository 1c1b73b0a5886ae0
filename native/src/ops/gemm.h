// Matrix product. CPU: OpenBLAS on one thread per tile of C, or products of our own for few rows and in
// tiles of bf16, cut by shape alone. CUDA: cuBLASLt.
#pragma once

#include "core/weight_view.h"
#include "ops/precision.h"
#include "ops/shapes.h"

namespace llasa {

// C[M,N] = alpha * op(A) op(B) + beta * C, row-major with leading dimensions lda, ldb, ldc (elements per row
// of the stored matrix). op(A) is [M,K]: A is stored [M,K], or [K,M] when transpose_a. op(B) is [K,N]
// likewise. beta = 0 overwrites C even where it holds NaN. C must not overlap A or B.
//
// B may be stored in bf16; the product is then of Precision::kBf16, as one of two f32 matrices is on request.
// CUDA rounds what is not bf16 yet into scratch memory and multiplies on tensor cores; so does a CPU with a tile
// unit, others multiply f32 with what is stored. All sums are f32.
//
// A, too, may be stored in bf16, and C, whose elements are then rounded once, from alpha op(A) op(B) + beta C in f32: a
// product with either is of Precision::kBf16. A is not in groups, and neither is with B in 8 bits.
void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          WeightView A, int64_t lda, WeightView B, int64_t ldb, float beta, ArrayView C, int64_t ldc,
          Precision precision = Precision::kF32);

// Whether products of Precision::kBf16 round an operand that is f32, as they do on CUDA and on a CPU that
// multiplies bf16.
bool rounds_to_bf16();

// B may be stored in 8 bits (core/q8.h) where multiplies_q8(): transpose_b alone, dense, whatever the precision.
// Each 32 columns of A are rounded to 2^-16 of the largest of them, about; then a row of C depends on that row of A
// and B alone, on any number of rows.
bool multiplies_q8();

// B may be stored in bf16 in groups of rows (core/bf16_groups.h) where multiplies_bf16_groups(): transpose_b alone,
// dense, A in f32, with the bits of B in rows. One row of A, and a few, wait for memory alone then.
bool multiplies_bf16_groups();

// Whether a pass that trains in Precision::kBf16 keeps in bf16 what products read: on CUDA, where memory and its traffic
// halve; on the CPU the same functions take both.
bool keeps_bf16();

// y[T,N] = x[T,K] weight[N,K]^T (+ bias[N]) (+ y when accumulate): torch.nn.Linear. No bias with y in bf16.
void linear_forward(Stream& stream, WeightView x, WeightView weight, const float* bias, ArrayView y,
                    int64_t T, int64_t K, int64_t N, bool accumulate = false);
// dx[T,K] = dy[T,N] weight[N,K] (or += when accumulate_dx); dweight[N,K] += dy^T x. dx or dweight may be
// NULL; weight's elements are read for dx alone, its dtype decides the precision of both products.
void linear_backward(Stream& stream, WeightView x, WeightView weight, WeightView dy, ArrayView dx,
                     float* dweight, int64_t T, int64_t K, int64_t N, bool accumulate_dx = false);

}  // namespace llasa
