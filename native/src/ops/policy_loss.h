// The loss of one token of a response and its derivatives (GRPO: arXiv 2402.03300; clip-higher: 2503.14476;
// dual clip: 1912.09729; k1, k2, k3: joschu.net/blog/kl-approx.html). The formula is inline, so that the op
// and the host's statistics are the same code.
#pragma once

#include <cmath>

#include "core/host_device.h"
#include "llasa_native.h"
#include "ops/shapes.h"

namespace llasa {

struct PolicyLossOptions {
  bool cross_entropy = false;  // SFT: the policy term is -logp and nothing else counts
  float clip_low = 0.2f;
  float clip_high = 0.2f;
  float dual_clip = 0.0f;  // 0 = off
  float kl_coef = 0.0f;
  int32_t kl_estimator = 0;  // LLASA_KL_*
  float entropy_coef = 0.0f;
};

struct PolicyTokenLoss {
  float policy = 0.0f;           // policy term
  float policy_gradient = 0.0f;  // its derivative by logp
  float ratio = 1.0f;
  float kl = 0.0f;  // k1, k2 or k3
  float kl_gradient = 0.0f;
  bool clipped = false;  // the clipped term was larger
  bool dual_clipped = false;
};

LLASA_HOST_DEVICE inline float clamp_log_ratio(float x) {
  return x < -20.0f ? -20.0f : x > 20.0f ? 20.0f : x;
}

// old_logp: pass logp itself for a ratio of exactly 1. has_reference: whether ref_logp means anything.
LLASA_HOST_DEVICE inline PolicyTokenLoss policy_token_loss(const PolicyLossOptions& options, float logp,
                                                           float old_logp, float advantage,
                                                           bool has_reference, float ref_logp) {
  PolicyTokenLoss t;
  if (options.cross_entropy) {
    t.policy = -logp;
    t.policy_gradient = -1.0f;
    return t;
  }
  const float log_ratio = logp - old_logp;
  const float clamped = clamp_log_ratio(log_ratio);
  t.ratio = expf(clamped);
  const float low = 1.0f - options.clip_low, high = 1.0f + options.clip_high;
  const float bounded = t.ratio < low ? low : t.ratio > high ? high : t.ratio;
  const float plain = -advantage * t.ratio, clipped = -advantage * bounded;
  t.clipped = clipped > plain;
  t.policy = t.clipped ? clipped : plain;
  t.policy_gradient = t.clipped || clamped != log_ratio ? 0.0f : plain;
  if (options.dual_clip > 0.0f && advantage < 0.0f && t.policy > -advantage * options.dual_clip) {
    t.dual_clipped = true;
    t.policy = -advantage * options.dual_clip;
    t.policy_gradient = 0.0f;
  }
  if (logp != logp) t.policy_gradient = logp;  // a NaN must reach the gradient, where it is seen
  if (has_reference && options.kl_estimator == LLASA_KL_K1) {
    t.kl = logp - ref_logp;
    t.kl_gradient = 1.0f;
  } else if (has_reference && options.kl_estimator == LLASA_KL_K2) {
    t.kl = 0.5f * (logp - ref_logp) * (logp - ref_logp);
    t.kl_gradient = logp - ref_logp;
  } else if (has_reference) {
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
  return t;
}

// Derivatives of the loss sum over tokens of policy_weights * policy + token_weights * (kl_coef kl -
// entropy_coef entropy), all arrays [N]; both weights are 0 for a masked token. old_logprobs, ref_logprobs
// may be NULL (ratio 1; no reference). dentropies may be NULL when entropy_coef is 0.
void policy_loss_backward(Stream& stream, const PolicyLossOptions& options, const float* logprobs,
                          const float* old_logprobs, const float* ref_logprobs, const float* advantages,
                          const float* policy_weights, const float* token_weights, float* dlogprobs,
                          float* dentropies, int64_t N);

}  // namespace llasa
