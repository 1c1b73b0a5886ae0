#include "models/grpo_loss.h"

#include <algorithm>
#include <cmath>

#include "core/status.h"

namespace llasa {

namespace {

void check_positive(double value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value > 0, LLASA_ERR_ARGUMENT, "`loss.%s`: %g, expected > 0", field,
              value);
}

void check_not_negative(float value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value >= 0, LLASA_ERR_ARGUMENT, "`loss.%s`: %g, expected >= 0", field,
              static_cast<double>(value));
}

PolicyLossOptions check_options(const llasa_loss_options& given) {
  LLASA_CHECK(given.kind == LLASA_LOSS_GRPO || given.kind == LLASA_LOSS_SFT, LLASA_ERR_ARGUMENT,
              "`loss.kind`: %d, expected 0 (GRPO) or 1 (SFT)", given.kind);
  LLASA_CHECK(
      given.aggregation >= LLASA_AGGREGATE_TOKEN_MEAN && given.aggregation <= LLASA_AGGREGATE_CONSTANT,
      LLASA_ERR_ARGUMENT, "`loss.aggregation`: %d, expected 0..2", given.aggregation);
  LLASA_CHECK(given.ratio == LLASA_RATIO_TOKEN || given.ratio == LLASA_RATIO_SEQUENCE, LLASA_ERR_ARGUMENT,
              "`loss.ratio`: %d, expected 0 (token) or 1 (sequence)", given.ratio);
  LLASA_CHECK(given.kl_estimator >= LLASA_KL_K3 && given.kl_estimator <= LLASA_KL_K2, LLASA_ERR_ARGUMENT,
              "`loss.kl_estimator`: %d, expected 0..2", given.kl_estimator);
  check_not_negative(given.clip_low, "clip_low");
  check_not_negative(given.clip_high, "clip_high");
  LLASA_CHECK(given.dual_clip == 0.0f || (std::isfinite(given.dual_clip) && given.dual_clip > 1.0f),
              LLASA_ERR_ARGUMENT, "`loss.dual_clip`: %g, expected 0 or > 1",
              static_cast<double>(given.dual_clip));
  LLASA_CHECK(std::isfinite(given.kl_coef), LLASA_ERR_ARGUMENT, "`loss.kl_coef` is not finite");
  LLASA_CHECK(std::isfinite(given.entropy_coef), LLASA_ERR_ARGUMENT, "`loss.entropy_coef` is not finite");
  check_positive(given.total_tokens, "total_tokens");
  if (given.aggregation != LLASA_AGGREGATE_TOKEN_MEAN)
    check_positive(given.total_sequences, "total_sequences");
  if (given.aggregation == LLASA_AGGREGATE_CONSTANT) check_positive(given.constant, "constant");
  PolicyLossOptions options;
  options.cross_entropy = given.kind == LLASA_LOSS_SFT;
  options.clip_low = given.clip_low;
  options.clip_high = given.clip_high;
  options.dual_clip = given.dual_clip;
  options.kl_coef = options.cross_entropy ? 0.0f : given.kl_coef;
  options.kl_estimator = given.kl_estimator;
  options.entropy_coef = given.entropy_coef;
  return options;
}

double policy_weight(const llasa_loss_options& options, double sequence_tokens) {
  switch (options.aggregation) {
    case LLASA_AGGREGATE_SEQUENCE_MEAN:
      return 1.0 / (options.total_sequences * sequence_tokens);
    case LLASA_AGGREGATE_CONSTANT:
      return 1.0 / (options.total_sequences * options.constant);
    default:
      return 1.0 / options.total_tokens;
  }
}

// A value that an unmasked token uses must be a number.
void check_finite(const float* values, int64_t i, const char* field) {
  LLASA_CHECK(std::isfinite(values[i]), LLASA_ERR_NOT_FINITE, "`inputs.%s[%lld]` is not finite", field,
              static_cast<long long>(i));
}

}  // namespace

