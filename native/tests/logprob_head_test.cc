#include "ops/logprob_head.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "ops/policy_loss.h"
#include "reference/llama_ops.h"

namespace llasa::test {
namespace {

class LogprobHeadTest : public IsaTest {};
LLASA_FOR_EACH_ISA(LogprobHeadTest);

TEST_P(LogprobHeadTest, ForwardAndBackwardMatchTheFormulaAtEverySize) {
  Stream stream;
  const float inverse_temperature = 1.25f;
  for (int64_t V : kSizes) {
    const int64_t N = 3;
    const auto logits = random_floats(N * V, 1, 4.0f), dlogprobs = random_floats(N, 2),
               dentropies = random_floats(N, 3);
    std::vector<int32_t> targets;
    for (int64_t n = 0; n < N; ++n) targets.push_back(static_cast<int32_t>((n * 7 + V - 1) % V));
    // Between two rows lies what is neither read nor written.
    const int64_t ld = V + 3;
    const auto padded = [&](const auto& dense, auto between) {
      std::vector<std::decay_t<decltype(dense[0])>> spread(static_cast<size_t>(N * ld), between);
      for (int64_t n = 0; n < N; ++n) std::copy_n(dense.begin() + n * V, V, spread.begin() + n * ld);
      return spread;
    };
    Guarded rows(padded(logits, 1e30f)), lse(N), logprobs(N), entropies(N), dl(dlogprobs), de(dentropies);
    DeviceArray<int32_t> columns(targets);
    logprob_forward(stream, rows.data(), ld, columns.data(), inverse_temperature, lse.data(), logprobs.data(),
                    entropies.data(), N, V);
    std::vector<double> want_logp, want_entropy, want_gradient;
    using Numbers = reference::Array<std::complex<double>>;
    for (int64_t n = 0; n < N; ++n) {
      const auto row = static_cast<size_t>(n);
      const std::vector<float> one(logits.begin() + n * V, logits.begin() + (n + 1) * V);
      double logp, entropy;
      reference::logprob(reference::Array<double>(one.begin(), one.end()), targets[row], 1.25, logp, entropy);
      want_logp.push_back(logp);
      want_entropy.push_back(entropy);
      for (size_t j = 0; j < one.size(); ++j) {
        want_gradient.push_back(reference::complex_step(one, j, [&](const Numbers& p) {
          std::complex<double> l, e;
          reference::logprob(p, targets[row], 1.25, l, e);
          return static_cast<double>(dlogprobs[row]) * l + static_cast<double>(dentropies[row]) * e;
        }));
      }
    }
    EXPECT_LE(largest_difference(logprobs.values(), want_logp), 4e-6) << V;
    EXPECT_LE(largest_difference(entropies.values(), want_entropy), 4e-6) << V;
    DeviceArray<Bf16> narrow(stored_bf16(std::vector<float>(static_cast<size_t>(N * ld), 1e30f)));
    logprob_backward(stream, rows.data(), narrow.data(), ld, columns.data(), inverse_temperature, lse.data(),
                     entropies.data(), dl.data(), de.data(), N, V);
    logprob_backward(stream, rows.data(), rows.data(), ld, columns.data(), inverse_temperature, lse.data(),
                     entropies.data(), dl.data(), de.data(), N, V);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(rows.values())))
        << V << ": one rounding of the same";
    EXPECT_LE(largest_difference(rows.values(), padded(want_gradient, 1e30f)), 1e-5) << V;
  }
}

TEST_P(LogprobHeadTest, HugeLogitsDoNotOverflow) {
  Stream stream;
  Guarded logits({1e5f, -1e5f, 99990.0f}), lse(1), logp(1), entropy(1);
  DeviceArray<int32_t> targets(std::vector<int32_t>{0});
  logprob_forward(stream, logits.data(), 3, targets.data(), 1.0f, lse.data(), logp.data(), entropy.data(), 1,
                  3);
  EXPECT_NEAR(logp.values()[0], -std::log1p(std::exp(-10.0)), 1e-6);
  EXPECT_TRUE(std::isfinite(entropy.values()[0]));
  EXPECT_GE(entropy.values()[0], 0.0f);
}

PolicyTokenLoss loss_of(const PolicyLossOptions& options, float logp, float old, float advantage,
                        const float* ref = nullptr, const float* cap = nullptr) {
  return policy_token_loss(
      options, {.advantages = &advantage, .old_logprobs = &old, .ref_logprobs = ref, .policy_caps = cap}, 0,
      logp);
}

// The gradient of a token's loss is the slope of the loss, away from the kinks.
TEST(PolicyLoss, GradientsAreSlopes) {
  PolicyLossOptions options;
  options.clip_high = 0.28f;
  const float h = 1e-3f, ref = -1.3f;
  int clipped = 0, capped = 0;
  for (float advantage : {-1.7f, -0.3f, 0.4f, 2.0f}) {
    for (float log_ratio = -2.05f; log_ratio < 2.0f; log_ratio += 0.1f) {
      const float cap = std::abs(3.0f * advantage);
      const auto at = [&](float shift) {
        return loss_of(options, -1.0f + log_ratio + shift, -1.0f, advantage, &ref, &cap);
      };
      const PolicyTokenLoss t = at(0);
      clipped += t.clipped;
      capped += t.capped;
      if (at(h).clipped != at(-h).clipped || at(h).capped != at(-h).capped) continue;
      // Rounding 1e-6 / 2h and curvature h^2: 1e-3 with room.
      EXPECT_NEAR(t.policy_gradient, (at(h).policy - at(-h).policy) / (2 * h), 4e-3)
          << advantage << " " << log_ratio;
      EXPECT_NEAR(t.kl_gradient, (at(h).kl - at(-h).kl) / (2 * h), 4e-3) << log_ratio;
    }
  }
  EXPECT_GT(clipped, 10);
  EXPECT_GT(capped, 3);
}

