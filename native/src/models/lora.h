// Low-rank adapters beside the frozen projections of a policy (LoRA, arXiv 2106.09685; names as PEFT writes
// them): y += scale (x A^T) B^T, scale = alpha / rank. The base weights stay as they are, so switching the
// adapter off gives the starting policy back, at no memory.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/llama_config.h"

namespace llasa {

struct LoraOptions {
  int64_t rank = 0;
  float alpha = 0.0f;
  int32_t targets = 0;  // LLASA_LORA_* bits
};

// Throws naming the field that is out of range.
LoraOptions make_lora_options(const llasa_lora_options& options);

// The four inputs of a layer's projections, each multiplied by one matrix of the base model.
enum class LoraInput { kAttention, kOut, kMlp, kDown };

class Lora {
 public:
  // Declares A [rank, K] and B [N, rank] of every target, unset.
  Lora(const LlamaConfig& config, const LoraOptions& options, Stream& stream);

  TensorTable& weights() { return weights_; }
  const TensorTable& weights() const { return weights_; }
  // Floats of scratch that the functions below need for so many rows.
  int64_t scratch(int64_t rows) const { return 2 * rows * rank_; }

  // y += scale (x A^T) B^T for each target fed by `input`. x [rows, K]; y [rows, N] as the base's product.
  void forward(Stream& stream, int64_t l, LoraInput input, const float* x, int64_t rows, float* y,
               float* scratch) const;
  // dx += scale (dy B) A.
  void backward_input(Stream& stream, int64_t l, LoraInput input, const float* dy, int64_t rows, float* dx,
                      float* scratch) const;
  // dA += scale (dy B)^T x; dB += scale dy^T (x A^T). gradients: flat, laid out as weights().
  void backward_parameters(Stream& stream, int64_t l, LoraInput input, const float* x, const float* dy,
                           int64_t rows, float* gradients, float* scratch) const;
  // values += scale B A, when the base parameter `name` is a target. values on the device.
  void merge_into(Stream& stream, const std::string& name, float* values) const;

 private:
  struct Target {
    std::string base;      // Hugging Face name of the projection
    int64_t a, b;          // offsets in weights()
    int64_t K, N;          // inputs and outputs
    int64_t first, width;  // columns first..first+N of the fused product of `width` columns
  };
  const std::vector<Target>& targets(int64_t l, LoraInput input) const {
    return targets_[static_cast<size_t>(4 * l) + static_cast<size_t>(input)];
  }

  int64_t rank_;
  float scale_;
  TensorTable weights_;
  std::vector<std::vector<Target>> targets_;  // by 4 l + input
};

}  // namespace llasa
