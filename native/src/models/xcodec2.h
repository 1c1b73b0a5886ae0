// X-Codec2 (transformers.Xcodec2Model, github zhenye234/X-Codec-2.0): speech codes to waveform and back.
//
// Decoding: FSQ digits -> project_out -> fc -> embed (conv k7) -> 2 resnet blocks -> transformer
//   -> 2 resnet blocks -> LayerNorm -> head (log-magnitudes and phases) -> inverse STFT.
// The transformer is not causal. The reference turns q and k by RoPE with the HEAD index as position; every
// frame of a head is turned by the same angles, a rotation common to q and k leaves q.k as it is, so it is
// left out here.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/operand_buffer.h"
#include "models/xcodec2_config.h"
#include "models/xcodec2_weights.h"

namespace llasa {

class Xcodec2Encoder;

class Xcodec2 {
 public:
  // storage: kF32 or kBf16, of the decoder's matrices; the encoder computes in f32.
  explicit Xcodec2(const Xcodec2Config& config, Storage storage = Storage::kF32);
  ~Xcodec2();

  const Xcodec2Config& config() const { return config_; }
  Stream& stream() { return stream_; }

  int64_t tensor_count() const;
  const TensorSpec& tensor(int64_t index) const;
  void set_tensor(const std::string& name, DType dtype, const int64_t* shape, int32_t rank, const void* data);

  // Codes of B clips (host; clip b is codes[offsets[b] .. offsets[b+1])) to samples on the device, clip b at
  // waveforms + offsets[b] * hop, hop samples per code. A clip's samples do not depend on the other clips.
  // Throws Status::kToken naming clip and position of a code out of range.
  void decode(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms);
  // The same of codes on the device, which are read back to be checked: it waits for the stream up to here.
  void decode_on_device(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms);

  // Waveform (host) to codes: num_samples / hop + 1 of them, because 1..hop zeros are always appended.
  std::vector<int32_t> encode(const float* waveform, int64_t num_samples);

  // Called with the output of each named stage, [rows, columns] on the device. For tests.
  using StageProbe = std::function<void(const char* stage, const float* data, int64_t rows, int64_t columns)>;
  void set_stage_probe(StageProbe probe) { probe_ = std::move(probe); }

 private:
  void check_codes(const int64_t* offsets, const int32_t* codes, int64_t B) const;
  // Of checked codes on the device.
  void decode_all(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms);
  void decode_group(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms);
  void resnet_block(const Xcodec2Resnet& block, const int64_t* offsets, int64_t B);
  void transformer_layer(const Xcodec2Layer& layer, const int64_t* offsets, int64_t B);
  void probe(const char* stage, const float* data, int64_t rows, int64_t columns) const;

  Xcodec2Config config_;
  Stream stream_;
  TensorTable weights_;
  Xcodec2DecoderWeights decoder_;
  std::unique_ptr<Xcodec2Encoder> encoder_;
  DeviceBuffer<float> istft_basis_, istft_window_;
  StageProbe probe_;

  DeviceBuffer<int32_t> codes_;
  // Activations of one group of clips; x_ is the residual stream, those of an OperandBufferOf are what the transformer's
  // products read.
  DeviceBuffer<float> digits_, latents_, x_, h_, g_, qkv_, ffn_, prediction_, spectrum_, quarters_;
  OperandBufferOf<DeviceBuffer> normed_, attended_, inner_;
};

}  // namespace llasa
