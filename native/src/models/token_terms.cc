#include "models/token_terms.h"

#include <algorithm>
#include <cmath>

#include "core/status.h"

namespace llasa {

namespace {

void check_not_negative(float value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value >= 0, LLASA_ERR_ARGUMENT, "`loss.%s`: %g, expected >= 0", field,
              static_cast<double>(value));
}

// A value that a token uses must be a number.
void check_finite(const float* values, int64_t n, const char* field) {
  LLASA_CHECK(values == nullptr || std::isfinite(values[n]), LLASA_ERR_NOT_FINITE,
              "`terms.%s[%lld]` is not finite", field, static_cast<long long>(n));
}

}  // namespace

PolicyLossOptions make_loss_options(const llasa_loss_options& given) {
  LLASA_CHECK(given.policy_term == LLASA_POLICY_TERM_RATIO || given.policy_term == LLASA_POLICY_TERM_LOG_PROB,
              LLASA_ERR_ARGUMENT, "`loss.policy_term`: %d, expected 0 (ratio) or 1 (log-prob)",
              given.policy_term);
  LLASA_CHECK(given.ratio == LLASA_RATIO_TOKEN || given.ratio == LLASA_RATIO_SEQUENCE, LLASA_ERR_ARGUMENT,
              "`loss.ratio`: %d, expected 0 (token) or 1 (sequence)", given.ratio);
  LLASA_CHECK(given.kl_estimator >= LLASA_KL_K3 && given.kl_estimator <= LLASA_KL_K2, LLASA_ERR_ARGUMENT,
              "`loss.kl_estimator`: %d, expected 0..2", given.kl_estimator);
  check_not_negative(given.clip_low, "clip_low");
  check_not_negative(given.clip_high, "clip_high");
  PolicyLossOptions options;
  options.log_prob = given.policy_term == LLASA_POLICY_TERM_LOG_PROB;
  options.clip_low = given.clip_low;
  options.clip_high = given.clip_high;
  options.kl_estimator = given.kl_estimator;
  return options;
}

TokenTerms make_token_terms(const llasa_token_batch& batch, const llasa_loss_options& options,
                            const llasa_token_terms& given) {
  const int64_t N = scored_tokens(batch);
  LLASA_CHECK(given.advantages != nullptr || N == 0, LLASA_ERR_ARGUMENT, "`terms.advantages` is NULL");
  LLASA_CHECK(given.policy_weights != nullptr || N == 0, LLASA_ERR_ARGUMENT,
              "`terms.policy_weights` is NULL");
  LLASA_CHECK(given.kl_weights == nullptr || given.ref_logprobs != nullptr || N == 0, LLASA_ERR_ARGUMENT,
              "`terms.ref_logprobs` is NULL, but `terms.kl_weights` is not");
  // Without ratios there is nothing that the log-probs of sampling could divide.
  const bool ratios = options.policy_term == LLASA_POLICY_TERM_RATIO;
  const TokenTerms terms{given.advantages,   given.policy_weights, given.kl_weights, given.entropy_weights,
                         given.old_logprobs, given.ref_logprobs,   given.policy_caps};
  for (int64_t n = 0; n < N; ++n) {
    check_finite(terms.policy_weights, n, "policy_weights");
    check_finite(terms.kl_weights, n, "kl_weights");
    check_finite(terms.entropy_weights, n, "entropy_weights");
    LLASA_CHECK(terms.policy_weights[n] >= 0.0f, LLASA_ERR_ARGUMENT,
                "`terms.policy_weights[%lld]`: %g, expected >= 0", static_cast<long long>(n),
                static_cast<double>(terms.policy_weights[n]));
    if (!terms.counts(n)) continue;
    check_finite(terms.advantages, n, "advantages");
    check_finite(terms.ref_logprobs, n, "ref_logprobs");
    if (ratios) check_finite(terms.old_logprobs, n, "old_logprobs");
    LLASA_CHECK(terms.policy_caps == nullptr || !std::isnan(terms.policy_caps[n]), LLASA_ERR_NOT_FINITE,
                "`terms.policy_caps[%lld]` is NaN", static_cast<long long>(n));
  }
  return terms;
}

void add_loss_stats(const PolicyLossOptions& options, const TokenTerms& terms, const float* ratio_logprobs,
                    const float* logprobs, const float* entropies, int64_t N, llasa_loss_stats& stats) {
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
