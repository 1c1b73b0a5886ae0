// The encoder's own ops against their definitions in double, at sizes around the kernels' tiles (64 frames,
// 32 channels, 32 queries and keys). The encoder as a whole is held against the original in xcodec2_test.cc.
#include "ops/conformer.h"

#include <algorithm>

#include "op_test_util.h"
#include "ops/conformer_tables.h"

namespace llasa::test {
namespace {

// Activation1d as alias-free-torch writes it: replicate-pad by 5, transposed convolution of stride 2 times 2,
// crop 15; SnakeBeta; replicate-pad by 5 and 6, convolution of stride 2.
std::vector<double> snake_reference(const std::vector<float>& x, const std::vector<float>& alpha,
                                    const std::vector<float>& beta, int64_t T, int64_t C) {
  const auto filter = snake_filter();
  std::vector<double> y;
  std::vector<std::vector<double>> doubled(static_cast<size_t>(C));
  for (int64_t c = 0; c < C; ++c) {
    const double a = std::exp(static_cast<double>(alpha[static_cast<size_t>(c)]));
    const double b = std::exp(static_cast<double>(beta[static_cast<size_t>(c)])) + 1e-9;
    for (int64_t n = 0; n < 2 * T; ++n) {
      double s = 0;
      for (int64_t i = 0; i < T + 10; ++i) {
        const int64_t tap = n + 15 - 2 * i;
        if (tap < 0 || tap >= 12) continue;
        const int64_t t = std::clamp<int64_t>(i - 5, 0, T - 1);
        s += 2.0 * static_cast<double>(filter[static_cast<size_t>(tap)]) *
             static_cast<double>(x[static_cast<size_t>(t * C + c)]);
      }
      doubled[static_cast<size_t>(c)].push_back(s + std::pow(std::sin(s * a), 2) / b);
    }
  }
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      double sum = 0;
      for (int64_t k = 0; k < 12; ++k) {
        const int64_t n = std::clamp<int64_t>(2 * t + k - 5, 0, 2 * T - 1);
        sum += static_cast<double>(filter[static_cast<size_t>(k)]) *
               doubled[static_cast<size_t>(c)][static_cast<size_t>(n)];
      }
      y.push_back(sum);
    }
  }
  return y;
}

// 24 products of size 1 and a sine whose argument reaches 20 with 2 ulp: 20 x 2.4e-7 / e^-1, twice for the
// sums.
TEST(Conformer, SnakeMatchesItsDefinition) {
  Stream stream;
  for (const int64_t T : {1, 2, 3, 63, 64, 65, 130}) {
    for (const int64_t C : {1, 31, 33}) {
      const auto x = random_floats(T * C, 1), alpha = random_floats(C, 2, 0.5f),
                 beta = random_floats(C, 3, 0.3f);
      Guarded xd(x), ad(alpha), bd(beta), y(T * C);
      snake_forward(stream, xd.data(), ad.data(), bd.data(), y.data(), T, C);
      EXPECT_LT(largest_difference(y.values(), snake_reference(x, alpha, beta, T, C)), 3e-5) << T << " " << C;
    }
  }
}

std::vector<double> attention_reference(const std::vector<float>& q, const std::vector<float>& k,
                                        const std::vector<float>& v, const std::vector<float>& distance,
                                        int64_t T, int64_t H, int64_t D, int64_t left, int64_t right,
                                        double scale) {
  const auto at = [](const std::vector<float>& x, int64_t i) {
    return static_cast<double>(x[static_cast<size_t>(i)]);
  };
  std::vector<double> y(q.size());
  for (int64_t l = 0; l < T; ++l) {
    for (int64_t h = 0; h < H; ++h) {
      std::vector<double> weights;
      double sum = 0;
      for (int64_t r = 0; r < T; ++r) {
        double score = 0;
        const int64_t row = std::clamp(r - l, -left, right) + left;
        for (int64_t d = 0; d < D; ++d) {
          score += at(q, (l * H + h) * D + d) * (at(k, (r * H + h) * D + d) + at(distance, row * D + d));
        }
        weights.push_back(std::exp(score * scale));
        sum += weights.back();
      }
      for (int64_t d = 0; d < D; ++d) {
        double out = 0;
        for (int64_t r = 0; r < T; ++r)
          out += weights[static_cast<size_t>(r)] / sum * at(v, (r * H + h) * D + d);
        y[static_cast<size_t>((l * H + h) * D + d)] = out;
      }
    }
  }
  return y;
}

