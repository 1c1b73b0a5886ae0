#include "ops/optimizer.h"

#include <limits>

#include "isa_test.h"
#include "op_test_util.h"
#include "simulated.h"

namespace llasa::test {
namespace {

class OptimizerTest : public IsaTest {};
LLASA_FOR_EACH_ISA(OptimizerTest);

TEST_P(OptimizerTest, AdamWMatchesTheFormulaOverThreeSteps) {
  Stream stream;
  for (int64_t n : kSizes) {
    const auto start = random_floats(n, 1);
    Guarded weights(start), m(std::vector<float>(static_cast<size_t>(n))),
        v(std::vector<float>(static_cast<size_t>(n)));
    std::vector<double> w(start.begin(), start.end()), m1(w.size(), 0.0), m2(w.size(), 0.0);
    AdamW options;
    options.learning_rate = 0.01f;
    options.weight_decay = 0.1f;
    options.grad_scale = 0.5f;
    for (int64_t step = 1; step <= 3; ++step) {
      const auto gradient = random_floats(n, static_cast<uint32_t>(step) + 10);
      Guarded g(gradient);
      options.step = step;
      adamw_step(stream, weights.data(), g.data(), m.data(), v.data(), n, options);
      EXPECT_EQ(g.values(), gradient);
      const double b1 = 0.9, b2 = 0.999;
      for (size_t i = 0; i < w.size(); ++i) {
        const double d = 0.5 * static_cast<double>(gradient[i]);
        m1[i] = b1 * m1[i] + (1 - b1) * d;
        m2[i] = b2 * m2[i] + (1 - b2) * d * d;
        const double c1 = 1 - std::pow(b1, step), c2 = 1 - std::pow(b2, step);
        w[i] = w[i] * (1 - 0.01 * 0.1) - 0.01 * (m1[i] / c1) / (std::sqrt(m2[i] / c2) + 1e-8);
      }
    }
    // Updates of 0.01 known to 1e-5 of themselves (1 - 0.999f), weights to 3 roundings of 3.
    EXPECT_LE(largest_difference(weights.values(), w), 2e-6) << n;
    EXPECT_LE(largest_difference(m.values(), m1), 1e-6) << n;
    EXPECT_LE(largest_difference(v.values(), m2), 1e-6) << n;
  }
}

TEST_P(OptimizerTest, SquaredNormIsTheSameForEveryIsaAndSize) {
  Stream stream;
  for (int64_t n : {0, 1, 15, 16, 17, 1000, 65536, 65537, 200001}) {
    const auto x = random_floats(n, 4);
    double expected = 0;
    for (float value : x) expected += static_cast<double>(value) * static_cast<double>(value);
    DeviceArray<float> values(x);
    const double got = squared_norm(stream, values.data(), n);
    EXPECT_NEAR(got, expected, 1e-12 * expected) << n;
    if (on_device()) continue;
    ASSERT_TRUE(use_instruction_set("scalar"));
    EXPECT_EQ(squared_norm(stream, values.data(), n), got) << n;
    ASSERT_TRUE(use_instruction_set(GetParam()));
  }
}

TEST(Optimizer, SquaredNormShowsWhatIsNotFinite) {
  Stream stream;
  std::vector<float> x(100, 3e38f);
  const auto norm = [&] { return squared_norm(stream, DeviceArray<float>(x).data(), 100); };
  EXPECT_TRUE(std::isfinite(norm()));  // the squares overflow f32, not double
  x[41] = std::nanf("");
  EXPECT_TRUE(std::isnan(norm()));
  x[41] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(norm()));
}

}  // namespace
}  // namespace llasa::test
