// Whisper (transformers.WhisperForConditionalGeneration): weights, log-mel and encoder. The text decoder is
// in whisper_decoder.h, transcription and scoring of a batch in whisper_score.h.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "models/operand_buffer.h"
#include "models/precision.h"
#include "models/whisper_config.h"
#include "models/whisper_weights.h"

namespace llasa {

class Whisper {
 public:
  // storage: kF32 or kBf16, of the matrices.
  explicit Whisper(const WhisperConfig& config, Storage storage = Storage::kF32);

  const WhisperConfig& config() const { return config_; }
  Stream& stream() { return stream_; }
  // What a call leases: activations of encoder and decoder, and the decoder's caches.
  Phase& phase() { return phase_; }
  const TensorTable& table() const { return weights_.table(); }
  Precision precision() const { return precision_of(table().storage()); }
  void set_tensor(const std::string& name, DType dtype, const int64_t* shape, int32_t rank, const void* data);

  // Weights ready to compute with; throws Status::kState while one is missing.
  const WhisperWeights& weights();

  // Log-mel of B windows: samples[begin[b] .. end[b]) on the device, cut or zero-padded to one window.
  // features [B, 2P, M], mel bins last.
  void log_mel(const float* samples, const int64_t* begin, const int64_t* end, int64_t B, float* features);

  // features [B, 2P, M] to states [B, P, C], all on the device.
  void encode(const float* features, int64_t B, float* states);

  // Clips encoded together: enough for full matrix products, few enough that activations stay near the cache.
  int64_t encoder_group() const;

 private:
  void encode_group(const float* features, int64_t B, float* states);
  void encoder_layer(const WhisperEncoderLayer& layer, float* x, const int64_t* offsets, int64_t B);

  WhisperConfig config_;
  Stream stream_;
  WhisperWeights weights_;
  bool biases_current_ = false;
  DeviceBuffer<float> mel_basis_, mel_window_, mel_filters_;
  Phase phase_;
  // Activations of one group; those of an OperandBuffer are what products read.
  PhaseBuffer<float> conv_{phase_}, qkv_{phase_}, ffn_{phase_};
  OperandBuffer h_{phase_}, attended_{phase_}, inner_{phase_};
};

}  // namespace llasa
