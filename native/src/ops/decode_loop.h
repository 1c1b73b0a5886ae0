// What happens between two tokens of a decode loop, so that the loop needs no host: the drawn token becomes
// the next one to feed, its row moves on by one place, and a row that has ended stands still. The host looks
// at the record of what was drawn whenever it likes, not after every token.
#pragma once

#include "ops/attention_decode.h"
#include "ops/sampling.h"

namespace llasa {

// How far a row is.
struct DecodeProgress {
  int32_t left = 0;        // tokens it may still draw; 0: it has ended (or was only there to fill the batch)
  int32_t until_stop = 0;  // of these, how many before the stop token is allowed
  int32_t steps = 0;       // in the record so far
};

// One draw as the host reads it.
struct DrawnToken {
  int32_t id = 0;  // kSampleNotFinite, kSampleEmpty, or kDrawnNothing of a row that had ended before
  float logprob = 0;
  float draw_logprob = 0;
};
constexpr int32_t kDrawnNothing = -3;

// The loop's state, device arrays [T]: inputs of embedding, rope, attention_decode and sampling.
struct DecodeState {
  int32_t* ids = nullptr;  // to feed
  int32_t* positions = nullptr;
  DecodeRow* rows = nullptr;
  SampleRow* sample_rows = nullptr;
  DecodeProgress* progress = nullptr;
  DrawnToken* record = nullptr;  // [steps, T]
};

// When a row ends: at this token (-1: none), whose column sampling must not draw before its time (-1: it
// cannot be drawn at all).
struct StopRule {
  int32_t token = -1;
  int32_t column = -1;
};

// Takes what sampling_forward drew for T rows (ids, logprobs, draw_logprobs [T]): row t's draw goes to
// record[steps, t]. Then a row that draws on is fed its token at the next position; one that ends here, by
// the stop token, by its last token or by an error of sampling, gets left = 0 and keeps everything else. Such
// a row is computed again from then on, writes what it wrote before, and kDrawnNothing is recorded for it.
void decode_advance(Stream& stream, const DecodeState& state, const StopRule& stop, const int32_t* ids,
                    const float* logprobs, const float* draw_logprobs, int64_t T);

// One row of it.
LLASA_HOST_DEVICE inline void advance_row(const DecodeState& state, const StopRule& stop, int64_t t,
                                          int64_t T, DrawnToken drawn) {
  DecodeProgress p = state.progress[t];
  if (p.left == 0) drawn = {kDrawnNothing, 0.0f, 0.0f};
  state.record[p.steps * T + t] = drawn;
  ++p.steps;
  if (p.left > 0) p.left = drawn.id < 0 || drawn.id == stop.token ? 0 : p.left - 1;
  if (p.left > 0) {
    if (p.until_stop > 0) --p.until_stop;
    state.ids[t] = drawn.id;
    ++state.positions[t];
    ++state.rows[t].own_tokens;
    ++state.sample_rows[t].position;
    state.sample_rows[t].forbidden_column = p.until_stop > 0 ? stop.column : -1;
  }
  state.progress[t] = p;
}

}  // namespace llasa
