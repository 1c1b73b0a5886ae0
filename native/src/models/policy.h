// A Llama language model: its weights, its stream and the table of rotations; computing with it is the
// business of policy_pass.h (training, scoring) and rollout.h (decoding), which share it.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/llama_config.h"
#include "models/llama_weights.h"

namespace llasa {

class Policy {
 public:
  explicit Policy(const LlamaConfig& config);

  const LlamaConfig& config() const { return config_; }
  Stream& stream() { return stream_; }
  TensorTable& weights() { return weights_; }
  const TensorTable& weights() const { return weights_; }
  const LlamaLayout& layout() const { return layout_; }

  // Device pointers to the weights.
  LlamaLayer<const float> layer(int64_t l) const { return layout_.layer(weights_.data(), l); }
  const float* embedding() const { return layout_.embedding(weights_.data()); }
  const float* final_norm() const { return layout_.final_norm(weights_.data()); }
  const float* head() const { return layout_.head(weights_.data()); }

  // Throws LLASA_ERR_STATE while a weight is missing.
  void require_complete() const { weights_.require_complete("policy"); }

  // Rotations of positions 0..positions-1 on the device, as ops/rope.h wants them: [positions, D], a row
  // holds D/2 cosines, then D/2 sines. Grows on demand, so the pointer is good until the next call.
  const float* rope_table(int64_t positions);

  // Throws LLASA_ERR_SHAPE unless source has the same configuration.
  void copy_weights(const Policy& source);

 private:
  LlamaConfig config_;
  Stream stream_;
  TensorTable weights_;
  LlamaLayout layout_;
  DeviceBuffer<float> rope_;
  int64_t rope_positions_ = 0;
};

}  // namespace llasa
