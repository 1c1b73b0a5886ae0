// The recogniser: creation, weights in, log-mel, encoder, transcripts and likelihoods.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "abi/guard.h"
#include "abi/options.h"
#include "abi/speech.h"
#include "abi/tensors.h"

using llasa::Status;
using llasa::abi::check_clip_offsets;
using llasa::abi::guarded;
using llasa::abi::required;

namespace {

constexpr int64_t kFloat = sizeof(float);

llasa_whisper_request request_defaults() {
  llasa_whisper_request request{};
  request.language_slot = -1;
  request.no_speech_token = -1;
  request.target_language_slot = -1;
  return request;
}

static_assert(static_cast<int32_t>(llasa::EndedEarly::kNo) == LLASA_ENDED_NO &&
              static_cast<int32_t>(llasa::EndedEarly::kLength) == LLASA_ENDED_LENGTH &&
              static_cast<int32_t>(llasa::EndedEarly::kLoop) == LLASA_ENDED_LOOP &&
              static_cast<int32_t>(llasa::EndedEarly::kEmptyLoop) == LLASA_ENDED_EMPTY_LOOP);

llasa::WhisperRequest view_of(const llasa_whisper_request& r) {
  return {.num_clips = r.num_clips,
          .max_new_tokens = r.max_new_tokens,
          .prompt_ids = r.prompt_ids,
          .prompt_length = r.prompt_length,
          .language_slot = r.language_slot,
          .first_language_token = r.first_language_token,
          .num_languages = r.num_languages,
          .no_speech_token = r.no_speech_token,
          .suppress_ids = r.suppress_ids,
          .num_suppress = r.num_suppress,
          .begin_suppress_ids = r.begin_suppress_ids,
          .num_begin_suppress = r.num_begin_suppress,
          .target_offsets = r.target_offsets,
          .target_ids = r.target_ids,
          .target_first = r.target_first,
          .target_language_slot = r.target_language_slot,
          .min_window_samples = r.min_window_samples,
          .silence_rms = r.silence_rms,
          .language_ids = r.language_ids,
          .num_language_ids = r.num_language_ids,
          .end_ids = r.end_ids,
          .num_end_ids = r.num_end_ids,
          .id_characters = r.id_characters,
          .max_characters = r.max_characters,
          .loop_characters = r.loop_characters};
}

llasa::WhisperResult view_of(const llasa_whisper_result& r) {
  return {r.tokens, r.lengths, r.mean_logprobs, r.no_speech_probs, r.languages, r.mean_nlls, r.ended_early};
}

void check_ids(const int32_t* ids, int64_t count, int64_t vocab) {
  for (int64_t i = 0; i < count; ++i) {
    LLASA_CHECK(ids[i] >= 0 && ids[i] < vocab, Status::kToken, "`token_ids[%lld]`: %d, expected 0..%lld",
                static_cast<long long>(i), ids[i], static_cast<long long>(vocab - 1));
  }
}

}  // namespace

void llasa_whisper_options_init(llasa_whisper_options* options) {
  if (options != nullptr) *options = llasa::abi::default_whisper_options();
}

llasa_status llasa_whisper_create(const llasa_whisper_options* options, llasa_whisper** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    const llasa_whisper_options given =
        llasa::abi::read_options(options, llasa::abi::default_whisper_options(), "options");
    const llasa::Storage storage = llasa::abi::frozen_storage(given.compute_dtype);
    const llasa::WhisperConfig config = llasa::abi::make_whisper_config(given);
    const int device = llasa::resolve_device(given.device, "`options.device`");
    const llasa::DeviceScope scope(device);
    *out = std::make_unique<llasa_whisper>(config, storage, device).release();
  });
}

void llasa_whisper_destroy(llasa_whisper* whisper) {
  if (whisper == nullptr) return;
  const llasa::DeviceScope scope(whisper->device);
  delete whisper;
}

llasa_status llasa_whisper_tensor_count(llasa_whisper* whisper, int64_t* out_count) {
  return guarded(__func__, [&] {
    const auto& table = required(whisper, "whisper").model.table();
    required(out_count, "out_count") = static_cast<int64_t>(table.specs().size());
  });
}

llasa_status llasa_whisper_tensor_info(llasa_whisper* whisper, int64_t index, llasa_tensor_info* out_info) {
  return guarded(__func__, [&] {
    required(out_info, "out_info");
    llasa::abi::write_struct(
        out_info, llasa::abi::describe(required(whisper, "whisper").model.table().spec(index)), "out_info");
  });
}

