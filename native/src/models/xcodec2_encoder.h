// The encoding half of X-Codec2: waveform to codes.
#pragma once

#include <vector>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/xcodec2_config.h"

namespace llasa {

class Xcodec2Encoder {
 public:
  // Keeps references to both; the codec owns them.
  Xcodec2Encoder(const Xcodec2Config& config, Stream& stream);

  const TensorTable& weights() const { return weights_; }
  // Memory is taken when the first weight arrives: a codec that only decodes does without.
  TensorTable& allocated_weights();

  std::vector<int32_t> encode(const float* waveform, int64_t num_samples);

 private:
  const Xcodec2Config& config_;
  Stream& stream_;
  TensorTable weights_;
};

}  // namespace llasa
