// Gradients and AdamW state of a policy: accumulation over micro-batches, then one clipped step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/policy_head.h"
#include "models/policy_pass.h"
#include "models/token_terms.h"
#include "ops/optimizer.h"

namespace llasa {

struct TrainerOptions {
  AdamW adamw;                 // betas, epsilon, weight decay
  double max_grad_norm = 1.0;  // 0 = off
  bool recompute = false;
  int64_t micro_batch_tokens = 4096;
};

TrainerOptions make_trainer_options(const llasa_trainer_options& options);

class Trainer {
 public:
  Trainer(std::shared_ptr<Policy> policy, const TrainerOptions& options);

  // llasa_trainer_accumulate. Cancelled or failed half way, the gradients hold part of the batch: zero_grad
  // then.
  llasa_loss_stats accumulate(const llasa_token_batch& batch, const llasa_head_options& head,
                              const llasa_loss_options& loss, const llasa_token_terms& terms,
                              llasa_progress_callback progress, void* progress_user, float* out_logprobs);
  llasa_step_stats step(float learning_rate);
  void zero_grad();

  // kind: LLASA_STATE_*. count must be the parameter's size.
  void get_state(int32_t kind, const std::string& name, float* out, int64_t count);
  void set_state(int32_t kind, const std::string& name, const float* data, int64_t count);
  int64_t steps_taken() const { return steps_; }
  void set_steps_taken(int64_t steps);

 private:
  TokenTerms upload_terms(const TokenTerms& terms, const MicroBatch& micro);
  SequenceRatios upload_offsets(const llasa_token_batch& batch, const MicroBatch& micro);
  void check_trainable() const;
  float* state(int32_t kind, const TensorSpec& spec, int64_t count);

  std::shared_ptr<Policy> policy_;
  TrainerOptions options_;
  int64_t count_;  // floats of the policy's trainable table
  PolicyPass pass_;
  PolicyHead head_;
  DeviceBuffer<float> gradients_, moment1_, moment2_;  // flat, laid out as policy.trainable()
  DeviceBuffer<float> advantages_, policy_weights_, kl_weights_, entropy_weights_;
  DeviceBuffer<float> old_logprobs_, ref_logprobs_, policy_caps_, ratio_logprobs_;
  DeviceBuffer<int64_t> offsets_;
  bool accumulated_ = false;
  int64_t steps_ = 0;
  int64_t passes_ = 0;  // micro-batches since the last step: with steps_, the key of dropout
};

}  // namespace llasa
