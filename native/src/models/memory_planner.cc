#include "models/memory_planner.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "models/policy.h"
#include "models/policy_score.h"
#include "models/rollout.h"
#include "models/whisper_score.h"
#include "models/xcodec2.h"

namespace llasa {

namespace {

// The sequences of a step: every prompt another one, every response of an id that may be drawn.
struct StepBatch {
  std::vector<int64_t> offsets{0}, prompt_lengths, prompt_offsets{0};
  std::vector<int32_t> ids, prompts;

  StepBatch(const PlannedRun& run, const LlamaConfig& config) {
    for (int64_t p = 0; p < run.num_prompts; ++p) {
      std::vector<int32_t> prompt(static_cast<size_t>(run.prompt_tokens), 0);
      prompt[0] = static_cast<int32_t>(p % config.vocab_size);
      prompts.insert(prompts.end(), prompt.begin(), prompt.end());
      prompt_offsets.push_back(static_cast<int64_t>(prompts.size()));
      for (int64_t n = 0; n < run.samples_per_prompt; ++n) {
        ids.insert(ids.end(), prompt.begin(), prompt.end());
        ids.insert(ids.end(), static_cast<size_t>(run.response_tokens), run.head.allowed.start);
        offsets.push_back(static_cast<int64_t>(ids.size()));
        prompt_lengths.push_back(run.prompt_tokens);
      }
    }
  }
  int64_t sequences() const { return static_cast<int64_t>(prompt_lengths.size()); }
  TokenBatch view() const { return {sequences(), offsets.data(), ids.data(), prompt_lengths.data()}; }
};

std::shared_ptr<Policy> make(const PlannedPolicy& policy) {
  return std::make_shared<Policy>(policy.config, policy.storage, policy.frozen);
}

void draw(const PlannedRun& run, const StepBatch& batch, Rollout& rollout) {
  RolloutRequest request;
  request.num_prompts = run.num_prompts;
  request.samples_per_prompt = run.samples_per_prompt;
  request.prompt_offsets = batch.prompt_offsets.data();
  request.prompt_ids = batch.prompts.data();
  request.max_new_tokens = static_cast<int32_t>(run.response_tokens);
  const auto samples = static_cast<size_t>(batch.sequences());
  const size_t tokens = samples * static_cast<size_t>(run.response_tokens);
  std::vector<int32_t> drawn(tokens), lengths(samples), reasons(samples);
  std::vector<float> logprobs(tokens), draw_logprobs(tokens);
  rollout.generate(run.rollout->sampling, request,
                   {drawn.data(), logprobs.data(), lengths.data(), reasons.data(), draw_logprobs.data()});
}

void train(const PlannedRun& run, Trainer& trainer, const StepBatch& batch) {
  const TokenBatch view = batch.view();
  const std::vector<float> numbers(static_cast<size_t>(scored_tokens(view)), 0.0f);
  TokenTerms terms;
  terms.advantages = terms.policy_weights = terms.old_logprobs = numbers.data();
  if (run.reference) terms.kl_weights = terms.ref_logprobs = numbers.data();
  trainer.accumulate(view, run.head, {}, terms, nullptr, nullptr, nullptr);
  trainer.step(0.0f);
}

struct Listening {
  std::unique_ptr<Xcodec2> codec;
  std::unique_ptr<Whisper> whisper;
  std::unique_ptr<WhisperScorer> scorer;
  DeviceBuffer<float> vocoded, heard;

  // Vocodes and listens, the first time it is called.
  void once(const PlannedRun& run, MemoryPlan& plan) {
    if (run.codec && codec == nullptr) {
      plan.stage("codec");
      vocode(run);
    }
    if (run.whisper && whisper == nullptr) {
      plan.stage("recogniser");
      listen(run);
    }
  }

  void vocode(const PlannedRun& run) {
    codec = std::make_unique<Xcodec2>(*run.codec, run.codec_storage);
    std::vector<int64_t> offsets;
    for (int64_t b = 0; b <= run.clips; ++b) offsets.push_back(b * run.response_tokens);
    const std::vector<int32_t> codes(static_cast<size_t>(offsets.back()), 0);
    vocoded.reserve(offsets.back() * run.codec->hop, "waveforms");
    codec->decode(offsets.data(), codes.data(), run.clips, vocoded.data());
  }

