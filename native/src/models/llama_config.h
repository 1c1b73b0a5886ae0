// Hyper-parameters of a Llama policy (transformers.LlamaConfig); abi/options.h checks them.
#pragma once

#include <cstdint>
#include <vector>

namespace llasa {

struct LlamaConfig {
  int64_t vocab_size = 0;         // V
  int64_t hidden_size = 0;        // C
  int64_t intermediate_size = 0;  // F
  int64_t num_layers = 0;         // L
  int64_t num_heads = 0;          // H
  int64_t num_kv_heads = 0;       // G
  int64_t head_dim = 0;           // D
  int64_t max_positions = 0;
  bool tied = false;
  float rms_norm_eps = 0.0f;
  bool llama3_scaling = false;
  double rope_theta = 0.0;
  double rope_factor = 0.0;
  double rope_low_freq_factor = 0.0;
  double rope_high_freq_factor = 0.0;
  double rope_original_max_position = 0.0;

  int64_t query_size() const { return num_heads * head_dim; }
  int64_t kv_size() const { return num_kv_heads * head_dim; }
  int64_t qkv_size() const {
    return query_size() + 2 * kv_size();
  }  // one row of the fused projection: q, k, v

  bool operator==(const LlamaConfig&) const = default;
};

// Rotation per position of each pair of dimensions, [D/2], in radians.
// transformers.modeling_rope_utils._compute_llama3_parameters.
std::vector<double> rope_frequencies(const LlamaConfig& config);

}  // namespace llasa
