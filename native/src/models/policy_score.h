// The policy as a judge of given sequences: logits, log-probs, entropies; no gradients.
#pragma once

#include <cstdint>
#include <memory>

#include "models/policy_head.h"
#include "models/policy_pass.h"

namespace llasa {

inline constexpr int64_t kDefaultMicroBatchTokens = 4096;

class PolicyScorer {
 public:
  explicit PolicyScorer(std::shared_ptr<Policy> policy)
      : policy_(std::move(policy)), pass_(*policy_, phase_), head_(*policy_, phase_) {}

  // out_logits [count, V] on the host.
  void logits(const int32_t* token_ids, int64_t count, float* out_logits);
  // out_logprobs [N]; out_entropies [N] or NULL; host. Throws Status::kNotFinite if a log-prob is not a
  // number. Of a frozen policy that is shared out over ranks and not together: a layer at a time is, so that every rank
  // calls it, with no sequences where it has none.
  void logprobs(const TokenBatch& batch, const HeadOptions& head, int64_t micro_batch_tokens,
                float* out_logprobs, float* out_entropies);

 private:
  std::shared_ptr<Policy> policy_;
  Phase phase_;
  PolicyPass pass_;
  PolicyHead head_;
};

}  // namespace llasa
