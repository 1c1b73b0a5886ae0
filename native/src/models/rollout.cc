#include "models/rollout.h"

#include <algorithm>

#include "ops/activation.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "ops/norm.h"

namespace llasa {

namespace {

constexpr int64_t kPrefillTokens = 1024;  // rows of one prefill pass
constexpr int64_t kProgressSteps = 8;     // decode steps between two calls of the progress callback
constexpr int64_t kReadbackSteps = 8;     // where waiting for the device costs more than a token's work

int64_t as64(size_t n) {
  return static_cast<int64_t>(n);
}

}  // namespace

struct Rollout::Run {
  const SamplingParameters& sampling;
  const RolloutRequest& request;
  const RolloutOutput& output;
  int64_t next = 0;   // sample to be admitted next
  int64_t drawn = 0;  // tokens
  int64_t steps = 0;
  StopRule stop{};

  int64_t samples() const { return request.num_prompts * request.samples_per_prompt; }
  int64_t prompt_tokens(int64_t p) const { return request.prompt_offsets[p + 1] - request.prompt_offsets[p]; }
  const int32_t* prompt(int64_t p) const { return request.prompt_ids + request.prompt_offsets[p]; }
  void report() const {
    if (request.progress == nullptr) return;
    const int64_t total = samples() * request.max_new_tokens;
    LLASA_CHECK(request.progress(request.progress_user, drawn, total) == 0, LLASA_ERR_CANCELLED,
                "cancelled after %lld tokens", static_cast<long long>(drawn));
  }
};

Rollout::Rollout(std::shared_ptr<Policy> policy, int32_t max_slots, int32_t max_sequence_tokens,
                 int32_t readback_steps)
    : policy_(std::move(policy)),
      max_slots_(max_slots),
      max_tokens_(max_sequence_tokens == 0 ? policy_->config().max_positions : max_sequence_tokens),
      readback_steps_(readback_steps > 0      ? readback_steps
                      : device_works_behind() ? kReadbackSteps
                                              : 1),
      cache_(policy_->config(), 2 * max_slots_, max_tokens_) {
  const auto n = static_cast<size_t>(max_slots_);
  slots_.resize(n);
  groups_.resize(n);
  for (auto* list : {&active_, &free_slots_, &free_groups_, &new_groups_}) list->reserve(n);
}

void Rollout::check(const RolloutRequest& request) const {
  for (int64_t p = 0; p < request.num_prompts; ++p) {
    const int64_t begin = request.prompt_offsets[p], end = request.prompt_offsets[p + 1];
    const auto prompt = static_cast<long long>(p);
    LLASA_CHECK(end > begin, LLASA_ERR_ARGUMENT, "`prompt_offsets`: prompt %lld has no token", prompt);
    LLASA_CHECK(end - begin < max_tokens_, LLASA_ERR_CAPACITY,
                "prompt %lld has %lld tokens, and a sequence of at most %lld must hold one more", prompt,
                static_cast<long long>(end - begin), static_cast<long long>(max_tokens_));
    for (int64_t i = begin; i < end; ++i) {
      LLASA_CHECK(request.prompt_ids[i] >= 0 && request.prompt_ids[i] < policy_->config().vocab_size,
                  LLASA_ERR_TOKEN, "`prompt_ids[%lld]` (prompt %lld): %d, expected 0..%lld",
                  static_cast<long long>(i), prompt, request.prompt_ids[i],
                  static_cast<long long>(policy_->config().vocab_size - 1));
    }
  }
}

void Rollout::reserve(const SamplingParameters& sampling, const RolloutRequest& request) {
  const LlamaConfig& c = policy_->config();
  const int64_t slots = std::min(max_slots_, request.num_prompts * request.samples_per_prompt);
  int64_t longest = 0;
  for (int64_t p = 0; p < request.num_prompts; ++p) {
    longest = std::max(longest, request.prompt_offsets[p + 1] - request.prompt_offsets[p]);
  }
  const int64_t prefill = std::min(kPrefillTokens, request.prompt_offsets[request.num_prompts]);
  const int64_t rows = std::max(slots, prefill);
  const char* what = "the activations of rollouts";
  x_.reserve(rows * c.hidden_size, what);
  normed_.reserve(rows * c.hidden_size, what);
  qkv_.reserve(rows * c.qkv_size(), what);
  attended_.reserve(rows * c.query_size(), what);
  gate_up_.reserve(rows * 2 * c.intermediate_size, what);
  gated_.reserve(rows * c.intermediate_size, what);
  lora_scratch_.reserve(policy_->lora_scratch(rows), what);
  logits_.reserve(slots * sampling.allowed.count(), "the logits of rollouts");
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
  }
  rope_ = policy_->rope_table(std::min<int64_t>(max_tokens_, longest + request.max_new_tokens));
}

