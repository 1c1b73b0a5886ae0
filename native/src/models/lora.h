// Low-rank adapters beside the frozen projections of a policy (LoRA, arXiv 2106.09685; names as PEFT writes
// them): y += scale (x A^T) B^T, scale = alpha / rank. The base weights stay as they are, so switching the
// adapter off gives the starting policy back, at no memory. While it is trained the input of each A may be
// thinned by dropout, each target by a mask of its own, as PEFT's lora_dropout does.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/tensor_table.h"
#include "models/llama_config.h"
#include "ops/dropout.h"

namespace llasa {

// The projections an adapter stands beside, as bits; numbered as LLASA_LORA_*.
enum LoraTarget : int32_t {
  kLoraQ = 1,
  kLoraK = 2,
  kLoraV = 4,
  kLoraO = 8,
  kLoraGate = 16,
  kLoraUp = 32,
  kLoraDown = 64,
  kLoraAll = 127,
};

struct LoraOptions {
  int64_t rank = 0;
  float alpha = 0.0f;
  int32_t targets = 0;  // sum of LoraTarget
  float dropout = 0.0f;
  uint64_t dropout_seed = 0;
};

// Which masks are drawn: one number per forward pass and the backward pass that belongs to it. 0: none.
using DropoutPass = uint64_t;

// The four inputs of a layer's projections, each multiplied by one matrix of the base model.
enum class LoraInput { kAttention, kOut, kMlp, kDown };

class Lora {
 public:
  // Declares A [rank, K] and B [N, rank] of every target, unset.
  Lora(const LlamaConfig& config, const LoraOptions& options, Stream& stream);

  TensorTable& weights() { return weights_; }
  const TensorTable& weights() const { return weights_; }
  // Floats of scratch that the functions below need for so many rows.
  int64_t scratch(int64_t rows) const { return rows * (2 * rank_ + (dropout_ > 0.0f ? widest_ : 0)); }

  // y += scale (x A^T) B^T for each target fed by `input`, x after dropout. x [rows, K]; y [rows, N] as the
  // base's product. With x (below: dy) in bf16 all products are of Precision::kBf16.
  void forward(Stream& stream, int64_t l, LoraInput input, WeightView x, int64_t rows, ArrayView y,
               float* scratch, DropoutPass pass) const;
  // dx += scale (dy B) A, where x was kept.
  void backward_input(Stream& stream, int64_t l, LoraInput input, WeightView dy, int64_t rows, ArrayView dx,
                      float* scratch, DropoutPass pass) const;
  // dA += scale (dy B)^T x; dB += scale dy^T (x A^T), x after dropout. gradients: flat, laid out as
  // weights().
  void backward_parameters(Stream& stream, int64_t l, LoraInput input, WeightView x, WeightView dy,
                           int64_t rows, float* gradients, float* scratch, DropoutPass pass) const;
  // Whether a base parameter is a target.
  bool stands_beside(const std::string& name) const;
  // values += scale B A, when the base parameter `name` is a target. values on the device.
  void merge_into(Stream& stream, const std::string& name, float* values) const;

 private:
  struct Target {
    std::string base;      // Hugging Face name of the projection
    int64_t a, b;          // offsets in weights()
    int64_t K, N;          // inputs and outputs
    int64_t first, width;  // columns first..first+N of the fused product of `width` columns
    uint64_t index;        // among all targets
  };
  bool drops(DropoutPass pass) const { return pass != 0 && dropout_ > 0.0f; }
  DropoutMask mask(const Target& target, DropoutPass pass) const;
  // x, or x after dropout in scratch.
  WeightView thinned(Stream& stream, const Target& target, WeightView x, int64_t rows, float* scratch,
                     DropoutPass pass) const;
  const std::vector<Target>& targets(int64_t l, LoraInput input) const {
    return targets_[static_cast<size_t>(4 * l) + static_cast<size_t>(input)];
  }

  int64_t rank_;
  float scale_;
  float dropout_;
  uint64_t dropout_seed_;
  int64_t widest_ = 0;  // K of the widest target
  TensorTable weights_;
  std::vector<std::vector<Target>> targets_;  // by 4 l + input
};

}  // namespace llasa