llasa_status llasa_whisper_set_tensor(llasa_whisper* whisper, const char* name, llasa_dtype dtype,
                                      const int64_t* shape, int32_t rank, const void* data) {
  return guarded(__func__, [&] {
    auto& model = required(whisper, "whisper").model;
    const llasa::DeviceScope scope(whisper->device);
    llasa::abi::check_tensor_arguments(name, shape, rank, data);
    model.set_tensor(name, llasa::abi::make_dtype(dtype), shape, rank, data);
  });
}

llasa_status llasa_whisper_log_mel(llasa_whisper* whisper, const float* waveform, int64_t num_samples,
                                   float* out_features) {
  return guarded(__func__, [&] {
    auto& handle = required(whisper, "whisper");
    const llasa::DeviceScope scope(handle.device);
    required(out_features, "out_features");
    LLASA_CHECK(num_samples >= 0, Status::kArgument, "`num_samples`: %lld, expected >= 0",
                static_cast<long long>(num_samples));
    if (num_samples > 0) llasa::abi::check_finite(&required(waveform, "waveform"), num_samples, "waveform");
    auto& model = handle.model;
    const int64_t frames = model.config().mel_frames(), mels = model.config().num_mel_bins, begin = 0;
    handle.waveforms.upload(model.stream(), {waveform, static_cast<size_t>(num_samples)}, "a waveform");
    handle.features.reserve(frames * mels, "log-mel features");
    model.log_mel(handle.waveforms.data(), &begin, &num_samples, 1, handle.features.data());
    const std::vector<float> features = handle.features.download(model.stream(), frames * mels);
    for (int64_t f = 0; f < frames; ++f) {  // frames first inside, mel bins first outside
      for (int64_t m = 0; m < mels; ++m)
        out_features[m * frames + f] = features[static_cast<size_t>(f * mels + m)];
    }
  });
}

llasa_status llasa_whisper_encode(llasa_whisper* whisper, const float* features, int64_t num_clips,
                                  float* out_states) {
  return guarded(__func__, [&] {
    auto& handle = required(whisper, "whisper");
    const llasa::DeviceScope scope(handle.device);
    auto& model = handle.model;
    LLASA_CHECK(num_clips >= 0, Status::kArgument, "`num_clips`: %lld, expected >= 0",
                static_cast<long long>(num_clips));
    model.weights();
    if (num_clips == 0) return;
    required(features, "features");
    required(out_states, "out_states");
    const int64_t frames = model.config().mel_frames(), mels = model.config().num_mel_bins;
    const int64_t size = model.config().max_source_positions * model.config().d_model;
    std::vector<float> framed(static_cast<size_t>(frames * mels));
    handle.features.reserve(frames * mels, "log-mel features");
    handle.states.reserve(size, "encoder states");
    for (int64_t b = 0; b < num_clips; ++b) {
      const float* clip = features + b * frames * mels;
      llasa::abi::check_finite(clip, frames * mels, "features");
      for (int64_t f = 0; f < frames; ++f) {
        for (int64_t m = 0; m < mels; ++m) framed[static_cast<size_t>(f * mels + m)] = clip[m * frames + f];
      }
      handle.features.upload(model.stream(), framed, "log-mel features");
      model.encode(handle.features.data(), 1, handle.states.data());
      llasa::copy_to_host(model.stream(), out_states + b * size, handle.states.data(), size * kFloat);
    }
  });
}

llasa_status llasa_whisper_logits(llasa_whisper* whisper, const float* states, const int32_t* token_ids,
                                  int64_t num_tokens, float* out_logits) {
  return guarded(__func__, [&] {
    auto& handle = required(whisper, "whisper");
    const llasa::DeviceScope scope(handle.device);
    auto& model = handle.model;
    const auto& config = model.config();
    required(states, "states");
    required(token_ids, "token_ids");
    required(out_logits, "out_logits");
    LLASA_CHECK(num_tokens >= 1, Status::kArgument, "`num_tokens`: %lld, expected >= 1",
                static_cast<long long>(num_tokens));
    LLASA_CHECK(num_tokens <= config.max_target_positions, Status::kCapacity,
                "`num_tokens`: %lld, the model's max_target_positions is %lld",
                static_cast<long long>(num_tokens), static_cast<long long>(config.max_target_positions));
    check_ids(token_ids, num_tokens, config.vocab_size);
    model.weights();
    const int64_t size = config.max_source_positions * config.d_model;
    handle.states.upload(model.stream(), {states, static_cast<size_t>(size)}, "encoder states");
    handle.scorer.teacher_forced_logits(handle.states.data(), {token_ids, static_cast<size_t>(num_tokens)},
                                        out_logits);
  });
}

