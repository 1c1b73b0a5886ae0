// OpenBLAS, and the one-thread matrix product for use inside a task.
#pragma once

#include <cblas.h>

#include <cstdint>

namespace llasa::cpu {

// Before any product by OpenBLAS: one thread, because the tasks are the parallelism, and kernels for this
// processor.
void prepare_blas();

// C[M,N] = alpha A op(B) + beta C, row-major; on the tile unit where that is the faster one.
void task_gemm(bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda,
               const float* B, int64_t ldb, float beta, float* C, int64_t ldc);

}  // namespace llasa::cpu
