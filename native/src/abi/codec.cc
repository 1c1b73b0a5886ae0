// The codec: creation, weights in, codes to waveforms and back.
#include <algorithm>
#include <cmath>
#include <memory>

#include "abi/guard.h"
#include "abi/options.h"
#include "abi/speech.h"
#include "abi/tensors.h"

using llasa::Status;
using llasa::abi::check_clip_offsets;
using llasa::abi::guarded;
using llasa::abi::required;

void llasa_codec_options_init(llasa_codec_options* options) {
  if (options != nullptr) *options = llasa::abi::default_xcodec2_options();
}

llasa_status llasa_codec_create(const llasa_codec_options* options, llasa_codec** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    const llasa_codec_options given =
        llasa::abi::read_options(options, llasa::abi::default_xcodec2_options(), "options");
    const llasa::Storage storage = llasa::abi::frozen_storage(given.compute_dtype);
    const llasa::Xcodec2Config config = llasa::abi::make_xcodec2_config(given);
    const int device = llasa::resolve_device(given.device, "`options.device`");
    const llasa::DeviceScope scope(device);
    *out = std::make_unique<llasa_codec>(config, storage, device).release();
  });
}

void llasa_codec_destroy(llasa_codec* codec) {
  if (codec == nullptr) return;
  const llasa::DeviceScope scope(codec->device);
  delete codec;
}

llasa_status llasa_codec_tensor_count(llasa_codec* codec, int64_t* out_count) {
  return guarded(__func__, [&] {
    const auto& model = required(codec, "codec").model;
    required(out_count, "out_count") = model.tensor_count();
  });
}

llasa_status llasa_codec_tensor_info(llasa_codec* codec, int64_t index, llasa_tensor_info* out_info) {
  return guarded(__func__, [&] {
    required(out_info, "out_info");
    llasa::abi::write_struct(out_info, llasa::abi::describe(required(codec, "codec").model.tensor(index)),
                             "out_info");
  });
}

llasa_status llasa_codec_set_tensor(llasa_codec* codec, const char* name, llasa_dtype dtype,
                                    const int64_t* shape, int32_t rank, const void* data) {
  return guarded(__func__, [&] {
    auto& model = required(codec, "codec").model;
    const llasa::DeviceScope scope(codec->device);
    llasa::abi::check_tensor_arguments(name, shape, rank, data);
    model.set_tensor(name, llasa::abi::make_dtype(dtype), shape, rank, data);
  });
}

llasa_status llasa_codec_geometry(llasa_codec* codec, int32_t* out_hop, int32_t* out_num_codes) {
  return guarded(__func__, [&] {
    const auto& config = required(codec, "codec").model.config();
    required(out_hop, "out_hop");
    required(out_num_codes, "out_num_codes");
    *out_hop = static_cast<int32_t>(config.hop);
    *out_num_codes = static_cast<int32_t>(config.num_codes);
  });
}

llasa_status llasa_vocode(llasa_codec* codec, int64_t num_clips, const int64_t* code_offsets,
                          const int32_t* codes, float* out_waveforms) {
  return guarded(__func__, [&] {
    auto& handle = required(codec, "codec");
    const llasa::DeviceScope scope(handle.device);
    const int64_t total = check_clip_offsets(num_clips, code_offsets, "code_offsets");
    if (total == 0) return;
    required(codes, "codes");
    required(out_waveforms, "out_waveforms");
    auto& model = handle.model;
    const int64_t samples = total * model.config().hop;
    float* waveforms = handle.waveforms.reserve(samples, "waveforms");
    model.decode(code_offsets, codes, num_clips, waveforms);
    llasa::copy_to_host(model.stream(), out_waveforms, waveforms,
                        samples * static_cast<int64_t>(sizeof(float)));
  });
}

llasa_status llasa_vocode_on_device(llasa_codec* codec, void* stream, int64_t num_clips,
                                    const int64_t* code_offsets, const int32_t* codes, float* out_waveforms) {
  return guarded(__func__, [&] {
    auto& handle = required(codec, "codec");
    const llasa::CallersDevice chosen;
    const llasa::DeviceScope scope(handle.device);
    const int64_t total = check_clip_offsets(num_clips, code_offsets, "code_offsets");
    if (total == 0) return;
    auto& model = handle.model;
    llasa::check_device_array(codes, total, "codes");
    llasa::check_device_array(out_waveforms, total * model.config().hop, "out_waveforms");
    llasa::Stream callers(llasa::CallerStream{stream});
    const llasa::StreamJoin join(model.stream(), callers);
    model.decode_on_device(code_offsets, codes, num_clips, out_waveforms);
  });
}

llasa_status llasa_codec_encode(llasa_codec* codec, const float* waveform, int64_t num_samples,
                                int32_t* out_codes, int64_t capacity, int64_t* out_count) {
  return guarded(__func__, [&] {
    auto& model = required(codec, "codec").model;
    const llasa::DeviceScope scope(codec->device);
    required(waveform, "waveform");
    required(out_codes, "out_codes");
    required(out_count, "out_count");
    LLASA_CHECK(num_samples >= 1, Status::kArgument, "`num_samples`: %lld, expected >= 1",
                static_cast<long long>(num_samples));
    const int64_t count = num_samples / model.config().hop + 1;
    LLASA_CHECK(capacity >= count, Status::kCapacity, "`capacity`: %lld, expected >= %lld",
                static_cast<long long>(capacity), static_cast<long long>(count));
    llasa::abi::check_finite(waveform, num_samples, "waveform");
    const std::vector<int32_t> result = model.encode(waveform, num_samples);
    std::copy(result.begin(), result.end(), out_codes);
    *out_count = static_cast<int64_t>(result.size());
  });
}
