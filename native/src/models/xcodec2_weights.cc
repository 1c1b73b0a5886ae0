#include "models/xcodec2_weights.h"

namespace llasa {

namespace {

struct DecoderNames {
  std::string project_out, fc, embed, prior[2], post[2], layers, final_norm, head;
  std::string attention_norm, attention_out, ffn_norm;
};

DecoderNames names_of(const Xcodec2Config& config) {
  if (config.original_layout) {
    const std::string backbone = "generator.backbone.";
    return {"generator.quantizer.project_out",
            "fc_post_a",
            backbone + "embed",
            {backbone + "prior_net.0", backbone + "prior_net.1"},
            {backbone + "post_net.0", backbone + "post_net.1"},
            backbone + "transformers.",
            backbone + "final_layer_norm",
            "generator.head.out",
            ".att_norm.weight",
            ".att.c_proj.weight",
            ".ffn_norm.weight"};
  }
  return {"quantizer.project_out",
          "decoder.fc",
          "decoder.embed",
          {"decoder.prior_resnet_block1", "decoder.prior_resnet_block2"},
          {"decoder.post_resnet_block1", "decoder.post_resnet_block2"},
          "decoder.layers.",
          "decoder.final_layer_norm",
          "decoder.head.linear",
          ".input_layernorm.weight",
          ".self_attn.o_proj.weight",
          ".post_attention_layernorm.weight"};
}

void declare_resnet(TensorTable& table, const std::string& name, int64_t C) {
  declare_affine(table, name + ".norm1", {C});
  declare_affine(table, name + ".conv1", {C, C, 3});
  declare_affine(table, name + ".norm2", {C});
  declare_affine(table, name + ".conv2", {C, C, 3});
}

NormAffine find_norm(const TensorTable& table, const std::string& name) {
  return {table.at(name + ".weight"), table.at(name + ".bias")};
}

Xcodec2Resnet find_resnet(const TensorTable& table, const std::string& name) {
  return {find_norm(table, name + ".norm1"), find_norm(table, name + ".norm2"),
          find_affine(table, name + ".conv1"), find_affine(table, name + ".conv2")};
}

}  // namespace

Affine find_affine(const TensorTable& table, const std::string& name, bool bias) {
  return {table.view(name + ".weight"), bias ? table.at(name + ".bias") : nullptr};
}

void declare_affine(TensorTable& table, const std::string& name, std::vector<int64_t> shape, bool bias,
                    bool optional) {
  const int64_t out = shape[0];
  table.declare(name + ".weight", std::move(shape), optional);
  if (bias) table.declare(name + ".bias", {out}, optional);
}

void declare_xcodec2_decoder(const Xcodec2Config& config, TensorTable& table) {
  const DecoderNames names = names_of(config);
  const int64_t C = config.hidden_size, A = config.attention_size(), F = config.intermediate_size;
  const int64_t Q = config.quantization_dim;
  declare_affine(table, names.project_out, {Q, static_cast<int64_t>(config.levels.size())});
  declare_affine(table, names.fc, {C, Q});
  declare_affine(table, names.embed, {C, C, 7});
  for (const std::string& name : names.prior) declare_resnet(table, name, C);
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string layer = names.layers + std::to_string(l);
    table.declare(layer + names.attention_norm, {C});
    if (config.original_layout) {
      table.declare(layer + ".att.c_attn.weight", {3 * A, C});
    } else {
      table.declare(layer + ".self_attn.q_proj.weight", {A, C});
      table.declare_adjacent(layer + ".self_attn.k_proj.weight", {A, C});
      table.declare_adjacent(layer + ".self_attn.v_proj.weight", {A, C});
    }
    table.declare(layer + names.attention_out, {C, A});
    table.declare(layer + names.ffn_norm, {C});
    table.declare(layer + ".mlp.fc1.weight", {F, C});
    table.declare(layer + ".mlp.fc2.weight", {C, F});
  }
  for (const std::string& name : names.post) declare_resnet(table, name, C);
  declare_affine(table, names.final_norm, {C});
  declare_affine(table, names.head, {4 * config.hop + 2, C});
  table.keep_f32(std::string(names.head) + ".weight");
}

Xcodec2DecoderWeights find_xcodec2_decoder(const Xcodec2Config& config, const TensorTable& table) {
  const DecoderNames names = names_of(config);
  Xcodec2DecoderWeights w;
  w.project_out = find_affine(table, names.project_out);
  w.fc = find_affine(table, names.fc);
  w.embed = find_affine(table, names.embed);
  for (int i = 0; i < 2; ++i) {
    w.prior[i] = find_resnet(table, names.prior[i]);
    w.post[i] = find_resnet(table, names.post[i]);
  }
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string layer = names.layers + std::to_string(l);
    const std::string qkv = config.original_layout ? ".att.c_attn.weight" : ".self_attn.q_proj.weight";
    w.layers.push_back({table.at(layer + names.attention_norm), table.view(layer + qkv),
                        table.view(layer + names.attention_out), table.at(layer + names.ffn_norm),
                        table.view(layer + ".mlp.fc1.weight"), table.view(layer + ".mlp.fc2.weight")});
  }
  w.final_norm = find_norm(table, names.final_norm);
  w.head = find_affine(table, names.head);
  return w;
}

}  // namespace llasa
