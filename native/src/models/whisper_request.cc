// Checks of a scoring request: everything the caller can get wrong, before anything is computed.
#include "core/status.h"
#include "models/whisper_score.h"

namespace llasa {

namespace {

long long number(int64_t value) {
  return static_cast<long long>(value);
}

void check_ids(const int32_t* ids, int64_t count, int64_t vocab, const char* name) {
  LLASA_CHECK(count >= 0 && (count == 0 || ids != nullptr), Status::kArgument,
              "`request.%s` is NULL, expected %lld ids", name, number(count));
  for (int64_t i = 0; i < count; ++i) {
    LLASA_CHECK(ids[i] >= 0 && ids[i] < vocab, Status::kToken, "`request.%s[%lld]`: %d, expected 0..%lld",
                name, number(i), ids[i], number(vocab - 1));
  }
}

void check_languages(const WhisperConfig& c, const WhisperRequest& r) {
  const bool detect = r.language_slot >= 0;
  LLASA_CHECK(r.language_slot < r.prompt_length, Status::kArgument,
              "`request.language_slot`: %d, expected below %lld", r.language_slot, number(r.prompt_length));
  LLASA_CHECK(r.language_slot != 0, Status::kArgument,
              "`request.language_slot`: 0, expected -1 or a position behind the first prompt token");
  check_ids(r.language_ids, r.num_language_ids, c.vocab_size, "language_ids");
  LLASA_CHECK(!detect || r.num_language_ids > 0 ||
                  (r.num_languages > 0 && r.first_language_token >= 0 &&
                   int64_t{r.first_language_token} + r.num_languages <= c.vocab_size),
              Status::kToken,
              "`request.first_language_token`: languages %d..%lld, expected a range of ids below %lld",
              r.first_language_token, number(int64_t{r.first_language_token} + r.num_languages - 1),
              number(c.vocab_size));
  LLASA_CHECK(r.no_speech_token < c.vocab_size, Status::kToken,
              "`request.no_speech_token`: %d, expected below %lld", r.no_speech_token, number(c.vocab_size));
  LLASA_CHECK(r.target_language_slot < 0 || detect, Status::kArgument,
              "`request.target_language_slot`: %d without a `language_slot` to detect the language at",
              r.target_language_slot);
}

void check_bounds(const WhisperRequest& r) {
  if (r.id_characters == nullptr || r.num_clips == 0) return;
  LLASA_CHECK(r.max_characters != nullptr, Status::kArgument,
              "`request.max_characters` is NULL, but there are `request.id_characters`");
  LLASA_CHECK(r.loop_characters != nullptr, Status::kArgument,
              "`request.loop_characters` is NULL, but there are `request.id_characters`");
  for (int64_t b = 0; b < r.num_clips; ++b) {
    LLASA_CHECK(r.max_characters[b] >= 1, Status::kArgument,
                "`request.max_characters[%lld]`: %lld, expected >= 1", number(b),
                number(r.max_characters[b]));
    LLASA_CHECK(r.loop_characters[b] >= 1, Status::kArgument,
                "`request.loop_characters[%lld]`: %lld, expected >= 1", number(b),
                number(r.loop_characters[b]));
  }
}

void check_targets(const WhisperConfig& c, const WhisperRequest& r, const WhisperResult& result) {
  if (r.target_offsets == nullptr) return;
  LLASA_CHECK(r.target_first != nullptr, Status::kArgument, "`request.target_first` is NULL");
  LLASA_CHECK(result.mean_nlls != nullptr, Status::kArgument,
              "`result.mean_nlls` is NULL, but there are targets");
  LLASA_CHECK(r.target_offsets[0] == 0, Status::kArgument, "`request.target_offsets[0]`: %lld, expected 0",
              number(r.target_offsets[0]));
  for (int64_t b = 0; b < r.num_clips; ++b) {
    const int64_t length = r.target_offsets[b + 1] - r.target_offsets[b];
    LLASA_CHECK(r.target_first[b] >= 1 && r.target_first[b] < length, Status::kArgument,
                "`request.target_first[%lld]`: %d in a target of %lld ids, expected 1..%lld", number(b),
                r.target_first[b], number(length), number(length - 1));
    LLASA_CHECK(length <= c.max_target_positions, Status::kCapacity,
                "`request.target_ids`: clip %lld has %lld ids, the model's max_target_positions is %lld",
                number(b), number(length), number(c.max_target_positions));
    LLASA_CHECK(r.target_language_slot < length, Status::kArgument,
                "`request.target_language_slot`: %d in a target of %lld ids (clip %lld)",
                r.target_language_slot, number(length), number(b));
  }
  check_ids(r.target_ids, r.target_offsets[r.num_clips], c.vocab_size, "target_ids");
}

}  // namespace

void check_whisper_request(const WhisperConfig& c, const WhisperRequest& r, const WhisperResult& result) {
  LLASA_CHECK(r.num_clips >= 0, Status::kArgument, "`request.num_clips`: %lld, expected >= 0",
              number(r.num_clips));
  LLASA_CHECK(r.max_new_tokens >= 0, Status::kArgument, "`request.max_new_tokens`: %d, expected >= 0",
              r.max_new_tokens);
  LLASA_CHECK(r.min_window_samples >= 0, Status::kArgument, "`request.min_window_samples`: %d, expected >= 0",
              r.min_window_samples);
  LLASA_CHECK(r.silence_rms >= 0.0f, Status::kArgument, "`request.silence_rms`: %g, expected >= 0",
              static_cast<double>(r.silence_rms));
  check_ids(r.prompt_ids, r.prompt_length, c.vocab_size, "prompt_ids");
  check_ids(r.suppress_ids, r.num_suppress, c.vocab_size, "suppress_ids");
  check_ids(r.begin_suppress_ids, r.num_begin_suppress, c.vocab_size, "begin_suppress_ids");
  if (r.max_new_tokens > 0 && r.num_clips > 0) {
    LLASA_CHECK(r.prompt_length >= 1, Status::kArgument, "`request.prompt_length`: %lld, expected >= 1",
                number(r.prompt_length));
    LLASA_CHECK(result.tokens != nullptr, Status::kArgument, "`result.tokens` is NULL");
    LLASA_CHECK(result.lengths != nullptr, Status::kArgument, "`result.lengths` is NULL");
  }
  LLASA_CHECK(r.prompt_length < c.max_target_positions || r.max_new_tokens == 0, Status::kCapacity,
              "`request.prompt_length`: %lld leaves no room below the model's max_target_positions (%lld)",
              number(r.prompt_length), number(c.max_target_positions));
  LLASA_CHECK(r.prompt_length <= c.max_target_positions, Status::kCapacity,
              "`request.prompt_length`: %lld, the model's max_target_positions is %lld",
              number(r.prompt_length), number(c.max_target_positions));
  check_ids(r.end_ids, r.num_end_ids, c.vocab_size, "end_ids");
  check_languages(c, r);
  check_bounds(r);
  check_targets(c, r, result);
}

}  // namespace llasa
