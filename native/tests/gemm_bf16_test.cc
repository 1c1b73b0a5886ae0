// Products with a bf16 operand. What is rounded is exact to say, so the reference multiplies the rounded
// values in double and the tolerance is that of the f32 sums.
#include <algorithm>
#include <tuple>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "ops/embedding.h"
#include "ops/gemm.h"

namespace llasa::test {
namespace {

struct Shape {
  int64_t M, N, K;
  bool transpose_a, transpose_b;
  int64_t lda() const { return (transpose_a ? M : K) + 3; }
  int64_t ldb() const { return (transpose_b ? K : N) + 5; }
  int64_t ldc() const { return N + 2; }
  int64_t a_count() const { return std::max<int64_t>(1, (transpose_a ? K : M) * lda()); }
  int64_t b_count() const { return std::max<int64_t>(1, (transpose_b ? N : K) * ldb()); }
};

// alpha op(A) op(B) + beta C in doubles, and the sum of the magnitudes of its products.
std::vector<double> product(const Shape& s, float alpha, const std::vector<float>& A,
                            const std::vector<float>& B, float beta, const std::vector<float>& C) {
  std::vector<double> result(C.begin(), C.end());
  for (int64_t m = 0; m < s.M; ++m) {
    for (int64_t n = 0; n < s.N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < s.K; ++k) {
        const float a = A[static_cast<size_t>(s.transpose_a ? k * s.lda() + m : m * s.lda() + k)];
        const float b = B[static_cast<size_t>(s.transpose_b ? n * s.ldb() + k : k * s.ldb() + n)];
        sum += static_cast<double>(a) * static_cast<double>(b);
      }
      double& c = result[static_cast<size_t>(m * s.ldc() + n)];
      c = static_cast<double>(alpha) * sum + (beta == 0.0f ? 0.0 : static_cast<double>(beta) * c);
    }
  }
  return result;
}

TEST(GemmBf16, MatchesDoublesOfTheRoundedOperands) {
  Stream stream;
  for (const auto& [M, N, K] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1},
                                {1, 17, 5},
                                {19, 1, 33},
                                {5, 3, 0},
                                {49, 101, 67},
                                {97, 300, 130},
                                {23, 31, 2049},
                                {2, 1100, 500},     // two panels of the CPU's widened weights, few rows
                                {33, 1100, 1000},   // and many
                                {300, 70, 530}}) {  // rows that pass by a packed weight; panels of K
    for (int transposes = 0; transposes < 4; ++transposes) {
      const Shape s{M, N, K, (transposes & 1) != 0, (transposes & 2) != 0};
      const auto A = random_floats(s.a_count(), 1), B = random_floats(s.b_count(), 2),
                 C = random_floats(M * s.ldc(), 3);
      for (float beta : {0.0f, -0.5f}) {
        for (const bool stored : {true, false}) {
          if (!stored && (N > 500 || beta == 0.0f)) continue;
          Guarded a(A), c(C);
          DeviceArray<Bf16> narrow(stored_bf16(B));
          DeviceArray<float> wide(B);
          const WeightView b = stored ? WeightView(narrow.data()) : WeightView(wide.data());
          gemm(stream, s.transpose_a, s.transpose_b, M, N, K, 0.75f, a.data(), s.lda(), b, s.ldb(), beta,
               c.data(), s.ldc(), Precision::kBf16);
          const auto expected =
              product(s, 0.75f, operand_bf16(A), stored ? rounded_bf16(B) : operand_bf16(B), beta, C);
          EXPECT_LE(largest_difference(c.values(), expected), sum_tolerance(K))
              << M << "x" << N << "x" << K << " transposes " << transposes << " beta " << beta
              << (stored ? " stored" : " on request");
        }
      }
    }
  }
}

