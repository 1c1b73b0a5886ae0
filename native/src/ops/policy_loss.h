// The loss of one token of a response and its derivatives (clipped ratios: arXiv 1707.06347, 2402.03300;
// ratios of sequences: 2507.18071; k1, k2, k3: joschu.net/blog/kl-approx.html). The formula is inline, so
// that the op and the host's statistics are the same code.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "ops/shapes.h"

namespace llasa {

enum class KlEstimator : int32_t { kK3, kK1, kK2 };  // numbered as LLASA_KL_*

struct PolicyLossOptions {
  bool log_prob = false;  // the policy term is -A logp: no ratio, no clip
  float clip_low = 0.2f;
  float clip_high = 0.2f;
  KlEstimator kl_estimator = KlEstimator::kK3;
};

// What an algorithm comes to, [N] each, of the device or of the host; NULL: not given.
struct TokenTerms {
  const float* advantages = nullptr;
  const float* policy_weights = nullptr;
  const float* kl_weights = nullptr;
  const float* entropy_weights = nullptr;
  const float* old_logprobs = nullptr;  // NULL: every ratio is exactly 1
  const float* ref_logprobs = nullptr;
  const float* policy_caps = nullptr;  // NULL: none

  LLASA_HOST_DEVICE static float weight(const float* weights, int64_t n) {
    return weights == nullptr ? 0.0f : weights[n];
  }
  // A token that weighs nothing is masked; what it holds may be anything.
  LLASA_HOST_DEVICE bool counts(int64_t n) const {
    return policy_weights[n] != 0.0f || weight(kl_weights, n) != 0.0f || weight(entropy_weights, n) != 0.0f;
  }
  // The terms of tokens first.. .
  TokenTerms from(int64_t first) const {
    const auto at = [&](const float* values) { return values == nullptr ? nullptr : values + first; };
    return {at(advantages),   at(policy_weights), at(kl_weights), at(entropy_weights),
            at(old_logprobs), at(ref_logprobs),   at(policy_caps)};
  }
};

struct PolicyTokenLoss {
  float policy = 0.0f;           // policy term
  float policy_gradient = 0.0f;  // its derivative by logp
  float ratio = 1.0f;
  float kl = 0.0f;  // k1, k2 or k3
  float kl_gradient = 0.0f;
  bool clipped = false;  // the clipped term was larger
  bool capped = false;   // the term was larger than its cap
};

LLASA_HOST_DEVICE inline float clamp_log_ratio(float x) {
  return x < -20.0f ? -20.0f : x > 20.0f ? 20.0f : x;
}

LLASA_HOST_DEVICE inline void kl_token_loss(KlEstimator estimator, float logp, float ref_logp,
                                            PolicyTokenLoss& t) {
  if (estimator == KlEstimator::kK1) {
    t.kl = logp - ref_logp;
    t.kl_gradient = 1.0f;
  } else if (estimator == KlEstimator::kK2) {
    t.kl = 0.5f * (logp - ref_logp) * (logp - ref_logp);
    t.kl_gradient = logp - ref_logp;
  } else {
    const float difference = ref_logp - logp;
    const float k = clamp_log_ratio(difference);
    const float e = expf(k);
    t.kl = e - k - 1.0f;
    t.kl_gradient = k != difference ? 0.0f : 1.0f - e;
    if (t.kl > 10.0f) {
      t.kl = 10.0f;
      t.kl_gradient = 0.0f;
    }
  }
}

// Of token n, whose current log-prob is logp.
LLASA_HOST_DEVICE inline PolicyTokenLoss policy_token_loss(const PolicyLossOptions& options,
                                                           const TokenTerms& terms, int64_t n, float logp) {
  PolicyTokenLoss t;
  const float advantage = terms.advantages[n];
  if (options.log_prob) {
    t.policy = -advantage * logp;
    t.policy_gradient = -advantage;
  } else {
    const float log_ratio = logp - (terms.old_logprobs == nullptr ? logp : terms.old_logprobs[n]);
    const float clamped = clamp_log_ratio(log_ratio);
    t.ratio = expf(clamped);
    const float low = 1.0f - options.clip_low, high = 1.0f + options.clip_high;
    const float bounded = t.ratio < low ? low : t.ratio > high ? high : t.ratio;
    const float plain = -advantage * t.ratio, clipped = -advantage * bounded;
    t.clipped = clipped > plain;
    t.policy = t.clipped ? clipped : plain;
    t.policy_gradient = t.clipped || clamped != log_ratio ? 0.0f : plain;
  }
  if (terms.policy_caps != nullptr && t.policy > terms.policy_caps[n]) {
    t.capped = true;
    t.policy = terms.policy_caps[n];
    t.policy_gradient = 0.0f;
  }
  if (logp != logp) t.policy_gradient = logp;  // a NaN must reach the gradient, where it is seen
  if (terms.ref_logprobs != nullptr) kl_token_loss(options.kl_estimator, logp, terms.ref_logprobs[n], t);
  return t;
}

// Derivatives of the loss, the sum over tokens of policy_weights policy + kl_weights kl - entropy_weights
// entropy, by log-prob and entropy: logprobs, dlogprobs, dentropies [N]. dentropies may be NULL where
// entropy_weights is.
void policy_loss_backward(Stream& stream, const PolicyLossOptions& options, const TokenTerms& terms,
                          const float* logprobs, float* dlogprobs, float* dentropies, int64_t N);

// Log-probs that make every token's ratio exp(logp - out) its sequence's: out = logp - m, m the mean of
// logp - old over the sequence's tokens that count (0 if none does). offsets [B+1] on the device: where the
// sequences begin among the N tokens; logprobs, out [N]. Sums in double, in a fixed order.
void sequence_ratio_logprobs(Stream& stream, const TokenTerms& terms, const float* logprobs,
                             const int64_t* offsets, float* out, int64_t B);

}  // namespace llasa
