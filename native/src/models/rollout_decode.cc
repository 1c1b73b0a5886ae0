// The part of a rollout that repeats for every token.
#include <algorithm>
#include <bit>

#include "models/policy_head.h"
#include "models/rollout_run.h"
#include "ops/activation.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "ops/norm.h"

namespace llasa {

namespace {

constexpr int64_t kProgressSteps = 8;  // decode steps between two calls of the progress callback

}  // namespace

// readback_steps_ tokens for every active slot, or as many as the longest of them may still draw.
void Rollout::decode(Run& run) {
  int64_t steps = 0;
  for (const int64_t index : active_) {
    const Slot& slot = slots_[static_cast<size_t>(index)];
    steps = std::max<int64_t>(steps, slot.limit - slot.drawn);
  }
  steps = std::min(steps, readback_steps_);
  const int64_t rows = LaunchGraphs::bucket(as64(active_.size()), most_rows_);
  place(run, steps, rows);
  for (int64_t s = 0; s < steps; ++s) {
    graphs_.run(policy_->stream(), rows, [&] { step(run, rows); });
  }
  copy_to_host(policy_->stream(), record_.data(), device_record_.data(),
               steps * rows * static_cast<int64_t>(sizeof(DrawnToken)));
  collect(run, steps, rows);
  const int64_t before = run.steps;
  run.steps += steps;
  if (run.steps / kProgressSteps > before / kProgressSteps) run.report();
}

// Cache blocks for the tokens to come, and the device's rows: all of them if others are active than before.
// Rows that only fill the batch are those of free slots, with a token of their own to look at. Samples of a prompt
// are admitted one after another and keep their order, so their rows are neighbours, and a GPU reads the prompt once.
void Rollout::place(Run& run, int64_t steps, int64_t rows) {
  Stream& stream = policy_->stream();
  const int64_t filling = rows - as64(active_.size());
  progress_.clear();
  for (const int64_t index : active_) {
    const Slot& slot = slots_[static_cast<size_t>(index)];
    const int32_t left = slot.limit - slot.drawn;
    cache_.extend(max_slots_ + index, slot.drawn + std::min<int64_t>(left, steps));
    progress_.push_back({left, std::max(0, run.request.min_new_tokens - slot.drawn), 0});
  }
  for (int64_t i = 0; i < filling; ++i) {
    cache_.extend(max_slots_ + free_slots_[static_cast<size_t>(i)], 1);
    progress_.push_back({});
  }
  device_progress_.upload(stream, progress_, "rollout inputs");
  cache_.tables(stream);  // uploads what changed: a step must not
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
  for (int64_t i = 0; i < filling; ++i) {
    const int64_t index = free_slots_[static_cast<size_t>(i)];
    ids_.push_back(0);
    positions_.push_back(0);
    rows_.push_back({0, cache_.table(max_slots_ + index), 0, 1});
    sample_rows_.push_back({0, 0, static_cast<int32_t>(index), -1});
  }
  device_ids_.upload(stream, ids_, "rollout inputs");
  device_positions_.upload(stream, positions_, "rollout inputs");
  device_rows_.upload(stream, rows_, "rollout inputs");
  device_sample_rows_.upload(stream, sample_rows_, "rollout inputs");
  placed_ = true;
}

std::vector<uint64_t> Rollout::facts(const Run& run) {
  std::vector<uint64_t> facts;
  const auto add = [&](const auto*... pointers) {
    (facts.push_back(reinterpret_cast<uintptr_t>(pointers)), ...);
  };
  add(device_ids_.data(), device_positions_.data(), device_rows_.data(), device_sample_rows_.data(),
      device_progress_.data(), device_record_.data(), device_drawn_.data(), device_logprobs_.data(),
      device_draw_logprobs_.data(), rope_, cache_.tables(policy_->stream()));
  for (const auto* buffer : {&x_, &qkv_, &logits_, &lora_scratch_}) buffer->add_facts(facts);
  for (const auto* buffer : {&normed_, &attended_, &gate_up_, &gated_}) buffer->add_facts(facts);
  seen_.add_facts(facts);
  const Lora* lora = policy_->lora();
  add(lora, lora == nullptr ? nullptr : lora->weights().data(), policy_->embedding().data,
      policy_->final_norm(), policy_->head().data);
  for (int64_t l = 0; l < policy_->config().num_layers; ++l) add(policy_->layer(l).qkv.data);

  const SamplingParameters& s = run.sampling;
  static_assert(sizeof s == 5 * 4 + 4 + 8 + 3 * 4 + 4, "a new member belongs among the facts");
  for (const float value : {s.temperature, s.top_p, s.min_p, s.repetition_penalty})
    facts.push_back(std::bit_cast<uint32_t>(value));
  for (const int32_t value :
       {s.top_k, s.allowed.start, s.allowed.end, s.allowed.extra, run.stop.token, run.stop.column})
    facts.push_back(static_cast<uint32_t>(value));
  facts.push_back(s.seed);
  return facts;
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
      LLASA_CHECK(drawn.id != kDrawnNothing, Status::kInternal, "sample %lld ended on the device alone",
                  sample);
      LLASA_CHECK(drawn.id >= 0, Status::kNotFinite, "logits of sample %lld at position %d are %s", sample,
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
        finish(run, i, kFinishStop);
      } else if (slot.drawn == slot.limit) {
        finish(run, i, kFinishLength);
      }
    }
  }
  std::erase(active_, -1);
}

