#include "models/whisper_score.h"

#include <algorithm>
#include <cmath>

#include "ops/transcript.h"

namespace llasa {

namespace {

constexpr const char* kWhat = "buffers of the recogniser";
constexpr int64_t kTargetRows = 4096;               // teacher-forced rows computed at a time
constexpr int64_t kLogitFloats = int64_t{1} << 22;  // logits of scored rows held at a time

std::vector<uint8_t> id_mask(int64_t V, const int32_t* ids, int64_t count) {
  std::vector<uint8_t> mask(static_cast<size_t>(V), 0);
  for (int64_t i = 0; i < count; ++i) mask[static_cast<size_t>(ids[i])] = 1;
  return mask;
}

double root_mean_square(const std::vector<float>& samples) {
  double sum = 0.0;
  for (const float sample : samples) sum += static_cast<double>(sample) * static_cast<double>(sample);
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(samples.size(), 1)));
}

}  // namespace

void WhisperScorer::score(const WhisperRequest& request, const DeviceClips& clips,
                          const WhisperResult& result) {
  check_whisper_request(whisper_.config(), request, result);
  whisper_.weights();
  upload_masks(request);
  const PhaseLease lease(phase_, whisper_.stream());
  const int64_t slot = std::max<int64_t>(1, decoder_.slot_bytes(true));
  const int64_t chunk = std::max<int64_t>(1, whisper_.config().cache_bytes / slot);
  for (int64_t first = 0; first < request.num_clips; first += chunk) {
    score_chunk(request, clips, first, std::min(chunk, request.num_clips - first), result);
  }
}

void WhisperScorer::upload_masks(const WhisperRequest& request) {
  const int64_t V = whisper_.config().vocab_size;
  std::vector<uint8_t> mask = id_mask(V, request.suppress_ids, request.num_suppress);
  suppress_.upload(whisper_.stream(), mask, kWhat);
  for (int64_t i = 0; i < request.num_begin_suppress; ++i) {
    mask[static_cast<size_t>(request.begin_suppress_ids[i])] = 1;
  }
  begin_suppress_.upload(whisper_.stream(), mask, kWhat);
  is_end_ = id_mask(V, request.end_ids, request.num_end_ids);
  is_end_[static_cast<size_t>(whisper_.config().eot_token)] = 1;
  is_language_ = id_mask(V, request.language_ids, request.num_language_ids);
  if (request.num_language_ids == 0) {
    const int64_t begin = std::max<int64_t>(request.first_language_token, 0),
                  end = std::min<int64_t>(V, int64_t{request.first_language_token} + request.num_languages);
    for (int64_t id = begin; id < end; ++id) is_language_[static_cast<size_t>(id)] = 1;
  }
  if (request.language_slot >= 0) {
    std::vector<uint8_t> others(is_language_);
    for (uint8_t& other : others) other ^= 1;
    not_language_.upload(whisper_.stream(), others, kWhat);
  }
  whisper_.stream().synchronize();
}

// The windows of a clip that are transcribed: the first, and of the later ones those with enough in them to
// be speech: for a window of padding behind a few samples a recogniser writes words that nobody said.
std::vector<int64_t> WhisperScorer::windows_of(const WhisperRequest& request, const float* samples,
                                               const Text& text) {
  const int64_t window = whisper_.config().window_samples();
  std::vector<int64_t> windows{0};
  for (int64_t w = 1; text.samples_begin + w * window < text.samples_end; ++w) {
    const int64_t begin = text.samples_begin + w * window,
                  length = std::min(window, text.samples_end - begin);
    if (length < request.min_window_samples) continue;
    if (request.silence_rms > 0.0f) {
      std::vector<float> heard(static_cast<size_t>(length));
      copy_to_host(whisper_.stream(), heard.data(), samples + begin,
                   length * static_cast<int64_t>(sizeof(float)));
      // Written so that NaN counts as silent.
      if (!(root_mean_square(heard) >= static_cast<double>(request.silence_rms))) continue;
    }
    windows.push_back(w);
  }
  return windows;
}

