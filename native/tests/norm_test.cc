#include "ops/norm.h"

#include "isa_test.h"
#include "op_test_util.h"
#include "ops/activation.h"
#include "reference/llama_ops.h"

namespace llasa::test {
namespace {

class NormTest : public IsaTest {};
LLASA_FOR_EACH_ISA(NormTest);

constexpr float kEps = 1e-5f;

TEST_P(NormTest, RmsNormMatchesItsFormulaAtEverySize) {
  Stream stream;
  for (int64_t C : kSizes) {
    const int64_t T = 3;
    const auto x = random_floats(T * C, 1), weight = random_floats(C, 2);
    Guarded dx(x), dw(weight), y(T * C), rstd(T);
    rmsnorm_forward(stream, dx.data(), dw.data(), y.data(), rstd.data(), T, C, kEps);
    std::vector<double> expected;
    for (int64_t t = 0; t < T; ++t) {
      double squares = 0;
      for (int64_t c = 0; c < C; ++c)
        squares += std::pow(static_cast<double>(x[static_cast<size_t>(t * C + c)]), 2);
      const double r = 1.0 / std::sqrt(squares / static_cast<double>(C) + static_cast<double>(kEps));
      for (int64_t c = 0; c < C; ++c) {
        expected.push_back(static_cast<double>(x[static_cast<size_t>(t * C + c)]) * r *
                           static_cast<double>(weight[static_cast<size_t>(c)]));
      }
    }
    EXPECT_LE(largest_difference(y.values(), expected), 2e-6 * 10) << C;
    rstd.values();
  }
}

TEST_P(NormTest, AddRmsNormHasTheBitsOfItsTwoSteps) {
  Stream stream;
  for (int64_t C : kSizes) {
    const int64_t T = 3;
    const auto a = random_floats(T * C, 1), b = random_floats(T * C, 2), weight = random_floats(C, 3);
    Guarded pa(a), pb(b), w(weight), sum(T * C), y(T * C), rstd(T), expected(T * C), expected_rstd(T);
    add_forward(stream, pa.data(), pb.data(), sum.data(), T * C);
    rmsnorm_forward(stream, sum.data(), w.data(), expected.data(), expected_rstd.data(), T, C, kEps);
    const std::vector<float> expected_sum = sum.values();
    add_rmsnorm_forward(stream, pa.data(), pb.data(), w.data(), sum.data(), y.data(), rstd.data(), T, C,
                        kEps);
    EXPECT_EQ(sum.values(), expected_sum) << C;
    EXPECT_EQ(y.values(), expected.values()) << C;
    EXPECT_EQ(rstd.values(), expected_rstd.values()) << C;
    // In place: the sum over a, the result over b.
    add_rmsnorm_forward(stream, pa.data(), pb.data(), w.data(), pa.data(), pb.data(), nullptr, T, C, kEps);
    EXPECT_EQ(pa.values(), expected_sum) << C;
    EXPECT_EQ(pb.values(), expected.values()) << C;
  }
}

// Against complex-step derivatives of sum(dy * rmsnorm(x)).
TEST_P(NormTest, RmsNormBackwardIsTheDerivative) {
  Stream stream;
  for (int64_t C : {1, 5, 16, 19, 33}) {
    const int64_t T = 3;
    const auto x = random_floats(T * C, 3), weight = random_floats(C, 4), dy = random_floats(T * C, 5);
    Guarded px(x), pw(weight), pdy(dy), y(T * C), rstd(T), dx(T * C), dw(C);
    zero_on_device(stream, dx.data(), T * C * 4);
    zero_on_device(stream, dw.data(), C * 4);
    rmsnorm_forward(stream, px.data(), pw.data(), y.data(), rstd.data(), T, C, kEps);
    rmsnorm_backward(stream, px.data(), pw.data(), rstd.data(), pdy.data(), dx.data(), dw.data(), T, C);
    std::vector<double> expected_dx, expected_dw;
    using Numbers = reference::Array<std::complex<double>>;
    for (size_t i = 0; i < x.size(); ++i) {
      expected_dx.push_back(reference::complex_step(x, i, [&](const Numbers& p) {
        return reference::rmsnorm_dot(p, Numbers(weight.begin(), weight.end()), static_cast<double>(kEps),
                                      dy);
      }));
    }
    for (size_t i = 0; i < weight.size(); ++i) {
      expected_dw.push_back(reference::complex_step(weight, i, [&](const Numbers& p) {
        return reference::rmsnorm_dot(Numbers(x.begin(), x.end()), p, static_cast<double>(kEps), dy);
      }));
    }
    // A single channel may be near 0, where 1 / rms magnifies rounding.
    const double tolerance = C == 1 ? 1e-3 : 1e-5;
    EXPECT_LE(largest_difference(dx.values(), expected_dx), tolerance) << C;
    EXPECT_LE(largest_difference(dw.values(), expected_dw), 1e-5) << C;
  }
}

TEST(Norm, BackwardDoesNotDependOnTheNumberOfThreads) {
  Stream stream;
  const int64_t T = 101, C = 24;
  auto x = random_floats(T * C, 1), weight = random_floats(C, 2), dy = random_floats(T * C, 3);
  expect_same_for_any_thread_count([&] {
    std::vector<float> y(x.size()), rstd(static_cast<size_t>(T)), dx(x.size(), 0.0f), dw(weight.size(), 0.0f);
    rmsnorm_forward(stream, x.data(), weight.data(), y.data(), rstd.data(), T, C, kEps);
    rmsnorm_backward(stream, x.data(), weight.data(), rstd.data(), dy.data(), dx.data(), dw.data(), T, C);
    dx.insert(dx.end(), dw.begin(), dw.end());
    return dx;
  });
}

TEST_P(NormTest, LayerNormMatchesItsFormulaWithALargeMean) {
  Stream stream;
  for (int64_t C : kSizes) {
    auto x = random_floats(2 * C, 6);
    for (float& v : x) v += 100.0f;
    const auto weight = random_floats(C, 7), bias = random_floats(C, 8);
    Guarded px(x), pw(weight), pb(bias), y(2 * C);
    layernorm_forward(stream, px.data(), pw.data(), pb.data(), y.data(), 2, C, kEps);
    std::vector<double> expected;
    for (int64_t t = 0; t < 2; ++t) {
      const float* row = x.data() + t * C;
      double mean = 0, variance = 0;
      for (int64_t c = 0; c < C; ++c) mean += static_cast<double>(row[c]) / static_cast<double>(C);
      for (int64_t c = 0; c < C; ++c) {
        variance += std::pow(static_cast<double>(row[c]) - mean, 2) / static_cast<double>(C);
      }
      for (int64_t c = 0; c < C; ++c) {
        expected.push_back((static_cast<double>(row[c]) - mean) /
                               std::sqrt(variance + static_cast<double>(kEps)) *
                               static_cast<double>(weight[static_cast<size_t>(c)]) +
                           static_cast<double>(bias[static_cast<size_t>(c)]));
      }
    }
    // The mean, about 100, is known to 100 eps = 1.2e-5 at best (several roundings: 4e-5); that is divided by
    // a standard deviation of about 1, or of sqrt(eps) = 3e-3 for one channel, where the exact result is the
    // bias.
    EXPECT_LE(largest_difference(y.values(), expected), C <= 3 ? 2e-3 : 4e-4) << C;
  }
}

}  // namespace
}  // namespace llasa::test
