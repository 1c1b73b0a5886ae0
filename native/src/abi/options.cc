// The options of a policy and of what works on it, as models want them.
#include "abi/options.h"

#include <cmath>

#include "core/device.h"
#include "core/memory_plan.h"
#include "ops/gemm.h"

namespace llasa::abi {

// What is numbered here and there.
static_assert(static_cast<int32_t>(DType::kF32) == LLASA_F32 &&
              static_cast<int32_t>(DType::kF16) == LLASA_F16 &&
              static_cast<int32_t>(DType::kBf16) == LLASA_BF16 &&
              static_cast<int32_t>(DType::kQ8) == LLASA_Q8);
static_assert(static_cast<int32_t>(KlEstimator::kK3) == LLASA_KL_K3 &&
              static_cast<int32_t>(KlEstimator::kK1) == LLASA_KL_K1 &&
              static_cast<int32_t>(KlEstimator::kK2) == LLASA_KL_K2);
static_assert(static_cast<int32_t>(TrainerState::kGradient) == LLASA_STATE_GRADIENT &&
              static_cast<int32_t>(TrainerState::kMoment1) == LLASA_STATE_MOMENT1 &&
              static_cast<int32_t>(TrainerState::kMoment2) == LLASA_STATE_MOMENT2);
static_assert(kLoraQ == LLASA_LORA_Q && kLoraK == LLASA_LORA_K && kLoraV == LLASA_LORA_V &&
              kLoraO == LLASA_LORA_O && kLoraGate == LLASA_LORA_GATE && kLoraUp == LLASA_LORA_UP &&
              kLoraDown == LLASA_LORA_DOWN);

namespace {

int64_t positive(int32_t value, const char* field) {
  LLASA_CHECK(value > 0, Status::kArgument, "`options.%s`: %d, expected > 0", field, value);
  return value;
}

double positive(double value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value > 0, Status::kArgument, "`options.%s`: %g, expected > 0", field,
              value);
  return value;
}

void read_rope_scaling(const llasa_policy_options& options, LlamaConfig& config) {
  LLASA_CHECK(options.rope_type == LLASA_ROPE_DEFAULT || options.rope_type == LLASA_ROPE_LLAMA3,
              Status::kArgument, "`options.rope_type`: %d, expected 0 (default) or 1 (llama3)",
              options.rope_type);
  config.rope_theta = positive(options.rope_theta, "rope_theta");
  config.llama3_scaling = options.rope_type == LLASA_ROPE_LLAMA3;
  if (!config.llama3_scaling) return;
  config.rope_factor = positive(options.rope_factor, "rope_factor");
  config.rope_low_freq_factor = positive(options.rope_low_freq_factor, "rope_low_freq_factor");
  config.rope_high_freq_factor = positive(options.rope_high_freq_factor, "rope_high_freq_factor");
  config.rope_original_max_position =
      positive(options.rope_original_max_position, "rope_original_max_position");
  LLASA_CHECK(config.rope_high_freq_factor > config.rope_low_freq_factor, Status::kArgument,
              "`options.rope_high_freq_factor`: %g, expected > rope_low_freq_factor (%g)",
              config.rope_high_freq_factor, config.rope_low_freq_factor);
}

void check_beta(float beta, const char* field) {
  LLASA_CHECK(beta >= 0.0f && beta < 1.0f, Status::kArgument, "`options.%s`: %g, expected 0 <= %s < 1", field,
              static_cast<double>(beta), field);
}

void check_not_negative(float value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value >= 0, Status::kArgument, "`loss.%s`: %g, expected >= 0", field,
              static_cast<double>(value));
}

}  // namespace

DType make_dtype(llasa_dtype dtype) {
  LLASA_CHECK(dtype == LLASA_F32 || dtype == LLASA_F16 || dtype == LLASA_BF16, Status::kArgument,
              "`dtype`: %d, expected 0 (f32), 1 (f16) or 2 (bf16)", dtype);
  return static_cast<DType>(dtype);
}

