// The loss of a training step (GRPO and its relatives, or cross-entropy): checks the caller's arrays, turns
// the aggregation into one weight per token, and keeps the statistics.
#pragma once

#include <cstdint>
#include <vector>

#include "llasa_native.h"
#include "models/token_batch.h"
#include "ops/policy_loss.h"

namespace llasa {

// Everything over the scored tokens of a batch, [N] each; empty old_logprobs or ref_logprobs: not given.
struct LossTerms {
  PolicyLossOptions options;
  std::vector<float> old_logprobs;
  std::vector<float> ref_logprobs;
  std::vector<float> advantages;      // of the token, or of its sequence
  std::vector<float> policy_weights;  // of the policy term, importance included; 0 = masked
  std::vector<float> token_weights;   // of KL and entropy; 0 = masked
  // With sequence_ratio, what stands in for old_logprobs so that every token's ratio is its sequence's.
  bool sequence_ratio = false;
  std::vector<float> ratio_logprobs;

  const std::vector<float>& denominators() const { return sequence_ratio ? ratio_logprobs : old_logprobs; }
};

// Throws naming the option or input that is missing, out of range or, where it counts, not finite.
LossTerms make_loss_terms(const llasa_token_batch& batch, const llasa_loss_options& options,
                          const llasa_loss_inputs& inputs);

// Sets ratio_logprobs of a micro-batch from its current log-probs [micro.scored]: logp - the mean of
// logp - old over the sequence's unmasked tokens.
void set_sequence_ratios(LossTerms& terms, const llasa_token_batch& batch, const MicroBatch& micro,
                         const float* logprobs);

// Adds scored tokens [first, first + count) to stats; logprobs and entropies [count] are theirs. Sums in
// double, in order.
void add_loss_stats(const LossTerms& terms, int64_t first, int64_t count, const float* logprobs,
                    const float* entropies, llasa_loss_stats& stats);

}  // namespace llasa
