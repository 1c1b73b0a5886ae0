// llasa_whisper_score: what it says of waveforms, checked against the single steps and the oracle.
#include <gtest/gtest.h>

#include <cstddef>
#include <numeric>

#include "abi/speech.h"
#include "op_test_util.h"
#include "simulated.h"
#include "whisper_score_fixture.h"
#if !defined(LLASA_TESTS_ON_DEVICE)
#include "cpu/isa.h"
#endif

using namespace llasa;
using namespace llasa::test;
namespace fs = std::filesystem;

namespace {

TEST_F(WhisperScore, ABatchSaysWhatEachClipSaysAlone) {
  Scoring together = transcript();
  const Clips all = clips();
  for (size_t b = 0; b < all.size(); ++b)
    together.add_target({kSot, 104, static_cast<int32_t>(b), 112, kEot}, 1);
  check(together.run(whisper_.get(), all));
  for (size_t b = 0; b < all.size(); ++b) {
    Scoring alone = transcript();
    alone.add_target({kSot, 104, static_cast<int32_t>(b), 112, kEot}, 1);
    check(alone.run(whisper_.get(), {all[b]}));
    EXPECT_EQ(alone.ids(0), together.ids(b));
    EXPECT_EQ(alone.lengths[0], together.lengths[b]);
    EXPECT_NEAR(alone.logprobs[0], together.logprobs[b], 2e-5);
    EXPECT_NEAR(alone.nlls[0], together.nlls[b], 2e-5);
  }
  expect_same_for_any_thread_count([&] {
    Scoring s = transcript();
    for (size_t b = 0; b < all.size(); ++b) s.add_target({kSot, 1, 2, kEot}, 1);
    check(s.run(whisper_.get(), all));
    return std::make_pair(s.tokens, s.nlls);
  });
}

// Clips that find no room wait for those before them, and say what they say together. Sums of other orders move
// a log-prob as in a batch; on the tile unit with bf16 no sum depends on the batch.
TEST_F(WhisperScore, ClipsThatFindNoRoomAreScoredInTurn) {
  const fs::path directory = case_directory("whisper_tiny", "d64_v300") / "model";
  const Clips all = clips();
  const auto run = [&](llasa_dtype dtype, int64_t cache_bytes) {
    const WhisperHandle whisper = load_whisper(directory, dtype, cache_bytes);
    Scoring s = transcript();
    for (size_t b = 0; b < all.size(); ++b) s.add_target({kSot, 104, static_cast<int32_t>(b), 112, kEot}, 1);
    check(s.run(whisper.get(), all));
    return s;
  };
  const Scoring together = run(LLASA_F32, 0), in_turn = run(LLASA_F32, 1);
  EXPECT_EQ(in_turn.tokens, together.tokens);
  for (size_t b = 0; b < all.size(); ++b) {
    EXPECT_NEAR(in_turn.logprobs[b], together.logprobs[b], 2e-5);
    EXPECT_NEAR(in_turn.nlls[b], together.nlls[b], 2e-5);
  }
#if !defined(LLASA_TESTS_ON_DEVICE)
  if (cpu::kernels().tile_product == nullptr) return;
  const Scoring narrow = run(LLASA_BF16, 0), narrow_in_turn = run(LLASA_BF16, 1);
  EXPECT_EQ(narrow_in_turn.tokens, narrow.tokens);
  EXPECT_EQ(narrow_in_turn.logprobs, narrow.logprobs);
  EXPECT_EQ(narrow_in_turn.nlls, narrow.nlls);
  EXPECT_NE(narrow.nlls, together.nlls) << "nothing was rounded";
#endif
}

#if defined(LLASA_TESTS_ON_DEVICE)
// Recorded steps write what called ones write, also when a longer batch has moved what they know.
TEST_F(WhisperScore, TranscriptsAreTheSameFromRecordedSteps) {
  const Clips all = clips(), two = {all[0], all[2]}, longer = {all[0], all[2], all[3]};
  const auto run = [&](const Clips& some) {
    Scoring s = transcript();
    s.max_new_tokens = 30;
    s.begin_suppress = {};
    s.suppress.push_back(kEot);  // as long as they get
    check(s.run(whisper_.get(), some));
    return std::make_pair(s.tokens, s.logprobs);
  };
  record_launches(false);
  const auto called = run(two), called_longer = run(longer);
  EXPECT_EQ(whisper_->scorer.graphs().replays(), 0);
  record_launches(true);
  EXPECT_EQ(run(two), called);
  EXPECT_EQ(run(longer), called_longer);
  EXPECT_EQ(run(two), called);
  EXPECT_GT(whisper_->scorer.graphs().replays(), 60);
}
#endif

TEST_F(WhisperScore, LikelihoodIsTheMeanOverTheScoredIds) {
  const Clips all = clips();
  const std::vector<int32_t> ids{kSot, kFirstLanguage, kTranscribe, kNoTimestamps, 5, 60, 7, kEot};
  std::vector<std::vector<float>> rows;
  for (const std::vector<float>& clip : all) rows.push_back(logits(clip, ids));
  for (const int32_t first : {1, 4, 7}) {
    Scoring s;  // no transcription, no prompt
    for (size_t b = 0; b < all.size(); ++b) s.add_target(ids, first);
    check(s.run(whisper_.get(), all));
    for (size_t b = 0; b < all.size(); ++b) {
      const auto& l = rows[b];
      double sum = 0.0;
      for (size_t j = static_cast<size_t>(first); j < ids.size(); ++j) sum -= log_softmax(l, j - 1, ids[j]);
      EXPECT_NEAR(s.nlls[b], sum / static_cast<double>(ids.size() - static_cast<size_t>(first)), 1e-4);
      EXPECT_EQ(s.lengths[b], 0);
    }
  }
}

TEST_F(WhisperScore, TranscriptIsGreedyAndEndsAtTheEnd) {
  const Clips all = clips();
  Scoring s = transcript();
  s.suppress.clear();
  s.begin_suppress = {36, 144};
  check(s.run(whisper_.get(), all));
  for (size_t b = 0; b < all.size(); ++b) {
    const auto ids = s.ids(b);
    std::vector<int32_t> fed = s.prompt;
    fed.insert(fed.end(), ids.begin(), ids.end() - 1);
    const auto l = logits(all[b], fed);
    for (size_t i = 0; i < ids.size(); ++i) {
      const float* row = l.data() + (s.prompt.size() - 1 + i) * kVocabulary;
      for (int32_t v = 0; v < kVocabulary; ++v) {
        if (i == 0 && (v == 36 || v == 144)) continue;
        EXPECT_LE(row[v], row[ids[i]] + 1e-4f);
      }
    }
    const bool ended = ids.back() == kEot;
    EXPECT_EQ(s.lengths[b], static_cast<int32_t>(ids.size()) - (ended ? 1 : 0));
    EXPECT_TRUE(ended || ids.size() == 12);
  }
}

TEST_F(WhisperScore, LanguageIsDetectedAndUsedEverywhere) {
  const Clips all = clips();
  Scoring s = transcript();
  s.language_slot = 1;
  s.first_language = kFirstLanguage;
  s.num_languages = kLanguages;
  s.no_speech = kNoSpeech;
  s.target_language_slot = 1;
  for (size_t b = 0; b < all.size(); ++b) s.add_target({kSot, 0, kTranscribe, kNoTimestamps, 9, kEot}, 4);
  check(s.run(whisper_.get(), all));
  for (size_t b = 0; b < all.size(); ++b) {
    const auto l = logits(all[b], {kSot});
    int32_t best = kFirstLanguage;
    for (int32_t v = kFirstLanguage; v < kFirstLanguage + kLanguages; ++v) {
      if (l[static_cast<size_t>(v)] > l[static_cast<size_t>(best)]) best = v;
    }
    EXPECT_EQ(s.languages[b], best);
    EXPECT_NEAR(s.no_speech_probs[b], std::exp(log_softmax(l, 0, kNoSpeech)), 1e-6);
    Scoring given = transcript();
    given.prompt[1] = best;
    given.first_language = kFirstLanguage;
    given.num_languages = kLanguages;
    given.add_target({kSot, best, kTranscribe, kNoTimestamps, 9, kEot}, 4);
    check(given.run(whisper_.get(), {all[b]}));
    EXPECT_EQ(given.ids(0), s.ids(b));
    EXPECT_EQ(given.languages[0], best);
    EXPECT_NEAR(given.nlls[0], s.nlls[b], 2e-5);
  }
}

TEST_F(WhisperScore, LanguagesAreTheIdsListed_NotAllBetweenThem) {
  const std::vector<float> wave = clips()[0];
  const auto l = logits(wave, {kSot});
  std::vector<int32_t> order(kLanguages);
  std::iota(order.begin(), order.end(), kFirstLanguage);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return l[static_cast<size_t>(a)] > l[static_cast<size_t>(b)]; });
  const int32_t likeliest = order[0], expected = order[1];
  order.erase(order.begin());
  ASSERT_NE(likeliest, kFirstLanguage);  // so that it lies between the others
  ASSERT_NE(likeliest, kFirstLanguage + kLanguages - 1);
  Scoring s = transcript();
  s.language_slot = 1;
  s.language_ids.assign(order.rbegin(), order.rend());
  check(s.run(whisper_.get(), {wave}));
  EXPECT_EQ(s.languages[0], expected);

  for (const int32_t id : {likeliest, expected}) {
    Scoring given = transcript();
    given.prompt[1] = id;
    given.language_ids = order;
    check(given.run(whisper_.get(), {wave}));
    EXPECT_EQ(given.languages[0], id == likeliest ? -1 : id);
  }
}

