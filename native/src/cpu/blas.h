// One-thread matrix product for use inside a task: C[M,N] = op(A) op(B) + beta C, row-major, op(A) = A.
#pragma once

#include <cblas.h>

#include <cstdint>

namespace llasa::cpu {

// Before any product by OpenBLAS: one thread, because the tasks are the parallelism, and kernels for this
// processor.
void prepare_blas();

inline void task_gemm(bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* A,
                      int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  prepare_blas();
  if (M <= 0 || N <= 0) return;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(M),
              static_cast<blasint>(N), static_cast<blasint>(K), alpha, A, static_cast<blasint>(lda), B,
              static_cast<blasint>(ldb), beta, C, static_cast<blasint>(ldc));
}

}  // namespace llasa::cpu