TEST(PolicyLoss, ExtremeRatiosAreClampedAndNanIsNotHidden) {
  const PolicyLossOptions options;
  const float ref = 1000.0f;
  const PolicyTokenLoss far = loss_of(options, 0.0f, -1000.0f, -1.0f, &ref);
  EXPECT_FLOAT_EQ(far.ratio, std::exp(20.0f));
  EXPECT_EQ(far.policy_gradient, 0.0f);
  EXPECT_EQ(far.kl, 10.0f);
  EXPECT_EQ(far.kl_gradient, 0.0f);
  EXPECT_TRUE(std::isnan(loss_of(options, std::nanf(""), 0.0f, 1.0f).policy_gradient));
}

TEST(PolicyLoss, TheLogProbTermKnowsNoRatio) {
  PolicyLossOptions options;
  options.log_prob = true;
  const PolicyTokenLoss t = loss_of(options, -3.0f, 2.0f, 0.5f);
  EXPECT_EQ(t.policy, 1.5f);
  EXPECT_EQ(t.policy_gradient, -0.5f);
  EXPECT_EQ(t.ratio, 1.0f);
  const float cap = 1.0f;
  EXPECT_EQ(loss_of(options, -3.0f, 2.0f, 0.5f, nullptr, &cap).policy, 1.0f);
  EXPECT_EQ(loss_of(options, -3.0f, 2.0f, 0.5f, nullptr, &cap).policy_gradient, 0.0f);
}

TEST(PolicyLoss, MaskedTokensGetNoGradientWhateverTheyHold) {
  Stream stream;
  const float inf = std::numeric_limits<float>::infinity();
  Guarded logp({-1.0f, -1.0f}), old({-1.0f, inf}), ref({-1.0f, -inf}), advantage({1.0f, 1.0f}),
      weight({0.5f, 0.0f}), kl({0.05f, 0.0f}), entropy({0.005f, 0.0f}), dlogp(2), dentropy(2);
  TokenTerms terms;
  terms.advantages = advantage.data();
  terms.policy_weights = weight.data();
  terms.kl_weights = kl.data();
  terms.entropy_weights = entropy.data();
  terms.old_logprobs = old.data();
  terms.ref_logprobs = ref.data();
  policy_loss_backward(stream, {}, terms, logp.data(), dlogp.data(), dentropy.data(), 2);
  EXPECT_FLOAT_EQ(dlogp.values()[0], -0.5f);
  EXPECT_EQ(dlogp.values()[1], 0.0f);
  EXPECT_FLOAT_EQ(dentropy.values()[0], -0.005f);
  EXPECT_EQ(dentropy.values()[1], 0.0f);
}

// Sequences around the width of a block, one empty, one with nothing that counts, tokens that do not count
// holding NaN.
TEST(PolicyLoss, SequenceRatiosAreMeansOverTheTokensThatCount) {
  Stream stream;
  const std::vector<int64_t> offsets = {0, 1, 1, 8, 9, 265, 600};
  const int64_t N = offsets.back();
  std::vector<float> logps = random_floats(N, 1), olds = random_floats(N, 2), weights(static_cast<size_t>(N));
  for (size_t n = 0; n < weights.size(); ++n) {
    weights[n] = n % 5 == 3 ? 0.0f : 0.1f;
    if (weights[n] == 0.0f) olds[n] = std::nanf("");
  }
  ASSERT_EQ(weights[8], 0.0f);  // all of the fourth sequence
  Guarded logp(logps), old(olds), weight(weights), out(N);
  DeviceArray<int64_t> starts(offsets);
  TokenTerms terms;
  terms.policy_weights = weight.data();
  terms.old_logprobs = old.data();
  sequence_ratio_logprobs(stream, terms, logp.data(), starts.data(), out.data(),
                          static_cast<int64_t>(offsets.size()) - 1);
  const std::vector<float> got = out.values();
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    const auto begin = static_cast<size_t>(offsets[b]), end = static_cast<size_t>(offsets[b + 1]);
    double sum = 0, count = 0;
    for (size_t n = begin; n < end; ++n) {
      if (weights[n] == 0.0f) continue;
      sum += static_cast<double>(logps[n]) - static_cast<double>(olds[n]);
      count += 1;
    }
    const double mean = count > 0 ? sum / count : 0.0;
    for (size_t n = begin; n < end; ++n) {
      // One rounding to float of numbers below 8.
      EXPECT_NEAR(got[n], static_cast<double>(logps[n]) - mean, 2.4e-7 * 2) << n;
    }
  }
}

}  // namespace
}  // namespace llasa::test
