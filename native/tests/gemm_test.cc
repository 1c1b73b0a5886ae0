#include "ops/gemm.h"

#include <algorithm>
#include <tuple>

#include "isa_test.h"
#include "op_test_util.h"

namespace llasa::test {
namespace {

struct Product {
  int64_t M, N, K;
  bool transpose_a, transpose_b;
  float alpha, beta;
};

// C in doubles from the same inputs.
std::vector<double> product(const Product& p, const std::vector<float>& A, int64_t lda,
                            const std::vector<float>& B, int64_t ldb, const std::vector<float>& C,
                            int64_t ldc) {
  std::vector<double> result(C.begin(), C.end());
  for (int64_t m = 0; m < p.M; ++m) {
    for (int64_t n = 0; n < p.N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < p.K; ++k) {
        const float a = A[static_cast<size_t>(p.transpose_a ? k * lda + m : m * lda + k)];
        const float b = B[static_cast<size_t>(p.transpose_b ? n * ldb + k : k * ldb + n)];
        sum += static_cast<double>(a) * static_cast<double>(b);
      }
      double& c = result[static_cast<size_t>(m * ldc + n)];
      c = static_cast<double>(p.alpha) * sum + (p.beta == 0.0f ? 0.0 : static_cast<double>(p.beta) * c);
    }
  }
  return result;
}

TEST(Gemm, MatchesDoublesForEveryTransposeSizeAndLeadingDimension) {
  Stream stream;
  for (const auto& [M, N, K] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1},
                                {1, 17, 5},
                                {19, 1, 33},
                                {7, 13, 1},
                                {5, 3, 0},
                                {49, 101, 67},
                                {200, 97, 64},
                                {97, 300, 130},
                                {270, 41, 75},
                                {33, 530, 70},
                                {23, 31, 2049},  // K in parts
                                {65, 301, 1100},
                                {40, 64, 1500}}) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      for (float beta : {0.0f, 1.0f, -0.5f}) {
        const Product p{M, N, K, (transposes & 1) != 0, (transposes & 2) != 0, 0.75f, beta};
        const int64_t lda = (p.transpose_a ? M : K) + 3, ldb = (p.transpose_b ? K : N) + 5, ldc = N + 2;
        const auto A = random_floats(std::max<int64_t>(1, (p.transpose_a ? K : M) * lda), 1);
        const auto B = random_floats(std::max<int64_t>(1, (p.transpose_b ? N : K) * ldb), 2);
        const auto C = random_floats(M * ldc, 3);
        Guarded a(A), b(B), c(C);
        gemm(stream, p.transpose_a, p.transpose_b, M, N, K, p.alpha, a.data(), lda, b.data(), ldb, beta,
             c.data(), ldc);
        EXPECT_LE(largest_difference(c.values(), product(p, A, lda, B, ldb, C, ldc)), sum_tolerance(K))
            << M << "x" << N << "x" << K << " transposes " << transposes << " beta " << beta;
      }
    }
  }
}

TEST(Gemm, BetaZeroOverwritesNan) {
  Stream stream;
  DeviceArray<float> A(random_floats(6, 1)), B(random_floats(6, 2)), C(std::vector<float>(4, std::nanf("")));
  gemm(stream, false, false, 2, 2, 3, 1.0f, A.data(), 3, B.data(), 2, 0.0f, C.data(), 2);
  for (float c : C.values()) EXPECT_TRUE(std::isfinite(c));
}

TEST(Gemm, DoesNotDependOnTheNumberOfThreads) {
  Stream stream;
  DeviceArray<float> A(random_floats(701 * 192, 1)), B(random_floats(320 * 192, 2)),
      D(random_floats(701 * 320, 3));
  expect_same_for_any_thread_count([&] {
    DeviceArray<float> C(701 * 320), W(320 * 192);
    gemm(stream, false, true, 701, 320, 192, 1.0f, A.data(), 192, B.data(), 192, 0.0f, C.data(), 320);
    gemm(stream, true, false, 320, 192, 701, 1.0f, D.data(), 320, A.data(), 192, 1.0f, W.data(), 192);
    std::vector<float> both = C.values(), weights = W.values();
    both.insert(both.end(), weights.begin(), weights.end());
    return both;
  });
}

TEST(Linear, AddsBiasAndAccumulates) {
  Stream stream;
  const int64_t T = 5, K = 7, N = 9;
  const auto x = random_floats(T * K, 1), weight = random_floats(N * K, 2), bias = random_floats(N, 3);
  DeviceArray<float> dx(x), dweight(weight), dbias(bias), result(T * N);
  linear_forward(stream, dx.data(), dweight.data(), dbias.data(), result.data(), T, K, N);
  const std::vector<float> y = result.values();
  linear_forward(stream, dx.data(), dweight.data(), dbias.data(), result.data(), T, K, N, true);
  const std::vector<float> twice = result.values();
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(twice[i], 2 * y[i], 1e-5f);
  for (int64_t t : {0, 2, 4}) {
    for (int64_t n : {0, 4, 8}) {
      double sum = static_cast<double>(bias[static_cast<size_t>(n)]);
      for (int64_t k = 0; k < K; ++k) {
        sum += static_cast<double>(x[static_cast<size_t>(t * K + k)]) *
               static_cast<double>(weight[static_cast<size_t>(n * K + k)]);
      }
      EXPECT_NEAR(y[static_cast<size_t>(t * N + n)], sum, sum_tolerance(K));
    }
  }
}

TEST(Linear, WithoutInputsIsTheBias) {
  Stream stream;
  const std::vector<float> bias{1.0f, -2.0f, 3.0f};
  DeviceArray<float> nothing(1), dbias(bias), y(std::vector<float>(6, 10.0f));
  linear_forward(stream, nothing.data(), nothing.data(), dbias.data(), y.data(), 2, 0, 3, true);
  EXPECT_EQ(y.values(), (std::vector<float>{11, 8, 13, 11, 8, 13}));
  linear_forward(stream, nothing.data(), nothing.data(), dbias.data(), y.data(), 2, 0, 3, false);
  EXPECT_EQ(y.values(), (std::vector<float>{1, -2, 3, 1, -2, 3}));
}

// y = x W^T is bilinear: <dy, x W^T> = <dx, x> = <dW, W> holds exactly for the true gradients.
TEST(Linear, BackwardIsTheAdjoint) {
  Stream stream;
  const int64_t T = 11, K = 13, N = 17;
  const auto x = random_floats(T * K, 1), weight = random_floats(N * K, 2), dy = random_floats(T * N, 3);
  DeviceArray<float> device_x(x), device_weight(weight), device_dy(dy), y(T * N), dx(T * K), dweight(N * K);
  linear_forward(stream, device_x.data(), device_weight.data(), nullptr, y.data(), T, K, N);
  linear_backward(stream, device_x.data(), device_weight.data(), device_dy.data(), dx.data(), dweight.data(),
                  T, K, N);
  const auto inner = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  const double value = inner(dy, y.values());
  const std::vector<float> once = dx.values();
  EXPECT_NEAR(inner(once, x), value, sum_tolerance(T * K * N));
  EXPECT_NEAR(inner(dweight.values(), weight), value, sum_tolerance(T * K * N));
  linear_backward(stream, device_x.data(), device_weight.data(), device_dy.data(), dx.data(), nullptr, T, K,
                  N, true);
  const std::vector<float> accumulated = dx.values();
  for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(accumulated[i], 2 * once[i], 1e-5f);
}

}  // namespace
}  // namespace llasa::test
