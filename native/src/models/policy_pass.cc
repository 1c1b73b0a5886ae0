#include "models/policy_pass.h"

#include "models/operand_buffer.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/cast.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace llasa {

void PolicyPass::lay_out(const PackedRows& packed, Keep keep) {
  const LlamaConfig& c = policy_.config();
  const int64_t T = packed.rows, C = c.hidden_size, F = c.intermediate_size, L = c.num_layers;
  keep_ = keep;
  rows_ = T;
  first_scored_row_ = packed.first_scored_row;
  const bool narrow = keeps_bf16(policy_.precision());
  const auto place = [&](float* memory) {
    int64_t used = 0;
    const auto take = [&](int64_t floats) {
      float* start = memory == nullptr ? nullptr : memory + used;
      used += (floats + 15) / 16 * 16;
      return start;
    };
    const auto take_operand = [&](int64_t count) {
      ArrayView start = take(narrow ? (count + 1) / 2 : count);
      if (narrow) start.dtype = DType::kBf16;
      return start;
    };
    layers_.resize(static_cast<size_t>(L));
    for (int64_t l = 0; l < L; ++l) {
      Layer& layer = layers_[static_cast<size_t>(l)];
      const bool own = l == 0 || keep == Keep::kActivations || keep == Keep::kAttention;
      if (!own) layer = layers_[0];
      if (own || keep == Keep::kLayerInputs) layer.input = take(T * C);
      if (!own) continue;
      layer.rstd1 = take(T);
      layer.qkv = take_operand(T * c.qkv_size());
      layer.attention = take_operand(T * c.query_size());
      layer.lse = take(T * c.num_heads);
      layer.middle = take(T * C);
      layer.rstd2 = take(T);
      layer.gate_up = l > 0 && keep == Keep::kAttention ? layers_[0].gate_up : take_operand(T * 2 * F);
    }
    output_ = take(T * C);
    normed_ = take_operand(T * C);
    inner_ = take_operand(T * F);
    projected_ = narrow ? take(T * C) : normed_.f32();
    if (narrow || keep != Keep::kNothing) qkv_ = take(T * c.qkv_size());
    if (policy_.has_lora()) lora_scratch_ = take(policy_.lora_scratch(T));
    if (keep != Keep::kNothing) {
      stream_gradient_ = take(T * C);
      narrowed_ = narrow ? take_operand(T * C).bf16() : nullptr;
      normed_gradient_ = narrow ? projected_ : take(T * C);
      attention_gradient_ = take_operand(T * c.query_size());
    }
    return used;
  };
  const int64_t floats = place(nullptr);
  place(memory_.reserve(floats, "activations of a micro-batch"));
}

AttentionShape PolicyPass::attention_shape(int64_t l) const {
  const LlamaConfig& c = policy_.config();
  return {c.num_heads, c.num_kv_heads, c.head_dim, l + 1 < c.num_layers};
}

const float* PolicyPass::forward(const PackedRows& packed, Keep keep, DropoutPass dropout) {
  Stream& stream = policy_.stream();
  const LlamaConfig& c = policy_.config();
  lay_out(packed, keep);
  dropout_ = dropout;
  ids_.upload(stream, std::span<const int32_t>(packed.token_ids), "token ids");
  positions_.upload(stream, std::span<const int32_t>(packed.positions), "positions");
  rope_ = policy_.rope_table(packed.positions_used);
  policy_.bring(policy_.layout().embedding_unit());
  embedding_forward(stream, policy_.embedding(), ids_.data(), layers_[0].input, rows_, c.hidden_size);
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const bool last = l + 1 == c.num_layers;
    policy_.bring(policy_.layout().layer_unit(l));
    forward_layer(packed, l, last ? output_ : layers_[static_cast<size_t>(l + 1)].input);
  }
  return output_ + first_scored_row_ * c.hidden_size;
}

void PolicyPass::forward_layer(const PackedRows& packed, int64_t l, float* output) {
  Stream& stream = policy_.stream();
  const LlamaConfig& c = policy_.config();
  const LlamaLayerWeights w = policy_.layer(l);
  const Layer& a = layers_[static_cast<size_t>(l)];
  const int64_t C = c.hidden_size, F = c.intermediate_size, Q = c.query_size(), R = c.qkv_size();
  rmsnorm_forward(stream, a.input, w.input_norm, normed_, a.rstd1, rows_, C, c.rms_norm_eps);
  // Into the layer's place by the rotation, which reads f32.
  float* qkv = a.qkv.is_bf16() ? qkv_ : a.qkv.f32();
  const int64_t turned = c.num_heads + c.num_kv_heads;
  linear_forward(stream, normed_, w.qkv, nullptr, qkv, rows_, C, R);
  lora_forward(l, LoraInput::kAttention, normed_, rows_, qkv);
  // Keys and values as a rollout reads them from its cache, or the two would be of different models.
  if (a.qkv.is_bf16()) {
    rope_forward(stream, qkv, a.qkv.bf16(), positions_.data(), rope_, rows_, turned, c.head_dim, R);
  } else {
    rope_forward(stream, qkv, positions_.data(), rope_, rows_, turned, c.head_dim, R);
    if (policy_.precision() == Precision::kBf16) round_to_bf16(stream, qkv + Q, R, rows_, R - Q);
  }
  attention_forward(stream, a.qkv, a.attention, a.lse, packed.groups, attention_shape(l),
                    policy_.precision());

  const int64_t first = l + 1 == c.num_layers ? first_scored_row_ : 0;
  const int64_t rows = rows_ - first;
  linear_forward(stream, a.attention + first * Q, w.out, nullptr, projected_, rows, Q, C);
  lora_forward(l, LoraInput::kOut, a.attention + first * Q, rows, projected_);
  add_rmsnorm_forward(stream, a.input + first * C, projected_, w.post_norm, a.middle + first * C, normed_,
                      a.rstd2 + first, rows, C, c.rms_norm_eps);
  forward_gate_up(l, first);
  if (output == nullptr) return;
  swiglu_forward(stream, a.gate_up + first * 2 * F, inner_, rows, F);
  linear_forward(stream, inner_, w.down, nullptr, projected_, rows, F, C);
  lora_forward(l, LoraInput::kDown, inner_, rows, projected_);
  add_forward(stream, a.middle + first * C, projected_, output + first * C, rows * C);
}

