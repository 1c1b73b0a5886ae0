// Products of few rows on the CPU: for every instruction set, and that a row does not depend on its company.
#if !defined(LLASA_TESTS_ON_DEVICE)
#include <cblas.h>

#include "bf16_arrays.h"
#include "cpu/isa.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "ops/gemm.h"

namespace llasa::test {
namespace {

class GemmRows : public IsaTest {};
LLASA_FOR_EACH_ISA(GemmRows);

TEST_P(GemmRows, MatchDoublesAtEverySizeAroundATile) {
  Stream stream;
  for (const int64_t K : {0, 1, 15, 16, 17, 1024, 1043, 2050}) {
    for (const int64_t N : {1, 4, 9, 37, 64, 83}) {
      for (const int64_t M : {1, 2, 3, 5, 8, 13, 16, 33}) {
        const int64_t lda = K + 3, ldb = K + 5, ldc = N + 2;
        const auto A = random_floats(M * lda, 1), B = random_floats(N * ldb, 2),
                   C = random_floats(M * ldc, 3);
        DeviceArray<Bf16> narrow(stored_bf16(B));
        const auto rounded = rounded_bf16(B), seen = operand_bf16(A);
        Guarded x(A), wide(B);
        for (const bool bf16 : {false, true}) {
          const std::vector<float>&a = bf16 ? seen : A, &b = bf16 ? rounded : B;
          std::vector<double> products;
          for (int64_t m = 0; m < M; ++m) {
            for (int64_t n = 0; n < N; ++n) {
              double sum = 0;
              for (int64_t k = 0; k < K; ++k) {
                sum += static_cast<double>(a[static_cast<size_t>(m * lda + k)]) *
                       static_cast<double>(b[static_cast<size_t>(n * ldb + k)]);
              }
              products.push_back(sum);
            }
          }
          for (const float beta : {0.0f, 1.0f, -0.5f}) {
            Guarded c(C);
            gemm(stream, false, true, M, N, K, 0.75f, x.data(), lda,
                 bf16 ? WeightView(narrow.data()) : WeightView(wide.data()), ldb, beta, c.data(), ldc);
            std::vector<double> expected(C.begin(), C.end());
            for (int64_t m = 0; m < M; ++m) {
              for (int64_t n = 0; n < N; ++n) {
                double& value = expected[static_cast<size_t>(m * ldc + n)];
                value = 0.75 * products[static_cast<size_t>(m * N + n)] + static_cast<double>(beta) * value;
              }
            }
            EXPECT_LE(largest_difference(c.values(), expected), sum_tolerance(K))
                << M << "x" << N << "x" << K << " beta " << beta << (bf16 ? " bf16" : " f32");
          }
        }
      }
    }
  }
}

// What a decoding step multiplies: whichever of 1 to 16 samples are still running, each gets the same bits.
TEST_P(GemmRows, ARowIsTheSameAloneAndInCompany) {
  Stream stream;
  const int64_t M = 16, N = 53, K = 1091;
  const auto A = random_floats(M * K, 1), B = random_floats(N * K, 2);
  DeviceArray<float> a(A), wide(B);
  DeviceArray<Bf16> narrow(stored_bf16(B));
  for (const WeightView weight : {WeightView(wide.data()), WeightView(narrow.data())}) {
    DeviceArray<float> together(M * N);
    linear_forward(stream, a.data(), weight, nullptr, together.data(), M, K, N);
    const std::vector<float> all = together.values();
    for (int64_t count = 1; count < M; ++count) {
      const int64_t first = M - count;
      DeviceArray<float> some(count * N);
      linear_forward(stream, a.data() + first * K, weight, nullptr, some.data(), count, K, N);
      EXPECT_EQ(some.values(), std::vector<float>(all.begin() + first * N, all.end())) << count;
    }
  }
}

// On the tile unit an f32 is multiplied in parts: of numbers of all sizes, every sum is as exact as one whose
// products are rounded one by one, at most 6 K additions in some order and 2^-21 of each product left out.
TEST_P(GemmRows, ManyRowsAreAsExactAsSinglePrecision) {
  Stream stream;
  for (const int64_t K : {5, 33, 1043}) {
    const int64_t M = 49, N = 37;
    auto A = random_floats(M * K, 1), B = random_floats(N * K, 2);
    const auto sizes = random_floats((M + N) * K, 3);
    for (size_t i = 0; i < A.size(); ++i) A[i] *= std::exp2(12.0f * sizes[i]);
    for (size_t i = 0; i < B.size(); ++i) B[i] *= std::exp2(12.0f * sizes[A.size() + i]);
    DeviceArray<float> a(A), b(B), c(M * N);
    linear_forward(stream, a.data(), b.data(), nullptr, c.data(), M, K, N);
    const std::vector<float> values = c.values();
    const double bound = (6.0 * static_cast<double>(K) + 8.0) * std::exp2(-24.0);
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t n = 0; n < N; ++n) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < K; ++k) {
          const double product = static_cast<double>(A[static_cast<size_t>(m * K + k)]) *
                                 static_cast<double>(B[static_cast<size_t>(n * K + k)]);
          sum += product;
          size += std::abs(product);
        }
        EXPECT_NEAR(static_cast<double>(values[static_cast<size_t>(m * N + n)]), sum, bound * size)
            << m << " " << n << " " << K;
      }
    }
  }
}

