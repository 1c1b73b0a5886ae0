// Where each parameter of a Llama policy lies. Weights, gradients and moments are flat arrays of the same
// layout, so one set of offsets serves them all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor_table.h"
#include "models/gradients.h"
#include "models/llama_config.h"

namespace llasa {

// Parameters of one layer. q, k, v are adjacent, and so are gate and up: each pair or triple is one matrix.
template <typename T>
struct LlamaLayer {
  T* qkv;         // [(H + 2G) D, C]: q_proj, k_proj, v_proj
  T* out;         // [C, H D]: o_proj
  T* gate_up;     // [2F, C]: gate_proj, up_proj
  T* down;        // [C, F]: down_proj
  T* input_norm;  // [C]
  T* post_norm;   // [C]: post_attention_layernorm
};

// What computing reads of one layer.
struct LlamaLayerWeights {
  WeightView qkv, out, gate_up, down;  // as in LlamaLayer
  const float* input_norm;
  const float* post_norm;
};

class LlamaLayout {
 public:
  // Declares every parameter in model order under its Hugging Face name.
  LlamaLayout(const LlamaConfig& config, TensorTable& table);

  LlamaLayer<float> layer(Gradients& to, int64_t l) const {
    const Offsets& o = layers_[static_cast<size_t>(l)];
    return {to.at(o.qkv),  to.at(o.out),        to.at(o.gate_up),
            to.at(o.down), to.at(o.input_norm), to.at(o.post_norm)};
  }
  LlamaLayerWeights layer(const TensorTable& table, int64_t l) const {
    const Offsets& o = layers_[static_cast<size_t>(l)];
    return {table.matrix(o.qkv),  table.matrix(o.out),        table.matrix(o.gate_up),
            table.matrix(o.down), table.vector(o.input_norm), table.vector(o.post_norm)};
  }
  WeightView embedding(const TensorTable& table) const { return table.matrix(embedding_); }
  const float* final_norm(const TensorTable& table) const { return table.vector(final_norm_); }
  WeightView head(const TensorTable& table) const { return table.matrix(head_); }
  float* embedding(Gradients& to) const { return to.at(embedding_); }    // [V, C]
  float* final_norm(Gradients& to) const { return to.at(final_norm_); }  // [C]
  float* head(Gradients& to) const { return to.at(head_); }              // [V, C]; the embedding when tied

  // Units in which passes use the layout: the embedding, each layer, then the final norm with the head unless that is tied.
  // Where each begins, and where the last one ends.
  std::vector<int64_t> units(const TensorTable& table) const;
  int64_t embedding_unit() const { return 0; }
  int64_t layer_unit(int64_t l) const { return 1 + l; }
  int64_t last_unit() const { return 1 + static_cast<int64_t>(layers_.size()); }
  int64_t head_unit() const { return head_ == embedding_ ? embedding_unit() : last_unit(); }

 private:
  struct Offsets {
    int64_t qkv, out, gate_up, down, input_norm, post_norm;
  };
  std::vector<Offsets> layers_;
  int64_t embedding_ = 0;
  int64_t final_norm_ = 0;
  int64_t head_ = 0;
};

}  // namespace llasa
