#include "models/lora.h"

#include <algorithm>
#include <cmath>

#include "core/status.h"
#include "ops/gemm.h"

namespace llasa {

Lora::Lora(const LlamaConfig& config, const LoraOptions& options, Stream& stream)
    : rank_(options.rank),
      scale_(options.alpha / static_cast<float>(options.rank)),
      dropout_(options.dropout),
      dropout_seed_(options.dropout_seed) {
  uint64_t index = 0;
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const int64_t q = config.query_size(), kv = config.kv_size(), qkv = config.qkv_size();
  targets_.resize(static_cast<size_t>(4 * config.num_layers));
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    const auto add = [&](int32_t bit, LoraInput input, const char* module, int64_t K, int64_t N,
                         int64_t first, int64_t width) {
      if ((options.targets & bit) == 0) return;
      const std::string name = "base_model.model." + layer + module;
      weights_.declare(name + ".lora_A.weight", {rank_, K});
      weights_.declare(name + ".lora_B.weight", {N, rank_});
      targets_[static_cast<size_t>(4 * l) + static_cast<size_t>(input)].push_back(
          {layer + module + ".weight", weights_.find(name + ".lora_A.weight").offset,
           weights_.find(name + ".lora_B.weight").offset, K, N, first, width, index++});
      widest_ = std::max(widest_, K);
    };
    add(kLoraQ, LoraInput::kAttention, "self_attn.q_proj", C, q, 0, qkv);
    add(kLoraK, LoraInput::kAttention, "self_attn.k_proj", C, kv, q, qkv);
    add(kLoraV, LoraInput::kAttention, "self_attn.v_proj", C, kv, q + kv, qkv);
    add(kLoraO, LoraInput::kOut, "self_attn.o_proj", q, C, 0, C);
    add(kLoraGate, LoraInput::kMlp, "mlp.gate_proj", C, F, 0, 2 * F);
    add(kLoraUp, LoraInput::kMlp, "mlp.up_proj", C, F, F, 2 * F);
    add(kLoraDown, LoraInput::kDown, "mlp.down_proj", F, C, 0, C);
  }
  weights_.allocate(stream, "the adapter's weights");
}

DropoutMask Lora::mask(const Target& target, DropoutPass pass) const {
  // Passes are numbered below 2^44 (trainer_step.cc) and targets below 2^20, so no two share a stream.
  return {dropout_, dropout_seed_, pass << 20 | target.index};
}

WeightView Lora::thinned(Stream& stream, const Target& target, WeightView x, int64_t rows, float* scratch,
                         DropoutPass pass) const {
  if (!drops(pass)) return x;
  ArrayView kept = scratch + 2 * rows * rank_;
  kept.dtype = x.dtype;
  dropout_forward(stream, x, kept, rows * target.K, mask(target, pass));
  return kept;
}

void Lora::forward(Stream& stream, int64_t l, LoraInput input, WeightView x, int64_t rows, ArrayView y,
                   float* scratch, DropoutPass pass) const {
  const Precision precision = x.is_bf16() ? Precision::kBf16 : Precision::kF32;
  for (const Target& t : targets(l, input)) {
    const float *a = weights_.data() + t.a, *b = weights_.data() + t.b;
    const WeightView kept = thinned(stream, t, x, rows, scratch, pass);
    gemm(stream, false, true, rows, rank_, t.K, 1.0f, kept, t.K, a, t.K, 0.0f, scratch, rank_);
    gemm(stream, false, true, rows, t.N, rank_, scale_, scratch, rank_, b, rank_, 1.0f, y + t.first, t.width,
         precision);
  }
}

void Lora::backward_input(Stream& stream, int64_t l, LoraInput input, WeightView dy, int64_t rows,
                          ArrayView dx, float* scratch, DropoutPass pass) const {
  const Precision precision = dy.is_bf16() ? Precision::kBf16 : Precision::kF32;
  for (const Target& t : targets(l, input)) {
    const float *a = weights_.data() + t.a, *b = weights_.data() + t.b;
    gemm(stream, false, false, rows, rank_, t.N, scale_, dy + t.first, t.width, b, rank_, 0.0f, scratch,
         rank_);
    if (!drops(pass)) {
      gemm(stream, false, false, rows, t.K, rank_, 1.0f, scratch, rank_, a, t.K, 1.0f, dx, t.K, precision);
      continue;
    }
    float* dkept = scratch + 2 * rows * rank_;
    gemm(stream, false, false, rows, t.K, rank_, 1.0f, scratch, rank_, a, t.K, 0.0f, dkept, t.K, precision);
    dropout_backward(stream, dkept, dx, rows * t.K, mask(t, pass));
  }
}

void Lora::backward_parameters(Stream& stream, int64_t l, LoraInput input, WeightView x, WeightView dy,
                               int64_t rows, float* gradients, float* scratch, DropoutPass pass) const {
  float *from_above = scratch, *from_below = scratch + rows * rank_;
  for (const Target& t : targets(l, input)) {
    const float *a = weights_.data() + t.a, *b = weights_.data() + t.b;
    const WeightView kept = thinned(stream, t, x, rows, scratch, pass);
    gemm(stream, false, false, rows, rank_, t.N, scale_, dy + t.first, t.width, b, rank_, 0.0f, from_above,
         rank_);
    gemm(stream, true, false, rank_, t.K, rows, 1.0f, from_above, rank_, kept, t.K, 1.0f, gradients + t.a,
         t.K);
    gemm(stream, false, true, rows, rank_, t.K, 1.0f, kept, t.K, a, t.K, 0.0f, from_below, rank_);
    gemm(stream, true, false, t.N, rank_, rows, scale_, dy + t.first, t.width, from_below, rank_, 1.0f,
         gradients + t.b, rank_);
  }
}

bool Lora::stands_beside(const std::string& name) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const auto& input) {
    return std::any_of(input.begin(), input.end(), [&](const Target& t) { return t.base == name; });
  });
}

void Lora::merge_into(Stream& stream, const std::string& name, float* values) const {
  for (const auto& input : targets_) {
    for (const Target& t : input) {
      if (t.base != name) continue;
      gemm(stream, false, false, t.N, t.K, rank_, scale_, weights_.data() + t.b, rank_, weights_.data() + t.a,
           t.K, 1.0f, values, t.K);
    }
  }
}

}  // namespace llasa