TEST_F(WhisperScore, EachOfSeveralEndsEndsATranscript) {
  const std::vector<float> wave = clips()[2];
  Scoring whole = transcript();
  whole.suppress = {kEot};
  check(whole.run(whisper_.get(), {wave}));
  const std::vector<int32_t> all = whole.ids(0);
  ASSERT_EQ(all.size(), 12u);
  const int32_t end = all.back();
  const auto at = std::find(all.begin(), all.end(), end);
  Scoring s = whole;
  s.end_ids = {kNoSpeech, end};
  check(s.run(whisper_.get(), {wave}));
  EXPECT_EQ(s.ids(0), std::vector<int32_t>(all.begin(), at + 1));
  EXPECT_EQ(s.lengths[0], static_cast<int32_t>(at - all.begin()));
}

TEST_F(WhisperScore, LongAudioGoesWindowByWindow) {
  auto wave = synthetic();  // exactly one window
  Scoring one = transcript(), two = transcript();
  one.suppress.clear();
  two.suppress.clear();
  one.max_new_tokens = 5;
  two.max_new_tokens = 64;
  auto longer = wave;
  longer.insert(longer.end(), wave.begin(), wave.begin() + 16000);
  check(two.run(whisper_.get(), {longer, wave}));
  Scoring first = two, second = two;
  check(first.run(whisper_.get(), {wave}));
  check(second.run(whisper_.get(), {{wave.begin(), wave.begin() + 16000}}));
  auto expected = first.ids(0);
  EXPECT_EQ(two.ids(1), expected);
  if (expected.back() == kEot) expected.pop_back();  // only the last window's end is listed
  const auto tail = second.ids(0);
  expected.insert(expected.end(), tail.begin(), tail.end());
  if (expected.size() > 64) expected.resize(64);
  EXPECT_EQ(two.ids(0), expected);
  check(one.run(whisper_.get(), {longer}));
  EXPECT_EQ(one.ids(0), std::vector<int32_t>(expected.begin(), expected.begin() + 5));
}