void Rollout::forward(int64_t rows, bool keys_only) {
  const LlamaConfig& c = policy_->config();
  Stream& stream = policy_->stream();
  const int32_t* positions = device_positions_.data();
  const DecodeRow* where = device_rows_.data();
  void* const* tables = cache_.tables(stream);
  const int64_t C = c.hidden_size, F = c.intermediate_size;
  float* x = x_.data();
  const ArrayView normed = normed_.view(), attended = attended_.view(), gate_up = gate_up_.view(),
                  gated = gated_.view();
  const auto adapt = [&](int64_t l, LoraInput input, WeightView from, ArrayView to) {
    if (const Lora* lora = policy_->lora())
      lora->forward(stream, l, input, from, rows, to, lora_scratch_.data(), 0);
  };
  embedding_forward(stream, policy_->embedding(), device_ids_.data(), x, rows, C);
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const LlamaLayerWeights w = policy_->layer(l);
    rmsnorm_forward(stream, x, w.input_norm, normed, nullptr, rows, C, c.rms_norm_eps);
    linear_forward(stream, normed, w.qkv, nullptr, qkv_.data(), rows, C, c.qkv_size());
    adapt(l, LoraInput::kAttention, normed, qkv_.data());
    rope_kv_append(stream, qkv_.data(), positions, rope_, where, tables, l, rows, cache_.shape());
    if (keys_only && l + 1 == c.num_layers) return;
    attention_decode(stream, qkv_.data(), attended, where, tables, l, rows, cache_.shape());
    linear_forward(stream, attended, w.out, nullptr, x, rows, c.query_size(), C, true);
    adapt(l, LoraInput::kOut, attended, x);
    rmsnorm_forward(stream, x, w.post_norm, normed, nullptr, rows, C, c.rms_norm_eps);
    linear_forward(stream, normed, w.gate_up, nullptr, gate_up, rows, C, 2 * F);
    adapt(l, LoraInput::kMlp, normed, gate_up);
    swiglu_forward(stream, gate_up, gated, rows, F);
    linear_forward(stream, gated, w.down, nullptr, x, rows, F, C, true);
    adapt(l, LoraInput::kDown, gated, x);
  }
  rmsnorm_forward(stream, x, policy_->final_norm(), normed, nullptr, rows, C, c.rms_norm_eps);
}

// Head over the allowed rows, draw.
void Rollout::sample(const Run& run, int64_t rows) {
  const AllowedIds& allowed = run.sampling.allowed;
  const LogitRows layout = LogitRows::of(allowed);
  float* logits = logits_.data() + layout.lead;
  allowed_logits(*policy_, allowed, normed_.view(), rows, logits, layout.stride);
  sampling_forward(policy_->stream(), run.sampling, logits, layout.stride, rows, device_sample_rows_.data(),
                   run.sampling.repetition_penalty != 1 ? seen_.data() : nullptr, device_drawn_.data(),
                   device_logprobs_.data(), device_draw_logprobs_.data());
}

}  // namespace llasa