// Clips of a batch, whatever the batch: in tiles a row gets the same bits, in bf16 of any size of batch, in f32, which
// the tile unit alone has, of more than the few.
TEST_P(GemmRows, InTilesARowIsTheSameInProductsOfAllSizes) {
  const cpu::TileProductKernels* tiles = cpu::kernels().tile_product;
  if (tiles == nullptr) GTEST_SKIP() << "no products in tiles";
  Stream stream;
  const int64_t M = 1100;
  // Weights that are packed whole beside many rows, and one that is not.
  for (const auto& [N, K] : {std::pair<int64_t, int64_t>{301, 1091}, {190, 70}, {530, 1000}}) {
    const auto A = random_floats(M * K, 1), B = random_floats(N * K, 2);
    DeviceArray<float> a(A), wide(B);
    DeviceArray<Bf16> narrow(stored_bf16(B));
    for (const WeightView weight : {WeightView(wide.data()), WeightView(narrow.data())}) {
      if (!weight.is_bf16() && tiles->f32.product == nullptr) continue;
      DeviceArray<float> together(M * N);
      linear_forward(stream, a.data(), weight, nullptr, together.data(), M, K, N);
      const std::vector<float> all = together.values();
      for (const int64_t count : {1, 2, 3, 7, 12, 17, 40, 65, 255, 256, 513}) {
        if (!weight.is_bf16() && count <= 16) continue;
        const int64_t first = M - count;
        DeviceArray<float> some(count * N);
        linear_forward(stream, a.data() + first * K, weight, nullptr, some.data(), count, K, N);
        EXPECT_EQ(some.values(), std::vector<float>(all.begin() + first * N, all.end())) << count;
      }
    }
  }
}

TEST_P(GemmRows, BetaZeroOverwritesNanAndThreadsChangeNothing) {
  Stream stream;
  const int64_t M = 7, N = 1500, K = 300;
  DeviceArray<float> a(random_floats(M * K, 1)), b(random_floats(N * K, 2));
  expect_same_for_any_thread_count([&] {
    DeviceArray<float> c(std::vector<float>(static_cast<size_t>(M * N), std::nanf("")));
    linear_forward(stream, a.data(), b.data(), nullptr, c.data(), M, K, N);
    const std::vector<float> values = c.values();
    for (const float v : values) EXPECT_TRUE(std::isfinite(v));
    return values;
  });
}

// OpenBLAS gives processors that it does not know kernels for SSE3, a quarter as fast as they could be.
TEST(OpenBlas, HasKernelsForThisProcessor) {
  if (cpu::kernels_for("avx2") == nullptr) GTEST_SKIP() << "a processor without AVX2";
  Stream stream;
  DeviceArray<float> a(random_floats(64 * 64, 1)), b(random_floats(64 * 64, 2)), c(64 * 64);
  linear_forward(stream, a.data(), b.data(), nullptr, c.data(), 64, 64, 64);
  const std::string chosen = openblas_get_corename();
  EXPECT_TRUE(chosen == "Haswell" || chosen == "Zen" || chosen == "SkylakeX" || chosen == "Cooperlake" ||
              chosen == "SapphireRapids")
      << chosen;
}

}  // namespace
}  // namespace llasa::test
#endif
