// The policy: creation, weights in and out, logits and log-probs.
#include <memory>

#include "abi/guard.h"
#include "abi/handles.h"
#include "abi/options.h"
#include "abi/tensors.h"

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

namespace {

llasa::PolicyScorer& scorer(llasa_policy* policy) {
  if (!policy->scorer) policy->scorer = std::make_unique<llasa::PolicyScorer>(policy->model);
  return *policy->scorer;
}

}  // namespace

void llasa_policy_options_init(llasa_policy_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->rms_norm_eps = 1e-5f;
  options->rope_type = LLASA_ROPE_DEFAULT;
  options->rope_theta = 10000.0;
}

llasa_status llasa_policy_create(const llasa_policy_options* options, llasa_policy** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    llasa_policy_options defaults;
    llasa_policy_options_init(&defaults);
    const llasa_policy_options given = llasa::abi::read_options(options, defaults, "options");
    const llasa::Storage storage = llasa::abi::policy_storage(given);
    *out = std::make_unique<llasa_policy>(llasa::abi::make_llama_config(given), storage, given.frozen == 1)
               .release();
  });
}

void llasa_policy_destroy(llasa_policy* policy) {
  delete policy;
}

llasa_status llasa_policy_tensor_count(llasa_policy* policy, int64_t* out_count) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    const size_t adapter = model.has_lora() ? model.trainable().specs().size() : 0;
    required(out_count, "out_count") = static_cast<int64_t>(model.weights().specs().size() + adapter);
  });
}

llasa_status llasa_policy_tensor_info(llasa_policy* policy, int64_t index, llasa_tensor_info* out_info) {
  return guarded(__func__, [&] {
    required(out_info, "out_info");
    llasa::Policy& model = *required(policy, "policy").model;
    const auto base = static_cast<int64_t>(model.weights().specs().size());
    const bool is_adapter = model.has_lora() && index >= base;
    llasa_tensor_info info =
        llasa::abi::describe(is_adapter ? model.trainable().spec(index - base) : model.weights().spec(index));
    info.is_adapter = is_adapter;
    llasa::abi::write_struct(out_info, info, "out_info");
  });
}

llasa_status llasa_policy_set_tensor(llasa_policy* policy, const char* name, llasa_dtype dtype,
                                     const int64_t* shape, int32_t rank, const void* data) {
  return guarded(__func__, [&] {
    auto& model = *required(policy, "policy").model;
    required(name, "name");
    required(shape, "shape");
    LLASA_CHECK(data != nullptr, Status::kArgument, "`data` is NULL");
    LLASA_CHECK(rank >= 1 && rank <= 4, Status::kArgument, "`rank`: %d, expected 1..4", rank);
    model.table_of(name).set(model.stream(), name, llasa::abi::make_dtype(dtype), shape, rank, data);
  });
}

llasa_status llasa_policy_get_tensor(llasa_policy* policy, const char* name, llasa_dtype dtype,
                                     void* out_data, int64_t size_bytes) {
  return guarded(__func__, [&] {
    auto& model = *required(policy, "policy").model;
    required(name, "name");
    LLASA_CHECK(out_data != nullptr, Status::kArgument, "`out_data` is NULL");
    model.table_of(name).get(model.stream(), name, llasa::abi::make_dtype(dtype), out_data, size_bytes);
  });
}

llasa_status llasa_policy_copy_weights(llasa_policy* policy, llasa_policy* source) {
  return guarded(__func__,
                 [&] { required(policy, "policy").model->copy_weights(*required(source, "source").model); });
}

llasa_status llasa_policy_gather(llasa_policy* policy) {
  return guarded(__func__, [&] { required(policy, "policy").model->gather(); });
}

llasa_status llasa_policy_share_out(llasa_policy* policy, llasa_world* world) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    const std::shared_ptr<llasa::Collective>& ranks = required(world, "world").model;
    LLASA_CHECK(model.is_frozen(), Status::kState,
                "the policy is not frozen: a trainer shares its weights out (shard_weights)");
    if (ranks->size() == 1) return;
    model.share_out(ranks, ranks->size());
    ranks->connect_devices(model.stream());
  });
}

