// Matrix products in tiles (cpu/tiles/product.cc), cut into tasks by their shape.
#pragma once

#include <cstdint>

#include "core/weight_view.h"
#include "ops/precision.h"

namespace llasa::cpu {

struct ProductShape {
  int64_t M, N, K;
};

// C = alpha op(A) op(B) + beta C as in ops/gemm.h, B in bf16 only if the product is; false, with C as it was, where
// there are none or they are not the faster ones.
bool gemm_tiles(bool transpose_a, bool transpose_b, ProductShape shape, float alpha, const float* A,
                int64_t lda, WeightView B, int64_t ldb, float beta, float* C, int64_t ldc,
                Precision precision);

// C = alpha A B^T + beta C with B in bf16 groups, where the ISA has products of them.
void gemm_groups(int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda, WeightView B,
                 float beta, float* C, int64_t ldc);

// The same inside a task, on one thread, for C = alpha A B^T + beta C. Whether it does depends on N and K
// alone: a row's bits do not depend on how many there are.
bool task_tiles(ProductShape shape, float alpha, const float* A, int64_t lda, const float* B, int64_t ldb,
                float beta, float* C, int64_t ldc);

}  // namespace llasa::cpu