Storage frozen_storage(llasa_dtype compute_dtype) {
  LLASA_CHECK(compute_dtype == LLASA_F32 || compute_dtype == LLASA_BF16 || compute_dtype == LLASA_Q8,
              Status::kArgument, "`options.compute_dtype`: %d, expected 0 (f32), 2 (bf16) or 3 (q8)",
              compute_dtype);
  LLASA_CHECK(compute_dtype != LLASA_Q8 || multiplies_q8(), Status::kArgument,
              "`options.compute_dtype`: 3 (q8), expected 0 (f32) or 2 (bf16): 8-bit weights are for the CPU "
              "backend, and this is %s",
              planning_for_gpu() ? "planned for a GPU" : describe_device().backend);
  return compute_dtype == LLASA_Q8     ? Storage::kQ8
         : compute_dtype == LLASA_BF16 ? Storage::kBf16
                                       : Storage::kF32;
}

Storage policy_storage(const llasa_policy_options& options) {
  LLASA_CHECK(options.frozen == 0 || options.frozen == 1, Status::kArgument,
              "`options.frozen`: %d, expected 0 or 1", options.frozen);
  const Storage storage = frozen_storage(options.compute_dtype);
  LLASA_CHECK(
      storage != Storage::kQ8 || options.frozen == 1, Status::kArgument,
      "`options.compute_dtype`: 3 (q8), expected 0 (f32) or 2 (bf16) for a policy that is not frozen: 8-bit "
      "weights cannot be trained");
  return storage == Storage::kBf16 && options.frozen == 0 ? Storage::kF32AndBf16 : storage;
}

LlamaConfig make_llama_config(const llasa_policy_options& options) {
  LlamaConfig config;
  config.vocab_size = positive(options.vocab_size, "vocab_size");
  config.hidden_size = positive(options.hidden_size, "hidden_size");
  config.intermediate_size = positive(options.intermediate_size, "intermediate_size");
  config.num_layers = positive(options.num_layers, "num_layers");
  LLASA_CHECK(options.num_layers <= 4096, Status::kArgument, "`options.num_layers`: %d, expected 1..4096",
              options.num_layers);
  config.num_heads = positive(options.num_heads, "num_heads");
  config.num_kv_heads = positive(options.num_kv_heads, "num_kv_heads");
  config.head_dim = positive(options.head_dim, "head_dim");
  config.max_positions = positive(options.max_position_embeddings, "max_position_embeddings");
  LLASA_CHECK(config.num_heads % config.num_kv_heads == 0, Status::kArgument,
              "`options.num_kv_heads`: %d, expected a divisor of num_heads (%d)", options.num_kv_heads,
              options.num_heads);
  LLASA_CHECK(config.head_dim % 2 == 0 && config.head_dim <= 256, Status::kArgument,
              "`options.head_dim`: %d, expected an even number up to 256", options.head_dim);
  LLASA_CHECK(options.tie_word_embeddings == 0 || options.tie_word_embeddings == 1, Status::kArgument,
              "`options.tie_word_embeddings`: %d, expected 0 or 1", options.tie_word_embeddings);
  config.tied = options.tie_word_embeddings != 0;
  LLASA_CHECK(std::isfinite(options.rms_norm_eps) && options.rms_norm_eps >= 0, Status::kArgument,
              "`options.rms_norm_eps`: %g, expected >= 0", static_cast<double>(options.rms_norm_eps));
  config.rms_norm_eps = options.rms_norm_eps;
  read_rope_scaling(options, config);
  return config;
}

LoraOptions make_lora_options(const llasa_lora_options& given) {
  LLASA_CHECK(given.rank >= 1 && given.rank <= 4096, Status::kArgument,
              "`options.rank`: %d, expected 1..4096", given.rank);
  LLASA_CHECK(std::isfinite(given.alpha) && given.alpha > 0.0f, Status::kArgument,
              "`options.alpha`: %g, expected > 0", static_cast<double>(given.alpha));
  LLASA_CHECK(given.targets != 0 && (given.targets & ~kLoraAll) == 0, Status::kArgument,
              "`options.targets`: %d, expected a sum of LLASA_LORA_* bits", given.targets);
  LLASA_CHECK(given.dropout >= 0.0f && given.dropout < 1.0f, Status::kArgument,
              "`options.dropout`: %g, expected 0 <= dropout < 1", static_cast<double>(given.dropout));
  return {given.rank, given.alpha, given.targets, given.dropout, given.dropout_seed};
}

