// Products of a matrix by a vector, and of two vectors, apart from cuBLASLt.
#pragma once

#include "core/weight_view.h"
#include "ops/precision.h"
#include "ops/shapes.h"

namespace llasa::cuda {

// Where an element of op(A) or op(B) lies.
struct Strides {
  int64_t row, column;
};

// The arguments of gemm (ops/gemm.h), none of M, N, K and alpha zero.
struct ThinProduct {
  bool transpose_a, transpose_b;
  int64_t M, N, K;
  float alpha;
  WeightView A;
  int64_t lda;
  WeightView B;
  int64_t ldb;
  float beta;
  ArrayView C;
  int64_t ldc;
  Precision precision;
};

// Whether thin_product makes it (gpu::is_thin_product).
bool is_thin(const ThinProduct& product);
void thin_product(Stream& stream, const ThinProduct& product);

}  // namespace llasa::cuda
