#include "ops/norm.h"

#include "bf16_arrays.h"
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

// In bf16 y is the f32 result rounded, and so is the copy of dx; a gain without a gradient changes neither.
TEST_P(NormTest, ResultsInBf16AreThoseOfF32Rounded) {
  Stream stream;
  for (int64_t C : {1, 3, 4, 20, 33, 192, 600, 1029}) {
    const int64_t T = 5;
    const auto a = random_floats(T * C, 1), b = random_floats(T * C, 2), weight = random_floats(C, 3),
               dy = random_floats(T * C, 4);
    Guarded pa(a), pb(b), w(weight), sum(T * C), y(T * C), rstd(T), narrow_sum(T * C), pdy(dy), dx(b),
        dw(weight);
    DeviceArray<Bf16> narrow(T * C), narrowed(T * C), again(T * C);
    rmsnorm_forward(stream, pa.data(), w.data(), y.data(), nullptr, T, C, kEps);
    rmsnorm_forward(stream, pa.data(), w.data(), narrow.data(), nullptr, T, C, kEps);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(y.values()))) << C;
    add_rmsnorm_forward(stream, pa.data(), pb.data(), w.data(), sum.data(), y.data(), rstd.data(), T, C,
                        kEps);
    add_rmsnorm_forward(stream, pa.data(), pb.data(), w.data(), narrow_sum.data(), narrow.data(), nullptr, T,
                        C, kEps);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(y.values()))) << C;
    EXPECT_EQ(narrow_sum.values(), sum.values()) << C;
    rmsnorm_backward(stream, pa.data(), w.data(), rstd.data(), pdy.data(), dx.data(), dw.data(), T, C,
                     narrowed.data());
    EXPECT_EQ(bits_of(narrowed.values()), bits_of(stored_bf16(dx.values()))) << C;
    rmsnorm_backward(stream, pa.data(), w.data(), rstd.data(), pdy.data(), pb.data(), nullptr, T, C,
                     again.data());
    EXPECT_EQ(pb.values(), dx.values()) << C;
    EXPECT_EQ(bits_of(again.values()), bits_of(narrowed.values())) << C;
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

// Rows longer than a block has threads, and more rows than there are parts of dweight; against the formula in
// double.
TEST_P(NormTest, BackwardIsRightForLongRowsAndManyRows) {
  Stream stream;
  for (const auto& [T, C] : {std::pair<int64_t, int64_t>{3, 1100}, {2, 1029}, {300, 8}, {517, 5}}) {
    const auto x = random_floats(T * C, 9), weight = random_floats(C, 10), dy = random_floats(T * C, 11),
               start = random_floats(T * C, 12);
    Guarded px(x), pw(weight), pdy(dy), y(T * C), rstd(T), dx(start),
        dw(std::vector<float>(static_cast<size_t>(C), 0.5f));
    rmsnorm_forward(stream, px.data(), pw.data(), y.data(), rstd.data(), T, C, kEps);
    rmsnorm_backward(stream, px.data(), pw.data(), rstd.data(), pdy.data(), dx.data(), dw.data(), T, C);
    std::vector<double> expected_dx(start.begin(), start.end()), expected_dw(static_cast<size_t>(C), 0.5);
    for (int64_t t = 0; t < T; ++t) {
      double squares = 0, dot = 0;
      const auto at = [&](const std::vector<float>& values, int64_t c) {
        return static_cast<double>(values[static_cast<size_t>(t * C + c)]);
      };
      const auto w = [&](int64_t c) { return static_cast<double>(weight[static_cast<size_t>(c)]); };
      for (int64_t c = 0; c < C; ++c) squares += at(x, c) * at(x, c), dot += w(c) * at(dy, c) * at(x, c);
      const double r = 1.0 / std::sqrt(squares / static_cast<double>(C) + static_cast<double>(kEps));
      for (int64_t c = 0; c < C; ++c) {
        expected_dx[static_cast<size_t>(t * C + c)] +=
            r * (w(c) * at(dy, c) - at(x, c) * r * r * dot / static_cast<double>(C));
        expected_dw[static_cast<size_t>(c)] += at(dy, c) * at(x, c) * r;
      }
    }
    // dx: a few roundings of values up to 10; dw: a sum of T products of size up to 10.
    EXPECT_LE(largest_difference(dx.values(), expected_dx), 2e-5) << T << " x " << C;
    EXPECT_LE(largest_difference(dw.values(), expected_dw), 10 * sum_tolerance(T)) << T << " x " << C;
  }
}

