// The transformer layers of the policy, forward and backward, over the packed rows of one micro-batch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "models/policy.h"
#include "models/token_batch.h"

namespace llasa {

// What forward keeps for backward.
enum class Keep {
  kNothing,      // no backward will follow
  kLayerInputs,  // backward runs each layer once more
  kAttention,    // all but the MLP's gate and up, which backward computes once more
  kActivations,
};

// Activations are of the phase that a pass is part of: from forward to backward it must be leased. Where keeps_bf16() and the matrices are
// in bf16, so is what a product reads, written once by what makes it. Rows before the first
// scored row serve as keys alone in the last layer, so that layer skips the rest of its work for them.
class PolicyPass {
 public:
  PolicyPass(Policy& policy, Phase& phase) : policy_(policy), memory_(phase) {}

  // Returns the residual stream behind the last layer, [rows - first_scored_row, C]: the scored rows.
  // dropout: which masks thin the adapter's inputs; 0 where nothing is trained.
  const float* forward(const PackedRows& packed, Keep keep, DropoutPass dropout = 0);

  // Gradient of what forward returned, to be filled before backward; [rows - first_scored_row, C].
  float* output_gradient();
  // Adds to gradients: with an adapter, its gradients alone.
  // After forward of the same rows with keep other than kNothing; uses up what was kept.
  void backward(const PackedRows& packed, Gradients& gradients);
  // Of weights that are shared out: brings the same together, and finishes the same gradients, as a pass does, for a
  // rank that has no rows while others do.
  void take_part(Gradients& gradients);
  // The same of a pass that only scores.
  void take_part_in_scoring();

 private:
  struct Layer {
    float* input;         // [T,C] residual stream
    float* rstd1;         // [T]
    ArrayView qkv;        // [T, (H+2G) D], rotated
    ArrayView attention;  // [T, H D]
    float* lse;           // [T,H]
    float* middle;        // [T,C] residual stream behind attention
    float* rstd2;         // [T]
    ArrayView gate_up;    // [T, 2F]
  };

  void lay_out(const PackedRows& packed, Keep keep);
  // Fills a layer's activations; writes the next residual stream to `output` unless it is NULL.
  void forward_layer(const PackedRows& packed, int64_t l, float* output);
  // From normed_; adds the adapter's part.
  void forward_gate_up(int64_t l, int64_t first);
  void backward_layer(const PackedRows& packed, int64_t l, Gradients& gradients);
  void backward_mlp(int64_t l, int64_t first, Gradients& gradients);
  void backward_attention(const PackedRows& packed, int64_t l, int64_t first, Gradients& gradients);
  AttentionShape attention_shape(int64_t l) const;
  // Where a layer's own gradients go: with an adapter nowhere.
  LlamaLayer<float> layer_gradients(Gradients& gradients, int64_t l);
  void lora_forward(int64_t l, LoraInput input, WeightView x, int64_t rows, ArrayView y);
  void lora_backward_input(int64_t l, LoraInput input, WeightView dy, int64_t rows, ArrayView dx);
  void lora_backward_parameters(int64_t l, LoraInput input, WeightView x, WeightView dy, int64_t rows,
                                Gradients& gradients);
  // Gradient of the residual stream from that row on, for products.
  WeightView stream_gradient(int64_t row) const;

  Policy& policy_;
  Keep keep_ = Keep::kNothing;
  DropoutPass dropout_ = 0;
  int64_t rows_ = 0;
  int64_t first_scored_row_ = 0;
  PhaseBuffer<float> memory_;
  DeviceBuffer<int32_t> ids_;
  DeviceBuffer<int32_t> positions_;
  const float* rope_ = nullptr;
  std::vector<Layer> layers_;
  float* output_ = nullptr;           // [T,C]
  ArrayView normed_;                  // [T,C]
  ArrayView inner_;                   // [T,F]
  float* projected_ = nullptr;        // [T,C] what a layer's parts add to the residual stream; may be normed_
  float* stream_gradient_ = nullptr;  // [T,C] of the residual stream
  Bf16* narrowed_ = nullptr;          // [T,C] the same, unless everything is f32
  float* normed_gradient_ = nullptr;  // [T,C] may be projected_
  ArrayView attention_gradient_;      // [T, H D]
  float* qkv_ = nullptr;              // [T, (H+2G) D] what becomes a layer's in bf16, or its gradient
  float* lora_scratch_ = nullptr;
};

}  // namespace llasa
