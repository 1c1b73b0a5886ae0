// A Llama language model: its weights, its stream and the table of rotations; computing with it is the
// business of policy_pass.h (training, scoring) and rollout.h (decoding), which share it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/llama_config.h"
#include "models/llama_weights.h"
#include "models/lora.h"
#include "models/precision.h"
#include "models/shared_weights.h"

namespace llasa {

class Policy {
 public:
  // storage: how the matrices are kept; they are multiplied as they are stored. frozen: no trainer may be
  // made of the weights themselves.
  explicit Policy(const LlamaConfig& config, Storage storage = Storage::kF32, bool frozen = false);

  const LlamaConfig& config() const { return config_; }
  bool is_frozen() const { return frozen_; }
  // Of a rollout's keys and values, and of the matrices that products read unless those are in 8 bits.
  DType compute_dtype() const { return weights_.storage() == Storage::kF32 ? DType::kF32 : DType::kBf16; }
  Precision precision() const { return precision_of(weights_.storage()); }
  Stream& stream() { return stream_; }
  TensorTable& weights() { return weights_; }
  const TensorTable& weights() const { return weights_; }
  const LlamaLayout& layout() const { return layout_; }

  // A frozen policy's matrices in bf16 may be in groups, which are read faster and cannot be pointed at or trained
  // beside: from now on they are in rows.
  void ungroup() { weights_.ungroup(stream_); }

  // Device pointers to the weights.
  LlamaLayerWeights layer(int64_t l) const { return layout_.layer(weights_, l); }
  WeightView embedding() const { return layout_.embedding(weights_); }
  const float* final_norm() const { return layout_.final_norm(weights_); }
  WeightView head() const { return layout_.head(weights_); }

  // Weights of several ranks (models/shared_weights.h): each keeps its part, once and for good. world NULL: a memory
  // plan's, of so many ranks. Without an adapter, in f32 or bf16.
  void share_out(std::shared_ptr<Collective> world, int ranks);
  // NULL while this process has them all.
  SharedWeights* shared() { return shared_; }
  const SharedWeights* shared() const { return shared_; }
  // Brings the weights of all ranks together, for rollouts and scoring, until the next gradient; every rank calls it.
  void gather() {
    if (shared_ != nullptr) shared_->gather();
  }
  // The same of a part alone, for a pass.
  void bring(int64_t unit) {
    if (shared_ != nullptr) shared_->bring(unit);
  }
  // Throws Status::kState while they are not together.
  void require_whole() const;

  // Throws Status::kState while a weight is missing, the adapter's included.
  void require_complete() const {
    weights_.require_complete("policy");
    if (adapter_ != nullptr) adapter_->weights().require_complete("adapter");
  }

  // Puts a low-rank adapter beside the weights, once, and switches it on.
  void attach_lora(const LoraOptions& options);
  void use_lora(bool on);
  // The adapter that takes part in computing; NULL when there is none or it is switched off.
  const Lora* lora() const { return lora_on_ ? adapter_.get() : nullptr; }
  bool has_lora() const { return adapter_ != nullptr; }
  // Floats of scratch the adapter needs for so many rows; 0 without one.
  int64_t lora_scratch(int64_t rows) const { return has_lora() ? adapter_->scratch(rows) : 0; }
  // What a trainer trains: the adapter where there is one, else all weights.
  TensorTable& trainable() { return adapter_ != nullptr ? adapter_->weights() : weights_; }
  // The table that holds a parameter of that name: the base model's unless the adapter has it.
  TensorTable& table_of(const std::string& name) {
    return adapter_ != nullptr && adapter_->weights().contains(name) ? adapter_->weights() : weights_;
  }
  // A base parameter with the adapter's product added; size_bytes as TensorTable::get.
  void get_merged(const std::string& name, DType dtype, void* out, int64_t size_bytes);

  // Rotations of positions 0..positions-1 on the device, as ops/rope.h wants them: [positions, D], a row
  // holds D/2 cosines, then D/2 sines. Grows on demand, so the pointer is good until the next call.
  const float* rope_table(int64_t positions);

  // Throws Status::kShape unless source has the same configuration. Values that one of the two keeps in bf16
  // or 8 bits arrive rounded as that does; gains and biases stay exact.
  void copy_weights(const Policy& source);
  // After the f32 values of trainable() changed: brings the bf16 copy, where there is one, up to date.
  void refresh_trained();
  // The same of every table: somebody else wrote values.
  void refresh_all();

 private:
  void refresh(TensorTable& table);

  LlamaConfig config_;
  bool frozen_;
  Stream stream_;
  TensorTable weights_;
  LlamaLayout layout_;
  SharedWeights* shared_ = nullptr;  // what weights_ handed over to
  std::unique_ptr<Lora> adapter_;
  bool lora_on_ = false;
  DeviceBuffer<float> rope_;
  int64_t rope_positions_ = 0;
};

}  // namespace llasa