void WhisperScorer::score_chunk(const WhisperRequest& request, const DeviceClips& clips, int64_t first,
                                int64_t count, const WhisperResult& result) {
  const int64_t M = request.max_new_tokens;
  texts_.assign(static_cast<size_t>(count), {});
  int64_t windows = 1;
  for (int64_t b = 0; b < count; ++b) {
    Text& text = texts_[static_cast<size_t>(b)];
    text.samples_begin = clips.begin[first + b];
    text.samples_end = clips.end[first + b];
    if (M > 0) text.windows = windows_of(request, clips.samples, text);
    windows = std::max(windows, text.windows.back() + 1);
  }
  decoder_.reserve(count, request.prompt_length > 0);
  for (int64_t w = 0; w < windows; ++w) {
    std::vector<Writer> writers;
    for (size_t b = 0; b < texts_.size(); ++b) {
      const Text& text = texts_[b];
      const bool enough = text.ended_early == EndedEarly::kLength || text.ended_early == EndedEarly::kLoop;
      const bool room = M == 0 || (static_cast<int64_t>(text.ids.size()) < M && !enough);
      const bool wanted = std::binary_search(text.windows.begin(), text.windows.end(), w);
      if (wanted && room) writers.push_back({b, static_cast<int64_t>(writers.size())});
    }
    if (writers.empty()) continue;
    encode_windows(clips.samples, w, writers);
    if (request.prompt_length > 0) read_prompt(request, writers, w == 0);
    if (M > 0) write_texts(request, first, writers, w);
    if (w == 0 && request.target_offsets != nullptr)
      score_targets(request, first, count, result.mean_nlls + first);
  }
  for (int64_t b = 0; b < count; ++b) {
    const Text& text = texts_[static_cast<size_t>(b)];
    if (M > 0) {
      int32_t* tokens = result.tokens + (first + b) * M;
      std::fill(std::copy(text.ids.begin(), text.ids.end(), tokens), tokens + M, -1);
      result.lengths[first + b] = static_cast<int32_t>(text.ids.size()) - (text.ended ? 1 : 0);
    } else if (result.lengths != nullptr) {
      result.lengths[first + b] = 0;
    }
    if (result.mean_logprobs != nullptr) {
      const double drawn = static_cast<double>(std::max<int64_t>(text.drawn, 1));
      result.mean_logprobs[first + b] = static_cast<float>(text.logprob_sum / drawn);
    }
    if (result.no_speech_probs != nullptr) result.no_speech_probs[first + b] = text.no_speech;
    if (result.ended_early != nullptr) result.ended_early[first + b] = static_cast<int32_t>(text.ended_early);
    if (result.languages != nullptr) result.languages[first + b] = text.language;
  }
}

// Window `window` of every writer's clip through the encoder into its slot.
void WhisperScorer::encode_windows(const float* samples, int64_t window, std::vector<Writer>& writers) {
  const WhisperConfig& c = whisper_.config();
  const auto count = static_cast<int64_t>(writers.size());
  for (int64_t first = 0; first < count; first += whisper_.encoder_group()) {
    const int64_t B = std::min(whisper_.encoder_group(), count - first);
    std::vector<int64_t> begin, end;
    for (int64_t b = first; b < first + B; ++b) {
      const Text& text = texts_[writers[static_cast<size_t>(b)].text];
      begin.push_back(std::min(text.samples_end, text.samples_begin + window * c.window_samples()));
      end.push_back(std::min(text.samples_end, begin.back() + c.window_samples()));
    }
    float* features = features_.reserve(B * c.mel_frames() * c.num_mel_bins, "log-mel features");
    float* states = states_.reserve(B * c.max_source_positions * c.d_model, "encoder states");
    whisper_.log_mel(samples, begin.data(), end.data(), B, features);
    whisper_.encode(features, B, states);
    decoder_.set_clips(states, writers[static_cast<size_t>(first)].slot, B);
  }
}

std::vector<int32_t> WhisperScorer::prompt_of(const WhisperRequest& request, const Text& text) const {
  std::vector<int32_t> prompt(request.prompt_ids, request.prompt_ids + request.prompt_length);
  if (request.language_slot >= 0 && text.language >= 0) {
    prompt[static_cast<size_t>(request.language_slot)] = text.language;
  }
  return prompt;
}

// Rows rows_[0..N) of hidden states.
WeightView WhisperScorer::gather(WeightView hidden, int64_t N) {
  const int64_t C = whisper_.config().d_model;
  const ArrayView gathered = gathered_.reserve(N * C, whisper_.precision(), kWhat);
  gather_rows(whisper_.stream(), hidden, rows_.data(), gathered, N, C);
  return gathered;
}

const float* WhisperScorer::head(WeightView hidden, int64_t N) {
  float* logits = logits_.reserve(N * whisper_.config().vocab_size, "logits of the recogniser");
  decoder_.logits(hidden, N, logits);
  return logits;
}

