#include "models/trainer_step.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace llasa {

namespace {

// Weights that are shared out are so by layers, else the whole is one unit. A plan is of the last rank, which has most.
Shares make_shares(Policy& policy, const TrainerOptions& options, const std::shared_ptr<Collective>& world) {
  const int ranks = world == nullptr ? options.ranks : world->size();
  const int rank = world == nullptr ? ranks - 1 : world->rank();
  TensorTable& trainable = policy.trainable();
  LLASA_CHECK(!policy.is_frozen() || policy.has_lora(), Status::kState,
              "the policy was created frozen: only an adapter of it can be trained");
  LLASA_CHECK(policy.shared() == nullptr || options.shard_weights, Status::kState,
              "the policy's weights are shared out over ranks, and this trainer's are not to be");
  if (!options.shard_weights || ranks == 1) return Shares({0, trainable.count()}, rank, ranks);
  if (policy.shared() == nullptr) policy.share_out(world, ranks);
  LLASA_CHECK(policy.shared()->world() == world, Status::kState,
              "the policy's weights are shared out over the ranks of another world");
  return policy.shared()->shares();
}

}  // namespace

Trainer::Trainer(std::shared_ptr<Policy> policy, const TrainerOptions& options,
                 std::shared_ptr<Collective> world)
    : policy_(std::move(policy)),
      options_(options),
      count_(policy_->trainable().count()),
      world_(std::move(world)),
      shares_(make_shares(*policy_, options, world_)),
      pass_(*policy_, phase_),
      head_(*policy_, phase_),
      moments_(policy_->stream(), shares_.own_count(), options.offload_moments) {
  SharedWeights* shared = policy_->shared();
  const int64_t count = shared == nullptr ? count_ : shares_.own_count();
  gradients_.reserve(count, "gradients");
  zero_on_device(policy_->stream(), gradients_.data(), count * static_cast<int64_t>(sizeof(float)));
  if (shared != nullptr)
    shared_gradients_ = std::make_unique<SharedGradients>(policy_->stream(), *shared, gradients_.data());
  if (world_ != nullptr) world_->connect_devices(policy_->stream());
}

// Gradients and moments have the layout of what was trainable when they were made.
void Trainer::check_trainable() const {
  LLASA_CHECK(count_ == policy_->trainable().count(), Status::kState,
              "the policy got an adapter after this trainer was created");
}

TokenTerms Trainer::upload_terms(const TokenTerms& terms, const MicroBatch& micro) {
  const auto upload = [&](DeviceBuffer<float>& buffer, const float* values, const char* what) {
    return values == nullptr
               ? nullptr
               : buffer.upload(policy_->stream(), values + micro.first_scored, micro.scored, what);
  };
  return {upload(advantages_, terms.advantages, "advantages"),
          upload(policy_weights_, terms.policy_weights, "token weights"),
          upload(kl_weights_, terms.kl_weights, "token weights"),
          upload(entropy_weights_, terms.entropy_weights, "token weights"),
          upload(old_logprobs_, terms.old_logprobs, "old log-probs"),
          upload(ref_logprobs_, terms.ref_logprobs, "reference log-probs"),
          upload(policy_caps_, terms.policy_caps, "policy caps")};
}

SequenceRatios Trainer::upload_offsets(const TokenBatch& batch, const MicroBatch& micro) {
  std::vector<int64_t> offsets{0};
  for (int64_t b = micro.begin; b < micro.end; ++b) {
    offsets.push_back(offsets.back() + response_length(batch, b));
  }
  return {offsets_.upload(policy_->stream(), std::span<const int64_t>(offsets), "sequence offsets"),
          micro.end - micro.begin, ratio_logprobs_.reserve(micro.scored, "ratios of sequences")};
}

