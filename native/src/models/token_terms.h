// The numbers per token that a training step is given: their checks and the statistics of the loss.
#pragma once

#include <cstdint>

#include "models/token_batch.h"
#include "ops/policy_loss.h"

namespace llasa {

struct LossOptions {
  PolicyLossOptions token;
  bool sequence_ratios = false;  // every token of a sequence has its sequence's ratio
};

// Sums over the tokens of a call that count, as llasa_loss_stats says.
struct LossStats {
  double loss = 0, policy_loss = 0, tokens = 0;
  double kl_sum = 0, entropy_sum = 0, ratio_sum = 0, approx_kl_sum = 0;
  double clipped_low = 0, clipped_high = 0, capped = 0;
  double logprob_gap_sum = 0, logprob_gap_max = 0;
  double computed_tokens = 0;
};

// N scored tokens. Throws naming the array that is missing or, at a token that counts, not finite.
void check_token_terms(const TokenTerms& terms, int64_t N, const PolicyLossOptions& options);

// Adds the tokens of a micro-batch to stats. terms, logprobs, entropies [N] are theirs, on the host;
// ratio_logprobs: what ratios are taken against if that is not old_logprobs, else NULL. Sums in double, in
// order.
void add_loss_stats(const PolicyLossOptions& options, const TokenTerms& terms, const float* ratio_logprobs,
                    const float* logprobs, const float* entropies, int64_t N, LossStats& stats);

}  // namespace llasa
