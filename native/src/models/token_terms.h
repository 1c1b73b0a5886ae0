// The numbers per token that a training step is given: their checks and the statistics of the loss.
#pragma once

#include <cstdint>

#include "llasa_native.h"
#include "models/token_batch.h"
#include "ops/policy_loss.h"

namespace llasa {

// Throws naming the option that is out of range.
PolicyLossOptions make_loss_options(const llasa_loss_options& options);

// Pointers to the caller's arrays. Throws naming the array that is missing or, at a token that counts, not
// finite.
TokenTerms make_token_terms(const llasa_token_batch& batch, const llasa_loss_options& options,
                            const llasa_token_terms& given);

// Adds the tokens of a micro-batch to stats. terms, logprobs, entropies [N] are theirs, on the host;
// ratio_logprobs: what ratios are taken against if that is not old_logprobs, else NULL. Sums in double, in
// order.
void add_loss_stats(const PolicyLossOptions& options, const TokenTerms& terms, const float* ratio_logprobs,
                    const float* logprobs, const float* entropies, int64_t N, llasa_loss_stats& stats);

}  // namespace llasa