// Rows and results that are stored in bf16, too: the product of what is stored, rounded once, which a sum in f32 beside
// the middle of two bf16 may put on its other side.
TEST(GemmBf16, ReadsRowsAndWritesResultsThatAreStored) {
  Stream stream;
  for (const auto& [M, N, K] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1},
                                {1, 17, 5},
                                {19, 1, 33},
                                {7, 9, 1},
                                {5, 3, 0},
                                {49, 101, 67},
                                {97, 300, 130},
                                {300, 70, 530}}) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      const Shape s{M, N, K, (transposes & 1) != 0, (transposes & 2) != 0};
      const auto A = random_floats(s.a_count(), 1), B = random_floats(s.b_count(), 2),
                 C = rounded_bf16(random_floats(M * s.ldc(), 3));
      DeviceArray<float> wide_a(A), wide_b(B);
      DeviceArray<Bf16> narrow_a(stored_bf16(A)), narrow_b(stored_bf16(B));
      for (float beta : {0.0f, -0.5f}) {
        for (int stored = 1; stored < 8; ++stored) {
          const bool a = (stored & 1) != 0, b = (stored & 2) != 0, c = (stored & 4) != 0;
          if (!a && !c) continue;  // the test above
          DeviceArray<float> wide_c(C);
          DeviceArray<Bf16> narrow_c(stored_bf16(C));
          gemm(stream, s.transpose_a, s.transpose_b, M, N, K, 0.75f,
               a ? WeightView(narrow_a.data()) : WeightView(wide_a.data()), s.lda(),
               b ? WeightView(narrow_b.data()) : WeightView(wide_b.data()), s.ldb(), beta,
               c ? ArrayView(narrow_c.data()) : ArrayView(wide_c.data()), s.ldc());
          const auto expected = product(s, 0.75f, a ? rounded_bf16(A) : operand_bf16(A),
                                        b ? rounded_bf16(B) : operand_bf16(B), beta, C);
          const std::vector<float> actual = c ? widened(narrow_c.values()) : wide_c.values();
          for (size_t i = 0; i < actual.size(); ++i) {
            const bool beside = static_cast<int64_t>(i) % s.ldc() >= N;
            const double rounding = c ? std::abs(expected[i]) * kBf16Rounding : 0.0;
            ASSERT_NEAR(actual[i], expected[i],
                        beside ? 0.0 : (1 + kBf16Rounding) * sum_tolerance(K) + rounding)
                << M << "x" << N << "x" << K << " transposes " << transposes << " beta " << beta << " stored "
                << stored << " at " << i;
          }
        }
      }
    }
  }
}

TEST(GemmBf16, LinearLayersReadAndWriteWhatIsStored) {
  Stream stream;
  const int64_t T = 37, K = 48, N = 56;
  const auto x = rounded_bf16(random_floats(T * K, 1)), w = rounded_bf16(random_floats(N * K, 2)),
             dy = rounded_bf16(random_floats(T * N, 3));
  const DeviceArray<Bf16> stored_x(stored_bf16(x)), stored_w(stored_bf16(w)), stored_dy(stored_bf16(dy));
  DeviceArray<Bf16> y(T * N), dx(T * K);
  DeviceArray<float> dw(N * K);
  linear_forward(stream, stored_x.data(), stored_w.data(), nullptr, y.data(), T, K, N);
  linear_backward(stream, stored_x.data(), stored_w.data(), stored_dy.data(), dx.data(), dw.data(), T, K, N);
  linear_backward(stream, nullptr, stored_w.data(), stored_dy.data(), dx.data(), nullptr, T, K, N, true);
  const auto at = [](const std::vector<float>& values, int64_t i) {
    return static_cast<double>(values[static_cast<size_t>(i)]);
  };
  const auto expect = [&](const std::vector<float>& actual, int64_t rows, int64_t columns, int64_t terms,
                          double roundings, auto&& term) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < terms; ++i) sum += term(r, c, i);
        EXPECT_NEAR(at(actual, r * columns + c), sum,
                    2 * sum_tolerance(terms) + roundings * kBf16Rounding * std::abs(sum));
      }
    }
  };
  expect(widened(y.values()), T, N, K, 1,
         [&](int64_t t, int64_t n, int64_t k) { return at(x, t * K + k) * at(w, n * K + k); });
  // Rounded, and rounded again after the second call added as much.
  expect(widened(dx.values()), T, K, N, 2,
         [&](int64_t t, int64_t k, int64_t n) { return 2 * at(dy, t * N + n) * at(w, n * K + k); });
  expect(dw.values(), N, K, T, 0,
         [&](int64_t n, int64_t k, int64_t t) { return at(dy, t * N + n) * at(x, t * K + k); });
}

