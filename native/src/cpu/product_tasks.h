// How products with the rows of a weight are cut into tasks. For gemm.cc and gemm_tiles.cc.
#pragma once

#include <algorithm>

#include "cpu/isa.h"

namespace llasa::cpu {

// Work below this many multiply-adds is not worth waking a second thread (about 10 us of one core).
constexpr int64_t kMinimumTask = int64_t{1} << 19;

// Up to this many rows our own product is faster (docs/performance.md): OpenBLAS packs the weight again in
// every call.
constexpr int64_t kFewRows = 16;

// Columns of C of a task: enough work for a second thread, in whole register tiles.
inline int64_t few_rows_task(int64_t M, int64_t K) {
  const int64_t wanted = kMinimumTask / std::max<int64_t>(M * K, 1);
  return std::max<int64_t>(64, (wanted + 63) / 64 * 64);
}

inline ProductTask row_task(const float* A, int64_t lda, int64_t M, int64_t K) {
  ProductTask task;
  task.x = A;
  task.ldx = lda;
  task.T = M;
  task.K = K;
  return task;
}

inline ProductTask columns_of(const ProductTask& rows, int64_t begin, int64_t end, float alpha, WeightView B,
                              int64_t ldb, float beta, float* C, int64_t ldc) {
  ProductTask task = rows;
  task.w = (B + begin * ldb).data;
  task.ldw = ldb;
  task.y = C + begin;
  task.ldy = ldc;
  task.N = end - begin;
  task.alpha = alpha;
  task.beta = beta;
  return task;
}

}  // namespace llasa::cpu
