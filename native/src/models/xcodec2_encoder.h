// The encoding half of X-Codec2: waveform to codes.
//
// The waveform gets 1..hop zeros (a whole hop when its length already fits). Two branches read it: Kaldi
// features, two frames stacked, through Wav2Vec2-BERT and an adapter (semantic); and strided convolutions
// with anti-aliased Snake activations (acoustic). Both meet in fc_encoder -> project_in -> FSQ. Quirks kept
// from the reference: the adapter's first ReLU works in place, so its residual is the rectified tensor; the
// FSQ bound is applied twice.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/xcodec2_config.h"
#include "models/xcodec2_encoder_weights.h"
#include "ops/conv1d.h"

namespace llasa {

class Xcodec2Encoder {
 public:
  using StageProbe = std::function<void(const char* stage, const float* data, int64_t rows, int64_t columns)>;

  // Keeps references to both; the codec owns them.
  Xcodec2Encoder(const Xcodec2Config& config, Stream& stream);

  const TensorTable& weights() const { return weights_; }
  // For setting one. Memory is taken when the first weight arrives: a codec that only decodes does without.
  TensorTable& weights_to_set();

  // Throws Status::kState while a weight is missing.
  std::vector<int32_t> encode(const float* waveform, int64_t num_samples, const StageProbe& probe);

 private:
  struct Signal {
    DeviceBuffer<float> values;  // [frames, channels]
    int64_t frames = 0;
    int64_t channels = 0;
  };
  void prepare();
  void fuse_weight_norm(const std::string& name);
  Signal acoustic(const float* samples, int64_t num_samples, const StageProbe& probe);
  Signal semantic(const float* samples, int64_t num_samples, const StageProbe& probe);
  void semantic_layer(const std::string& layer, Signal& x);
  void feed_forward(const std::string& layer, const char* which, Signal& x);
  void self_attention(const std::string& layer, Signal& x);
  void conv_module(const std::string& layer, Signal& x);
  Signal adapt(const Signal& x);
  Signal convolve(const Signal& x, const std::string& name, int64_t out, Conv1dShape shape);
  Signal snake(const Signal& x, const std::string& name);
  Signal normalise(const Signal& x, const std::string& name);
  Signal linear(const Signal& x, const std::string& name, int64_t out, bool bias = true);
  const float* at(const std::string& name) const { return weights_.at(name); }

  const Xcodec2Config& config_;
  Stream& stream_;
  Xcodec2EncoderNames names_;
  TensorTable weights_;
  bool prepared_ = false;
  std::map<std::string, DeviceBuffer<float>> fused_;  // weight-normed convolutions, original layout only
};

}  // namespace llasa