LossStats Trainer::accumulate(const TokenBatch& batch, const HeadOptions& head, const LossOptions& loss,
                              const TokenTerms& terms, ProgressCallback progress, void* progress_user,
                              float* out_logprobs) {
  policy_->require_complete();
  check_trainable();
  LLASA_CHECK(!policy_->has_lora() || policy_->lora() != nullptr, Status::kState,
              "the policy's adapter is switched off, so nothing can be trained");
  LLASA_CHECK(!reduced_, Status::kState, "the gradients were added up over ranks: take the step first");
  check_token_batch(batch, policy_->config());
  const int64_t total = scored_tokens(batch);
  check_token_terms(terms, total, loss.token);
  // Without old log-probs every ratio is 1, whichever it is.
  const bool sequence_ratio = loss.sequence_ratios && !loss.token.log_prob && terms.old_logprobs != nullptr;
  LossStats stats;
  accumulated_ = true;
  Stream& stream = policy_->stream();
  Gradients flat(gradients_.data());
  Gradients& gradients = shards_weights() ? *shared_gradients_ : flat;
  for (const MicroBatch& micro : cut_micro_batches(batch, options_.micro_batch_tokens)) {
    const PackedRows packed = pack_rows(batch, micro);
    const std::vector<int32_t> targets = target_columns(head.allowed, packed.target_ids);
    // Below 2^44: 2^24 steps (kept apart, should there be more) of 2^20 micro-batches, ranks apart. Never 0.
    const uint64_t first_pass = (uint64_t{1} << 20) / static_cast<uint64_t>(ranks()) *
                                static_cast<uint64_t>(world_ == nullptr ? 0 : world_->rank());
    begin_pass(true);
    const DropoutPass dropout =
        (static_cast<uint64_t>(steps_) << 20 | (first_pass + static_cast<uint64_t>(++passes_))) &
        ((uint64_t{1} << 44) - 1);
    const PhaseLease lease(phase_, stream);
    const float* hidden = pass_.forward(packed, options_.keep, dropout);
    HeadLoss head_loss{loss.token, upload_terms(terms, micro), {}};
    // A sequence's ratio needs all its tokens: they are never in two micro-batches.
    if (sequence_ratio) head_loss.ratios = upload_offsets(batch, micro);
    head_.score_and_backward(hidden, targets, head, head_loss, pass_.output_gradient(), gradients);
    pass_.backward(packed, gradients);

    std::vector<float> logprobs(static_cast<size_t>(micro.scored)), entropies(logprobs.size()), ratios;
    const auto read = [&](std::vector<float>& values, const float* source) {
      values.resize(logprobs.size());
      copy_to_host(stream, values.data(), source, micro.scored * static_cast<int64_t>(sizeof(float)));
    };
    read(logprobs, head_.logprobs());
    read(entropies, head_.entropies());
    if (sequence_ratio) read(ratios, ratio_logprobs_.data());
    if (out_logprobs != nullptr)
      std::copy(logprobs.begin(), logprobs.end(), out_logprobs + micro.first_scored);
    add_loss_stats(loss.token, terms.from(micro.first_scored), sequence_ratio ? ratios.data() : nullptr,
                   logprobs.data(), entropies.data(), micro.scored, stats);
    stats.computed_tokens += static_cast<double>(packed.rows);
    LLASA_CHECK(progress == nullptr || progress(progress_user, micro.first_scored + micro.scored, total) == 0,
                Status::kCancelled, "cancelled by `progress`; the gradients hold part of the batch");
  }
  return stats;
}

bool Trainer::begin_pass(bool has_one) {
  if (!shards_weights()) return has_one;
  const bool any = policy_->shared()->anyone(has_one);
  // The whole, which rollouts had, makes room.
  if (any && policy_->shared()->is_whole()) policy_->shared()->drop();
  return any;
}

void Trainer::reduce() {
  LLASA_CHECK(!reduced_, Status::kState, "the gradients were added up over ranks already");
  if (ranks() == 1) return;
  check_trainable();
  if (shards_weights()) {
    while (begin_pass(false)) pass_.take_part(*shared_gradients_);
  } else {
    world_->reduce_scatter(policy_->stream(), gradients_.data(), count_);
  }
  accumulated_ = reduced_ = true;
}

