// What tests of llasa_whisper_score share: a request with everything it points to, and a small model.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "op_test_util.h"
#include "speech_models.h"
#include "wave_file.h"

namespace llasa::test {

inline std::filesystem::path case_directory(const std::string& family, const std::string& name) {
  for (const std::filesystem::path& path : cases(family)) {
    if (path.filename() == name) return path;
  }
  throw std::runtime_error("no case " + name);
}

inline std::vector<float> synthetic() {
  return read_wave(case_directory("whisper_mel", "log_mel") / "synthetic.wav");
}

using Clips = std::vector<std::vector<float>>;

// A request over clips with everything it points to.
struct Scoring {
  std::vector<int32_t> prompt, suppress, begin_suppress, targets, first, language_ids, end_ids;
  std::vector<int64_t> target_offsets{0};
  int32_t max_new_tokens = 0, language_slot = -1, first_language = 0, num_languages = 0, no_speech = -1,
          target_language_slot = -1, min_window_samples = 0;
  float silence_rms = 0.0f;
  std::vector<int32_t> id_characters, ended_early;
  std::vector<int64_t> max_characters, loop_characters;
  // results
  std::vector<int32_t> tokens, lengths, languages;
  std::vector<float> logprobs, no_speech_probs, nlls;

  void add_target(const std::vector<int32_t>& ids, int32_t from) {
    targets.insert(targets.end(), ids.begin(), ids.end());
    target_offsets.push_back(static_cast<int64_t>(targets.size()));
    first.push_back(from);
  }
  llasa_whisper_request request(size_t B) {
    llasa_whisper_request r{};
    r.struct_size = sizeof r;
    r.max_new_tokens = max_new_tokens;
    r.num_clips = static_cast<int64_t>(B);
    r.prompt_ids = prompt.data();
    r.prompt_length = static_cast<int64_t>(prompt.size());
    r.language_slot = language_slot;
    r.first_language_token = first_language;
    r.num_languages = num_languages;
    r.no_speech_token = no_speech;
    r.suppress_ids = suppress.data();
    r.num_suppress = static_cast<int64_t>(suppress.size());
    r.begin_suppress_ids = begin_suppress.data();
    r.num_begin_suppress = static_cast<int64_t>(begin_suppress.size());
    if (!first.empty()) {
      r.target_offsets = target_offsets.data();
      r.target_ids = targets.data();
      r.target_first = first.data();
    }
    r.target_language_slot = target_language_slot;
    r.min_window_samples = min_window_samples;
    r.silence_rms = silence_rms;
    r.language_ids = language_ids.data();
    r.num_language_ids = static_cast<int64_t>(language_ids.size());
    r.end_ids = end_ids.data();
    r.num_end_ids = static_cast<int64_t>(end_ids.size());
    if (!id_characters.empty()) {
      r.id_characters = id_characters.data();
      r.max_characters = max_characters.data();
      r.loop_characters = loop_characters.data();
    }
    return r;
  }
  llasa_whisper_result result(size_t B) {
    tokens.assign(B * static_cast<size_t>(max_new_tokens), 77);
    lengths.assign(B, 77);
    languages.assign(B, 77);
    logprobs.assign(B, 77.0f);
    no_speech_probs.assign(B, 77.0f);
    nlls.assign(B, 77.0f);
    ended_early.assign(B, 77);
    llasa_whisper_result r{};
    r.struct_size = sizeof r;
    r.tokens = tokens.data();
    r.lengths = lengths.data();
    r.mean_logprobs = logprobs.data();
    r.no_speech_probs = no_speech_probs.data();
    r.languages = languages.data();
    r.mean_nlls = nlls.data();
    r.ended_early = ended_early.data();
    return r;
  }
  llasa_status run(llasa_whisper* whisper, const Clips& clips) {
    std::vector<float> samples;
    std::vector<int64_t> offsets{0};
    for (const auto& clip : clips) {
      samples.insert(samples.end(), clip.begin(), clip.end());
      offsets.push_back(static_cast<int64_t>(samples.size()));
    }
    llasa_whisper_request r = request(clips.size());
    llasa_whisper_result out = result(clips.size());
    r.waveform_offsets = offsets.data();
    r.waveforms = samples.data();
    return llasa_whisper_score(whisper, &r, &out);
  }
  std::vector<int32_t> ids(size_t b) const {
    const auto M = static_cast<size_t>(max_new_tokens);
    std::vector<int32_t> row(tokens.begin() + static_cast<int64_t>(b * M),
                             tokens.begin() + static_cast<int64_t>((b + 1) * M));
    while (!row.empty() && row.back() == -1) row.pop_back();
    return row;
  }
};

constexpr int32_t kEot = 220, kSot = 221, kFirstLanguage = 222, kLanguages = 20, kTranscribe = 243,
                  kNoSpeech = 246, kNoTimestamps = 247, kVocabulary = 300;

class WhisperScore : public testing::Test {
 protected:
  WhisperScore() : whisper_(load_whisper(case_directory("whisper_tiny", "d64_v300") / "model")) {}

  static Clips clips() {
    const auto wave = synthetic();
    return {{wave.begin(), wave.begin() + 20000},
            {},
            {wave.begin() + 9000, wave.end()},
            random_floats(8000, 3, 0.1f)};
  }
  static Scoring transcript() {
    Scoring s;
    s.prompt = {kSot, kFirstLanguage, kTranscribe, kNoTimestamps};
    s.max_new_tokens = 12;
    s.begin_suppress = {kEot};
    for (int32_t id = kEot + 1; id < kVocabulary; ++id) s.suppress.push_back(id);
    return s;
  }
  // Teacher-forced logits of a waveform by the single steps.
  std::vector<float> logits(const std::vector<float>& wave, const std::vector<int32_t>& ids) {
    std::vector<float> features(80 * 300), states(150 * 64), out(ids.size() * kVocabulary);
    check(llasa_whisper_log_mel(whisper_.get(), wave.data(), static_cast<int64_t>(wave.size()),
                                features.data()));
    check(llasa_whisper_encode(whisper_.get(), features.data(), 1, states.data()));
    check(llasa_whisper_logits(whisper_.get(), states.data(), ids.data(), static_cast<int64_t>(ids.size()),
                               out.data()));
    return out;
  }
  static double log_softmax(const std::vector<float>& logits, size_t row, int32_t id) {
    double sum = 0.0;
    for (size_t v = 0; v < kVocabulary; ++v)
      sum += std::exp(static_cast<double>(logits[row * kVocabulary + v]));
    return static_cast<double>(logits[row * kVocabulary + static_cast<size_t>(id)]) - std::log(sum);
  }

  WhisperHandle whisper_;
};

}  // namespace llasa::test