HeadOptions make_head_options(const llasa_head_options& options, const LlamaConfig& config) {
  HeadOptions head;
  const auto V = static_cast<int32_t>(config.vocab_size);
  LLASA_CHECK(std::isfinite(options.temperature) && options.temperature > 0, Status::kArgument,
              "`head.temperature`: %g, expected > 0", static_cast<double>(options.temperature));
  head.inverse_temperature = 1.0f / options.temperature;
  head.allowed =
      make_allowed_ids("head", options.restrict_start, options.restrict_end, options.restrict_extra, V);
  LLASA_CHECK(options.chunk_tokens >= 0, Status::kArgument, "`head.chunk_tokens`: %d, expected >= 0",
              options.chunk_tokens);
  head.chunk = options.chunk_tokens > 0 ? options.chunk_tokens : head_chunk(head.columns());
  return head;
}

TrainerOptions make_trainer_options(const llasa_trainer_options& given) {
  check_beta(given.beta1, "beta1");
  check_beta(given.beta2, "beta2");
  LLASA_CHECK(std::isfinite(given.epsilon) && given.epsilon > 0, Status::kArgument,
              "`options.epsilon`: %g, expected > 0", static_cast<double>(given.epsilon));
  LLASA_CHECK(std::isfinite(given.weight_decay) && given.weight_decay >= 0, Status::kArgument,
              "`options.weight_decay`: %g, expected >= 0", static_cast<double>(given.weight_decay));
  LLASA_CHECK(std::isfinite(given.max_grad_norm) && given.max_grad_norm >= 0, Status::kArgument,
              "`options.max_grad_norm`: %g, expected >= 0", static_cast<double>(given.max_grad_norm));
  LLASA_CHECK(given.recompute >= 0 && given.recompute <= 2, Status::kArgument,
              "`options.recompute`: %d, expected 0, 1 or 2", given.recompute);
  LLASA_CHECK(given.offload_moments == 0 || given.offload_moments == 1, Status::kArgument,
              "`options.offload_moments`: %d, expected 0 or 1", given.offload_moments);
  LLASA_CHECK(given.micro_batch_tokens > 0, Status::kArgument,
              "`options.micro_batch_tokens`: %lld, expected > 0",
              static_cast<long long>(given.micro_batch_tokens));
  LLASA_CHECK(given.num_ranks >= 0, Status::kArgument, "`options.num_ranks`: %d, expected >= 0",
              given.num_ranks);
  LLASA_CHECK(given.shard_weights == 0 || given.shard_weights == 1, Status::kArgument,
              "`options.shard_weights`: %d, expected 0 or 1", given.shard_weights);
  TrainerOptions options;
  options.shard_weights = given.shard_weights != 0;
  options.ranks = std::max(given.num_ranks, 1);
  options.adamw.beta1 = given.beta1;
  options.adamw.beta2 = given.beta2;
  options.adamw.epsilon = given.epsilon;
  options.adamw.weight_decay = given.weight_decay;
  options.max_grad_norm = static_cast<double>(given.max_grad_norm);
  constexpr Keep kKeep[] = {Keep::kActivations, Keep::kLayerInputs, Keep::kAttention};
  options.keep = kKeep[given.recompute];
  options.offload_moments = given.offload_moments != 0;
  options.micro_batch_tokens = given.micro_batch_tokens;
  return options;
}

LossOptions make_loss_options(const llasa_loss_options& given) {
  LLASA_CHECK(given.policy_term == LLASA_POLICY_TERM_RATIO || given.policy_term == LLASA_POLICY_TERM_LOG_PROB,
              Status::kArgument, "`loss.policy_term`: %d, expected 0 (ratio) or 1 (log-prob)",
              given.policy_term);
  LLASA_CHECK(given.ratio == LLASA_RATIO_TOKEN || given.ratio == LLASA_RATIO_SEQUENCE, Status::kArgument,
              "`loss.ratio`: %d, expected 0 (token) or 1 (sequence)", given.ratio);
  LLASA_CHECK(given.kl_estimator >= LLASA_KL_K3 && given.kl_estimator <= LLASA_KL_K2, Status::kArgument,
              "`loss.kl_estimator`: %d, expected 0..2", given.kl_estimator);
  check_not_negative(given.clip_low, "clip_low");
  check_not_negative(given.clip_high, "clip_high");
  LossOptions options;
  options.token.log_prob = given.policy_term == LLASA_POLICY_TERM_LOG_PROB;
  options.token.clip_low = given.clip_low;
  options.token.clip_high = given.clip_high;
  options.token.kl_estimator = static_cast<KlEstimator>(given.kl_estimator);
  options.sequence_ratios = given.ratio == LLASA_RATIO_SEQUENCE;
  return options;
}

}  // namespace llasa::abi