  void listen(const PlannedRun& run) {
    whisper = std::make_unique<Whisper>(*run.whisper, run.whisper_storage);
    scorer = std::make_unique<WhisperScorer>(*whisper);
    const WhisperConfig& config = *run.whisper;
    const int64_t samples = run.codec ? run.response_tokens * run.codec->hop : config.window_samples();
    const int64_t B = run.clips, M = std::min(run.text_tokens, config.max_target_positions - 4);
    std::vector<int64_t> begin, end, targets{0};
    for (int64_t b = 0; b < B; ++b) {
      begin.push_back(b * samples);
      end.push_back((b + 1) * samples);
      targets.push_back((b + 1) * (M + 2));
    }
    // The codec's waveforms are listened to where they are.
    if (!run.codec) heard.reserve(B * samples, "waveforms");
    const float* waveforms = run.codec ? vocoded.data() : heard.data();
    const auto clips = static_cast<size_t>(B);
    // A token that is not the end's, so that every transcript is as long as it may get.
    const int32_t other = config.eot_token == 0 ? 1 : 0;
    const std::vector<int32_t> prompt(4, other), first(clips, 1);
    const std::vector<int32_t> target_ids(static_cast<size_t>(targets.back()), other);
    WhisperRequest request;
    request.max_new_tokens = static_cast<int32_t>(M);
    request.num_clips = B;
    request.prompt_ids = prompt.data();
    request.prompt_length = static_cast<int64_t>(prompt.size());
    request.no_speech_token = other;
    request.target_offsets = targets.data();
    request.target_ids = target_ids.data();
    request.target_first = first.data();
    std::vector<int32_t> tokens(clips * static_cast<size_t>(M)), lengths(clips), languages(clips);
    std::vector<float> logprobs(clips), no_speech(clips), nlls(clips);
    WhisperResult result;
    result.tokens = tokens.data();
    result.lengths = lengths.data();
    result.mean_logprobs = logprobs.data();
    result.no_speech_probs = no_speech.data();
    result.languages = languages.data();
    result.mean_nlls = nlls.data();
    scorer->score(request, {waveforms, begin.data(), end.data()}, result);
  }
};

}  // namespace

void plan_run(const PlannedRun& run, MemoryPlan& plan) {
  LLASA_CHECK(MemoryPlan::current() == &plan, Status::kState, "the plan is not this thread's");
  std::shared_ptr<Policy> policy, reference;
  std::unique_ptr<PolicyScorer> scorer;
  std::unique_ptr<Trainer> trainer;
  std::unique_ptr<Rollout> rollout;
  Listening listening;
  if (run.policy) {
    plan.stage("policy");
    policy = make(*run.policy);
    if (run.lora) policy->attach_lora(*run.lora);
    const StepBatch batch(run, run.policy->config);
    if (run.trainer) {
      plan.stage("optimiser");
      trainer = std::make_unique<Trainer>(policy, *run.trainer);
    }
    if (run.reference && !run.lora) {  // with an adapter the reference is the same policy without it
      plan.stage("reference");
      reference = make(*run.reference);
      reference->copy_weights(*policy);
      if (policy->shared() != nullptr && run.reference->storage != Storage::kQ8)
        reference->share_out(nullptr, run.trainer->ranks);
    }
    if (run.rollout) {
      plan.stage("rollouts");
      policy->gather();
      rollout = std::make_unique<Rollout>(policy, run.rollout->max_slots, run.rollout->max_sequence_tokens,
                                          run.rollout->readback_steps);
      // Where the device works behind the host, samples are listened to while others are drawn.
      const PhaseLease drawing(rollout->phase(), policy->stream());
      draw(run, batch, *rollout);
      if (device_works_behind()) listening.once(run, plan);
    }
    if (run.reference) {
      plan.stage("reference");
      scorer = std::make_unique<PolicyScorer>(run.lora ? policy : reference);
      std::vector<float> logprobs(static_cast<size_t>(scored_tokens(batch.view())));
      scorer->logprobs(batch.view(), run.head, run.trainer ? run.trainer->micro_batch_tokens : 0,
                       logprobs.data(), nullptr);
    }
    if (run.trainer) {
      plan.stage("training");
      train(run, *trainer, batch);
      if (run.rollout) policy->gather();  // for the next step's
    }
  }
  listening.once(run, plan);
}

}  // namespace llasa