StepStats Trainer::step(float learning_rate) {
  LLASA_CHECK(std::isfinite(learning_rate) && learning_rate >= 0, Status::kArgument,
              "`learning_rate`: %g, expected >= 0", static_cast<double>(learning_rate));
  LLASA_CHECK(accumulated_, Status::kState, "nothing was accumulated since the last step");
  policy_->require_complete();
  Stream& stream = policy_->stream();
  check_trainable();
  LLASA_CHECK(reduced_ || ranks() == 1, Status::kState, "the gradients of %d ranks were not added up",
              ranks());
  StepStats stats;
  const int64_t own = shares_.own_count();
  double squares = own == 0 ? 0 : squared_norm(stream, own_gradients(), own);
  if (world_ != nullptr) world_->all_reduce(&squares, 1);
  stats.grad_norm = std::sqrt(squares);
  stats.skipped = !std::isfinite(stats.grad_norm);
  if (!stats.skipped) {
    stats.grad_scale =
        options_.max_grad_norm > 0 ? std::min(1.0, options_.max_grad_norm / (stats.grad_norm + 1e-6)) : 1.0;
    AdamW adamw = options_.adamw;
    adamw.learning_rate = learning_rate;
    adamw.grad_scale = static_cast<float>(stats.grad_scale);
    adamw.step = ++steps_;
    if (own > 0) moments_.step(stream, own_weights(), own_gradients(), adamw);
    if (shards_weights()) {
      policy_->shared()->refresh();
    } else {
      if (world_ != nullptr) world_->all_gather(stream, policy_->trainable().data(), count_);
      policy_->refresh_trained();
    }
  }
  stats.step = steps_;
  zero_grad();
  return stats;
}

void Trainer::zero_grad() {
  const int64_t count = shards_weights() ? shares_.own_count() : count_;
  zero_on_device(policy_->stream(), gradients_.data(), count * static_cast<int64_t>(sizeof(float)));
  accumulated_ = reduced_ = false;
  passes_ = 0;
  if (shards_weights()) {
    // Room for rollouts and the weights that they want together.
    shared_gradients_->release();
    phase_.trim();
  }
}

float* Trainer::own_gradients() {
  return shards_weights() ? gradients_.data() : gradients_.data() + shares_.own(0).begin;
}

float* Trainer::own_weights() {
  return shards_weights() ? policy_->shared()->masters() : policy_->trainable().data() + shares_.own(0).begin;
}

float* Trainer::own_state(TrainerState kind) {
  switch (kind) {
    case TrainerState::kGradient:
      return own_gradients();
    case TrainerState::kMoment1:
      return moments_.first();
    case TrainerState::kMoment2:
      return moments_.second();
  }
  fail(Status::kInternal, "no such state: %d", static_cast<int>(kind));
}

namespace {

void check_count(const TensorSpec& spec, int64_t count) {
  LLASA_CHECK(count == spec.size, Status::kShape, "`count` for `%s`: %lld, expected %lld", spec.name.c_str(),
              static_cast<long long>(count), static_cast<long long>(spec.size));
}

constexpr int64_t kBytes = sizeof(float);

}  // namespace

void Trainer::get_state(TrainerState kind, const std::string& name, float* out, int64_t count) {
  const TensorSpec& spec = policy_->trainable().find(name);
  check_count(spec, count);
  if (kind == TrainerState::kGradient && !reduced_ && !shards_weights()) {
    copy_to_host(policy_->stream(), out, gradients_.data() + spec.offset, count * kBytes);
    return;
  }
  shares_.read(world_.get(), policy_->stream(), own_state(kind), spec.offset, count, out);
}

void Trainer::set_state(TrainerState kind, const std::string& name, const float* data, int64_t count) {
  const TensorSpec& spec = policy_->trainable().find(name);
  check_count(spec, count);
  LLASA_CHECK(std::all_of(data, data + count, [](float x) { return std::isfinite(x); }), Status::kNotFinite,
              "the state of `%s` holds a NaN or an infinity", name.c_str());
  Stream& stream = policy_->stream();
  if (kind == TrainerState::kGradient) {
    LLASA_CHECK(
        !shards_weights(), Status::kState,
        "gradients of weights that are shared out are summed as they are made: `%s` cannot be given any",
        name.c_str());
    copy_to_device(stream, gradients_.data() + spec.offset, data, count * kBytes);
    accumulated_ = true;
  } else {
    shares_.write(stream, own_state(kind), spec.offset, count, data);
  }
  stream.synchronize();
}

void Trainer::set_steps_taken(int64_t steps) {
  LLASA_CHECK(steps >= 0, Status::kArgument, "`step`: %lld, expected >= 0", static_cast<long long>(steps));
  steps_ = steps;
}

}  // namespace llasa