// What stands behind a full window and is too short or too silent to be speech says nothing, the end of the
// text included; likelihoods are those of the first window in any case.
TEST_F(WhisperScore, LaterWindowsWithoutSpeechAreNotTranscribed) {
  const auto wave = synthetic();  // exactly one window
  const auto with = [&](std::vector<float> tail) {
    auto clip = wave;
    clip.insert(clip.end(), tail.begin(), tail.end());
    return clip;
  };
  const std::vector<float> second(wave.begin(), wave.begin() + 16000), quiet = random_floats(48000, 5, 1e-5f);
  const auto hear = [&](const Clips& clips, float silence_rms) {
    Scoring s = transcript();
    s.suppress.clear();
    s.max_new_tokens = 64;
    s.min_window_samples = 16000;
    s.silence_rms = silence_rms;
    for (size_t b = 0; b < clips.size(); ++b) s.add_target({kSot, 9, kEot}, 1);
    check(s.run(whisper_.get(), clips));
    return s;
  };
  const Scoring one = hear({wave}, 1e-4f), later = hear({second}, 1e-4f);
  auto silent_then_speech = with(quiet);
  silent_then_speech.insert(silent_then_speech.end(), second.begin(), second.end());
  const Scoring s = hear(
      {with({0.5f}), with({second.begin(), second.end() - 1}), with(quiet), with(second), silent_then_speech},
      1e-4f);
  for (const size_t b : {0, 1, 2}) {
    EXPECT_EQ(s.ids(b), one.ids(0)) << b;
    EXPECT_EQ(s.lengths[b], one.lengths[0]) << b;
  }
  auto both = one.ids(0);
  if (both.back() == kEot) both.pop_back();
  const auto tail = later.ids(0);
  both.insert(both.end(), tail.begin(), tail.end());
  both.resize(std::min<size_t>(both.size(), 64));
  EXPECT_EQ(s.ids(3), both);
  EXPECT_EQ(s.ids(4), both);
  for (size_t b = 0; b < 5; ++b) EXPECT_NEAR(s.nlls[b], one.nlls[0], 2e-5) << b;
  EXPECT_NE(hear({with(quiet)}, 0.0f).ids(0), one.ids(0));  // 0: any window is transcribed
}