void Rollout::generate(const SamplingParameters& sampling, const RolloutRequest& request,
                       const RolloutOutput& output) {
  policy_->require_complete();
  check(request);
  Run run{sampling, request, output};
  if (run.samples() == 0) return;
  reserve(sampling, request);
  if (request.stop_token >= 0)
    run.stop = {request.stop_token, sampling.allowed.column_of(request.stop_token)};
  const int64_t tokens = run.samples() * request.max_new_tokens;
  std::fill(output.tokens, output.tokens + tokens, -1);
  std::fill(output.logprobs, output.logprobs + tokens, 0.0f);
  if (output.draw_logprobs != nullptr) std::fill_n(output.draw_logprobs, tokens, 0.0f);

  cache_.release_all();  // an earlier call may have been cut off
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
  run.report();
  for (;;) {
    admit(run);
    if (active_.empty()) break;
    decode(run);
  }
  cache_.release_all();
  run.report();
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
    const auto limit =
        static_cast<int32_t>(std::min<int64_t>(run.request.max_new_tokens, max_tokens_ - tokens));
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

// readback_steps_ tokens for every active slot, or as many as the longest of them may still draw.
void Rollout::decode(Run& run) {
  int64_t steps = 0;
  for (const int64_t index : active_) {
    const Slot& slot = slots_[static_cast<size_t>(index)];
    steps = std::max<int64_t>(steps, slot.limit - slot.drawn);
  }
  steps = std::min(steps, readback_steps_);
  const int64_t rows = as64(active_.size());
  place(run, steps);
  for (int64_t s = 0; s < steps; ++s) step(run, rows);
  copy_to_host(policy_->stream(), record_.data(), device_record_.data(),
               steps * rows * static_cast<int64_t>(sizeof(DrawnToken)));
  collect(run, steps, rows);
  const int64_t before = run.steps;
  run.steps += steps;
  if (run.steps / kProgressSteps > before / kProgressSteps) run.report();
}

// Cache blocks for the tokens to come, and the device's rows: all of them if others are active than before.
void Rollout::place(Run& run, int64_t steps) {
  Stream& stream = policy_->stream();
  progress_.clear();
  for (const int64_t index : active_) {
    const Slot& slot = slots_[static_cast<size_t>(index)];
    const int32_t left = slot.limit - slot.drawn;
    cache_.extend(max_slots_ + index, slot.drawn + std::min<int64_t>(left, steps));
    progress_.push_back({left, std::max(0, run.request.min_new_tokens - slot.drawn), 0});
  }
  device_progress_.upload(stream, progress_, "rollout inputs");
  if (placed_) return;
  ids_.clear();
  positions_.clear();
  rows_.clear();
  sample_rows_.clear();
  for (const int64_t index : active_) {
    const Slot& slot = slots_[static_cast<size_t>(index)];
    ids_.push_back(slot.last);
    positions_.push_back(slot.prompt - 1 + slot.drawn);
    rows_.push_back(
        {cache_.table(slot.group), cache_.table(max_slots_ + index), slot.prompt - 1, slot.drawn + 1});
    const auto id = static_cast<uint64_t>(slot.sample);
    sample_rows_.push_back({run.request.sequence_ids != nullptr ? run.request.sequence_ids[slot.sample] : id,
                            int64_t{slot.prompt} + slot.drawn, static_cast<int32_t>(index),
                            slot.drawn < run.request.min_new_tokens ? run.stop.column : -1});
  }
  device_ids_.upload(stream, ids_, "rollout inputs");
  device_positions_.upload(stream, positions_, "rollout inputs");
  device_rows_.upload(stream, rows_, "rollout inputs");
  device_sample_rows_.upload(stream, sample_rows_, "rollout inputs");
  placed_ = true;
}

DecodeState Rollout::state() {
  return {device_ids_.data(),         device_positions_.data(), device_rows_.data(),
          device_sample_rows_.data(), device_progress_.data(),  device_record_.data()};
}

// One token for every row on the device, without the host.
void Rollout::step(const Run& run, int64_t rows) {
  forward(rows, false);
  sample(run, rows);
  decode_advance(policy_->stream(), state(), run.stop, device_drawn_.data(), device_logprobs_.data(),
                 device_draw_logprobs_.data(), rows);
}

// The record of `steps` steps into the output, token by token: what ends first is finished first.
void Rollout::collect(Run& run, int64_t steps, int64_t rows) {
  for (int64_t s = 0; s < steps; ++s) {
    for (size_t i = active_.size(); i-- > 0;) {
      if (active_[i] < 0) continue;
      Slot& slot = slots_[static_cast<size_t>(active_[i])];
      const DrawnToken& drawn = record_[static_cast<size_t>(s * rows) + i];
      const auto sample = static_cast<long long>(slot.sample);
      LLASA_CHECK(drawn.id != kDrawnNothing, LLASA_ERR_INTERNAL, "sample %lld ended on the device alone",
                  sample);
      LLASA_CHECK(drawn.id >= 0, LLASA_ERR_NOT_FINITE, "logits of sample %lld at position %d are %s", sample,
                  slot.prompt + slot.drawn,
                  drawn.id == kSampleEmpty ? "-infinity for all allowed ids" : "not finite");
      const int64_t at = slot.sample * run.request.max_new_tokens + slot.drawn;
      run.output.tokens[at] = drawn.id;
      run.output.logprobs[at] = drawn.logprob;
      if (run.output.draw_logprobs != nullptr) run.output.draw_logprobs[at] = drawn.draw_logprob;
      slot.last = drawn.id;
      ++slot.drawn;
      ++run.drawn;
      if (drawn.id == run.request.stop_token) {
        finish(run, i, LLASA_FINISH_STOP);
      } else if (slot.drawn == slot.limit) {
        finish(run, i, LLASA_FINISH_LENGTH);
      }
    }
  }
  std::erase(active_, -1);
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
    LLASA_CHECK(run.request.finished(run.request.finished_user, sample) == 0, LLASA_ERR_CANCELLED,
                "cancelled when sample %lld was finished", static_cast<long long>(sample));
  }
}

