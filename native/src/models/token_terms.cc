#include "models/token_terms.h"

#include <algorithm>
#include <cmath>

#include "core/status.h"

namespace llasa {

namespace {

// A value that a token uses must be a number.
void check_finite(const float* values, int64_t n, const char* field) {
  LLASA_CHECK(values == nullptr || std::isfinite(values[n]), Status::kNotFinite,
              "`terms.%s[%lld]` is not finite", field, static_cast<long long>(n));
}

}  // namespace

void check_token_terms(const TokenTerms& terms, int64_t N, const PolicyLossOptions& options) {
  LLASA_CHECK(terms.advantages != nullptr || N == 0, Status::kArgument, "`terms.advantages` is NULL");
  LLASA_CHECK(terms.policy_weights != nullptr || N == 0, Status::kArgument, "`terms.policy_weights` is NULL");
  LLASA_CHECK(terms.kl_weights == nullptr || terms.ref_logprobs != nullptr || N == 0, Status::kArgument,
              "`terms.ref_logprobs` is NULL, but `terms.kl_weights` is not");
  for (int64_t n = 0; n < N; ++n) {
    check_finite(terms.policy_weights, n, "policy_weights");
    check_finite(terms.kl_weights, n, "kl_weights");
    check_finite(terms.entropy_weights, n, "entropy_weights");
    LLASA_CHECK(terms.policy_weights[n] >= 0.0f, Status::kArgument,
                "`terms.policy_weights[%lld]`: %g, expected >= 0", static_cast<long long>(n),
                static_cast<double>(terms.policy_weights[n]));
    if (!terms.counts(n)) continue;
    check_finite(terms.advantages, n, "advantages");
    check_finite(terms.ref_logprobs, n, "ref_logprobs");
    // Without ratios there is nothing that the log-probs of sampling could divide.
    if (!options.log_prob) check_finite(terms.old_logprobs, n, "old_logprobs");
    LLASA_CHECK(terms.policy_caps == nullptr || !std::isnan(terms.policy_caps[n]), Status::kNotFinite,
                "`terms.policy_caps[%lld]` is NaN", static_cast<long long>(n));
  }
}

void add_loss_stats(const PolicyLossOptions& options, const TokenTerms& terms, const float* ratio_logprobs,
                    const float* logprobs, const float* entropies, int64_t N, LossStats& stats) {
  TokenTerms ratios = terms;
  if (ratio_logprobs != nullptr) ratios.old_logprobs = ratio_logprobs;
  for (int64_t n = 0; n < N; ++n) {
    if (!terms.counts(n)) continue;
    const float logp = logprobs[n];
    const PolicyTokenLoss t = policy_token_loss(options, ratios, n, logp);
    const double policy = static_cast<double>(terms.policy_weights[n]) * static_cast<double>(t.policy);
    const double kl = static_cast<double>(t.kl), entropy = static_cast<double>(entropies[n]);
    const float old_logp = terms.old_logprobs == nullptr ? logp : terms.old_logprobs[n];
    const double gap = static_cast<double>(old_logp) - static_cast<double>(logp);
    stats.policy_loss += policy;
    stats.loss += policy + static_cast<double>(TokenTerms::weight(terms.kl_weights, n)) * kl -
                  static_cast<double>(TokenTerms::weight(terms.entropy_weights, n)) * entropy;
    stats.tokens += 1;
    stats.kl_sum += kl;
    stats.entropy_sum += entropy;
    stats.ratio_sum += static_cast<double>(t.ratio);
    stats.approx_kl_sum += gap;
    stats.clipped_low += t.clipped && t.ratio < 1.0f;
    stats.clipped_high += t.clipped && t.ratio > 1.0f;
    stats.capped += t.capped;
    stats.logprob_gap_sum += std::abs(gap);
    stats.logprob_gap_max = std::max(stats.logprob_gap_max, std::abs(gap));
  }
}

}  // namespace llasa
