// Matrices in 8 bits: what they hold, products with them against doubles on every instruction set, and that a row
// does not depend on its company or on the number of threads.
#if !defined(LLASA_TESTS_ON_DEVICE)
#include "core/q8.h"

#include <algorithm>
#include <cfloat>

#include "core/half.h"
#include "core/status.h"
#include "core/tensor_table.h"
#include "cpu/isa.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "ops/conv1d.h"
#include "ops/embedding.h"
#include "ops/gemm.h"

namespace llasa::test {
namespace {

constexpr int64_t kBlock = Q8Group::kColumns;

// A matrix [N,K] in 8 bits, and the values that it holds.
struct Q8Matrix {
  Q8Matrix(const std::vector<float>& values, int64_t N, int64_t K)
      : groups(count_groups(N, K)), held(values.size()) {
    for (int64_t n = 0; n < N; ++n) {
      Q8Group* row = groups.data() + n / Q8Group::kRows * (K / kBlock);
      store_row(row, n % Q8Group::kRows, values.data() + n * K, K);
      load_row(row, n % Q8Group::kRows, held.data() + n * K, K);
    }
  }
  WeightView view() const { return WeightView(groups.data()); }

  DeviceArray<Q8Group> groups;
  std::vector<float> held;
};

float largest_of(const float* x) {
  float largest = 0;
  for (int64_t k = 0; k < kBlock; ++k) largest = std::max(largest, std::fabs(x[k]));
  return largest;
}

// |w - q s| <= s / 2 with s = max |w| / 127, in f32: x / s is off by two roundings of up to 127, 2^-16 of a step.
TEST(Q8, AValueIsHalfAScaleOffAtMost) {
  const int64_t N = 37, K = 96;
  std::vector<float> values = random_floats(N * K, 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= std::exp2(static_cast<float>(i / kBlock % 61) - 30);
  for (int64_t k = 0; k < kBlock; ++k) {
    values[static_cast<size_t>(k)] = 0.0f;
    values[static_cast<size_t>(K + k)] = k == 5 ? 3.4e38f : -1e30f;
    values[static_cast<size_t>(2 * K + k)] = 1e-41f * static_cast<float>(k);  // subnormal
  }
  const Q8Matrix matrix(values, N, K);
  for (size_t b = 0; b < values.size(); b += kBlock) {
    const double scale = static_cast<double>(largest_of(values.data() + b)) / 127;
    for (size_t k = 0; k < kBlock; ++k) {
      const double error =
          std::fabs(static_cast<double>(matrix.held[b + k]) - static_cast<double>(values[b + k]));
      // Where the scale is below the normal numbers all are zeros.
      EXPECT_LE(error, std::max(scale * (0.5 + std::exp2(-15.0)), 127.0 * static_cast<double>(FLT_MIN)))
          << b << " " << k;
    }
  }
  for (int64_t k = 0; k < kBlock; ++k) EXPECT_EQ(matrix.held[static_cast<size_t>(k)], 0.0f);
}

// What is held is held again: a copy of a copy changes nothing.
TEST(Q8, WhatComesOutGoesInUnchanged) {
  const Q8Matrix once(random_floats(19 * 64, 2), 19, 64);
  const Q8Matrix twice(once.held, 19, 64);
  for (size_t i = 0; i < once.held.size(); ++i) EXPECT_FLOAT_EQ(twice.held[i], once.held[i]) << i;
}

TEST(Q8, ATableKeepsAdjacentMatricesAsOneAndOthersExactly) {
  Stream stream;
  TensorTable table;
  table.declare("first", {10, 64});
  table.declare_adjacent("second", {7, 64});
  table.declare("vector", {5});
  table.declare("narrow", {9, 24});  // rows that are no multiple of 32
  table.declare_adjacent("narrow_too", {3, 24});
  table.declare("filter", {5, 32, 3});
  table.declare("kept", {4, 32});
  table.keep_f32("kept");
  table.allocate(stream, "a test's weights", Storage::kQ8);
  const auto fill = [&](const char* name, uint32_t seed) {
    const TensorSpec& spec = table.find(name);
    const std::vector<float> values = random_floats(spec.size, seed);
    table.set(stream, name, DType::kF32, spec.shape.data(), static_cast<int32_t>(spec.shape.size()),
              values.data());
    return values;
  };
  const auto held = [&](const char* name) {
    std::vector<float> values(static_cast<size_t>(table.find(name).size));
    table.get(stream, name, DType::kF32, values.data(), static_cast<int64_t>(values.size()) * 4);
    return values;
  };
  const auto first = fill("first", 1), second = fill("second", 2), vector = fill("vector", 3),
             narrow = fill("narrow", 4), too = fill("narrow_too", 5), filter = fill("filter", 6),
             kept = fill("kept", 7);
  EXPECT_EQ(held("vector"), vector);
  EXPECT_EQ(held("narrow"), narrow);
  EXPECT_EQ(held("narrow_too"), too);
  EXPECT_EQ(held("kept"), kept);
  EXPECT_EQ(held("first"), Q8Matrix(first, 10, 64).held);
  EXPECT_EQ(held("second"), Q8Matrix(second, 7, 64).held);
  EXPECT_EQ(held("filter"), Q8Matrix(filter, 5, 96).held);
  EXPECT_TRUE(table.view("first").is_q8());
  EXPECT_TRUE(table.view("filter").is_q8());
  EXPECT_TRUE(table.view("narrow").is_f32());
  EXPECT_TRUE(table.matrix(table.find("narrow").offset).is_f32());

  // One product over both, and one over each.
  const int64_t K = 64;
  DeviceArray<float> x(random_floats(3 * K, 8)), both(3 * 17), one(3 * 10), other(3 * 7);
  const WeightView matrix = table.matrix(table.find("first").offset);
  linear_forward(stream, x.data(), matrix, nullptr, both.data(), 3, K, 17);
  linear_forward(stream, x.data(), matrix, nullptr, one.data(), 3, K, 10);
  linear_forward(stream, x.data(), table.matrix(table.find("second").offset), nullptr, other.data(), 3, K, 7);
  const auto all = both.values(), left = one.values(), right = other.values();
  for (size_t t = 0; t < 3; ++t) {
    for (size_t n = 0; n < 17; ++n) {
      EXPECT_EQ(all[t * 17 + n], n < 10 ? left[t * 10 + n] : right[t * 7 + n - 10]) << t << " " << n;
    }
  }
  // An embedding is looked up exactly.
  DeviceArray<int32_t> ids(std::vector<int32_t>{9, 0, 16});
  DeviceArray<float> rows(3 * K);
  embedding_forward(stream, matrix, ids.data(), rows.data(), 3, K);
  const auto looked_up = rows.values(), held_first = held("first"), held_second = held("second");
  for (size_t k = 0; k < 64; ++k) {
    EXPECT_EQ(looked_up[k], held_first[9 * 64 + k]);
    EXPECT_EQ(looked_up[64 + k], held_first[k]);
    EXPECT_EQ(looked_up[128 + k], held_second[6 * 64 + k]);
  }
  EXPECT_THROW(table.data(), Error);
}

class Q8Products : public IsaTest {};
LLASA_FOR_EACH_ISA(Q8Products);

// Each 32 of x are whole numbers of steps of max / 32512, so each is half a step off at most (and 2^-9 of a step
// by rounding x / step); whole numbers are multiplied and added exactly. In f32 a block's sum is rounded, two
// scales are multiplied and added up: 3 roundings and one for each block behind it, of the sum of |x w|, which
// the rounded ones exceed by less than 2^-14. Last alpha and beta.
TEST_P(Q8Products, MatchDoublesWithinTheStepsOfX) {
  Stream stream;
  for (const int64_t K : {32, 64, 96, 1056}) {
    for (const int64_t N : {1, 4, 15, 16, 17, 37, 83}) {
      for (const int64_t first : {0, 5, 16}) {
        const std::vector<float> weights = random_floats((first + N) * K, 2);
        const Q8Matrix matrix(weights, first + N, K);
        for (const int64_t M : {1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 33, 70}) {
          if (K > 96 && M > 17) continue;
          const int64_t lda = K + 3, ldc = N + 2;
          auto A = random_floats(M * lda, 1);
          for (size_t i = 0; i < A.size(); ++i) A[i] *= std::exp2(static_cast<float>(i % 7) - 3);
          const auto C = random_floats(M * ldc, 3);
          Guarded a(A);
          struct Product {
            double sum = 0, size = 0, step = 0;
          };
          std::vector<Product> products(static_cast<size_t>(M * N));
          for (int64_t m = 0; m < M; ++m) {
            for (int64_t n = 0; n < N; ++n) {
              Product& product = products[static_cast<size_t>(m * N + n)];
              for (int64_t b = 0; b < K; b += kBlock) {
                const float* x = A.data() + m * lda + b;
                const float* w = matrix.held.data() + (first + n) * K + b;
                double absolute = 0;
                for (int64_t k = 0; k < kBlock; ++k) {
                  product.sum += static_cast<double>(x[k]) * static_cast<double>(w[k]);
                  product.size += std::fabs(static_cast<double>(x[k]) * static_cast<double>(w[k]));
                  absolute += std::fabs(static_cast<double>(w[k]));
                }
                product.step +=
                    absolute * (0.5 + std::exp2(-9.0)) * static_cast<double>(largest_of(x)) / 32512;
              }
            }
          }
          for (const float beta : {0.0f, 1.0f, -0.5f}) {
            Guarded c(C);
            gemm(stream, false, true, M, N, K, 0.75f, a.data(), lda, matrix.view() + first * K, K, beta,
                 c.data(), ldc);
            const std::vector<float> values = c.values();
            for (int64_t m = 0; m < M; ++m) {
              for (int64_t n = 0; n < N; ++n) {
                const auto& [sum, size, step] = products[static_cast<size_t>(m * N + n)];
                const double old =
                    static_cast<double>(beta) * static_cast<double>(C[static_cast<size_t>(m * ldc + n)]);
                const double roundings = static_cast<double>(K / kBlock + 6) * std::exp2(-24.0);
                const double bound = 0.75 * (step + roundings * (size + step)) +
                                     3 * std::exp2(-24.0) * (0.75 * size + std::fabs(old));
                ASSERT_NEAR(static_cast<double>(values[static_cast<size_t>(m * ldc + n)]), 0.75 * sum + old,
                            bound)
                    << M << "x" << N << "x" << K << " first " << first << " beta " << beta << " at " << m
                    << " " << n;
              }
            }
            for (int64_t m = 0; m < M; ++m) {  // nothing is written beside the rows
              for (int64_t n = N; n < ldc; ++n) {
                const auto at = static_cast<size_t>(m * ldc + n);
                ASSERT_EQ(values[at], C[at]);
              }
            }
          }
        }
      }
    }
  }
}

TEST_P(Q8Products, ARowIsTheSameAloneAndInCompany) {
  Stream stream;
  const int64_t M = 600, N = 53, K = 1056;
  const Q8Matrix matrix(random_floats(N * K, 2), N, K);
  DeviceArray<float> a(random_floats(M * K, 1)), together(M * N);
  linear_forward(stream, a.data(), matrix.view(), nullptr, together.data(), M, K, N);
  const std::vector<float> all = together.values();
  for (const int64_t count : {1, 2, 3, 4, 5, 6, 11, 15, 16, 17, 64, 513}) {
    const int64_t first = M - count;
    DeviceArray<float> some(count * N);
    linear_forward(stream, a.data() + first * K, matrix.view(), nullptr, some.data(), count, K, N);
    EXPECT_EQ(some.values(), std::vector<float>(all.begin() + first * N, all.end())) << count;
  }
}

TEST_P(Q8Products, BetaZeroOverwritesNanAndThreadsChangeNothing) {
  Stream stream;
  const int64_t N = 1500, K = 320;
  const Q8Matrix matrix(random_floats(N * K, 2), N, K);
  for (const int64_t M : {1, 7, 70}) {
    DeviceArray<float> a(random_floats(M * K, 1));
    expect_same_for_any_thread_count([&] {
      DeviceArray<float> c(std::vector<float>(static_cast<size_t>(M * N), std::nanf("")));
      linear_forward(stream, a.data(), matrix.view(), nullptr, c.data(), M, K, N);
      const std::vector<float> values = c.values();
      for (const float v : values) EXPECT_TRUE(std::isfinite(v));
      return values;
    });
  }
}

TEST_P(Q8Products, ARowThatIsNotFiniteIsNanAndNoOtherIs) {
  Stream stream;
  const int64_t M = 6, N = 20, K = 64;
  const Q8Matrix matrix(random_floats(N * K, 2), N, K);
  std::vector<float> x = random_floats(M * K, 1);
  x[1 * K + 40] = std::nanf("");
  x[3 * K + 2] = -INFINITY;
  for (int64_t k = 0; k < K; ++k) x[static_cast<size_t>(5 * K + k)] = 1e-38f;  // too small to be divided by
  DeviceArray<float> a(x), y(M * N);
  linear_forward(stream, a.data(), matrix.view(), nullptr, y.data(), M, K, N);
  const std::vector<float> values = y.values();
  for (int64_t t = 0; t < M; ++t) {
    for (int64_t n = 0; n < N; ++n) {
      const float value = values[static_cast<size_t>(t * N + n)];
      EXPECT_EQ(std::isnan(value), t == 1 || t == 3) << t << " " << n;
      if (t == 5) {
        EXPECT_EQ(value, 0.0f);
      }
    }
  }
}

// The tile unit and the multiplication of bytes take turns by the number of rows.
TEST(Q8Tiles, GiveTheBitsOfProductsOfBytes) {
  if (cpu::kernels_for("amx") == nullptr) GTEST_SKIP() << "a processor without a tile unit";
  Stream stream;
  const int64_t M = 21, N = 70, K = 160;
  const Q8Matrix matrix(random_floats(N * K, 2), N, K);
  DeviceArray<float> a(random_floats(M * K, 1));
  std::vector<std::vector<float>> results;
  for (const char* isa : {"amx", "vnni"}) {
    ASSERT_TRUE(cpu::use_kernels(isa));
    DeviceArray<float> y(M * N);
    linear_forward(stream, a.data(), matrix.view(), nullptr, y.data(), M, K, N);
    results.push_back(y.values());
  }
  cpu::use_kernels(nullptr);
  EXPECT_EQ(results[0], results[1]);
}

TEST(Q8, ConvolutionsReadTheFilterAsItIsHeld) {
  Stream stream;
  const int64_t O = 20, K = 96, T = 9;
  const Q8Matrix filter(random_floats(O * K, 2), O, K);
  DeviceArray<float> x(random_floats(T * 32, 1)), held(filter.held), y(T * O), exact(T * O);
  const int64_t offsets[2] = {0, T};
  const Conv1dShape shape{32, O, 3, 1, 1, 1, 1};
  conv1d_forward(stream, x.data(), filter.view(), nullptr, y.data(), offsets, offsets, 1, shape);
  conv1d_forward(stream, x.data(), held.data(), nullptr, exact.data(), offsets, offsets, 1, shape);
  const auto actual = y.values(), expected = exact.values();
  // Three blocks, each of 32 products of numbers of a few units of which x's is half of max / 32512 off.
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 96 * 4 * 4 / 65024.0) << i;
}

TEST(Q8, OtherProductsAreRefused) {
  Stream stream;
  const Q8Matrix matrix(random_floats(32 * 32, 2), 32, 32);
  DeviceArray<float> a(random_floats(32 * 32, 1)), c(32 * 32);
  EXPECT_THROW(
      gemm(stream, false, false, 32, 32, 32, 1.0f, a.data(), 32, matrix.view(), 32, 0.0f, c.data(), 32),
      Error);
}

}  // namespace
}  // namespace llasa::test
#endif