// Runs the prompt through the text caches, all but its last token, in pieces that end where something is read
// off: the probability of no speech behind the first token, the language before its slot.
void WhisperScorer::read_prompt(const WhisperRequest& request, std::vector<Writer>& writers,
                                bool first_window) {
  const int64_t A = static_cast<int64_t>(writers.size()), V = whisper_.config().vocab_size;
  Stream& stream = whisper_.stream();
  const bool want_speech = first_window && request.no_speech_token >= 0;
  const bool want_language = first_window && request.language_slot >= 0;
  std::vector<int64_t> ends;
  if (want_speech) ends.push_back(1);
  if (want_language) ends.push_back(request.language_slot);
  ends.push_back(request.prompt_length - 1);
  std::sort(ends.begin(), ends.end());
  int64_t done = 0;
  for (const int64_t end : ends) {
    if (end <= done) continue;
    TextRows rows;
    std::vector<int64_t> last;
    for (const Writer& writer : writers) {
      const std::vector<int32_t> prompt = prompt_of(request, texts_[writer.text]);
      rows.add(writer.slot, done,
               std::span(prompt).subspan(static_cast<size_t>(done), static_cast<size_t>(end - done)));
      last.push_back(rows.rows() - 1);
    }
    const WeightView hidden = decoder_.continue_texts(rows);
    const bool read_speech = want_speech && end == 1,
               read_language = want_language && end == request.language_slot;
    done = end;
    if (!read_speech && !read_language) continue;
    rows_.upload(stream, last, kWhat);
    const float* logits = head(gather(hidden, A), A);
    float* values = values_.reserve(A, kWhat);
    if (read_speech) {
      id_probability(stream, logits, request.no_speech_token, values, A, V);
      const std::vector<float> probabilities = values_.download(stream, A);
      for (size_t a = 0; a < writers.size(); ++a) texts_[writers[a].text].no_speech = probabilities[a];
    }
    if (read_language) {
      greedy_choice(stream, logits, not_language_.data(), ids_.reserve(A, kWhat), values, A, V);
      const std::vector<int32_t> languages = ids_.download(stream, A);
      for (size_t a = 0; a < writers.size(); ++a) texts_[writers[a].text].language = languages[a];
    }
  }
  for (Writer& writer : writers) {
    Text& text = texts_[writer.text];
    const std::vector<int32_t> prompt = prompt_of(request, text);
    writer.last = prompt.back();
    for (const int32_t id : prompt) {  // a language that was given
      if (text.language < 0 && is_language_[static_cast<size_t>(id)] != 0) text.language = id;
    }
  }
}

// Mean NLL of the chunk's targets; clip b of the chunk is in slot b.
void WhisperScorer::score_targets(const WhisperRequest& request, int64_t first, int64_t count,
                                  float* mean_nlls) {
  for (int64_t b = 0; b < count;) {
    TextRows rows;
    std::vector<int64_t> scored;
    std::vector<int32_t> targets;
    std::vector<size_t> ends;
    const int64_t group = b;
    for (; b < count && (b == group || rows.rows() < kTargetRows); ++b) {
      const int64_t begin = request.target_offsets[first + b],
                    length = request.target_offsets[first + b + 1] - begin;
      std::vector<int32_t> ids(request.target_ids + begin, request.target_ids + begin + length);
      if (request.target_language_slot >= 0) {
        ids[static_cast<size_t>(request.target_language_slot)] = texts_[static_cast<size_t>(b)].language;
      }
      const int64_t row = rows.rows();
      rows.add(b, 0, std::span(ids).first(static_cast<size_t>(length - 1)));
      for (int64_t j = request.target_first[first + b]; j < length; ++j) {
        scored.push_back(row + j - 1);
        targets.push_back(ids[static_cast<size_t>(j)]);
      }
      ends.push_back(scored.size());
    }
    std::vector<float> nlls;
    target_nlls(scored, targets, decoder_.teacher_force(rows), nlls);
    size_t at = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      double sum = 0.0;
      const auto terms = static_cast<double>(ends[i] - at);
      for (; at < ends[i]; ++at) sum += static_cast<double>(nlls[at]);
      mean_nlls[static_cast<size_t>(group) + i] = static_cast<float>(sum / terms);
    }
  }
}

// NLL of targets[i] at hidden row rows[i]. Only scored rows meet the vocabulary, a chunk of them at a time.
void WhisperScorer::target_nlls(const std::vector<int64_t>& rows, const std::vector<int32_t>& targets,
                                WeightView hidden, std::vector<float>& nlls) {
  const int64_t V = whisper_.config().vocab_size;
  const int64_t chunk = std::max<int64_t>(1, kLogitFloats / V), N = static_cast<int64_t>(rows.size());
  Stream& stream = whisper_.stream();
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t n = std::min(chunk, N - begin);
    rows_.upload(stream, std::span(rows).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)), kWhat);
    ids_.upload(stream, std::span(targets).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)),
                kWhat);
    token_nll_forward(stream, head(gather(hidden, n), n), ids_.data(), values_.reserve(n, kWhat), n, V);
    const std::vector<float> part = values_.download(stream, n);
    nlls.insert(nlls.end(), part.begin(), part.end());
  }
}

void WhisperScorer::teacher_forced_logits(const float* states, std::span<const int32_t> ids, float* out) {
  const int64_t V = whisper_.config().vocab_size, C = whisper_.config().d_model;
  const auto N = static_cast<int64_t>(ids.size());
  const PhaseLease lease(phase_, whisper_.stream());
  decoder_.reserve(1, false);
  decoder_.set_clips(states, 0, 1);
  TextRows rows;
  rows.add(0, 0, ids);
  const WeightView hidden = decoder_.teacher_force(rows);
  const int64_t chunk = std::max<int64_t>(1, kLogitFloats / V);
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t n = std::min(chunk, N - begin);
    copy_to_host(whisper_.stream(), out + begin * V, head(hidden + begin * C, n),
                 n * V * static_cast<int64_t>(sizeof(float)));
  }
}

}  // namespace llasa
