// Greedy decoding: the part of scoring that repeats for every token. From token to token the loop stays on the
// device (ops/decode_loop.h); every readback_steps tokens the host reads what was chosen, and clips whose text
// ended leave. A text is the same however many steps that are: what was chosen behind its end is not read.
#include <algorithm>

#include "models/whisper_score.h"
#include "ops/transcript.h"

namespace llasa {

namespace {

constexpr const char* kWhat = "buffers of the recogniser";
constexpr int64_t kReadbackSteps = 8;  // where the device works behind the host
constexpr size_t kLoopIds = 32;        // longest part whose repetition is looked for

// Whether the last `span` ids repeat with this period.
bool repeats(std::span<const int32_t> ids, size_t period, size_t span) {
  const auto tail = ids.last(span);
  return std::equal(tail.begin() + static_cast<std::ptrdiff_t>(period), tail.end(), tail.begin());
}

}  // namespace

// Whether the text that has just got its writer's last id ends here by the request's bounds. A recogniser
// that loops does so until it has no room left, which takes longer than all else together.
bool WhisperScorer::ends_early(const WhisperRequest& request, int64_t clip, const Writer& writer) {
  if (request.id_characters == nullptr) return false;
  Text& text = texts_[writer.text];
  text.characters += request.id_characters[writer.last];
  if (text.characters >= request.max_characters[clip]) {
    text.ended_early = EndedEarly::kLength;
    return true;
  }
  const std::span<const int32_t> window = std::span(text.ids).last(static_cast<size_t>(writer.in_window));
  for (size_t period = 1; period <= kLoopIds && 3 * period <= window.size(); ++period) {
    if (!repeats(window, period, 3 * period)) continue;
    if (text.characters >= request.loop_characters[clip]) {
      text.ended_early = EndedEarly::kLoop;
      return true;
    }
    const auto part = window.last(period);
    const bool empty =
        std::all_of(part.begin(), part.end(), [&](int32_t id) { return request.id_characters[id] == 0; });
    const size_t span = std::max<size_t>(3 * period, kLoopIds);
    if (empty && span <= window.size() && repeats(window, period, span)) {
      text.ended_early = EndedEarly::kEmptyLoop;
      return true;
    }
  }
  return false;
}

// Tokens that a text may still get in the window it is in.
int64_t WhisperScorer::tokens_left(const WhisperRequest& request, const Writer& writer) const {
  const int64_t room = whisper_.config().max_target_positions - request.prompt_length - writer.in_window;
  return std::min(room, request.max_new_tokens - static_cast<int64_t>(texts_[writer.text].ids.size()));
}

// Greedy decoding of one window, all clips in step. first_clip: the chunk's.
void WhisperScorer::write_texts(const WhisperRequest& request, int64_t first_clip,
                                std::vector<Writer> writers, int64_t window) {
  const auto most = static_cast<int64_t>(writers.size());
  for (bool first = true; !writers.empty(); first = false) {
    int64_t steps = 0;
    for (const Writer& writer : writers) steps = std::max(steps, tokens_left(request, writer));
    steps = std::min(steps, device_works_behind() ? kReadbackSteps : 1);
    const int64_t rows = LaunchGraphs::bucket(static_cast<int64_t>(writers.size()), most);
    const DecodeState state = place(request, writers, rows, most);
    for (int64_t s = 0; s < steps; ++s) {
      if (first && s == 0) {
        write_token(state, begin_suppress_.data(), rows);
      } else {
        graphs_.run(whisper_.stream(), rows, [&] { write_token(state, suppress_.data(), rows); });
      }
    }
    record_.resize(static_cast<size_t>(steps * rows));
    copy_to_host(whisper_.stream(), record_.data(), state.record,
                 steps * rows * static_cast<int64_t>(sizeof(DrawnToken)));
    std::vector<Writer> going;
    for (size_t a = 0; a < writers.size(); ++a) {
      bool goes_on = true;
      for (int64_t s = 0; s < steps && goes_on; ++s) {
        const DrawnToken& drawn = record_[static_cast<size_t>(s * rows) + a];
        goes_on = collect(request, first_clip, writers[a], window, drawn);
      }
      if (goes_on) going.push_back(writers[a]);
    }
    writers = std::move(going);
  }
}

// The device's rows: the writers, and behind them some that only fill the batch.
DecodeState WhisperScorer::place(const WhisperRequest& request, const std::vector<Writer>& writers,
                                 int64_t rows, int64_t most) {
  Stream& stream = whisper_.stream();
  std::vector<int32_t> ids, positions;
  std::vector<DecodeRow> places;
  std::vector<DecodeProgress> progress;
  for (const Writer& writer : writers) {
    const int64_t position = request.prompt_length - 1 + writer.in_window;
    ids.push_back(writer.last);
    positions.push_back(static_cast<int32_t>(position));
    places.push_back({0, writer.slot, 0, static_cast<int32_t>(position + 1)});
    progress.push_back({static_cast<int32_t>(tokens_left(request, writer)), 0, 0});
  }
  const auto all = static_cast<size_t>(rows);
  ids.resize(all, 0);
  positions.resize(all, 0);
  places.resize(all, {0, -1, 0, 1});
  progress.resize(all);
  const int64_t V = whisper_.config().vocab_size;
  std::vector<uint64_t> facts;
  const auto fact = [&](const void* pointer) { facts.push_back(reinterpret_cast<uintptr_t>(pointer)); };
  logits_.reserve(most * V, "logits of the recogniser");
  logits_.add_facts(facts);
  fact(values_.reserve(most, kWhat));
  fact(chosen_.reserve(most, kWhat));
  fact(written_.ids.reserve(most, kWhat));
  fact(written_.positions.reserve(most, kWhat));
  fact(written_.rows.reserve(most, kWhat));
  fact(written_.samples.reserve(most, kWhat));
  fact(written_.progress.reserve(most, kWhat));
  fact(written_.record.reserve(kReadbackSteps * most, kWhat));
  fact(suppress_.data());
  decoder_.reserve_step(most, facts);
  graphs_.fix(std::move(facts));
  written_.ids.upload(stream, ids, kWhat);
  written_.positions.upload(stream, positions, kWhat);
  written_.rows.upload(stream, places, kWhat);
  written_.samples.upload(stream, std::vector<SampleRow>(all), kWhat);
  written_.progress.upload(stream, progress, kWhat);
  return {written_.ids.data(),     written_.positions.data(), written_.rows.data(),
          written_.samples.data(), written_.progress.data(),  written_.record.data()};
}

// One token of every row on the device, without the host. The model's own end is the one that a row stands still
// at; other ends, and bounds, the host sees when it reads.
void WhisperScorer::write_token(const DecodeState& state, const uint8_t* banned, int64_t rows) {
  Stream& stream = whisper_.stream();
  decoder_.logits(decoder_.step(state, rows), rows, logits_.data());
  greedy_choice(stream, logits_.data(), banned, chosen_.data(), values_.data(), rows,
                whisper_.config().vocab_size);
  decode_advance(stream, state, {whisper_.config().eot_token, -1}, chosen_.data(), values_.data(),
                 values_.data(), rows);
}

// One chosen id into its text; whether the text goes on in this window.
bool WhisperScorer::collect(const WhisperRequest& request, int64_t first_clip, Writer& writer, int64_t window,
                            const DrawnToken& drawn) {
  Text& text = texts_[writer.text];
  LLASA_CHECK(drawn.id != kDrawnNothing, Status::kInternal, "the text of clip %zu ended on the device alone",
              writer.text);
  LLASA_CHECK(drawn.id >= 0, Status::kNotFinite,
              "the recogniser's logits of clip %zu hold a NaN, or every id is "
              "suppressed",
              writer.text);
  text.logprob_sum += static_cast<double>(drawn.logprob);
  ++text.drawn;
  ++writer.in_window;
  writer.last = drawn.id;
  if (is_end_[static_cast<size_t>(drawn.id)] != 0) {
    text.ended = window == text.windows.back();  // the ends of earlier windows are not part of the text
    if (text.ended) text.ids.push_back(drawn.id);
    return false;
  }
  text.ids.push_back(drawn.id);
  const bool early = ends_early(request, first_clip + static_cast<int64_t>(writer.text), writer);
  return !early && tokens_left(request, writer) > 0;
}

}  // namespace llasa
