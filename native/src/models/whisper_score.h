// What Whisper says about a batch of clips: greedy transcripts and the likelihood of given texts, from one
// encoder pass.
#pragma once

#include <vector>

#include "core/graph.h"
#include "models/whisper.h"
#include "models/whisper_decoder.h"
#include "ops/decode_loop.h"

namespace llasa {

// Waveforms of a batch on the device: clip b is samples[begin[b] .. end[b]); begin and end are host arrays.
struct DeviceClips {
  const float* samples;
  const int64_t* begin;
  const int64_t* end;
};

// Why a transcript ended before its model ended it; numbered as LLASA_ENDED_*.
enum class EndedEarly : int32_t { kNo, kLength, kLoop, kEmptyLoop };

// What to do with a batch of clips; the fields are those of llasa_whisper_request, without the waveforms.
struct WhisperRequest {
  int64_t num_clips = 0;
  int32_t max_new_tokens = 0;
  const int32_t* prompt_ids = nullptr;
  int64_t prompt_length = 0;
  int32_t language_slot = -1;
  int32_t first_language_token = 0;
  int32_t num_languages = 0;
  int32_t no_speech_token = -1;
  const int32_t* suppress_ids = nullptr;
  int64_t num_suppress = 0;
  const int32_t* begin_suppress_ids = nullptr;
  int64_t num_begin_suppress = 0;
  const int64_t* target_offsets = nullptr;
  const int32_t* target_ids = nullptr;
  const int32_t* target_first = nullptr;
  int32_t target_language_slot = -1;
  int32_t min_window_samples = 0;
  float silence_rms = 0.0f;
  const int32_t* language_ids = nullptr;
  int64_t num_language_ids = 0;
  const int32_t* end_ids = nullptr;
  int64_t num_end_ids = 0;
  const int32_t* id_characters = nullptr;
  const int64_t* max_characters = nullptr;
  const int64_t* loop_characters = nullptr;
};

// Where it goes; as llasa_whisper_result.
struct WhisperResult {
  int32_t* tokens = nullptr;
  int32_t* lengths = nullptr;
  float* mean_logprobs = nullptr;
  float* no_speech_probs = nullptr;
  int32_t* languages = nullptr;
  float* mean_nlls = nullptr;
  int32_t* ended_early = nullptr;
};

class WhisperScorer {
 public:
  explicit WhisperScorer(Whisper& whisper) : whisper_(whisper), decoder_(whisper) {}

  // request and result as in llasa_native.h. Throws
  // Status::kArgument, Status::kToken or Status::kCapacity for a request that does not fit the model.
  void score(const WhisperRequest& request, const DeviceClips& clips, const WhisperResult& result);

  const LaunchGraphs& graphs() const { return graphs_; }

  // Teacher-forced logits [ids.size(), V] (host) of one clip whose encoder states [P, C] are on the device.
  void teacher_forced_logits(const float* states, std::span<const int32_t> ids, float* out);

 private:
  // One clip's text while it is written.
  struct Text {
    int64_t samples_begin = 0, samples_end = 0;
    std::vector<int64_t> windows{0};  // those that are listened to, ascending
    std::vector<int32_t> ids;         // generated, eot last if reached
    bool ended = false;               // with eot
    int64_t characters = 0;
    EndedEarly ended_early = EndedEarly::kNo;
    double logprob_sum = 0.0;
    int64_t drawn = 0;
    float no_speech = 0.0f;
    int32_t language = -1;
  };
  // A clip in the current window.
  struct Writer {
    size_t text;  // index in texts_
    int64_t slot;
    int64_t in_window = 0;  // ids generated in this window, the end included
    int32_t last = -1;
  };

  std::vector<int64_t> windows_of(const WhisperRequest& request, const float* samples, const Text& text);
  void score_chunk(const WhisperRequest& request, const DeviceClips& clips, int64_t first, int64_t count,
                   const WhisperResult& result);
  void encode_windows(const float* samples, int64_t window, std::vector<Writer>& writers);
  void read_prompt(const WhisperRequest& request, std::vector<Writer>& writers, bool first_window);
  int64_t tokens_left(const WhisperRequest& request, const Writer& writer) const;
  DecodeState place(const WhisperRequest& request, const std::vector<Writer>& writers, int64_t rows,
                    int64_t most);
  void write_token(const DecodeState& state, const uint8_t* banned, int64_t rows);
  bool collect(const WhisperRequest& request, int64_t first_clip, Writer& writer, int64_t window,
               const DrawnToken& drawn);
  void write_texts(const WhisperRequest& request, int64_t first_clip, std::vector<Writer> writers,
                   int64_t window);
  void score_targets(const WhisperRequest& request, int64_t first, int64_t count, float* mean_nlls);
  void target_nlls(const std::vector<int64_t>& rows, const std::vector<int32_t>& targets, WeightView hidden,
                   std::vector<float>& nlls);
  WeightView gather(WeightView hidden, int64_t N);
  bool ends_early(const WhisperRequest& request, int64_t clip, const Writer& writer);
  std::vector<int32_t> prompt_of(const WhisperRequest& request, const Text& text) const;
  void upload_masks(const WhisperRequest& request);
  const float* head(WeightView hidden, int64_t N);

  Whisper& whisper_;
  WhisperDecoder decoder_;
  std::vector<Text> texts_;
  Phase& phase_ = whisper_.phase();
  PhaseBuffer<float> features_{phase_}, states_{phase_}, logits_{phase_};
  DeviceBuffer<float> values_;
  OperandBuffer gathered_{phase_};
  DeviceBuffer<int32_t> ids_, chosen_;
  DeviceBuffer<int64_t> rows_;
  DeviceBuffer<uint8_t> suppress_, begin_suppress_, not_language_;
  std::vector<uint8_t> is_language_, is_end_;  // [V], of the call in progress

  // The decode loop: its state on the device, and what the host reads of it.
  struct {
    DeviceBuffer<int32_t> ids, positions;
    DeviceBuffer<DecodeRow> rows;
    DeviceBuffer<SampleRow> samples;
    DeviceBuffer<DecodeProgress> progress;
    DeviceBuffer<DrawnToken> record;
  } written_;
  std::vector<DrawnToken> record_;
  LaunchGraphs graphs_{"a step of the recogniser"};
};

// Checks a request against the model; B clips.
void check_whisper_request(const WhisperConfig& config, const WhisperRequest& request,
                           const WhisperResult& result);

}  // namespace llasa
