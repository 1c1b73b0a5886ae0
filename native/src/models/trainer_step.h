// Gradients and AdamW state of a policy: accumulation over micro-batches, then one clipped step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/callbacks.h"
#include "core/collective.h"
#include "core/shares.h"
#include "models/gradients.h"
#include "models/moments.h"
#include "models/policy_head.h"
#include "models/policy_pass.h"
#include "models/token_terms.h"
#include "ops/optimizer.h"

namespace llasa {

struct TrainerOptions {
  AdamW adamw;                     // betas, epsilon, weight decay
  double max_grad_norm = 1.0;      // 0 = off
  Keep keep = Keep::kActivations;  // of a micro-batch's forward pass
  bool offload_moments = false;    // to page-locked memory of the host
  int64_t micro_batch_tokens = 4096;
  int ranks = 1;               // that train together, where no world says so: for a memory plan
  bool shard_weights = false;  // weights and gradients are shared out over the ranks, as moments are
};

struct StepStats {
  bool skipped = false;  // a gradient was not finite: weights and moments untouched, gradients cleared
  double grad_norm = 0;  // before clipping
  double grad_scale = 0;
  int64_t step = 0;  // optimiser steps taken so far
};

// What a trainer holds for each parameter; numbered as LLASA_STATE_*.
enum class TrainerState : int32_t { kGradient, kMoment1, kMoment2 };

class Trainer {
 public:
  // world: whose ranks' gradients add up; NULL = this process alone. Every rank holds all gradients, and moments
  // for its shard alone: it updates that and sends it to the others (ZeRO-1, arXiv 1910.02054). With shard_weights,
  // which changes nothing for one rank, it holds weights and gradients for its shard alone as well (ZeRO-3,
  // models/shared_weights.h), and the policy's weights are not together after a step: Policy::gather.
  Trainer(std::shared_ptr<Policy> policy, const TrainerOptions& options,
          std::shared_ptr<Collective> world = nullptr);

  // Forward and backward over a batch; adds to the gradients. out_logprobs [N] or NULL. Cancelled or failed
  // half way, the gradients hold part of the batch: zero_grad then. With shard_weights it waits for the other ranks,
  // who take part in every micro-batch, with their own or, in reduce, with none.
  LossStats accumulate(const TokenBatch& batch, const HeadOptions& head, const LossOptions& loss,
                       const TokenTerms& terms, ProgressCallback progress, void* progress_user,
                       float* out_logprobs);
  // Adds up the ranks' gradients, of a rank that accumulated nothing as well. Alone it does nothing.
  void reduce();
  StepStats step(float learning_rate);
  void zero_grad();

  // count must be the parameter's size. Among several ranks every one reads the same names in the same order:
  // moments, and gradients between reduce and step, are brought together from them. To write, each is given
  // the whole: of moments it keeps its share, of gradients all, as its own summand in the sum of reduce; with
  // shard_weights, where they are summed as they are made, gradients cannot be written.
  void get_state(TrainerState kind, const std::string& name, float* out, int64_t count);
  void set_state(TrainerState kind, const std::string& name, const float* data, int64_t count);
  int64_t steps_taken() const { return steps_; }
  void set_steps_taken(int64_t steps);

 private:
  TokenTerms upload_terms(const TokenTerms& terms, const MicroBatch& micro);
  SequenceRatios upload_offsets(const TokenBatch& batch, const MicroBatch& micro);
  void check_trainable() const;
  // This rank's part of the gradients, weights and what else is kept for them: [shares_.own_count()] each.
  float* own_gradients();
  float* own_weights();
  float* own_state(TrainerState kind);
  bool shards_weights() const { return shared_gradients_ != nullptr; }
  // With shard_weights: whether any rank has a micro-batch, in which case all must take part in it.
  bool begin_pass(bool has_one);
  int ranks() const { return world_ == nullptr ? 1 : world_->size(); }

  std::shared_ptr<Policy> policy_;
  TrainerOptions options_;
  int64_t count_;  // floats of the policy's trainable table
  std::shared_ptr<Collective> world_;
  Shares shares_;  // of the trainable table
  Phase phase_;    // of a micro-batch
  PolicyPass pass_;
  PolicyHead head_;
  DeviceBuffer<float> gradients_;  // flat, laid out as policy.trainable(); of own parts with shard_weights
  Moments moments_;                // of own parts
  std::unique_ptr<SharedGradients> shared_gradients_;
  DeviceBuffer<float> advantages_, policy_weights_, kl_weights_, entropy_weights_;
  DeviceBuffer<float> old_logprobs_, ref_logprobs_, policy_caps_, ratio_logprobs_;
  DeviceBuffer<int64_t> offsets_;
  bool accumulated_ = false;
  bool reduced_ = false;  // own parts of the gradients are sums over ranks, the rest is nothing
  int64_t steps_ = 0;
  int64_t passes_ = 0;  // micro-batches since the last step: with steps_, the key of dropout
};

}  // namespace llasa
