#include "models/policy_score.h"

#include <cmath>

namespace llasa {

void PolicyScorer::logits(const int32_t* token_ids, int64_t count, float* out_logits) {
  policy_->require_complete();
  policy_->require_whole();
  const int64_t offsets[2] = {0, count};
  const int64_t prompt_length = count;
  check_token_batch({1, offsets, token_ids, &prompt_length}, policy_->config());
  HeadOptions all;
  all.allowed.end = static_cast<int32_t>(policy_->config().vocab_size);
  all.chunk = head_chunk(all.columns());
  const PackedRows packed = pack_sequence(token_ids, count);
  const PhaseLease lease(phase_, policy_->stream());
  const float* hidden = pass_.forward(packed, Keep::kNothing);
  head_.logits(hidden, count, all, out_logits);
}

void PolicyScorer::logprobs(const TokenBatch& batch, const HeadOptions& head, int64_t micro_batch_tokens,
                            float* out_logprobs, float* out_entropies) {
  policy_->require_complete();
  SharedWeights* shared = policy_->shared();
  const bool in_parts = shared != nullptr && policy_->is_frozen() && !shared->is_whole();
  if (!in_parts) policy_->require_whole();
  check_token_batch(batch, policy_->config());
  LLASA_CHECK(micro_batch_tokens >= 0, Status::kArgument, "`micro_batch_tokens`: %lld, expected >= 0",
              static_cast<long long>(micro_batch_tokens));
  if (micro_batch_tokens == 0) micro_batch_tokens = kDefaultMicroBatchTokens;
  Stream& stream = policy_->stream();
  for (const MicroBatch& micro : cut_micro_batches(batch, micro_batch_tokens)) {
    const PackedRows packed = pack_rows(batch, micro);
    const std::vector<int32_t> targets = target_columns(head.allowed, packed.target_ids);
    if (in_parts) shared->anyone(true);
    const PhaseLease lease(phase_, stream);
    head_.score(pass_.forward(packed, Keep::kNothing), targets, head);
    const int64_t bytes = micro.scored * static_cast<int64_t>(sizeof(float));
    copy_to_host(stream, out_logprobs + micro.first_scored, head_.logprobs(), bytes);
    if (out_entropies != nullptr)
      copy_to_host(stream, out_entropies + micro.first_scored, head_.entropies(), bytes);
  }
  // Before anything is said of the numbers: the other ranks wait for this one.
  if (in_parts) {
    while (shared->anyone(false)) pass_.take_part_in_scoring();
    // Room for what comes next, as Trainer::zero_grad makes.
    shared->drop();
    phase_.trim();
  }
  for (int64_t i = 0; i < scored_tokens(batch); ++i) {
    LLASA_CHECK(std::isfinite(out_logprobs[i]), Status::kNotFinite,
                "the log-prob of scored token %lld is not finite", static_cast<long long>(i));
  }
}

}  // namespace llasa
