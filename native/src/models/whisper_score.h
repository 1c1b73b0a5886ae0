// What Whisper says about a batch of clips: greedy transcripts and the likelihood of given texts, from one
// encoder pass.
#pragma once

#include <vector>

#include "llasa_native.h"
#include "models/whisper.h"
#include "models/whisper_decoder.h"

namespace llasa {

// Waveforms of a batch on the device: clip b is samples[begin[b] .. end[b]); begin and end are host arrays.
struct DeviceClips {
  const float* samples;
  const int64_t* begin;
  const int64_t* end;
};

class WhisperScorer {
 public:
  explicit WhisperScorer(Whisper& whisper) : whisper_(whisper), decoder_(whisper) {}

  // request and result as in llasa_native.h; the request's waveform fields are not read. Throws
  // LLASA_ERR_ARGUMENT, LLASA_ERR_TOKEN or LLASA_ERR_CAPACITY for a request that does not fit the model.
  void score(const llasa_whisper_request& request, const DeviceClips& clips, llasa_whisper_result& result);

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
    int32_t ended_early = LLASA_ENDED_NO;
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

  std::vector<int64_t> windows_of(const llasa_whisper_request& request, const float* samples,
                                  const Text& text);
  void score_chunk(const llasa_whisper_request& request, const DeviceClips& clips, int64_t first,
                   int64_t count, llasa_whisper_result& result);
  void encode_windows(const float* samples, int64_t window, std::vector<Writer>& writers);
  void read_prompt(const llasa_whisper_request& request, std::vector<Writer>& writers, bool first_window);
  void write_texts(const llasa_whisper_request& request, int64_t first_clip, std::vector<Writer> writers,
                   int64_t window);
  void score_targets(const llasa_whisper_request& request, int64_t first, int64_t count, float* mean_nlls);
  void target_nlls(const std::vector<int64_t>& rows, const std::vector<int32_t>& targets, const float* hidden,
                   std::vector<float>& nlls);
  bool ends_early(const llasa_whisper_request& request, int64_t clip, const Writer& writer);
  std::vector<int32_t> prompt_of(const llasa_whisper_request& request, const Text& text) const;
  void upload_masks(const llasa_whisper_request& request);
  const float* head(const float* hidden, int64_t N);

  Whisper& whisper_;
  WhisperDecoder decoder_;
  std::vector<Text> texts_;
  DeviceBuffer<float> features_, states_, logits_, last_rows_, values_;
  DeviceBuffer<int32_t> ids_;
  DeviceBuffer<int64_t> rows_;
  DeviceBuffer<uint8_t> suppress_, begin_suppress_, not_language_;
  std::vector<uint8_t> is_language_, is_end_;  // [V], of the call in progress
};

// Checks a request against the model; B clips.
void check_whisper_request(const WhisperConfig& config, const llasa_whisper_request& request,
                           const llasa_whisper_result& result);

}  // namespace llasa