// Against the exact product of the unrounded matrices: at most twice the error of the plain version, bf16 in
// and out with f32 sums, as flash-attention judges its kernels; and within the bound of two roundings.
TEST(GemmBf16, ErrsAtMostTwiceAsMuchAsThePlainVersion) {
  Stream stream;
  for (int64_t K : {16, 256, 2000}) {
    const Shape s{24, 40, K, false, true};
    const auto A = random_floats(s.a_count(), 5), B = random_floats(s.b_count(), 6),
               C = std::vector<float>(static_cast<size_t>(s.M * s.ldc()), 0.0f);
    DeviceArray<float> a(A), c(C);
    DeviceArray<Bf16> b(stored_bf16(B));
    gemm(stream, false, true, s.M, s.N, K, 1.0f, a.data(), s.lda(), b.data(), s.ldb(), 0.0f, c.data(),
         s.ldc());
    const std::vector<float> ours = c.values(), x = rounded_bf16(A), w = rounded_bf16(B);
    const std::vector<double> exact = product(s, 1.0f, A, B, 0.0f, C);
    double error = 0, plain_error = 0;
    for (int64_t m = 0; m < s.M; ++m) {
      for (int64_t n = 0; n < s.N; ++n) {
        float sum = 0;
        double magnitude = 0;
        for (int64_t k = 0; k < K; ++k) {
          const auto i = static_cast<size_t>(m * s.lda() + k), j = static_cast<size_t>(n * s.ldb() + k);
          sum += x[i] * w[j];
          magnitude += std::abs(static_cast<double>(A[i]) * static_cast<double>(B[j]));
        }
        const auto at = static_cast<size_t>(m * s.ldc() + n);
        const double mine = std::abs(static_cast<double>(ours[at]) - exact[at]);
        const double plain = static_cast<double>(bf16_to_float(float_to_bf16(sum)));
        error = std::max(error, mine);
        plain_error = std::max(plain_error, std::abs(plain - exact[at]));
        // (1 + u)^2 - 1 of each product, and the sum in f32.
        EXPECT_LE(mine, (2 * kBf16Rounding + kBf16Rounding * kBf16Rounding) * magnitude + sum_tolerance(K));
      }
    }
    EXPECT_GT(error, 0.0) << "nothing was rounded";
    EXPECT_LE(error, 2 * plain_error) << K;
  }
}

TEST(GemmBf16, DoesNotDependOnTheNumberOfThreads) {
  Stream stream;
  DeviceArray<float> A(random_floats(65 * 700, 1));
  DeviceArray<Bf16> B(stored_bf16(random_floats(1600 * 700, 2)));
  expect_same_for_any_thread_count([&] {
    DeviceArray<float> C(65 * 1600);
    gemm(stream, false, true, 65, 1600, 700, 1.0f, A.data(), 700, B.data(), 700, 0.0f, C.data(), 1600);
    return C.values();
  });
}