void Rollout::forward(int64_t rows, bool keys_only) {
  const LlamaConfig& c = policy_->config();
  Stream& stream = policy_->stream();
  const int32_t* positions = device_positions_.data();
  const DecodeRow* where = device_rows_.data();
  float* const* tables = cache_.tables(stream);
  const int64_t C = c.hidden_size, F = c.intermediate_size;
  float* x = x_.data();
  const auto adapt = [&](int64_t l, LoraInput input, const float* from, float* to) {
    if (const Lora* lora = policy_->lora())
      lora->forward(stream, l, input, from, rows, to, lora_scratch_.data());
  };
  embedding_forward(stream, policy_->embedding(), device_ids_.data(), x, rows, C);
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const LlamaLayer<const float> w = policy_->layer(l);
    rmsnorm_forward(stream, x, w.input_norm, normed_.data(), nullptr, rows, C, c.rms_norm_eps);
    linear_forward(stream, normed_.data(), w.qkv, nullptr, qkv_.data(), rows, C, c.qkv_size());
    adapt(l, LoraInput::kAttention, normed_.data(), qkv_.data());
    rope_kv_append(stream, qkv_.data(), positions, rope_, where, tables, l, rows, cache_.shape());
    if (keys_only && l + 1 == c.num_layers) return;
    attention_decode(stream, qkv_.data(), attended_.data(), where, tables, l, rows, cache_.shape());
    linear_forward(stream, attended_.data(), w.out, nullptr, x, rows, c.query_size(), C, true);
    adapt(l, LoraInput::kOut, attended_.data(), x);
    rmsnorm_forward(stream, x, w.post_norm, normed_.data(), nullptr, rows, C, c.rms_norm_eps);
    linear_forward(stream, normed_.data(), w.gate_up, nullptr, gate_up_.data(), rows, C, 2 * F);
    adapt(l, LoraInput::kMlp, normed_.data(), gate_up_.data());
    swiglu_forward(stream, gate_up_.data(), gated_.data(), rows, F);
    linear_forward(stream, gated_.data(), w.down, nullptr, x, rows, F, C, true);
    adapt(l, LoraInput::kDown, gated_.data(), x);
  }
  rmsnorm_forward(stream, x, policy_->final_norm(), normed_.data(), nullptr, rows, C, c.rms_norm_eps);
}

// Head over the allowed rows, draw.
void Rollout::sample(const Run& run, int64_t rows) {
  Stream& stream = policy_->stream();
  const AllowedIds& allowed = run.sampling.allowed;
  const int64_t C = policy_->config().hidden_size, n = allowed.count();
  gemm(stream, false, true, rows, allowed.end - allowed.start, C, 1.0f, normed_.data(), C,
       policy_->head() + allowed.start * C, C, 0.0f, logits_.data() + allowed.range_column(), n);
  if (allowed.extra >= 0) {
    gemm(stream, false, true, rows, 1, C, 1.0f, normed_.data(), C, policy_->head() + allowed.extra * C, C,
         0.0f, logits_.data() + allowed.extra_column(), n);
  }
  sampling_forward(stream, run.sampling, logits_.data(), n, rows, device_sample_rows_.data(),
                   run.sampling.repetition_penalty != 1 ? seen_.data() : nullptr, device_drawn_.data(),
                   device_logprobs_.data(), device_draw_logprobs_.data());
}

}  // namespace llasa