LossTerms make_loss_terms(const llasa_token_batch& batch, const llasa_loss_options& given,
                          const llasa_loss_inputs& inputs) {
  LossTerms terms;
  terms.options = check_options(given);
  const bool grpo = !terms.options.cross_entropy;
  const int64_t N = scored_tokens(batch);
  const float* token_advantages = grpo ? inputs.token_advantages : nullptr;
  const float* importance = grpo ? inputs.importance_weights : nullptr;
  LLASA_CHECK(
      !grpo || inputs.advantages != nullptr || token_advantages != nullptr || batch.num_sequences == 0,
      LLASA_ERR_ARGUMENT, "`inputs.advantages` is NULL");
  LLASA_CHECK(terms.options.kl_coef == 0.0f || inputs.ref_logprobs != nullptr || N == 0, LLASA_ERR_ARGUMENT,
              "`inputs.ref_logprobs` is NULL, but `loss.kl_coef` is %g", static_cast<double>(given.kl_coef));
  const float* old_logprobs = grpo ? inputs.old_logprobs : nullptr;
  const float* ref_logprobs = grpo ? inputs.ref_logprobs : nullptr;
  const auto size = static_cast<size_t>(N);
  if (old_logprobs != nullptr) terms.old_logprobs.assign(old_logprobs, old_logprobs + N);
  if (ref_logprobs != nullptr) terms.ref_logprobs.assign(ref_logprobs, ref_logprobs + N);
  terms.advantages.assign(size, 0.0f);
  terms.policy_weights.assign(size, 0.0f);
  terms.token_weights.assign(size, 0.0f);
  int64_t first = 0;
  for (int64_t b = 0; b < batch.num_sequences; ++b) {
    const int64_t end = first + response_length(batch, b);
    int64_t unmasked = 0;
    for (int64_t i = first; i < end; ++i) unmasked += inputs.mask == nullptr || inputs.mask[i] != 0;
    const bool has_advantage = grpo && token_advantages == nullptr;
    if (unmasked > 0 && has_advantage) check_finite(inputs.advantages, b, "advantages");
    const auto weight = static_cast<float>(policy_weight(given, static_cast<double>(unmasked)));
    for (int64_t i = first; i < end; ++i) {
      const auto n = static_cast<size_t>(i);
      if (has_advantage) terms.advantages[n] = inputs.advantages[b];
      if (inputs.mask != nullptr && inputs.mask[i] == 0) continue;
      if (old_logprobs != nullptr) check_finite(old_logprobs, i, "old_logprobs");
      if (ref_logprobs != nullptr) check_finite(ref_logprobs, i, "ref_logprobs");
      if (token_advantages != nullptr) {
        check_finite(token_advantages, i, "token_advantages");
        terms.advantages[n] = token_advantages[i];
      }
      terms.policy_weights[n] = weight;
      if (importance != nullptr) {
        check_finite(importance, i, "importance_weights");
        LLASA_CHECK(importance[i] >= 0.0f, LLASA_ERR_ARGUMENT,
                    "`inputs.importance_weights[%lld]`: %g, expected >= 0", static_cast<long long>(i),
                    static_cast<double>(importance[i]));
        terms.policy_weights[n] = weight * importance[i];
      }
      terms.token_weights[n] = static_cast<float>(1.0 / given.total_tokens);
    }
    first = end;
  }
  // Without old log-probs every ratio is 1, whichever it is.
  terms.sequence_ratio = given.ratio == LLASA_RATIO_SEQUENCE && old_logprobs != nullptr;
  if (terms.sequence_ratio) terms.ratio_logprobs = terms.old_logprobs;
  return terms;
}

void set_sequence_ratios(LossTerms& terms, const llasa_token_batch& batch, const MicroBatch& micro,
                         const float* logprobs) {
  int64_t first = micro.first_scored;
  for (int64_t b = micro.begin; b < micro.end; ++b) {
    const int64_t end = first + response_length(batch, b);
    double sum = 0, count = 0;
    for (int64_t i = first; i < end; ++i) {
      const auto n = static_cast<size_t>(i);
      if (terms.token_weights[n] == 0.0f) continue;
      sum +=
          static_cast<double>(logprobs[i - micro.first_scored]) - static_cast<double>(terms.old_logprobs[n]);
      count += 1;
    }
    const double mean = count > 0 ? sum / count : 0.0;
    for (int64_t i = first; i < end; ++i) {
      const double logp = static_cast<double>(logprobs[i - micro.first_scored]);
      terms.ratio_logprobs[static_cast<size_t>(i)] = static_cast<float>(logp - mean);
    }
    first = end;
  }
}

void add_loss_stats(const LossTerms& terms, int64_t first, int64_t count, const float* logprobs,
                    const float* entropies, llasa_loss_stats& stats) {
  const bool has_reference = !terms.ref_logprobs.empty();
  for (int64_t i = 0; i < count; ++i) {
    const auto n = static_cast<size_t>(first + i);
    if (terms.token_weights[n] == 0.0f) continue;
    const float logp = logprobs[i];
    const float old_logp = terms.old_logprobs.empty() ? logp : terms.old_logprobs[n];
    const float denominator = terms.old_logprobs.empty() ? logp : terms.denominators()[n];
    const PolicyTokenLoss t = policy_token_loss(terms.options, logp, denominator, terms.advantages[n],
                                                has_reference, has_reference ? terms.ref_logprobs[n] : 0.0f);
    const double policy = static_cast<double>(terms.policy_weights[n]) * static_cast<double>(t.policy);
    const double others = static_cast<double>(terms.options.kl_coef) * static_cast<double>(t.kl) -
                          static_cast<double>(terms.options.entropy_coef) * static_cast<double>(entropies[i]);
    const double gap = static_cast<double>(old_logp) - static_cast<double>(logp);
    stats.policy_loss += policy;
    stats.loss += policy + static_cast<double>(terms.token_weights[n]) * others;
    stats.tokens += 1;
    stats.kl_sum += static_cast<double>(t.kl);
    stats.entropy_sum += static_cast<double>(entropies[i]);
    stats.ratio_sum += static_cast<double>(t.ratio);
    stats.approx_kl_sum += gap;
    stats.clipped_low += t.clipped && t.ratio < 1.0f;
    stats.clipped_high += t.clipped && t.ratio > 1.0f;
    stats.dual_clipped += t.dual_clipped;
    stats.logprob_gap_sum += std::abs(gap);
    stats.logprob_gap_max = std::max(stats.logprob_gap_max, std::abs(gap));
  }
}

}  // namespace llasa
