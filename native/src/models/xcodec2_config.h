// Hyper-parameters of an X-Codec2 (transformers.Xcodec2Config); abi/options.h checks them.
#pragma once

#include <cstdint>
#include <vector>

namespace llasa {

struct Xcodec2Config {
  bool original_layout = false;
  int64_t hidden_size = 0;  // C, decoder transformer and output of the acoustic encoder
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t head_dim = 0;
  float rms_norm_eps = 0.0f;
  int64_t quantization_dim = 0;  // = semantic hidden + C
  std::vector<int32_t> levels;   // FSQ, least significant first
  std::vector<int64_t> ratios;   // of the acoustic encoder; hop = their product
  int64_t encoder_hidden_size = 0;
  int64_t sampling_rate = 0;
  int64_t semantic_hidden_size = 0;
  int64_t semantic_num_layers = 0;
  int64_t semantic_num_heads = 0;
  int64_t semantic_intermediate_size = 0;
  int64_t semantic_feature_dim = 0;
  int64_t semantic_conv_kernel = 0;
  int64_t semantic_left_positions = 0;
  int64_t semantic_right_positions = 0;
  float semantic_layer_norm_eps = 0.0f;

  int64_t hop = 0;        // samples per code
  int64_t num_codes = 0;  // product of the levels

  int64_t attention_size() const { return num_heads * head_dim; }
};

// GroupNorm of the decoder's residual blocks and the decoder's last LayerNorm: constants of the architecture.
inline constexpr int64_t kXcodec2Groups = 32;
inline constexpr float kXcodec2NormEps = 1e-6f;

}  // namespace llasa
