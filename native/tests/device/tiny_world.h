// The three models of assets/tiny on one backend, and the pass through them that the backends are compared
// by: logits, samples, gradients, waveforms and back, transcripts.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/philox.h"
#include "device/backend.h"
#include "policy_fixture.h"
#include "speech_models.h"

namespace llasa::test {

using Floats = std::vector<float>;
using Ids = std::vector<int32_t>;

// Where rounding differs from one evaluation to another: every number is moved to one of its neighbours or
// left. variant 0 moves none.
inline void move_by_an_ulp(Floats& values, uint64_t variant, uint64_t key) {
  if (variant == 0) return;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool up = philox_uniform(variant, key, i) < 0.5f;
    values[i] *= up ? 1.0f + 0x1p-23f : 1.0f - 0x1p-23f;
  }
}

class TinyWorld {
 public:
  TinyWorld(const Backend& backend, uint64_t variant) : backend_(backend), variant_(variant) {
    const std::filesystem::path root = LLASA_TINY_WORLD;
    llasa_policy_options policy = options_from(Json::read(root / "policy" / "config.json"));
    backend_.check(backend_.policy_create(&policy, &policy_));
    set_tensors(root / "policy",
                [&](auto... tensor) { return backend_.policy_set_tensor(policy_, tensor...); });
    const llasa_codec_options codec =
        codec_options(Json::read(root / "xcodec2" / "config.json"), LLASA_CODEC_LAYOUT_HF);
    backend_.check(backend_.codec_create(&codec, &codec_));
    set_tensors(
        root / "xcodec2", [&](auto... tensor) { return backend_.codec_set_tensor(codec_, tensor...); },
        [&](const std::string& name) { return codec_ignores(name, codec); });
    whisper_options_ = whisper_options(Json::read(root / "whisper" / "config.json"));
    backend_.check(backend_.whisper_create(&whisper_options_, &whisper_));
    set_tensors(root / "whisper",
                [&](auto... tensor) { return backend_.whisper_set_tensor(whisper_, tensor...); });
    vocabulary_ = policy.vocab_size;
  }
  ~TinyWorld() {
    backend_.whisper_destroy(whisper_);
    backend_.codec_destroy(codec_);
    backend_.policy_destroy(policy_);
  }
  TinyWorld(const TinyWorld&) = delete;
  TinyWorld& operator=(const TinyWorld&) = delete;

  Floats logits(const Ids& ids) {
    Floats out(ids.size() * static_cast<size_t>(vocabulary_));
    backend_.check(backend_.policy_logits(policy_, ids.data(), static_cast<int64_t>(ids.size()), out.data()));
    return out;
  }

  struct Samples {
    std::vector<Ids> tokens;
    std::vector<Floats> logprobs;
  };
  Samples generate(const std::vector<Ids>& prompts, const llasa_sampling_options& sampling, int32_t samples) {
    llasa_rollout_options options;
    llasa_rollout_options_init(&options);
    options.max_slots = 4;
    llasa_rollout* rollout = nullptr;
    backend_.check(backend_.rollout_create(policy_, &options, &rollout));
    Ids ids;
    std::vector<int64_t> offsets{0};
    for (const Ids& prompt : prompts) {
      ids.insert(ids.end(), prompt.begin(), prompt.end());
      offsets.push_back(static_cast<int64_t>(ids.size()));
    }
    const size_t count = prompts.size() * static_cast<size_t>(samples);
    const auto width = static_cast<size_t>(sampling.max_new_tokens);
    Ids tokens(count * width), lengths(count), reasons(count);
    Floats logprobs(count * width);
    llasa_rollout_request request{};
    request.struct_size = sizeof request;
    request.samples_per_prompt = samples;
    request.num_prompts = static_cast<int64_t>(prompts.size());
    request.prompt_offsets = offsets.data();
    request.prompt_ids = ids.data();
    llasa_rollout_result result{};
    result.struct_size = sizeof result;
    result.tokens = tokens.data();
    result.logprobs = logprobs.data();
    result.lengths = lengths.data();
    result.finish_reasons = reasons.data();
    const llasa_status status = backend_.rollout_generate(rollout, &sampling, &request, &result);
    backend_.rollout_destroy(rollout);
    backend_.check(status);
    Samples drawn;
    for (size_t i = 0; i < count; ++i) {
      const auto begin = static_cast<int64_t>(i * width), end = begin + lengths[i];
      drawn.tokens.emplace_back(tokens.begin() + begin, tokens.begin() + end);
      drawn.logprobs.emplace_back(logprobs.begin() + begin, logprobs.begin() + end);
    }
    return drawn;
  }

  // Gradient of every parameter by name, under "" the losses' sum, and under "norm" the gradient's.
  std::map<std::string, Floats> gradients(const BatchData& batch, const llasa_head_options& head,
                                          const llasa_loss_options& loss, const llasa_token_terms& terms) {
    llasa_trainer_options options;
    llasa_trainer_options_init(&options);
    llasa_trainer* trainer = nullptr;
    backend_.check(backend_.trainer_create(policy_, &options, &trainer));
    const llasa_token_batch view = batch.view();
    llasa_loss_stats stats{};
    stats.struct_size = sizeof stats;
    backend_.check(
        backend_.trainer_accumulate(trainer, &view, &head, &loss, &terms, nullptr, nullptr, nullptr, &stats));
    std::map<std::string, Floats> all;
    all["loss"] = {static_cast<float>(stats.loss)};
    int64_t count = 0;
    backend_.check(backend_.policy_tensor_count(policy_, &count));
    for (int64_t i = 0; i < count; ++i) {
      llasa_tensor_info info{};
      info.struct_size = sizeof info;
      backend_.check(backend_.policy_tensor_info(policy_, i, &info));
      Floats& gradient = all[info.name];
      gradient.resize(static_cast<size_t>(info.shape[0] * (info.rank > 1 ? info.shape[1] : 1)));
      backend_.check(backend_.trainer_get_state(trainer, LLASA_STATE_GRADIENT, info.name, gradient.data(),
                                                static_cast<int64_t>(gradient.size())));
    }
    llasa_step_stats step{};
    step.struct_size = sizeof step;
    backend_.check(backend_.trainer_step(trainer, 0.0f, &step));
    all["norm"] = {static_cast<float>(step.grad_norm)};
    backend_.trainer_destroy(trainer);
    return all;
  }

