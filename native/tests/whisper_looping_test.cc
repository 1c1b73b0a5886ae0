// llasa_whisper_score: where it ends a text that its model does not end.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "whisper_score_fixture.h"

using namespace llasa;
using namespace llasa::test;

namespace {

// Two ids are all that a recogniser may choose from, so it has to loop.
class LoopingTranscript : public WhisperScore {
 protected:
  static constexpr int32_t kMost = 60;  // that the model has room for

  Scoring loop(int64_t max_characters, int64_t loop_characters, int32_t per_id = 1, size_t clips = 1) {
    Scoring s = transcript();
    s.max_new_tokens = kMost;
    s.suppress.clear();
    s.begin_suppress.clear();
    for (int32_t id = 0; id < kVocabulary; ++id) {
      if (id != 65) s.suppress.push_back(id);
    }
    s.id_characters.assign(kVocabulary, 0);
    s.id_characters[65] = per_id;
    s.max_characters.assign(clips, max_characters);
    s.loop_characters.assign(clips, loop_characters);
    return s;
  }
};

TEST_F(LoopingTranscript, EndsWhereItHasTheCharactersOfItsClip) {
  Scoring s = loop(1000, 1000, 2, 3);
  s.max_characters = {7, 1000, 12};
  const Clips all = clips();
  check(s.run(whisper_.get(), {all[0], all[2], all[3]}));
  EXPECT_EQ(s.lengths, (std::vector<int32_t>{4, kMost, 6}));
  EXPECT_EQ(s.ended_early, (std::vector<int32_t>{LLASA_ENDED_LENGTH, LLASA_ENDED_NO, LLASA_ENDED_LENGTH}));
}

TEST_F(LoopingTranscript, EndsAtTheThirdRepetitionOnceItIsLongEnough) {
  Scoring at_once = loop(1000, 1), later = loop(1000, 20);
  check(at_once.run(whisper_.get(), {synthetic()}));
  check(later.run(whisper_.get(), {synthetic()}));
  EXPECT_EQ(at_once.lengths[0], 3);
  EXPECT_EQ(later.lengths[0], 20);
  EXPECT_EQ(later.ended_early[0], LLASA_ENDED_LOOP);
}

TEST_F(LoopingTranscript, WithoutCharactersEndsItsWindowAlone) {
  auto longer = synthetic();
  longer.insert(longer.end(), 16000, 0.1f);
  Scoring s = loop(1000, 1000, 0, 2);
  check(s.run(whisper_.get(), {synthetic(), longer}));
  EXPECT_EQ(s.lengths[0], 32);
  EXPECT_EQ(s.lengths[1], kMost);  // 32 of the first window, and no room for as many of the second
  EXPECT_EQ(s.ended_early[0], LLASA_ENDED_EMPTY_LOOP);
}

// With bounds that nobody reaches a transcript is what it is without them.
TEST_F(LoopingTranscript, BoundsThatAreNotReachedChangeNothing) {
  Scoring without = transcript(), with = transcript();
  for (Scoring* s : {&without, &with}) s->suppress.clear();
  with.id_characters.assign(kVocabulary, 1);
  with.max_characters.assign(4, 1000);
  with.loop_characters.assign(4, 1000);
  const Clips all = clips();
  check(without.run(whisper_.get(), all));
  check(with.run(whisper_.get(), all));
  EXPECT_EQ(with.tokens, without.tokens);
  EXPECT_EQ(with.logprobs, without.logprobs);
  EXPECT_EQ(with.ended_early, std::vector<int32_t>(4, LLASA_ENDED_NO));
}

}  // namespace
