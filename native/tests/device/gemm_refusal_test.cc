// Products that cuBLASLt knows no algorithm for, which only the simulator can be asked to say.
#if defined(LLASA_TESTS_ON_CUDASIM)
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/device.h"
#include "counts.h"
#include "devices.h"
#include "ops/cast.h"
#include "ops/gemm.h"

namespace llasa::test {
namespace {

struct Restore {
  ~Restore() { cudasim::set_known_products(2); }
};

// Against sums in double. Shapes that no other test asks for: what cuBLASLt said once is remembered.
// stored: B in bf16, and A and C, too.
enum class Stored { kF32, kB, kAll };
void expect_product(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, Stored stored) {
  Stream stream;
  const auto value = [](int64_t i, int64_t salt) {
    return static_cast<float>((i * 37 + salt) % 17 - 8) / 8.0f;  // exact in bf16
  };
  std::vector<float> a(static_cast<size_t>(M * K)), b(static_cast<size_t>(K * N)),
      c(static_cast<size_t>(M * N));
  for (size_t i = 0; i < a.size(); ++i) a[i] = value(static_cast<int64_t>(i), 3);
  for (size_t i = 0; i < b.size(); ++i) b[i] = value(static_cast<int64_t>(i), 11);
  for (size_t i = 0; i < c.size(); ++i) c[i] = value(static_cast<int64_t>(i), 7);
  DeviceBuffer<float> A, B, C;
  A.upload(stream, a, "A");
  B.upload(stream, b, "B");
  C.upload(stream, c, "C");
  DeviceBuffer<Bf16> half(static_cast<int64_t>(b.size()), "B in bf16");
  narrow_to_bf16(stream, B.data(), transpose_b ? K : N, half.data(), transpose_b ? N : K,
                 transpose_b ? K : N);
  const int64_t lda = transpose_a ? M : K, ldb = transpose_b ? K : N;
  DeviceBuffer<Bf16> rows(M * K, "A in bf16"), sums(M * N, "C in bf16");
  narrow_to_bf16(stream, A.data(), M * K, rows.data(), 1, M * K);
  narrow_to_bf16(stream, C.data(), M * N, sums.data(), 1, M * N);
  const bool all = stored == Stored::kAll;
  gemm(stream, transpose_a, transpose_b, M, N, K, 2.0f, all ? WeightView(rows.data()) : WeightView(A.data()),
       lda, stored == Stored::kF32 ? WeightView(B.data()) : WeightView(half.data()), ldb, 0.5f,
       all ? ArrayView(sums.data()) : ArrayView(C.data()), N);
  if (all) widen_to_f32(stream, sums.data(), C.data(), M * N);
  const std::vector<float> result = C.download(stream, M * N);
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < N; ++n) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double term = static_cast<double>(a[static_cast<size_t>(transpose_a ? k * M + m : m * K + k)]) *
                            static_cast<double>(b[static_cast<size_t>(transpose_b ? n * K + k : k * N + n)]);
        sum += term;
        size += std::abs(term);
      }
      const auto at = static_cast<size_t>(m * N + n);
      // K + 2 roundings of f32, each at most 2^-24 of what was added so far.
      const double expected = 2 * sum + 0.5 * static_cast<double>(c[at]);
      // And half a unit of bf16, where the result is stored in it.
      const double bound = static_cast<double>(K + 2) * std::ldexp(2 * size + 1, -24) +
                           (all ? std::ldexp(std::abs(expected), -8) : 0.0);
      EXPECT_NEAR(result[at], expected, bound) << m << "," << n;
    }
  }
}

TEST(GemmRefusal, WhatHasNoAlgorithmIsComputedByAPlainKernel) {
  const Restore restore;
  for (const Stored stored : {Stored::kF32, Stored::kB, Stored::kAll}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        cudasim::set_known_products(0);
        const cudasim::Counts before = cudasim::counts();
        expect_product(transpose_a, transpose_b, 19, 2, 35, stored);
        expect_product(transpose_a, transpose_b, 2, 33, 2, stored);
        expect_product(transpose_a, transpose_b, 17, 31, 16, stored);
        EXPECT_EQ((cudasim::counts() - before).products, 0);
      }
    }
  }
  // It may say so by an error, too.
  cudasim::set_known_products(3);
  const cudasim::Counts refused = cudasim::counts();
  expect_product(false, true, 18, 30, 36, Stored::kF32);
  expect_product(false, true, 18, 30, 36, Stored::kB);
  expect_product(false, true, 18, 30, 36, Stored::kAll);
  EXPECT_EQ((cudasim::counts() - refused).products, 0);
  // Where it refuses odd leading dimensions alone, it still computes the others.
  cudasim::set_known_products(1);
  const cudasim::Counts before = cudasim::counts();
  expect_product(false, true, 21, 29, 37, Stored::kB);
  EXPECT_EQ((cudasim::counts() - before).products, 0);
  expect_product(false, true, 24, 24, 40, Stored::kB);
  EXPECT_EQ((cudasim::counts() - before).products, 1);
}

}  // namespace
}  // namespace llasa::test
#endif