TEST_F(WhisperScore, TextNeverOutgrowsTheModel) {
  Scoring s = transcript();
  s.max_new_tokens = 500;
  s.suppress.push_back(kEot);
  check(s.run(whisper_.get(), {synthetic()}));
  EXPECT_EQ(s.lengths[0], 64 - 4);
}

TEST_F(WhisperScore, FaultyRequestsAreRefused) {
  const auto run = [&](auto&& change, Clips wave = {std::vector<float>(100, 0.1f)}) {
    Scoring s = transcript();
    s.add_target({kSot, 1, kEot}, 1);
    change(s);
    return s.run(whisper_.get(), wave);
  };
  EXPECT_EQ(run([](Scoring&) {}), LLASA_OK);
  EXPECT_EQ(run([](Scoring&) {}, {{0.0f, NAN}}), LLASA_ERR_NOT_FINITE);
  EXPECT_NE(std::string(llasa_last_error()).find("clip 0"), std::string::npos);
  EXPECT_EQ(run([](Scoring& s) { s.prompt[1] = kVocabulary; }), LLASA_ERR_TOKEN);
  EXPECT_EQ(run([](Scoring& s) { s.targets[1] = -1; }), LLASA_ERR_TOKEN);
  EXPECT_EQ(run([](Scoring& s) { s.first[0] = 3; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.first[0] = 0; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.prompt.assign(64, kSot); }), LLASA_ERR_CAPACITY);
  EXPECT_EQ(run([](Scoring& s) {
              s.targets.assign(65, 1);
              s.target_offsets[1] = 65;
            }),
            LLASA_ERR_CAPACITY);
  EXPECT_NE(std::string(llasa_last_error()).find("max_target_positions"), std::string::npos);
  EXPECT_EQ(run([](Scoring& s) { s.target_language_slot = 1; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.language_slot = 4; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.language_slot = 1; }), LLASA_ERR_TOKEN);
  EXPECT_EQ(run([](Scoring& s) { s.language_ids = {kFirstLanguage, kVocabulary}; }), LLASA_ERR_TOKEN);
  EXPECT_EQ(run([](Scoring& s) { s.end_ids = {-1}; }), LLASA_ERR_TOKEN);
  EXPECT_EQ(run([](Scoring& s) { s.prompt.clear(); }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.min_window_samples = -1; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) { s.silence_rms = NAN; }), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) {
              s.id_characters.assign(kVocabulary, 1);
              s.max_characters = {1};
              s.loop_characters = {0};
            }),
            LLASA_ERR_ARGUMENT);
  EXPECT_EQ(run([](Scoring& s) {  // nothing left to choose from
              s.suppress.resize(kVocabulary);
              std::iota(s.suppress.begin(), s.suppress.end(), 0);
            }),
            LLASA_ERR_NOT_FINITE);
}

