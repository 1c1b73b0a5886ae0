// Rollouts: creation, generation.
#include "models/rollout.h"

#include <memory>

#include "abi/guard.h"
#include "abi/handles.h"
#include "abi/sampling_options.h"

struct llasa_rollout {
  llasa_rollout(std::shared_ptr<llasa::Policy> policy, const llasa_rollout_options& options)
      : model(std::move(policy), options.max_slots, options.max_sequence_tokens, options.readback_steps) {}

  llasa::LiveHandle live{llasa::HandleKind::kRollout};
  llasa::Rollout model;
};

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::read_options;
using llasa::abi::required;

static_assert(llasa::kFinishStop == LLASA_FINISH_STOP && llasa::kFinishLength == LLASA_FINISH_LENGTH);

void llasa_rollout_options_init(llasa_rollout_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->max_slots = 64;
}

llasa_status llasa_rollout_create(llasa_policy* policy, const llasa_rollout_options* options,
                                  llasa_rollout** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    const auto& model = required(policy, "policy").model;
    llasa_rollout_options o;
    llasa_rollout_options_init(&o);
    o = read_options(options, o, "options");
    LLASA_CHECK(o.max_slots >= 1 && o.max_slots <= 65536, Status::kArgument,
                "`options.max_slots`: %d, expected 1..65536", o.max_slots);
    const int64_t longest = model->config().max_positions;
    LLASA_CHECK(
        o.max_sequence_tokens == 0 || (o.max_sequence_tokens >= 2 && o.max_sequence_tokens <= longest),
        Status::kArgument, "`options.max_sequence_tokens`: %d, expected 0 or 2..%lld", o.max_sequence_tokens,
        static_cast<long long>(longest));
    LLASA_CHECK(o.readback_steps >= 0 && o.readback_steps <= 1024, Status::kArgument,
                "`options.readback_steps`: %d, expected 0..1024", o.readback_steps);
    *out = std::make_unique<llasa_rollout>(model, o).release();
  });
}

void llasa_rollout_destroy(llasa_rollout* rollout) {
  delete rollout;
}

llasa_status llasa_rollout_generate(llasa_rollout* rollout, const llasa_sampling_options* sampling,
                                    const llasa_rollout_request* request, llasa_rollout_result* result) {
  return guarded(__func__, [&] {
    llasa::Rollout& model = required(rollout, "rollout").model;
    const int64_t vocab_size = model.policy().config().vocab_size;
    const llasa_sampling_options s = llasa::abi::read_sampling_options(sampling, vocab_size);
    const llasa_rollout_request r = read_options(request, llasa_rollout_request{}, "request");
    const llasa_rollout_result o = read_options(result, llasa_rollout_result{}, "result");
    LLASA_CHECK(r.samples_per_prompt >= 1, Status::kArgument,
                "`request.samples_per_prompt`: %d, expected >= 1", r.samples_per_prompt);
    LLASA_CHECK(r.num_prompts >= 0, Status::kArgument, "`request.num_prompts`: %lld, expected >= 0",
                static_cast<long long>(r.num_prompts));
    if (r.num_prompts == 0) return;
    LLASA_CHECK(r.num_prompts <= INT64_MAX / r.samples_per_prompt / s.max_new_tokens / 8, Status::kArgument,
                "`request.num_prompts`: %lld times %d samples of %d tokens is too much",
                static_cast<long long>(r.num_prompts), r.samples_per_prompt, s.max_new_tokens);
    required(r.prompt_offsets, "request.prompt_offsets");
    required(r.prompt_ids, "request.prompt_ids");
    required(o.tokens, "result.tokens");
    required(o.logprobs, "result.logprobs");
    required(o.lengths, "result.lengths");
    required(o.finish_reasons, "result.finish_reasons");
    LLASA_CHECK(r.arrived != nullptr || r.prompt_offsets[0] == 0, Status::kArgument,
                "`request.prompt_offsets[0]`: %lld, expected 0", static_cast<long long>(r.prompt_offsets[0]));
    llasa::RolloutRequest q;
    q.num_prompts = r.num_prompts;
    q.samples_per_prompt = r.samples_per_prompt;
    q.prompt_offsets = r.prompt_offsets;
    q.prompt_ids = r.prompt_ids;
    q.sequence_ids = r.sequence_ids;
    q.stop_token = s.stop_token;
    q.max_new_tokens = s.max_new_tokens;
    q.min_new_tokens = s.min_new_tokens;
    q.progress = r.progress;
    q.progress_user = r.progress_user;
    q.finished = r.finished;
    q.finished_user = r.finished_user;
    q.arrived = r.arrived;
    q.arrived_user = r.arrived_user;
    q.sample_limits = r.sample_limits;
    model.generate(llasa::abi::sampling_parameters(s, vocab_size), q,
                   {o.tokens, o.logprobs, o.lengths, o.finish_reasons, o.draw_logprobs});
  });
}
