// The trainer: accumulate, step, state in and out.
#include <memory>

#include "abi/guard.h"
#include "abi/handles.h"
#include "abi/options.h"
#include "models/trainer_step.h"

struct llasa_trainer {
  llasa_trainer(const std::shared_ptr<llasa::Policy>& of, const llasa::TrainerOptions& options,
                std::shared_ptr<llasa::Collective> world = nullptr)
      : policy(of), model(of, options, std::move(world)) {}

  const llasa::LlamaConfig& config() const { return policy->config(); }

  llasa::LiveHandle live{llasa::HandleKind::kTrainer};
  std::shared_ptr<llasa::Policy> policy;
  llasa::Trainer model;
};

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::read_options;
using llasa::abi::required;
using llasa::abi::view_of;

namespace {

llasa::TrainerState state_of(int32_t kind) {
  LLASA_CHECK(kind >= LLASA_STATE_GRADIENT && kind <= LLASA_STATE_MOMENT2, Status::kArgument,
              "`kind`: %d, expected 0..2", kind);
  return static_cast<llasa::TrainerState>(kind);
}

}  // namespace

void llasa_trainer_options_init(llasa_trainer_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->beta1 = 0.9f;
  options->beta2 = 0.999f;
  options->epsilon = 1e-8f;
  options->max_grad_norm = 1.0f;
  options->micro_batch_tokens = 4096;
}

void llasa_loss_options_init(llasa_loss_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->clip_low = 0.2f;
  options->clip_high = 0.2f;
}

llasa_status llasa_trainer_create(llasa_policy* policy, const llasa_trainer_options* options,
                                  llasa_trainer** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    required(policy, "policy");
    llasa_trainer_options defaults;
    llasa_trainer_options_init(&defaults);
    const auto given = llasa::abi::make_trainer_options(read_options(options, defaults, "options"));
    LLASA_CHECK(given.ranks == 1, Status::kArgument, "`options.num_ranks`: %d, but this trainer is alone",
                given.ranks);
    *out = std::make_unique<llasa_trainer>(policy->model, given).release();
  });
}

llasa_status llasa_trainer_create_in_world(llasa_world* world, llasa_policy* policy,
                                           const llasa_trainer_options* options, llasa_trainer** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    required(world, "world");
    required(policy, "policy");
    llasa_trainer_options defaults;
    llasa_trainer_options_init(&defaults);
    const auto given = llasa::abi::make_trainer_options(read_options(options, defaults, "options"));
    *out = std::make_unique<llasa_trainer>(policy->model, given, world->model).release();
  });
}

void llasa_trainer_destroy(llasa_trainer* trainer) {
  delete trainer;
}

llasa_status llasa_trainer_accumulate(llasa_trainer* trainer, const llasa_token_batch* batch,
                                      const llasa_head_options* head, const llasa_loss_options* loss,
                                      const llasa_token_terms* terms, llasa_progress_callback progress,
                                      void* progress_user, float* out_logprobs, llasa_loss_stats* out_stats) {
  return guarded(__func__, [&] {
    required(trainer, "trainer");
    const uint32_t stats_size = required(out_stats, "out_stats").struct_size;
    LLASA_CHECK(stats_size >= sizeof(uint32_t), Status::kAbi, "`out_stats.struct_size`: %u", stats_size);
    llasa_head_options head_defaults;
    llasa_head_options_init(&head_defaults);
    llasa_loss_options loss_defaults;
    llasa_loss_options_init(&loss_defaults);
    const llasa::TokenBatch given_batch = view_of(read_options(batch, llasa_token_batch{}, "batch"));
    const auto given_head = read_options(head, head_defaults, "head");
    const auto given_loss = read_options(loss, loss_defaults, "loss");
    const llasa::TokenTerms given_terms = view_of(read_options(terms, llasa_token_terms{}, "terms"));
    const llasa::LossStats stats = trainer->model.accumulate(
        given_batch, llasa::abi::make_head_options(given_head, trainer->config()),
        llasa::abi::make_loss_options(given_loss), given_terms, progress, progress_user, out_logprobs);
    llasa::abi::write_struct(
        out_stats,
        {sizeof(llasa_loss_stats), 0, stats.loss, stats.policy_loss, stats.tokens, stats.kl_sum,
         stats.entropy_sum, stats.ratio_sum, stats.approx_kl_sum, stats.clipped_low, stats.clipped_high,
         stats.capped, stats.logprob_gap_sum, stats.logprob_gap_max, stats.computed_tokens},
        "out_stats");
  });
}

llasa_status llasa_trainer_reduce(llasa_trainer* trainer) {
  return guarded(__func__, [&] { required(trainer, "trainer").model.reduce(); });
}

llasa_status llasa_trainer_step(llasa_trainer* trainer, float learning_rate, llasa_step_stats* out_stats) {
  return guarded(__func__, [&] {
    required(trainer, "trainer");
    const uint32_t stats_size = required(out_stats, "out_stats").struct_size;
    LLASA_CHECK(stats_size >= sizeof(uint32_t), Status::kAbi, "`out_stats.struct_size`: %u", stats_size);
    const llasa::StepStats stats = trainer->model.step(learning_rate);
    llasa::abi::write_struct(
        out_stats, {sizeof(llasa_step_stats), stats.skipped, stats.grad_norm, stats.grad_scale, stats.step},
        "out_stats");
  });
}

llasa_status llasa_trainer_zero_grad(llasa_trainer* trainer) {
  return guarded(__func__, [&] { required(trainer, "trainer").model.zero_grad(); });
}

llasa_status llasa_trainer_get_state(llasa_trainer* trainer, int32_t kind, const char* name, float* out_data,
                                     int64_t count) {
  return guarded(__func__, [&] {
    required(trainer, "trainer");
    required(name, "name");
    required(out_data, "out_data");
    trainer->model.get_state(state_of(kind), name, out_data, count);
  });
}

llasa_status llasa_trainer_set_state(llasa_trainer* trainer, int32_t kind, const char* name,
                                     const float* data, int64_t count) {
  return guarded(__func__, [&] {
    required(trainer, "trainer");
    required(name, "name");
    required(data, "data");
    trainer->model.set_state(state_of(kind), name, data, count);
  });
}

llasa_status llasa_trainer_get_step(llasa_trainer* trainer, int64_t* out_step) {
  return guarded(__func__,
                 [&] { required(out_step, "out_step") = required(trainer, "trainer").model.steps_taken(); });
}

llasa_status llasa_trainer_set_step(llasa_trainer* trainer, int64_t step) {
  return guarded(__func__, [&] { required(trainer, "trainer").model.set_steps_taken(step); });
}