// The 30 s features of this oracle case are the log-mel of a waveform at hand, so the whole path can be
// compared.
TEST(WhisperScoreOracle, WaveformToGreedyIdsAndLikelihood) {
  const fs::path directory = case_directory("whisper_tiny", "largev3_layout");
  const Json manifest = Json::read(directory / "case.json");
  const WhisperHandle whisper = load_whisper(directory / "model");
  const Json& special = manifest["special_tokens"];
  const auto eot = static_cast<int32_t>(special["eot"].integer());
  const auto integers = [](const Json& array) {
    std::vector<int32_t> values;
    for (const Json& v : array.elements()) values.push_back(static_cast<int32_t>(v.integer()));
    return values;
  };
  for (const Json& input : manifest["inputs"].elements()) {
    if (input["features"].string().find("synthetic.wav") == std::string::npos) continue;
    // On the simulator, where a window takes ten seconds, each way of decoding hears it once, with a target of its own.
    const size_t ways = repetitions<size_t>(input["greedy"].elements().size(), 2);
    for (size_t way = 0; way < ways; ++way) {
      const Json& greedy = input["greedy"][way];
      Scoring s;
      s.prompt = integers(greedy["prompt"]);
      s.max_new_tokens = static_cast<int32_t>(greedy["max_new_tokens"].integer());
      if (greedy["mode"].string() != "argmax") {
        for (int32_t id = eot + 1; id < 1859; ++id) s.suppress.push_back(id);
        s.begin_suppress = {eot};
      }
      Clips clips;
      const size_t first = repetitions<size_t>(0, way),
                   count = repetitions<size_t>(input["targets"].elements().size(), 1);
      for (size_t b = 0; b < count; ++b) {
        const Json& target = input["targets"][first + b];
        s.add_target(integers(target["ids"]), static_cast<int32_t>(target["first_scored_index"].integer()));
        clips.push_back(synthetic());
      }
      check(s.run(whisper.get(), clips));
      for (size_t b = 0; b < count; ++b) {
        EXPECT_EQ(s.ids(b), integers(greedy["ids"]));
        EXPECT_NEAR(s.nlls[b], input["targets"][first + b]["mean_nll"].number(),
                    manifest["tolerance"]["nll_abs"].number());
      }
    }
  }
}

// One call from codes gives what two calls over the waveform give; a clip without codes is silence.
TEST(WhisperScoreCodes, EqualsVocodeThenScore) {
  const fs::path directory = case_directory("xcodec2", "full_tiny");
  const CodecHandle codec = load_codec(directory / "hf", directory / "hf", LLASA_CODEC_LAYOUT_HF);
  const WhisperHandle whisper = load_whisper(case_directory("whisper_tiny", "d64_v300") / "model");
  const std::vector<int64_t> offsets{0, 30, 30, 41};
  std::vector<int32_t> codes(41);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int32_t>(i * 1573 % 65536);
  std::vector<float> expected(41 * 320), actual(41 * 320);
  check(llasa_vocode(codec.get(), 3, offsets.data(), codes.data(), expected.data()));
  Clips clips;
  for (size_t b = 0; b < 3; ++b) {
    clips.emplace_back(expected.begin() + offsets[b] * 320, expected.begin() + offsets[b + 1] * 320);
  }
  Scoring s, c;
  for (Scoring* scoring : {&s, &c}) {
    scoring->prompt = {kSot, kFirstLanguage, kTranscribe, kNoTimestamps};
    scoring->max_new_tokens = 9;
    for (int i = 0; i < 3; ++i) scoring->add_target({kSot, 3, 4, kEot}, 1);
  }
  check(s.run(whisper.get(), clips));
  const llasa_whisper_request request = c.request(3);
  llasa_whisper_result result = c.result(3);
  check(llasa_whisper_score_codes(whisper.get(), codec.get(), offsets.data(), codes.data(), &request, &result,
                                  actual.data()));
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(c.tokens, s.tokens);
  EXPECT_EQ(c.nlls, s.nlls);
  EXPECT_EQ(c.logprobs, s.logprobs);
  EXPECT_GT(result.codec_seconds, 0);
  // A caller of before that field.
  result.struct_size = static_cast<uint32_t>(offsetof(llasa_whisper_result, codec_seconds));
  result.codec_seconds = -1;
  check(llasa_whisper_score_codes(whisper.get(), codec.get(), offsets.data(), codes.data(), &request, &result,
                                  nullptr));
  EXPECT_EQ(result.codec_seconds, -1);
}

}  // namespace
