#include "models/rollout.h"

#include <algorithm>

#include "models/rollout_run.h"

namespace llasa {

namespace {

constexpr int64_t kPrefillTokens = 1024;  // rows of one prefill pass
constexpr int64_t kReadbackSteps = 8;     // where waiting for the device costs more than a token's work

}  // namespace

Rollout::Rollout(std::shared_ptr<Policy> policy, int32_t max_slots, int32_t max_sequence_tokens,
                 int32_t readback_steps)
    : policy_(std::move(policy)),
      max_slots_(max_slots),
      max_tokens_(max_sequence_tokens == 0 ? policy_->config().max_positions : max_sequence_tokens),
      readback_steps_(readback_steps > 0      ? readback_steps
                      : device_works_behind() ? kReadbackSteps
                                              : 1),
      cache_(policy_->config(), 2 * max_slots_, max_tokens_, policy_->compute_dtype(), phase_) {
  const auto n = static_cast<size_t>(max_slots_);
  slots_.resize(n);
  groups_.resize(n);
  for (auto* list : {&active_, &free_slots_, &free_groups_, &new_groups_}) list->reserve(n);
}

void Rollout::check(const RolloutRequest& request, int64_t from, int64_t to) const {
  for (int64_t p = from; p < to; ++p) {
    const int64_t begin = request.prompt_offsets[p], end = request.prompt_offsets[p + 1];
    const auto prompt = static_cast<long long>(p);
    LLASA_CHECK(end > begin, Status::kArgument, "`prompt_offsets`: prompt %lld has no token", prompt);
    LLASA_CHECK(end - begin < max_tokens_, Status::kCapacity,
                "prompt %lld has %lld tokens, and a sequence of at most %lld must hold one more", prompt,
                static_cast<long long>(end - begin), static_cast<long long>(max_tokens_));
    for (int64_t i = begin; i < end; ++i) {
      LLASA_CHECK(request.prompt_ids[i] >= 0 && request.prompt_ids[i] < policy_->config().vocab_size,
                  Status::kToken, "`prompt_ids[%lld]` (prompt %lld): %d, expected 0..%lld",
                  static_cast<long long>(i), prompt, request.prompt_ids[i],
                  static_cast<long long>(policy_->config().vocab_size - 1));
    }
  }
}

void Rollout::reserve(const SamplingParameters& sampling, const RolloutRequest& request) {
  const LlamaConfig& c = policy_->config();
  const int64_t slots = std::min(max_slots_, request.num_prompts * request.samples_per_prompt);
  most_rows_ = slots;
  // Of prompts that are to come nothing is known: they may be as long as a sequence.
  int64_t longest = 0, prompt_tokens = 0;
  if (request.arrived != nullptr) {
    longest = max_tokens_;
    prompt_tokens = kPrefillTokens;
  } else {
    prompt_tokens = request.prompt_offsets[request.num_prompts];
    for (int64_t p = 0; p < request.num_prompts; ++p) {
      longest = std::max(longest, request.prompt_offsets[p + 1] - request.prompt_offsets[p]);
    }
  }
  const DecodeShape& shape = cache_.shape();
  const int64_t drawn = std::min<int64_t>(request.max_new_tokens, max_tokens_);
  cache_.begin(slots * shape.blocks(drawn) +
               std::min(slots, request.num_prompts) * shape.blocks(longest - 1));
  const int64_t prefill = std::min(kPrefillTokens, prompt_tokens);
  const int64_t rows = std::max(slots, prefill);
  const char* what = "the activations of rollouts";
  x_.reserve(rows * c.hidden_size, what);
  normed_.reserve(rows * c.hidden_size, policy_->precision(), what);
  qkv_.reserve(rows * c.qkv_size(), what);
  attended_.reserve(rows * c.query_size(), policy_->precision(), what);
  gate_up_.reserve(rows * 2 * c.intermediate_size, policy_->precision(), what);
  gated_.reserve(rows * c.intermediate_size, policy_->precision(), what);
  lora_scratch_.reserve(policy_->lora_scratch(rows), what);
  logits_.reserve(slots * LogitRows::of(sampling.allowed).stride, "the logits of rollouts");
  device_logprobs_.reserve(slots, what);
  device_draw_logprobs_.reserve(slots, what);
  device_drawn_.reserve(slots, what);
  device_ids_.reserve(rows, what);
  device_positions_.reserve(rows, what);
  device_rows_.reserve(rows, what);
  device_sample_rows_.reserve(slots, what);
  device_progress_.reserve(slots, what);
  device_record_.reserve(readback_steps_ * slots, what);
  for (auto* list : {&ids_, &positions_}) list->reserve(static_cast<size_t>(rows));
  rows_.reserve(static_cast<size_t>(rows));
  sample_rows_.reserve(static_cast<size_t>(slots));
  progress_.reserve(static_cast<size_t>(slots));
  record_.resize(static_cast<size_t>(readback_steps_ * slots));
  if (sampling.repetition_penalty != 1) {
    seen_.reserve(max_slots_ * seen_words(sampling.allowed), "the repetition history");
    seen_row_.resize(static_cast<size_t>(seen_words(sampling.allowed)));
    zero_on_device(policy_->stream(), seen_.data(),
                   max_slots_ * as64(seen_row_.size()) * static_cast<int64_t>(sizeof(uint32_t)));
  }
  rope_ = policy_->rope_table(std::min<int64_t>(max_tokens_, longest + request.max_new_tokens));
}

void Rollout::generate(const SamplingParameters& sampling, const RolloutRequest& request,
                       const RolloutOutput& output) {
  policy_->require_complete();
  policy_->require_whole();
  Run run{sampling, request, output};
  if (run.most_samples() == 0) return;
  if (request.arrived == nullptr) {
    check(request, 0, request.num_prompts);
    run.prompts = request.num_prompts;
  }
  const PhaseLease lease(phase_, policy_->stream());
  reserve(sampling, request);
  if (request.stop_token >= 0)
    run.stop = {request.stop_token, sampling.allowed.column_of(request.stop_token)};
  run.clear(0, run.prompts);

  active_.clear();
  new_groups_.clear();
  free_slots_.clear();
  free_groups_.clear();
  for (int64_t i = max_slots_ - 1; i >= 0; --i) {
    free_slots_.push_back(i);
    free_groups_.push_back(i);
  }
  std::fill(groups_.begin(), groups_.end(), Group{});
  placed_ = false;
  graphs_.fix(facts(run));
  run.report();
  for (;;) {
    arrive(run);
    limit(run);
    admit(run);
    if (active_.empty()) break;
    decode(run);
  }
  cache_.release_all();
  run.report();
}

// Asks which prompts have come meanwhile.
void Rollout::arrive(Run& run) {
  const RolloutRequest& request = run.request;
  if (request.arrived == nullptr) return;
  const int64_t arrived = request.arrived(request.arrived_user);
  LLASA_CHECK(arrived >= 0, Status::kCancelled, "cancelled after %lld tokens",
              static_cast<long long>(run.drawn));
  LLASA_CHECK(arrived >= run.prompts && arrived <= request.num_prompts, Status::kArgument,
              "`request.arrived`: %lld prompts, expected %lld..%lld", static_cast<long long>(arrived),
              static_cast<long long>(run.prompts), static_cast<long long>(request.num_prompts));
  if (arrived == run.prompts) return;
  LLASA_CHECK(request.prompt_offsets[0] == 0, Status::kArgument,
              "`request.prompt_offsets[0]`: %lld, expected 0",
              static_cast<long long>(request.prompt_offsets[0]));
  check(request, run.prompts, arrived);
  run.clear(run.prompts, arrived);
  run.prompts = arrived;
}

// Ends samples whose limit was lowered to what they have, and shortens the others.
void Rollout::limit(Run& run) {
  if (run.request.sample_limits == nullptr) return;
  for (size_t i = 0; i < active_.size(); ++i) {
    Slot& slot = slots_[static_cast<size_t>(active_[i])];
    slot.limit = std::min(slot.limit, std::max(run.limit(slot.sample), slot.drawn));
    if (slot.drawn == slot.limit) finish(run, i, kFinishLength);
  }
  std::erase(active_, -1);
}

// Fills free slots with the next samples, then computes the keys and values of prompts that are new.
void Rollout::admit(Run& run) {
  const int64_t n = run.request.samples_per_prompt;
  while (!free_slots_.empty() && run.next < run.samples()) {
    const int64_t p = run.next / n;
    if (run.next % n == 0) start_group(run, p);
    // A prompt's samples are admitted one after another, so it is the newest group or one still unfinished.
    int64_t group = 0;
    while (groups_[static_cast<size_t>(group)].prompt != p) ++group;
    const int64_t index = free_slots_.back();
    free_slots_.pop_back();
    active_.push_back(index);
    const int64_t tokens = run.prompt_tokens(p);
    const auto limit = static_cast<int32_t>(std::min<int64_t>(run.limit(run.next), max_tokens_ - tokens));
    slots_[static_cast<size_t>(index)] = {
        run.next, group, static_cast<int32_t>(tokens), 0, run.prompt(p)[tokens - 1], limit};
    placed_ = false;
    if (run.sampling.repetition_penalty != 1) {
      std::fill(seen_row_.begin(), seen_row_.end(), 0u);
      for (int64_t i = 0; i < tokens; ++i) {
        const int32_t column = run.sampling.allowed.column_of(run.prompt(p)[i]);
        if (column >= 0) seen_row_[static_cast<size_t>(column / 32)] |= uint32_t{1} << (column % 32);
      }
      const int64_t words = as64(seen_row_.size());
      copy_to_device(policy_->stream(), seen_.data() + index * words, seen_row_.data(),
                     words * static_cast<int64_t>(sizeof(uint32_t)));
    }
    ++run.next;
  }
  if (!new_groups_.empty()) prefill(run);
}

void Rollout::start_group(Run& run, int64_t prompt) {
  const int64_t group = free_groups_.back();
  free_groups_.pop_back();
  groups_[static_cast<size_t>(group)] = {prompt, run.request.samples_per_prompt};
  cache_.extend(group, run.prompt_tokens(prompt) - 1);
  new_groups_.push_back(group);
}

// All tokens of the new prompts but their last ones, packed into passes of at most kPrefillTokens rows. A
// token sees the earlier ones through the cache, so a prompt may be cut anywhere.
void Rollout::prefill(Run& run) {
  const int64_t capacity = as64(rows_.capacity());
  Stream& stream = policy_->stream();
  const auto flush = [&] {
    if (!rows_.empty()) {
      device_ids_.upload(stream, ids_, "rollout inputs");
      device_positions_.upload(stream, positions_, "rollout inputs");
      device_rows_.upload(stream, rows_, "rollout inputs");
      forward(as64(rows_.size()), true);
    }
    ids_.clear();
    positions_.clear();
    rows_.clear();
  };
  ids_.clear();
  positions_.clear();
  rows_.clear();
  for (const int64_t group : new_groups_) {
    const int64_t p = groups_[static_cast<size_t>(group)].prompt;
    for (int64_t t = 0; t + 1 < run.prompt_tokens(p); ++t) {
      ids_.push_back(run.prompt(p)[t]);
      positions_.push_back(static_cast<int32_t>(t));
      rows_.push_back({0, cache_.table(group), 0, static_cast<int32_t>(t + 1)});
      if (as64(rows_.size()) == std::min(capacity, kPrefillTokens)) flush();
    }
  }
  flush();
  new_groups_.clear();
}

void Rollout::finish(Run& run, size_t active, int32_t reason) {
  const int64_t index = active_[active];
  const Slot& slot = slots_[static_cast<size_t>(index)];
  const int64_t sample = slot.sample;
  run.output.lengths[slot.sample] = slot.drawn;
  run.output.finish_reasons[slot.sample] = reason;
  active_[active] = -1;
  placed_ = false;
  free_slots_.push_back(index);
  cache_.release(max_slots_ + index);
  Group& group = groups_[static_cast<size_t>(slot.group)];
  if (--group.unfinished == 0) {
    cache_.release(slot.group);
    group = {};
    free_groups_.push_back(slot.group);
  }
  if (run.request.finished != nullptr) {
    LLASA_CHECK(run.request.finished(run.request.finished_user, sample) == 0, Status::kCancelled,
                "cancelled when sample %lld was finished", static_cast<long long>(sample));
  }
}

}  // namespace llasa
