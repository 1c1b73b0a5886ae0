// Losses of tests as papers write them, and the numbers per token that they come to.
#pragma once

#include <limits>
#include <vector>

#include "policy_fixture.h"

namespace llasa::test {

enum class Aggregate { kTokenMean, kSequenceMean, kConstant };

inline llasa_loss_options default_loss() {
  llasa_loss_options options;
  llasa_loss_options_init(&options);
  return options;
}

// coefficients and totals of a loss; 0 tokens or sequences: those of the batch.
struct Loss {
  llasa_loss_options options = default_loss();
  Aggregate aggregate = Aggregate::kTokenMean;
  double total_tokens = 0, total_sequences = 0, constant = 0;
  float kl_coef = 0, entropy_coef = 0, dual_clip = 0;

  static Loss cross_entropy() {
    Loss loss;
    loss.options.policy_term = LLASA_POLICY_TERM_LOG_PROB;
    return loss;
  }
};

// What a loss is of. advantages [B] or [N], empty: 1; the others [N], empty: not given.
struct LossData {
  std::vector<float> advantages = {}, old_logprobs = {}, ref_logprobs = {}, importance = {};
  std::vector<uint8_t> mask = {};
};

// [N] each.
struct TermArrays {
  std::vector<float> advantages, policy_weights, kl_weights, entropy_weights, old_logprobs, ref_logprobs,
      policy_caps;

  TermArrays(const BatchData& batch, const Loss& loss, const LossData& data)
      : old_logprobs(data.old_logprobs), ref_logprobs(data.ref_logprobs) {
    const auto N = static_cast<size_t>(batch.scored()), B = batch.prompt_lengths.size();
    const bool per_token = data.advantages.size() == N;
    const auto counts = [&](size_t n) { return data.mask.empty() || data.mask[n] != 0; };
    double all = 0;
    for (size_t n = 0; n < N; ++n) all += counts(n);
    const double tokens = loss.total_tokens > 0 ? loss.total_tokens : all,
                 sequences = loss.total_sequences > 0 ? loss.total_sequences : static_cast<double>(B);
    const auto mean = static_cast<float>(1.0 / tokens);
    size_t n = 0;
    for (size_t b = 0; b < B; ++b) {
      const size_t end =
          n + static_cast<size_t>(batch.offsets[b + 1] - batch.offsets[b] - batch.prompt_lengths[b]);
      double own = 0;
      for (size_t i = n; i < end; ++i) own += counts(i);
      const double weight = loss.aggregate == Aggregate::kTokenMean      ? 1 / tokens
                            : loss.aggregate == Aggregate::kSequenceMean ? 1 / (sequences * own)
                                                                         : 1 / (sequences * loss.constant);
      for (; n < end; ++n) {
        const float a = data.advantages.empty() ? 1.0f : data.advantages[per_token ? n : b];
        advantages.push_back(a);
        policy_weights.push_back(counts(n) ? static_cast<float>(weight) : 0.0f);
        if (!data.importance.empty()) policy_weights.back() *= data.importance[n];
        if (loss.kl_coef != 0) kl_weights.push_back(counts(n) ? mean * loss.kl_coef : 0.0f);
        if (loss.entropy_coef != 0) entropy_weights.push_back(counts(n) ? mean * loss.entropy_coef : 0.0f);
        if (loss.dual_clip != 0)
          policy_caps.push_back(a < 0 ? -a * loss.dual_clip : std::numeric_limits<float>::infinity());
      }
    }
  }

  llasa_token_terms view() const {
    const auto given = [](const std::vector<float>& values) {
      return values.empty() ? nullptr : values.data();
    };
    llasa_token_terms terms{};
    terms.struct_size = sizeof terms;
    terms.advantages = given(advantages);
    terms.policy_weights = given(policy_weights);
    terms.kl_weights = given(kl_weights);
    terms.entropy_weights = given(entropy_weights);
    terms.old_logprobs = given(old_logprobs);
    terms.ref_logprobs = given(ref_logprobs);
    terms.policy_caps = given(policy_caps);
    return terms;
  }
};

// Forward and backward of a batch. out_logprobs: [N] or NULL.
inline llasa_loss_stats accumulate(llasa_trainer* trainer, const BatchData& batch,
                                   const llasa_head_options& head, const Loss& loss, const LossData& data,
                                   float* out_logprobs = nullptr) {
  const llasa_token_batch view = batch.view();
  const TermArrays arrays(batch, loss, data);
  const llasa_token_terms terms = arrays.view();
  llasa_loss_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_OK(llasa_trainer_accumulate(trainer, &view, &head, &loss.options, &terms, nullptr, nullptr,
                                     out_logprobs, &stats));
  return stats;
}

}  // namespace llasa::test