llasa_status llasa_policy_tensor_data(llasa_policy* policy, const char* name, void** out_data,
                                      llasa_dtype* out_dtype) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    required(name, "name");
    void*& data = required(out_data, "out_data");
    llasa_dtype& dtype = required(out_dtype, "out_dtype");
    llasa::TensorTable& table = model.table_of(name);
    const llasa::TensorSpec& spec = table.find(name);
    LLASA_CHECK(model.shared() == nullptr, Status::kState,
                "tensor `%s` is shared out over ranks: it is nowhere as one", name);
    model.ungroup();
    const bool q8 = spec.is_matrix && table.storage() == llasa::Storage::kQ8;
    LLASA_CHECK(!q8, Status::kState, "tensor `%s` is kept in 8 bits: it has no elements in memory", name);
    const bool bf16 = spec.is_matrix && table.storage() == llasa::Storage::kBf16;
    data = bf16             ? static_cast<void*>(table.bf16() + spec.offset)
           : spec.is_matrix ? static_cast<void*>(table.data() + spec.offset)
                            : static_cast<void*>(table.vector(spec.offset));
    dtype = bf16 ? LLASA_BF16 : LLASA_F32;
  });
}

llasa_status llasa_policy_tensors_changed(llasa_policy* policy) {
  return guarded(__func__, [&] { required(policy, "policy").model->refresh_all(); });
}

void llasa_lora_options_init(llasa_lora_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->rank = 16;
  options->alpha = 32.0f;
  options->dropout = 0.0f;
  options->targets = LLASA_LORA_Q | LLASA_LORA_K | LLASA_LORA_V | LLASA_LORA_O | LLASA_LORA_GATE |
                     LLASA_LORA_UP | LLASA_LORA_DOWN;
}

llasa_status llasa_policy_attach_lora(llasa_policy* policy, const llasa_lora_options* options) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    llasa_lora_options defaults;
    llasa_lora_options_init(&defaults);
    model.attach_lora(llasa::abi::make_lora_options(llasa::abi::read_options(options, defaults, "options")));
  });
}

llasa_status llasa_policy_use_lora(llasa_policy* policy, int32_t on) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    LLASA_CHECK(on == 0 || on == 1, Status::kArgument, "`on`: %d, expected 0 or 1", on);
    model.use_lora(on == 1);
  });
}

llasa_status llasa_policy_get_merged_tensor(llasa_policy* policy, const char* name, llasa_dtype dtype,
                                            void* out_data, int64_t size_bytes) {
  return guarded(__func__, [&] {
    llasa::Policy& model = *required(policy, "policy").model;
    required(name, "name");
    LLASA_CHECK(out_data != nullptr, Status::kArgument, "`out_data` is NULL");
    model.get_merged(name, llasa::abi::make_dtype(dtype), out_data, size_bytes);
  });
}

void llasa_head_options_init(llasa_head_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->temperature = 1.0f;
  options->restrict_extra = -1;
}

llasa_status llasa_policy_logits(llasa_policy* policy, const int32_t* token_ids, int64_t num_tokens,
                                 float* out_logits) {
  return guarded(__func__, [&] {
    required(policy, "policy");
    LLASA_CHECK(num_tokens >= 0, Status::kArgument, "`num_tokens`: %lld, expected >= 0",
                static_cast<long long>(num_tokens));
    if (num_tokens == 0) return;
    required(token_ids, "token_ids");
    required(out_logits, "out_logits");
    scorer(policy).logits(token_ids, num_tokens, out_logits);
  });
}

llasa_status llasa_policy_logprobs(llasa_policy* policy, const llasa_token_batch* batch,
                                   const llasa_head_options* head, int64_t micro_batch_tokens,
                                   float* out_logprobs, float* out_entropies) {
  return guarded(__func__, [&] {
    required(policy, "policy");
    llasa_head_options defaults;
    llasa_head_options_init(&defaults);
    const llasa::TokenBatch given_batch =
        llasa::abi::view_of(llasa::abi::read_options(batch, llasa_token_batch{}, "batch"));
    const auto given_head = llasa::abi::read_options(head, defaults, "head");
    const llasa::LlamaConfig& config = policy->model->config();
    if (out_logprobs == nullptr) {
      llasa::check_token_batch(given_batch, config);
      LLASA_CHECK(llasa::scored_tokens(given_batch) == 0, Status::kArgument, "`out_logprobs` is NULL");
    }
    scorer(policy).logprobs(given_batch, llasa::abi::make_head_options(given_head, config),
                            micro_batch_tokens, out_logprobs, out_entropies);
  });
}
