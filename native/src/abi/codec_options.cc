#include <algorithm>
#include <cmath>

#include "abi/options.h"

namespace llasa::abi {

llasa_codec_options default_xcodec2_options() {
  llasa_codec_options o{};
  o.struct_size = sizeof o;
  o.layout = LLASA_CODEC_LAYOUT_HF;
  o.hidden_size = 1024;
  o.intermediate_size = 4096;
  o.num_layers = 12;
  o.num_heads = 16;
  o.head_dim = 64;
  o.rms_norm_eps = 1e-6f;
  o.quantization_dim = 2048;
  o.num_levels = 8;
  std::fill(o.levels, o.levels + 8, 4);
  o.num_ratios = 5;
  const int32_t ratios[5] = {2, 2, 4, 4, 5};
  std::copy(ratios, ratios + 5, o.ratios);
  o.encoder_hidden_size = 48;
  o.sampling_rate_hz = 16000;
  o.semantic_hidden_size = 1024;
  o.semantic_num_layers = 16;
  o.semantic_num_heads = 16;
  o.semantic_intermediate_size = 4096;
  o.semantic_feature_dim = 160;
  o.semantic_conv_kernel = 31;
  o.semantic_left_positions = 64;
  o.semantic_right_positions = 8;
  o.semantic_layer_norm_eps = 1e-5f;
  o.device = -1;
  return o;
}

namespace {

int64_t in_range(int32_t value, int32_t low, int32_t high, const char* field) {
  LLASA_CHECK(value >= low && value <= high, Status::kArgument, "`options.%s`: %d, expected %d..%d", field,
              value, low, high);
  return value;
}

float positive(float value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value > 0, Status::kArgument, "`options.%s`: %g, expected > 0", field,
              static_cast<double>(value));
  return value;
}

void read_semantic(const llasa_codec_options& o, Xcodec2Config& c) {
  c.semantic_hidden_size = in_range(o.semantic_hidden_size, 1, 1 << 16, "semantic_hidden_size");
  c.semantic_num_layers = in_range(o.semantic_num_layers, 0, 1024, "semantic_num_layers");
  c.semantic_num_heads = in_range(o.semantic_num_heads, 1, 1024, "semantic_num_heads");
  LLASA_CHECK(c.semantic_hidden_size % c.semantic_num_heads == 0, Status::kArgument,
              "`options.semantic_num_heads`: %d, expected a divisor of semantic_hidden_size (%d)",
              o.semantic_num_heads, o.semantic_hidden_size);
  c.semantic_intermediate_size =
      in_range(o.semantic_intermediate_size, 1, 1 << 20, "semantic_intermediate_size");
  c.semantic_feature_dim = in_range(o.semantic_feature_dim, 1, 1 << 16, "semantic_feature_dim");
  c.semantic_conv_kernel = in_range(o.semantic_conv_kernel, 1, 1 << 12, "semantic_conv_kernel");
  c.semantic_left_positions = in_range(o.semantic_left_positions, 0, 1 << 16, "semantic_left_positions");
  c.semantic_right_positions = in_range(o.semantic_right_positions, 0, 1 << 16, "semantic_right_positions");
  c.semantic_layer_norm_eps = positive(o.semantic_layer_norm_eps, "semantic_layer_norm_eps");
}

}  // namespace

Xcodec2Config make_xcodec2_config(const llasa_codec_options& o) {
  Xcodec2Config c;
  c.original_layout = in_range(o.layout, LLASA_CODEC_LAYOUT_HF, LLASA_CODEC_LAYOUT_ORIGINAL, "layout") ==
                      LLASA_CODEC_LAYOUT_ORIGINAL;
  c.hidden_size = in_range(o.hidden_size, 1, 1 << 16, "hidden_size");
  LLASA_CHECK(c.hidden_size % kXcodec2Groups == 0, Status::kArgument,
              "`options.hidden_size`: %d, expected a multiple of 32 (GroupNorm)", o.hidden_size);
  c.intermediate_size = in_range(o.intermediate_size, 1, 1 << 20, "intermediate_size");
  c.num_layers = in_range(o.num_layers, 0, 1024, "num_layers");
  c.num_heads = in_range(o.num_heads, 1, 1024, "num_heads");
  c.head_dim = in_range(o.head_dim, 1, 1024, "head_dim");
  c.rms_norm_eps = positive(o.rms_norm_eps, "rms_norm_eps");
  c.quantization_dim = in_range(o.quantization_dim, 1, 1 << 16, "quantization_dim");
  c.encoder_hidden_size = in_range(o.encoder_hidden_size, 1, 1 << 12, "encoder_hidden_size");
  c.sampling_rate = in_range(o.sampling_rate_hz, 1, 1 << 20, "sampling_rate_hz");
  c.num_codes = 1;
  for (int64_t i = 0; i < in_range(o.num_levels, 1, 16, "num_levels"); ++i) {
    c.levels.push_back(static_cast<int32_t>(in_range(o.levels[i], 2, 1 << 16, "levels")));
    c.num_codes *= o.levels[i];
    LLASA_CHECK(c.num_codes < int64_t{1} << 31, Status::kArgument,
                "`options.levels`: more than 2^31 codes, expected fewer");
  }
  c.hop = 1;
  for (int64_t i = 0; i < in_range(o.num_ratios, 1, 16, "num_ratios"); ++i) {
    c.ratios.push_back(in_range(o.ratios[i], 1, 1 << 12, "ratios"));
    c.hop *= o.ratios[i];
    LLASA_CHECK(c.hop <= 1 << 14, Status::kArgument, "`options.ratios`: hop above 16384 samples");
  }
  read_semantic(o, c);
  LLASA_CHECK(c.quantization_dim == c.semantic_hidden_size + c.hidden_size, Status::kArgument,
              "`options.quantization_dim`: %d, expected semantic_hidden_size + hidden_size (%lld)",
              o.quantization_dim, static_cast<long long>(c.semantic_hidden_size + c.hidden_size));
  return c;
}

}  // namespace llasa::abi