void PolicyPass::forward_gate_up(int64_t l, int64_t first) {
  const LlamaConfig& c = policy_.config();
  const int64_t C = c.hidden_size, F = c.intermediate_size, rows = rows_ - first;
  const ArrayView gate_up = layers_[static_cast<size_t>(l)].gate_up + first * 2 * F;
  linear_forward(policy_.stream(), normed_, policy_.layer(l).gate_up, nullptr, gate_up, rows, C, 2 * F);
  lora_forward(l, LoraInput::kMlp, normed_, rows, gate_up);
}

LlamaLayer<float> PolicyPass::layer_gradients(Gradients& gradients, int64_t l) {
  return policy_.has_lora() ? LlamaLayer<float>{} : policy_.layout().layer(gradients, l);
}

void PolicyPass::lora_forward(int64_t l, LoraInput input, WeightView x, int64_t rows, ArrayView y) {
  if (const Lora* lora = policy_.lora())
    lora->forward(policy_.stream(), l, input, x, rows, y, lora_scratch_, dropout_);
}

void PolicyPass::lora_backward_input(int64_t l, LoraInput input, WeightView dy, int64_t rows, ArrayView dx) {
  if (const Lora* lora = policy_.lora())
    lora->backward_input(policy_.stream(), l, input, dy, rows, dx, lora_scratch_, dropout_);
}

void PolicyPass::lora_backward_parameters(int64_t l, LoraInput input, WeightView x, WeightView dy,
                                          int64_t rows, Gradients& gradients) {
  if (const Lora* lora = policy_.lora())
    lora->backward_parameters(policy_.stream(), l, input, x, dy, rows, gradients.flat(), lora_scratch_,
                              dropout_);
}

float* PolicyPass::output_gradient() {
  return stream_gradient_ + first_scored_row_ * policy_.config().hidden_size;
}

WeightView PolicyPass::stream_gradient(int64_t row) const {
  const int64_t place = row * policy_.config().hidden_size;
  return narrowed_ != nullptr ? WeightView(narrowed_ + place) : WeightView(stream_gradient_ + place);
}

void PolicyPass::backward(const PackedRows& packed, Gradients& gradients) {
  Stream& stream = policy_.stream();
  const LlamaConfig& c = policy_.config();
  LLASA_CHECK(keep_ != Keep::kNothing, Status::kInternal, "backward after a forward pass that kept nothing");
  zero_on_device(stream, stream_gradient_,
                 first_scored_row_ * c.hidden_size * static_cast<int64_t>(sizeof(float)));
  if (narrowed_ != nullptr) {
    const int64_t C = c.hidden_size, first = first_scored_row_;
    narrow_to_bf16(stream, output_gradient(), C, narrowed_ + first * C, rows_ - first, C);
  }
  for (int64_t l = c.num_layers - 1; l >= 0; --l) {
    policy_.bring(policy_.layout().layer_unit(l));
    if (keep_ == Keep::kLayerInputs) forward_layer(packed, l, nullptr);
    backward_layer(packed, l, gradients);
    gradients.finish(policy_.layout().layer_unit(l));
  }
  if (!policy_.has_lora()) {
    embedding_backward(stream, ids_.data(), stream_gradient_, policy_.layout().embedding(gradients), rows_,
                       c.hidden_size);
  }
  gradients.finish(policy_.layout().embedding_unit());
  keep_ = Keep::kNothing;
}

// In the order of forward and the head (PolicyHead::score)...
void PolicyPass::take_part_in_scoring() {
  const LlamaLayout& layout = policy_.layout();
  policy_.bring(layout.embedding_unit());
  for (int64_t l = 0; l < policy_.config().num_layers; ++l) policy_.bring(layout.layer_unit(l));
  policy_.bring(layout.head_unit());
}