  Floats vocode(const Ids& codes) {
    int32_t hop = 0, count = 0;
    backend_.check(backend_.codec_geometry(codec_, &hop, &count));
    const int64_t offsets[] = {0, static_cast<int64_t>(codes.size())};
    Floats wave(codes.size() * static_cast<size_t>(hop));
    backend_.check(backend_.vocode(codec_, 1, offsets, codes.data(), wave.data()));
    return wave;
  }
  Ids encode(Floats wave) {
    move_by_an_ulp(wave, variant_, 1);
    Ids codes(wave.size() / 320 + 1);
    int64_t count = 0;
    backend_.check(backend_.codec_encode(codec_, wave.data(), static_cast<int64_t>(wave.size()), codes.data(),
                                         static_cast<int64_t>(codes.size()), &count));
    codes.resize(static_cast<size_t>(count));
    return codes;
  }
  Floats log_mel(Floats wave) {
    move_by_an_ulp(wave, variant_, 2);
    Floats features(
        static_cast<size_t>(whisper_options_.num_mel_bins * 2 * whisper_options_.max_source_positions));
    backend_.check(
        backend_.whisper_log_mel(whisper_, wave.data(), static_cast<int64_t>(wave.size()), features.data()));
    return features;
  }
  Floats encoder_states(const Floats& features) {
    Floats states(static_cast<size_t>(whisper_options_.max_source_positions * whisper_options_.d_model));
    backend_.check(backend_.whisper_encode(whisper_, features.data(), 1, states.data()));
    return states;
  }
  Floats decoder_logits(const Floats& states, const Ids& ids) {
    Floats out(ids.size() * static_cast<size_t>(whisper_options_.vocab_size));
    backend_.check(backend_.whisper_logits(whisper_, states.data(), ids.data(),
                                           static_cast<int64_t>(ids.size()), out.data()));
    return out;
  }

  struct Scores {
    std::vector<Ids> transcripts;
    Floats mean_logprobs, mean_nlls;
  };
  // Vocoder and recogniser in one call, as a training step does.
  Scores score(const std::vector<Ids>& clips, const Ids& prompt, const Ids& target) {
    const size_t B = clips.size();
    constexpr int32_t kNewTokens = 24;
    std::vector<int64_t> code_offsets{0}, target_offsets{0};
    Ids codes, targets, first(B, static_cast<int32_t>(prompt.size()));
    for (const Ids& clip : clips) {
      codes.insert(codes.end(), clip.begin(), clip.end());
      code_offsets.push_back(static_cast<int64_t>(codes.size()));
      targets.insert(targets.end(), target.begin(), target.end());
      target_offsets.push_back(static_cast<int64_t>(targets.size()));
    }
    llasa_whisper_request request{};
    request.struct_size = sizeof request;
    request.max_new_tokens = kNewTokens;
    request.num_clips = static_cast<int64_t>(B);
    request.prompt_ids = prompt.data();
    request.prompt_length = static_cast<int64_t>(prompt.size());
    request.language_slot = request.target_language_slot = request.no_speech_token = -1;
    request.target_offsets = target_offsets.data();
    request.target_ids = targets.data();
    request.target_first = first.data();
    Scores scores;
    Ids tokens(B * kNewTokens), lengths(B);
    scores.mean_logprobs.resize(B);
    scores.mean_nlls.resize(B);
    llasa_whisper_result result{};
    result.struct_size = sizeof result;
    result.tokens = tokens.data();
    result.lengths = lengths.data();
    result.mean_logprobs = scores.mean_logprobs.data();
    result.mean_nlls = scores.mean_nlls.data();
    backend_.check(backend_.whisper_score_codes(whisper_, codec_, code_offsets.data(), codes.data(), &request,
                                                &result, nullptr));
    for (size_t b = 0; b < B; ++b) {
      const auto begin = tokens.begin() + static_cast<int64_t>(b) * kNewTokens;
      scores.transcripts.emplace_back(begin, begin + lengths[b]);
    }
    return scores;
  }

 private:
  template <typename Set>
  void set_tensors(const std::filesystem::path& directory, Set&& set) {
    set_tensors(directory, set, [](const std::string&) { return false; });
  }
  template <typename Set, typename Ignored>
  void set_tensors(const std::filesystem::path& directory, Set&& set, Ignored&& ignored) {
    uint64_t key = 100;
    for (const auto& [name, tensor] : read_checkpoint(directory)) {
      if (ignored(name)) continue;
      Floats values = tensor.floats();
      move_by_an_ulp(values, variant_, ++key);
      backend_.check(set(name.c_str(), LLASA_F32, tensor.shape.data(),
                         static_cast<int32_t>(tensor.shape.size()), static_cast<const void*>(values.data())));
    }
  }

  const Backend& backend_;
  uint64_t variant_;
  llasa_policy* policy_ = nullptr;
  llasa_codec* codec_ = nullptr;
  llasa_whisper* whisper_ = nullptr;
  llasa_whisper_options whisper_options_{};
  int32_t vocabulary_ = 0;
};

}  // namespace llasa::test
