// One-thread matrix product for use inside a task: C[M,N] = op(A) op(B) + beta C, row-major, op(A) = A.
#pragma once

#include <cblas.h>

#include <cstdint>

namespace llasa::cpu {

inline void task_gemm(bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* A,
                      int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  // The tasks are the parallelism: OpenBLAS must not add threads of its own.
  [[maybe_unused]] static const bool once = (openblas_set_num_threads(1), true);
  if (M <= 0 || N <= 0) return;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(M),
              static_cast<blasint>(N), static_cast<blasint>(K), alpha, A, static_cast<blasint>(lda), B,
              static_cast<blasint>(ldb), beta, C, static_cast<blasint>(ldc));
}

}  // namespace llasa::cpu
