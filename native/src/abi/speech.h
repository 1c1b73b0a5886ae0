// The handles of codec and recogniser, and checks their functions share.
#pragma once

#include <cmath>

#include "core/device.h"
#include "core/live_counts.h"
#include "core/status.h"
#include "llasa_native.h"
#include "models/whisper.h"
#include "models/whisper_score.h"
#include "models/xcodec2.h"

struct llasa_codec {
  // Within a DeviceScope of `on`, as everything that is done with it.
  llasa_codec(const llasa::Xcodec2Config& config, llasa::Storage storage, int on)
      : device(on), model(config, storage) {}

  llasa::LiveHandle live{llasa::HandleKind::kCodec};
  int device;
  llasa::Xcodec2 model;
  llasa::DeviceBuffer<float> waveforms;  // of the call in progress
};

struct llasa_whisper {
  // Within a DeviceScope of `on`, as everything that is done with it.
  llasa_whisper(const llasa::WhisperConfig& config, llasa::Storage storage, int on)
      : device(on), model(config, storage), scorer(model) {}

  llasa::LiveHandle live{llasa::HandleKind::kWhisper};
  int device;
  llasa::Whisper model;
  llasa::WhisperScorer scorer;
  llasa::DeviceBuffer<float> waveforms, features, states;  // of the call in progress
};

namespace llasa::abi {

// offsets[0] = 0, not decreasing; returns offsets[count]. offsets may be NULL when count is 0.
inline int64_t check_clip_offsets(int64_t count, const int64_t* offsets, const char* name) {
  LLASA_CHECK(count >= 0, Status::kArgument, "`num_clips`: %lld, expected >= 0",
              static_cast<long long>(count));
  if (count == 0) return 0;
  LLASA_CHECK(offsets != nullptr, Status::kArgument, "`%s` is NULL", name);
  LLASA_CHECK(offsets[0] == 0, Status::kArgument, "`%s[0]`: %lld, expected 0", name,
              static_cast<long long>(offsets[0]));
  for (int64_t b = 0; b < count; ++b) {
    LLASA_CHECK(offsets[b + 1] >= offsets[b], Status::kArgument, "`%s[%lld]`: %lld, expected >= %lld", name,
                static_cast<long long>(b + 1), static_cast<long long>(offsets[b + 1]),
                static_cast<long long>(offsets[b]));
  }
  return offsets[count];
}

inline void check_finite(const float* values, int64_t count, const char* name) {
  for (int64_t i = 0; i < count; ++i) {
    LLASA_CHECK(std::isfinite(values[i]), Status::kNotFinite, "`%s[%lld]` is not finite", name,
                static_cast<long long>(i));
  }
}

inline void check_tensor_arguments(const char* name, const int64_t* shape, int32_t rank, const void* data) {
  LLASA_CHECK(name != nullptr, Status::kArgument, "`name` is NULL");
  LLASA_CHECK(shape != nullptr, Status::kArgument, "`shape` is NULL");
  LLASA_CHECK(data != nullptr, Status::kArgument, "`data` is NULL");
  LLASA_CHECK(rank >= 1 && rank <= 4, Status::kArgument, "`rank`: %d, expected 1..4", rank);
}

}  // namespace llasa::abi
