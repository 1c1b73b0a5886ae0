// From the ABI's options to those of models, each checked once: throws Status::kArgument, or what is said,
// naming the field that is out of range.
#pragma once

#include "core/dtype.h"
#include "core/status.h"
#include "llasa_native.h"
#include "models/lora.h"
#include "models/policy_head.h"
#include "models/token_batch.h"
#include "models/token_terms.h"
#include "models/trainer_step.h"
#include "models/whisper_config.h"
#include "models/xcodec2_config.h"

namespace llasa::abi {

DType make_dtype(llasa_dtype dtype);

LlamaConfig make_llama_config(const llasa_policy_options& options);
// How a model that is never trained keeps its matrices.
Storage frozen_storage(llasa_dtype compute_dtype);
// How a policy keeps them: compute_dtype and frozen.
Storage policy_storage(const llasa_policy_options& options);
LoraOptions make_lora_options(const llasa_lora_options& options);
// The restrict_* fields of head and sampling options alike; `options`: which, for messages. V: the vocabulary.
AllowedIds make_allowed_ids(const char* options, int32_t start, int32_t end, int32_t extra, int32_t V);
HeadOptions make_head_options(const llasa_head_options& options, const LlamaConfig& config);
TrainerOptions make_trainer_options(const llasa_trainer_options& options);
LossOptions make_loss_options(const llasa_loss_options& options);

// The sizes of the published checkpoint, and of openai/whisper-tiny.
llasa_codec_options default_xcodec2_options();
llasa_whisper_options default_whisper_options();
Xcodec2Config make_xcodec2_config(const llasa_codec_options& options);
WhisperConfig make_whisper_config(const llasa_whisper_options& options);

// The caller's arrays, borrowed; models check them.
inline TokenBatch view_of(const llasa_token_batch& batch) {
  return {batch.num_sequences, batch.offsets, batch.token_ids, batch.prompt_lengths};
}
inline TokenTerms view_of(const llasa_token_terms& terms) {
  return {terms.advantages,   terms.policy_weights, terms.kl_weights, terms.entropy_weights,
          terms.old_logprobs, terms.ref_logprobs,   terms.policy_caps};
}

}  // namespace llasa::abi