// ... and backward.
void PolicyPass::take_part(Gradients& gradients) {
  const LlamaLayout& layout = policy_.layout();
  const int64_t L = policy_.config().num_layers;
  take_part_in_scoring();
  gradients.finish(layout.last_unit());
  for (int64_t l = L - 1; l >= 0; --l) {
    policy_.bring(layout.layer_unit(l));
    gradients.finish(layout.layer_unit(l));
  }
  gradients.finish(layout.embedding_unit());
}

void PolicyPass::backward_layer(const PackedRows& packed, int64_t l, Gradients& gradients) {
  const int64_t first = l + 1 == policy_.config().num_layers ? first_scored_row_ : 0;
  backward_mlp(l, first, gradients);
  backward_attention(packed, l, first, gradients);
}

void PolicyPass::backward_mlp(int64_t l, int64_t first, Gradients& gradients) {
  Stream& stream = policy_.stream();
  const LlamaConfig& c = policy_.config();
  const LlamaLayerWeights w = policy_.layer(l);
  const LlamaLayer<float> g = layer_gradients(gradients, l);
  const Layer& a = layers_[static_cast<size_t>(l)];
  const int64_t C = c.hidden_size, F = c.intermediate_size, rows = rows_ - first;
  // The last layer's are still there.
  if (keep_ == Keep::kAttention && l + 1 < c.num_layers) {
    rmsnorm_forward(stream, a.middle + first * C, w.post_norm, normed_, nullptr, rows, C, c.rms_norm_eps);
    forward_gate_up(l, first);
  }
  const WeightView dstream = stream_gradient(first);
  const ArrayView gate_up = a.gate_up + first * 2 * F;
  const float* middle = a.middle + first * C;
  linear_backward(stream, nullptr, w.down, dstream, inner_, nullptr, rows, F, C);
  lora_backward_input(l, LoraInput::kDown, dstream, rows, inner_);
  // The forward output comes back in place of its gradient, which is spent.
  swiglu_backward(stream, gate_up, inner_, gate_up, inner_, rows, F);
  linear_backward(stream, inner_, w.down, dstream, nullptr, g.down, rows, F, C);
  lora_backward_parameters(l, LoraInput::kDown, inner_, dstream, rows, gradients);
  rmsnorm_forward(stream, middle, w.post_norm, normed_, nullptr, rows, C, c.rms_norm_eps);
  linear_backward(stream, normed_, w.gate_up, gate_up, normed_gradient_, g.gate_up, rows, C, 2 * F);
  lora_backward_input(l, LoraInput::kMlp, gate_up, rows, normed_gradient_);
  lora_backward_parameters(l, LoraInput::kMlp, normed_, gate_up, rows, gradients);
  rmsnorm_backward(stream, middle, w.post_norm, a.rstd2 + first, normed_gradient_,
                   stream_gradient_ + first * C, g.post_norm, rows, C,
                   narrowed_ == nullptr ? nullptr : narrowed_ + first * C);
}

void PolicyPass::backward_attention(const PackedRows& packed, int64_t l, int64_t first,
                                    Gradients& gradients) {
  Stream& stream = policy_.stream();
  const LlamaConfig& c = policy_.config();
  const LlamaLayerWeights w = policy_.layer(l);
  const LlamaLayer<float> g = layer_gradients(gradients, l);
  const Layer& a = layers_[static_cast<size_t>(l)];
  const int64_t C = c.hidden_size, Q = c.query_size(), R = c.qkv_size();
  const WeightView dstream = stream_gradient(first);
  linear_backward(stream, a.attention + first * Q, w.out, dstream, attention_gradient_ + first * Q, g.out,
                  rows_ - first, Q, C);
  lora_backward_input(l, LoraInput::kOut, dstream, rows_ - first, attention_gradient_ + first * Q);
  lora_backward_parameters(l, LoraInput::kOut, a.attention + first * Q, dstream, rows_ - first, gradients);
  attention_backward(stream, a.qkv, a.attention, a.lse, attention_gradient_, qkv_, packed.groups,
                     attention_shape(l), policy_.precision());
  const int64_t turned = c.num_heads + c.num_kv_heads;
  ArrayView dqkv = qkv_;
  if (a.qkv.is_bf16()) {  // in place of queries, keys and values, which are spent
    dqkv = a.qkv;
    rope_backward(stream, qkv_, dqkv.bf16(), positions_.data(), rope_, rows_, turned, c.head_dim, R);
  } else {
    rope_backward(stream, qkv_, positions_.data(), rope_, rows_, turned, c.head_dim, R);
  }
  rmsnorm_forward(stream, a.input, w.input_norm, normed_, nullptr, rows_, C, c.rms_norm_eps);
  linear_backward(stream, normed_, w.qkv, dqkv, normed_gradient_, g.qkv, rows_, C, R);
  lora_backward_input(l, LoraInput::kAttention, dqkv, rows_, normed_gradient_);
  lora_backward_parameters(l, LoraInput::kAttention, normed_, dqkv, rows_, gradients);
  rmsnorm_backward(stream, a.input, w.input_norm, a.rstd1, normed_gradient_, stream_gradient_, g.input_norm,
                   rows_, C, l == 0 ? nullptr : narrowed_);
}

}  // namespace llasa
