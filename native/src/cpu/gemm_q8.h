// Products with a matrix in 8 bits, cut into tasks by their shape.
#pragma once

#include <cstdint>

#include "core/weight_view.h"

namespace llasa::cpu {

// C = alpha A B^T + beta C as in ops/gemm.h, B in 8 bits and dense. A row's bits depend on nothing but that row
// and B: not on how many rows there are.
void gemm_q8(int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda, WeightView B,
             float beta, float* C, int64_t ldc);

}  // namespace llasa::cpu