// Clips around the chunk of frames that one block sums, an empty one, a large mean; against double.
TEST(Norm, GroupNormMatchesItsFormulaPerClipAndGroup) {
  Stream stream;
  const int64_t C = 24, groups = 4, width = C / groups;
  const auto offsets = offsets_of({1, 0, 700, 5, 682, 683});
  auto x = random_floats(offsets.back() * C, 13);
  for (float& v : x) v += 20.0f;
  const auto weight = random_floats(C, 14), bias = random_floats(C, 15);
  for (const bool silu : {false, true}) {
    std::vector<double> expected(x.size());
    for (size_t b = 0; b + 1 < offsets.size(); ++b) {
      const double count = static_cast<double>((offsets[b + 1] - offsets[b]) * width);
      for (int64_t g = 0; g < groups; ++g) {
        double mean = 0, variance = 0;
        const auto each = [&](auto&& visit) {
          for (int64_t t = offsets[b]; t < offsets[b + 1]; ++t) {
            for (int64_t c = g * width; c < (g + 1) * width; ++c)
              visit(static_cast<size_t>(t * C + c), static_cast<size_t>(c));
          }
        };
        each([&](size_t i, size_t) { mean += static_cast<double>(x[i]) / count; });
        each([&](size_t i, size_t) { variance += std::pow(static_cast<double>(x[i]) - mean, 2) / count; });
        each([&](size_t i, size_t c) {
          const double v = (static_cast<double>(x[i]) - mean) /
                               std::sqrt(variance + static_cast<double>(kEps)) *
                               static_cast<double>(weight[c]) +
                           static_cast<double>(bias[c]);
          expected[i] = silu ? v / (1.0 + std::exp(-v)) : v;
        });
      }
    }
    Guarded px(x), pw(weight), pb(bias);
    groupnorm_forward(stream, px.data(), pw.data(), pb.data(), px.data(), offsets.data(),
                      static_cast<int64_t>(offsets.size()) - 1, C, groups, kEps, silu);
    // x, 20 + noise, is exact to 20 eps = 2.4e-6 in the affine form; weights reach 3, a clip of one frame has
    // a standard deviation of about 0.3 in its smallest group.
    EXPECT_LE(largest_difference(px.values(), expected), 1e-4);
  }
}

TEST(Norm, BackwardDoesNotDependOnTheNumberOfThreads) {
  Stream stream;
  const int64_t T = 101, C = 24;
  auto x = random_floats(T * C, 1), weight = random_floats(C, 2), dy = random_floats(T * C, 3);
  expect_same_for_any_thread_count([&] {
    Guarded px(x), pw(weight), pdy(dy), y(T * C), rstd(T);
    DeviceArray<float> dx(T * C), dw(C);
    rmsnorm_forward(stream, px.data(), pw.data(), y.data(), rstd.data(), T, C, kEps);
    rmsnorm_backward(stream, px.data(), pw.data(), rstd.data(), pdy.data(), dx.data(), dw.data(), T, C);
    std::vector<float> both = dx.values();
    const std::vector<float> weights = dw.values();
    both.insert(both.end(), weights.begin(), weights.end());
    return both;
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

// Rows of a warp and of a block, aligned and not.
TEST_P(NormTest, LayerNormInBf16IsThatOfF32Rounded) {
  Stream stream;
  for (int64_t C : {1, 3, 4, 20, 33, 192, 600, 1029}) {
    const int64_t T = 5;
    const auto x = random_floats(T * C, 16), weight = random_floats(C, 17), bias = random_floats(C, 18);
    Guarded px(x), pw(weight), pb(bias), y(T * C);
    DeviceArray<Bf16> narrow(T * C);
    layernorm_forward(stream, px.data(), pw.data(), pb.data(), y.data(), T, C, kEps);
    layernorm_forward(stream, px.data(), pw.data(), pb.data(), narrow.data(), T, C, kEps);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(y.values()))) << C;
    layernorm_forward(stream, px.data(), pw.data(), pb.data(), px.data(), T, C, kEps);
    EXPECT_EQ(px.values(), y.values()) << C;
  }
}

}  // namespace
}  // namespace llasa::test