llasa_status llasa_whisper_score(llasa_whisper* whisper, const llasa_whisper_request* request,
                                 llasa_whisper_result* result) {
  return guarded(__func__, [&] {
    auto& handle = required(whisper, "whisper");
    const llasa::DeviceScope scope(handle.device);
    const llasa_whisper_request given = llasa::abi::read_options(request, request_defaults(), "request");
    const auto outputs = llasa::abi::read_options<llasa_whisper_result>(result, {}, "result");
    const int64_t samples =
        check_clip_offsets(given.num_clips, given.waveform_offsets, "request.waveform_offsets");
    LLASA_CHECK(samples == 0 || given.waveforms != nullptr, Status::kArgument, "`request.waveforms` is NULL");
    for (int64_t b = 0; b < given.num_clips; ++b) {
      const std::string name = "request.waveforms of clip " + std::to_string(b);
      const int64_t begin = given.waveform_offsets[b];
      llasa::abi::check_finite(given.waveforms + begin, given.waveform_offsets[b + 1] - begin, name.c_str());
    }
    llasa::check_whisper_request(handle.model.config(), view_of(given), view_of(outputs));
    if (given.num_clips == 0) return;
    handle.waveforms.upload(handle.model.stream(), {given.waveforms, static_cast<size_t>(samples)},
                            "waveforms");
    handle.scorer.score(view_of(given),
                        {handle.waveforms.data(), given.waveform_offsets, given.waveform_offsets + 1},
                        view_of(outputs));
  });
}

llasa_status llasa_whisper_score_codes(llasa_whisper* whisper, llasa_codec* codec,
                                       const int64_t* code_offsets, const int32_t* codes,
                                       const llasa_whisper_request* request, llasa_whisper_result* result,
                                       float* out_waveforms) {
  return guarded(__func__, [&] {
    auto& handle = required(whisper, "whisper");
    const llasa::DeviceScope scope(handle.device);
    auto& source = required(codec, "codec");
    LLASA_CHECK(source.device == handle.device, Status::kArgument,
                "`codec`: on device %d, the recogniser on device %d; the waveform stays on one",
                source.device, handle.device);
    const llasa_whisper_request given = llasa::abi::read_options(request, request_defaults(), "request");
    llasa_whisper_result outputs = llasa::abi::read_options<llasa_whisper_result>(result, {}, "result");
    const int64_t total = check_clip_offsets(given.num_clips, code_offsets, "code_offsets");
    LLASA_CHECK(total == 0 || codes != nullptr, Status::kArgument, "`codes` is NULL");
    LLASA_CHECK(source.model.config().sampling_rate == 16000, Status::kArgument,
                "`codec`: sampling rate %lld, the recogniser hears 16000",
                static_cast<long long>(source.model.config().sampling_rate));
    llasa::check_whisper_request(handle.model.config(), view_of(given), view_of(outputs));
    if (given.num_clips == 0) return;
    const int64_t hop = source.model.config().hop;
    const auto start = std::chrono::steady_clock::now();
    float* waveforms = source.waveforms.reserve(total * hop, "waveforms");
    source.model.decode(code_offsets, codes, given.num_clips, waveforms);
    if (out_waveforms != nullptr && total > 0) {
      llasa::copy_to_host(source.model.stream(), out_waveforms, waveforms, total * hop * kFloat);
    }
    source.model.stream().synchronize();
    outputs.codec_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::vector<int64_t> offsets;
    for (int64_t b = 0; b <= given.num_clips; ++b) offsets.push_back(code_offsets[b] * hop);
    for (int64_t b = 0; out_waveforms != nullptr && b < given.num_clips; ++b) {
      const std::string name = "the codec's waveform of clip " + std::to_string(b);
      const int64_t begin = offsets[static_cast<size_t>(b)], end = offsets[static_cast<size_t>(b + 1)];
      llasa::abi::check_finite(out_waveforms + begin, end - begin, name.c_str());
    }
    handle.scorer.score(view_of(given), {waveforms, offsets.data(), offsets.data() + 1}, view_of(outputs));
    llasa::abi::write_struct(result, outputs, "result");
  });
}
