// Handles on threads of their own: samples are vocoded while others are drawn, and nothing of it shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "fixture.h"
#include "rollout_fixture.h"
#include "speech_models.h"
#include "whisper_score_fixture.h"

namespace llasa::test {
namespace {

std::vector<float> vocode(llasa_codec* codec, const std::vector<int32_t>& codes) {
  int32_t hop = 0, count = 0;
  check(llasa_codec_geometry(codec, &hop, &count));
  const int64_t offsets[] = {0, static_cast<int64_t>(codes.size())};
  std::vector<float> waveform(codes.size() * static_cast<size_t>(hop));
  check(llasa_vocode(codec, 1, offsets, codes.data(), waveform.data()));
  return waveform;
}

TEST(Overlap, VocodingBesideDecodingChangesNoBitOfEither) {
  const auto all = cases("xcodec2");
  const auto found = std::find_if(all.begin(), all.end(),
                                  [](const auto& path) { return path.filename() == "decoder_short_fsq"; });
  ASSERT_NE(found, all.end());
  const std::filesystem::path fixture = *found;
  const CodecHandle codec = load_codec(fixture / "hf", fixture / "hf", LLASA_CODEC_LAYOUT_HF);
  std::vector<int32_t> codes;
  for (int32_t i = 0; i < 12; ++i) codes.push_back(i % 5);
  const std::vector<float> waveform = vocode(codec.get(), codes);

  const TinyPolicy policy;
  Job job = make_job();
  job.slots = 7;
  llasa_rollout* rollout = create(policy.handle, job.slots);
  const Samples samples = generate(rollout, job);

  // Graphs are recorded in the first call, so that this one records beside whatever the codec does.
  llasa_rollout* fresh = create(policy.handle, job.slots);
  std::atomic<bool> drawn{false};
  std::vector<std::vector<float>> waveforms;
  std::string fault;
  std::thread listener([&] {
    try {
      do waveforms.push_back(vocode(codec.get(), codes));
      while (!drawn.load() || waveforms.size() < 3);
    } catch (const std::exception& error) {
      fault = error.what();
    }
  });
  const Samples beside = generate(fresh, job);
  drawn.store(true);
  listener.join();
  EXPECT_EQ(fault, "");
  EXPECT_EQ(beside, samples);
  for (const auto& other : waveforms) EXPECT_EQ(other, waveform);
  llasa_rollout_destroy(fresh);
  llasa_rollout_destroy(rollout);
}

// As a reward server's workers do, while samples are drawn: each has a phase of its own.
TEST(Overlap, TwoRecognisersBesideDecodingHearWhatTheyHearAlone) {
  const auto directory = case_directory("whisper_tiny", "d64_v300") / "model";
  const Clips clips{synthetic(), std::vector<float>(2000, 0.1f)};
  const auto hear = [&](llasa_whisper* whisper) {
    Scoring scoring;
    scoring.prompt = {1, 2, 3};
    scoring.max_new_tokens = 6;
    for (size_t b = 0; b < clips.size(); ++b) scoring.add_target({1, 2, 3, 10, 11, 12}, 3);
    check(scoring.run(whisper, clips));
    std::vector<float> heard = scoring.nlls;
    heard.insert(heard.end(), scoring.logprobs.begin(), scoring.logprobs.end());
    heard.insert(heard.end(), scoring.tokens.begin(), scoring.tokens.end());
    return heard;
  };
  const TinyPolicy policy;
  Job job = make_job();
  job.slots = 7;
  llasa_rollout* rollout = create(policy.handle, job.slots);
  const Samples samples = generate(rollout, job);
  const WhisperHandle first = load_whisper(directory), second = load_whisper(directory);
  const std::vector<float> alone = hear(first.get());

  std::atomic<bool> drawn{false};
  std::vector<std::vector<float>> heard[2];
  std::string fault[2];
  std::vector<std::thread> listeners;
  for (int i = 0; i < 2; ++i) {
    listeners.emplace_back([&, i] {
      try {
        do heard[i].push_back(hear(i == 0 ? first.get() : second.get()));
        while (!drawn.load() || heard[i].size() < 2);
      } catch (const std::exception& error) {
        fault[i] = error.what();
      }
    });
  }
  const Samples beside = generate(rollout, job);
  drawn.store(true);
  for (std::thread& listener : listeners) listener.join();
  EXPECT_EQ(beside, samples);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(fault[i], "");
    for (const auto& again : heard[i]) EXPECT_EQ(again, alone);
  }
  llasa_rollout_destroy(rollout);
}

}  // namespace
}  // namespace llasa::test