TEST(LinearBf16, ForwardAddsBiasAndAccumulates) {
  Stream stream;
  const int64_t T = 5, K = 7, N = 9;
  const auto x = random_floats(T * K, 1), weight = random_floats(N * K, 2), bias = random_floats(N, 3),
             start = random_floats(T * N, 4);
  DeviceArray<float> device_x(x), device_bias(bias);
  DeviceArray<Bf16> device_weight(stored_bf16(weight));
  const auto w = rounded_bf16(weight), seen = operand_bf16(x);
  for (const bool accumulate : {false, true}) {
    for (const bool has_bias : {false, true}) {
      Guarded y(start);
      linear_forward(stream, device_x.data(), device_weight.data(), has_bias ? device_bias.data() : nullptr,
                     y.data(), T, K, N, accumulate);
      std::vector<double> expected;
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t n = 0; n < N; ++n) {
          double sum = (has_bias ? static_cast<double>(bias[static_cast<size_t>(n)]) : 0.0) +
                       (accumulate ? static_cast<double>(start[static_cast<size_t>(t * N + n)]) : 0.0);
          for (int64_t k = 0; k < K; ++k) {
            sum += static_cast<double>(seen[static_cast<size_t>(t * K + k)]) *
                   static_cast<double>(w[static_cast<size_t>(n * K + k)]);
          }
          expected.push_back(sum);
        }
      }
      EXPECT_LE(largest_difference(y.values(), expected), sum_tolerance(K));
    }
  }
}

void expect_rounded_gradients(int64_t T, int64_t K, int64_t N) {
  Stream stream;
  const auto x = random_floats(T * K, 1), weight = random_floats(N * K, 2), dy = random_floats(T * N, 3),
             start_dx = random_floats(T * K, 4), start_dweight = random_floats(N * K, 5);
  DeviceArray<float> device_x(x), device_dy(dy);
  DeviceArray<Bf16> device_weight(stored_bf16(weight));
  const auto at = [](const std::vector<float>& values, int64_t i) {
    return static_cast<double>(values[static_cast<size_t>(i)]);
  };
  const auto w = rounded_bf16(weight), seen_x = operand_bf16(x), seen_dy = operand_bf16(dy);
  for (const bool accumulate : {false, true}) {
    Guarded dx(start_dx), dweight(start_dweight);
    linear_backward(stream, device_x.data(), device_weight.data(), device_dy.data(), dx.data(),
                    dweight.data(), T, K, N, accumulate);
    std::vector<double> expected_dx, expected_dweight;
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t k = 0; k < K; ++k) {
        double sum = accumulate ? at(start_dx, t * K + k) : 0.0;
        for (int64_t n = 0; n < N; ++n) sum += at(seen_dy, t * N + n) * at(w, n * K + k);
        expected_dx.push_back(sum);
      }
    }
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t k = 0; k < K; ++k) {
        double sum = at(start_dweight, n * K + k);
        for (int64_t t = 0; t < T; ++t) sum += at(seen_dy, t * N + n) * at(seen_x, t * K + k);
        expected_dweight.push_back(sum);
      }
    }
    EXPECT_LE(largest_difference(dx.values(), expected_dx), sum_tolerance(N));
    EXPECT_LE(largest_difference(dweight.values(), expected_dweight), sum_tolerance(T));
  }
  Guarded alone(start_dx);
  linear_backward(stream, nullptr, device_weight.data(), device_dy.data(), alone.data(), nullptr, T, K, N);
  EXPECT_NE(alone.values(), start_dx);
}

TEST(LinearBf16, BackwardMultipliesTheRoundedOperands) {
  expect_rounded_gradients(11, 13, 17);
  expect_rounded_gradients(300, 45, 70);
}

TEST(EmbeddingBf16, CopiesTheStoredRows) {
  Stream stream;
  for (int64_t C : {1, 7, 64, 130}) {
    const std::vector<int32_t> ids = {4, 0, 4, 2};
    const auto weight = random_floats(5 * C, 1), expected = rounded_bf16(weight);
    const DeviceArray<Bf16> stored(stored_bf16(weight));
    const DeviceArray<int32_t> device_ids(ids);
    Guarded y(4 * C);
    embedding_forward(stream, stored.data(), device_ids.data(), y.data(), 4, C);
    const std::vector<float> rows = y.values();
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t t = i / static_cast<size_t>(C), c = i % static_cast<size_t>(C);
      EXPECT_EQ(rows[i], expected[static_cast<size_t>(ids[t]) * static_cast<size_t>(C) + c]);
    }
  }
}

}  // namespace
}  // namespace llasa::test
