#include "models/xcodec2_encoder_weights.h"

#include "models/xcodec2_weights.h"

namespace llasa {

namespace {

std::string number(int64_t i) {
  return std::to_string(i);
}

void declare_convolution(TensorTable& table, bool weight_norm, const std::string& name, int64_t O, int64_t I,
                         int64_t K) {
  if (weight_norm) {
    table.declare(name + ".weight_g", {O, 1, 1}, true);
    table.declare(name + ".weight_v", {O, I, K}, true);
  } else {
    table.declare(name + ".weight", {O, I, K}, true);
  }
  table.declare(name + ".bias", {O}, true);
}

void declare_snake(TensorTable& table, const std::string& name, int64_t C) {
  table.declare(name + ".act.alpha", {C}, true);
  table.declare(name + ".act.beta", {C}, true);
}

void declare_acoustic(const Xcodec2Config& config, const Xcodec2EncoderNames& names, TensorTable& table) {
  const bool norm = config.original_layout;
  int64_t width = config.encoder_hidden_size;
  declare_convolution(table, norm, names.conv_in, width, 1, 7);
  for (size_t i = 0; i < names.blocks.size(); ++i) {
    const Xcodec2BlockNames& block = names.blocks[i];
    for (const Xcodec2UnitNames& unit : block.units) {
      declare_snake(table, unit.snake1, width);
      declare_convolution(table, norm, unit.conv1, width, width, 7);
      declare_snake(table, unit.snake2, width);
      declare_convolution(table, norm, unit.conv2, width, width, 1);
    }
    declare_snake(table, block.snake, width);
    declare_convolution(table, norm, block.conv, 2 * width, width, 2 * config.ratios[i]);
    width *= 2;
  }
  declare_snake(table, names.snake_out, width);
  declare_convolution(table, norm, names.conv_out, config.hidden_size, width, 3);
}

void declare_optional(TensorTable& table, const std::string& name, std::vector<int64_t> shape,
                      bool bias = true) {
  declare_affine(table, name, std::move(shape), bias, true);
}

void declare_semantic(const Xcodec2Config& config, const std::string& prefix, TensorTable& table) {
  const int64_t C = config.semantic_hidden_size, F = config.semantic_intermediate_size;
  const int64_t positions = config.semantic_left_positions + config.semantic_right_positions + 1;
  declare_optional(table, prefix + "feature_projection.layer_norm", {config.semantic_feature_dim});
  declare_optional(table, prefix + "feature_projection.projection", {C, config.semantic_feature_dim});
  for (int64_t l = 0; l < config.semantic_num_layers; ++l) {
    const std::string layer = prefix + "encoder.layers." + number(l) + ".";
    for (const char* ffn : {"ffn1", "ffn2"}) {
      declare_optional(table, layer + ffn + "_layer_norm", {C});
      declare_optional(table, layer + ffn + ".intermediate_dense", {F, C});
      declare_optional(table, layer + ffn + ".output_dense", {C, F});
    }
    declare_optional(table, layer + "self_attn_layer_norm", {C});
    for (const char* part : {"linear_q", "linear_k", "linear_v", "linear_out"}) {
      declare_optional(table, layer + "self_attn." + part, {C, C});
    }
    table.declare(layer + "self_attn.distance_embedding.weight", {positions, C / config.semantic_num_heads},
                  true);
    const std::string conv = layer + "conv_module.";
    declare_optional(table, conv + "layer_norm", {C});
    declare_optional(table, conv + "pointwise_conv1", {2 * C, C, 1}, false);
    declare_optional(table, conv + "depthwise_conv", {C, 1, config.semantic_conv_kernel}, false);
    declare_optional(table, conv + "depthwise_layer_norm", {C});
    declare_optional(table, conv + "pointwise_conv2", {C, C, 1}, false);
    declare_optional(table, layer + "final_layer_norm", {C});
  }
}

}  // namespace

Xcodec2EncoderNames xcodec2_encoder_names(const Xcodec2Config& config) {
  Xcodec2EncoderNames names;
  const auto blocks = static_cast<int64_t>(config.ratios.size());
  if (config.original_layout) {
    names.conv_in = "CodecEnc.conv_blocks.0";
    for (int64_t i = 0; i < blocks; ++i) {
      const std::string block = "CodecEnc.conv_blocks." + number(i + 1) + ".block.";
      Xcodec2BlockNames entry;
      for (int64_t j = 0; j < 3; ++j) {
        const std::string unit = block + number(j) + ".block.";
        entry.units[j] = {unit + "0", unit + "1", unit + "2", unit + "3"};
      }
      entry.snake = block + "3";
      entry.conv = block + "4";
      names.blocks.push_back(entry);
    }
    names.snake_out = "CodecEnc.conv_final_block.0";
    names.conv_out = "CodecEnc.conv_final_block.1";
    names.semantic = "semantic_model.";
    const std::string adapter = "SemanticEncoder_module.";
    names.adapter[0] = adapter + "initial_conv";
    names.adapter[1] = adapter + "residual_blocks.1";
    names.adapter[2] = adapter + "residual_blocks.3";
    names.adapter[3] = adapter + "final_conv";
    names.fc = "fc_prior";
    names.project_in = "generator.quantizer.project_in";
    return names;
  }
  names.conv_in = "acoustic_encoder.conv1";
  for (int64_t i = 0; i < blocks; ++i) {
    const std::string block = "acoustic_encoder.block." + number(i) + ".";
    Xcodec2BlockNames entry;
    for (int64_t j = 0; j < 3; ++j) {
      const std::string unit = block + "res_unit" + number(j + 1) + ".";
      entry.units[j] = {unit + "snake1", unit + "conv1", unit + "snake2", unit + "conv2"};
    }
    entry.snake = block + "snake1";
    entry.conv = block + "conv1";
    names.blocks.push_back(entry);
  }
  names.snake_out = "acoustic_encoder.snake1";
  names.conv_out = "acoustic_encoder.conv2";
  names.semantic = "semantic_encoder.";
  for (int64_t i = 0; i < 4; ++i) names.adapter[i] = "semantic_adapter.conv" + number(i + 1);
  names.fc = "fc_encoder";
  names.project_in = "quantizer.project_in";
  return names;
}

void declare_xcodec2_encoder(const Xcodec2Config& config, TensorTable& table) {
  const Xcodec2EncoderNames names = xcodec2_encoder_names(config);
  const int64_t S = config.semantic_hidden_size, Q = config.quantization_dim;
  declare_acoustic(config, names, table);
  declare_semantic(config, names.semantic, table);
  for (int i = 0; i < 4; ++i) declare_optional(table, names.adapter[i], {S, S, 3}, i == 1 || i == 2);
  declare_optional(table, names.fc, {Q, Q});
  declare_optional(table, names.project_in, {static_cast<int64_t>(config.levels.size()), Q});
}

}  // namespace llasa