// Scores are sums of 2 D products of normals, scaled to deviation about 1.5; a score's error passes to the
// weights: 2 D eps times the largest value (4): 4e-5 at D = 70.
TEST(Conformer, RelativeAttentionMatchesItsDefinition) {
  struct Case {
    int64_t T, H, D, left, right;
  };
  Stream stream;
  for (const Case& c : {Case{1, 2, 8, 3, 1}, Case{31, 1, 33, 64, 8}, Case{32, 2, 64, 4, 0},
                        Case{33, 3, 16, 0, 5}, Case{70, 1, 70, 64, 8}}) {
    const int64_t count = c.T * c.H * c.D, positions = c.left + c.right + 1;
    const auto q = random_floats(count, 1), k = random_floats(count, 2), v = random_floats(count, 3),
               distance = random_floats(positions * c.D, 4);
    const float scale = 1.0f / std::sqrt(static_cast<float>(c.D));
    Guarded qd(q), kd(k), vd(v), dd(distance), y(count);
    relative_attention_forward(stream, qd.data(), kd.data(), vd.data(), dd.data(), y.data(), c.T, c.H, c.D,
                               c.left, c.right, scale);
    const auto expected =
        attention_reference(q, k, v, distance, c.T, c.H, c.D, c.left, c.right, static_cast<double>(scale));
    EXPECT_LT(largest_difference(y.values(), expected), 4e-5) << c.T << " " << c.D;
  }
}

TEST(Conformer, ElementwiseOpsMatchTheirFormulas) {
  Stream stream;
  const int64_t T = 37, C = 19;
  const auto x = random_floats(T * 2 * C, 1, 3.0f), y = random_floats(T * C, 2);
  std::vector<double> glu, added, positive;
  for (int64_t i = 0; i < T * C; ++i) {
    const auto row = static_cast<size_t>(i / C * 2 * C + i % C);
    const double gate = static_cast<double>(x[row + static_cast<size_t>(C)]);
    glu.push_back(static_cast<double>(x[row]) / (1 + std::exp(-gate)));
    const double first = static_cast<double>(x[static_cast<size_t>(i)]);
    added.push_back(static_cast<double>(y[static_cast<size_t>(i)]) + 0.5 * first);
    positive.push_back(std::max(first, 0.0));
  }
  Guarded xd(x), yd(y), out(T * C);
  glu_forward(stream, xd.data(), out.data(), T, C);
  EXPECT_LT(largest_difference(out.values(), glu), 2e-6);  // 10 x 2 ulp
  scaled_add_forward(stream, xd.data(), 0.5f, yd.data(), T * C);
  EXPECT_LT(largest_difference(yd.values(), added), 1e-6);
  relu_forward(stream, xd.data(), out.data(), T * C);
  EXPECT_LT(largest_difference(out.values(), positive), 1e-12);
}

// A sine of 1 kHz lights the bins around it; every bin has mean 0 and unbiased variance 1 over time.
TEST(Conformer, KaldiFeaturesAreNormalisedAndFindATone) {
  const int64_t samples = 160 * 40;
  std::vector<float> wave = random_floats(samples, 5, 0.001f);
  for (int64_t i = 0; i < samples; ++i) {
    wave[static_cast<size_t>(i)] += 0.3f * std::sin(0.39269908f * static_cast<float>(i));
  }
  Stream stream;
  Guarded x(wave), y(40 * kKaldiMels), log_mel(40 * kKaldiMels);
  kaldi_features_forward(stream, x.data(), samples, y.data(), log_mel.data());
  const auto features = y.values(), levels = log_mel.values();
  for (size_t m = 0; m < static_cast<size_t>(kKaldiMels); ++m) {
    double mean = 0, variance = 0;
    for (size_t t = 0; t < 40; ++t) mean += static_cast<double>(features[t * 80 + m]) / 40;
    for (size_t t = 0; t < 40; ++t)
      variance += std::pow(static_cast<double>(features[t * 80 + m]) - mean, 2) / 39;
    EXPECT_NEAR(mean, 0, 1e-6) << m;
    EXPECT_NEAR(variance, 1, 1e-3) << m;  // 1e-7 in the root, against variances down to 1e-3
  }
  const auto loudest =
      std::max_element(levels.begin() + 20 * 80, levels.begin() + 21 * 80) - levels.begin() - 20 * 80;
  // Mel(1000 Hz) = 1000 of 20 .. 8000 Hz = 31.7 .. 2840.0 in 81 steps: bin 27 is centred at 1002.6.
  EXPECT_EQ(loudest, 27);
}

}  // namespace
}  // namespace llasa::test
