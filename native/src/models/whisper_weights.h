// Parameters of Whisper under their Hugging Face names (WhisperForConditionalGeneration): model.encoder.*,
// model.decoder.*; the output projection is model.decoder.embed_tokens.weight.
#pragma once

#include <vector>

#include "core/tensor_table.h"
#include "models/whisper_config.h"

namespace llasa {

struct WhisperAffine {
  WeightView weight;
  const float* bias;
};
struct WhisperNorm {
  const float* weight;
  const float* bias;
};

// q, k and v of self-attention are one matrix, k and v of cross-attention too. k has no bias in the
// checkpoint; the fused biases, with zeros for k, are built from the others (WhisperWeights::fuse_biases).
struct WhisperSelfAttention {
  WhisperNorm norm;
  WhisperAffine qkv, out;
};
struct WhisperCrossAttention {
  WhisperNorm norm;
  WhisperAffine q, kv, out;
};
struct WhisperFeedForward {
  WhisperNorm norm;
  WhisperAffine fc1, fc2;
};
struct WhisperEncoderLayer {
  WhisperSelfAttention attention;
  WhisperFeedForward ffn;
};
struct WhisperDecoderLayer {
  WhisperSelfAttention attention;
  WhisperCrossAttention cross;
  WhisperFeedForward ffn;
};

class WhisperWeights {
 public:
  WhisperWeights(const WhisperConfig& config, Storage storage, Stream& stream);

  TensorTable& table() { return table_; }
  const TensorTable& table() const { return table_; }
  // To be called before computing when a tensor was set since the last time.
  void fuse_biases(Stream& stream);

  WhisperAffine conv1, conv2;
  const float* encoder_positions;  // [P, C]
  WhisperNorm encoder_norm;
  std::vector<WhisperEncoderLayer> encoder;
  WeightView token_embedding;      // [V, C]
  const float* decoder_positions;  // [max_target_positions, C]
  WhisperNorm decoder_norm;
  std::vector<WhisperDecoderLayer> decoder;

 private:
  struct FusedBias {
    float* destination;
    const float* source;
  };
  WhisperAffine find(const std::string& name) const;
  WhisperNorm find_norm(const std::string& name) const;
  WhisperSelfAttention find_self(const std::string& layer, float*& fused);
  WhisperFeedForward find_ffn(const std::string& layer) const;

  int64_t channels_;
  TensorTable table_;
  DeviceBuffer<float> biases_;
  std::vector<FusedBias> copies_;
};

}  // namespace llasa
