#include "models/whisper_weights.h"

namespace llasa {

namespace {

void declare_affine(TensorTable& table, const std::string& name, std::vector<int64_t> shape) {
  const int64_t out = shape[0];
  table.declare(name + ".weight", std::move(shape));
  table.declare(name + ".bias", {out});
}

void declare_attention(TensorTable& table, const std::string& name, const std::string& norm, int64_t C) {
  table.declare(name + ".q_proj.weight", {C, C});
  table.declare_adjacent(name + ".k_proj.weight", {C, C});
  table.declare_adjacent(name + ".v_proj.weight", {C, C});
  table.declare(name + ".q_proj.bias", {C});
  table.declare(name + ".v_proj.bias", {C});
  declare_affine(table, name + ".out_proj", {C, C});
  declare_affine(table, norm, {C});
}

void declare_ffn(TensorTable& table, const std::string& layer, int64_t C, int64_t F) {
  declare_affine(table, layer + "fc1", {F, C});
  declare_affine(table, layer + "fc2", {C, F});
  declare_affine(table, layer + "final_layer_norm", {C});
}

std::string encoder_layer(int64_t l) {
  return "model.encoder.layers." + std::to_string(l) + ".";
}
std::string decoder_layer(int64_t l) {
  return "model.decoder.layers." + std::to_string(l) + ".";
}

void declare_all(const WhisperConfig& config, TensorTable& table) {
  const int64_t C = config.d_model;
  declare_affine(table, "model.encoder.conv1", {C, config.num_mel_bins, 3});
  declare_affine(table, "model.encoder.conv2", {C, C, 3});
  table.declare("model.encoder.embed_positions.weight", {config.max_source_positions, C});
  for (int64_t l = 0; l < config.encoder_layers; ++l) {
    declare_attention(table, encoder_layer(l) + "self_attn", encoder_layer(l) + "self_attn_layer_norm", C);
    declare_ffn(table, encoder_layer(l), C, config.encoder_ffn_dim);
  }
  declare_affine(table, "model.encoder.layer_norm", {C});
  table.declare("model.decoder.embed_tokens.weight", {config.vocab_size, C});
  table.declare("model.decoder.embed_positions.weight", {config.max_target_positions, C});
  for (int64_t l = 0; l < config.decoder_layers; ++l) {
    declare_attention(table, decoder_layer(l) + "self_attn", decoder_layer(l) + "self_attn_layer_norm", C);
    declare_attention(table, decoder_layer(l) + "encoder_attn", decoder_layer(l) + "encoder_attn_layer_norm",
                      C);
    declare_ffn(table, decoder_layer(l), C, config.decoder_ffn_dim);
  }
  declare_affine(table, "model.decoder.layer_norm", {C});
}

}  // namespace

WhisperAffine WhisperWeights::find(const std::string& name) const {
  return {table_.view(name + ".weight"), table_.at(name + ".bias")};
}

WhisperNorm WhisperWeights::find_norm(const std::string& name) const {
  return {table_.at(name + ".weight"), table_.at(name + ".bias")};
}

WhisperSelfAttention WhisperWeights::find_self(const std::string& layer, float*& fused) {
  const std::string name = layer + "self_attn";
  float* bias = fused;
  fused += 3 * channels_;
  copies_.push_back({bias, table_.at(name + ".q_proj.bias")});
  copies_.push_back({bias + 2 * channels_, table_.at(name + ".v_proj.bias")});
  return {find_norm(name + "_layer_norm"),
          {table_.view(name + ".q_proj.weight"), bias},
          find(name + ".out_proj")};
}

WhisperFeedForward WhisperWeights::find_ffn(const std::string& layer) const {
  return {find_norm(layer + "final_layer_norm"), find(layer + "fc1"), find(layer + "fc2")};
}

WhisperWeights::WhisperWeights(const WhisperConfig& config, Storage storage, Stream& stream)
    : channels_(config.d_model) {
  declare_all(config, table_);
  for (const char* half : {"encoder", "decoder"}) {
    table_.keep_f32("model." + std::string(half) + ".embed_positions.weight");
  }
  table_.allocate(stream, "the recogniser's weights", storage);
  const int64_t fused_size = (3 * config.encoder_layers + 5 * config.decoder_layers) * channels_;
  float* fused = biases_.reserve(fused_size, "the recogniser's fused biases");
  zero_on_device(stream, fused, fused_size * static_cast<int64_t>(sizeof(float)));
  conv1 = find("model.encoder.conv1");
  conv2 = find("model.encoder.conv2");
  encoder_positions = table_.at("model.encoder.embed_positions.weight");
  encoder_norm = find_norm("model.encoder.layer_norm");
  for (int64_t l = 0; l < config.encoder_layers; ++l) {
    const WhisperSelfAttention attention = find_self(encoder_layer(l), fused);
    encoder.push_back({attention, find_ffn(encoder_layer(l))});
  }
  token_embedding = table_.view("model.decoder.embed_tokens.weight");
  decoder_positions = table_.at("model.decoder.embed_positions.weight");
  decoder_norm = find_norm("model.decoder.layer_norm");
  for (int64_t l = 0; l < config.decoder_layers; ++l) {
    const std::string layer = decoder_layer(l), name = layer + "encoder_attn";
    const WhisperSelfAttention attention = find_self(layer, fused);
    float* bias = fused;
    fused += 2 * channels_;
    copies_.push_back({bias + channels_, table_.at(name + ".v_proj.bias")});
    const WhisperCrossAttention cross{find_norm(name + "_layer_norm"),
                                      find(name + ".q_proj"),
                                      {table_.view(name + ".k_proj.weight"), bias},
                                      find(name + ".out_proj")};
    decoder.push_back({attention, cross, find_ffn(layer)});
  }
}

void WhisperWeights::fuse_biases(Stream& stream) {
  for (const FusedBias& copy : copies_) {
    copy_on_device(stream, copy.destination, copy.source, channels_ * static_cast<int64_t>(sizeof(float)));
  }
}

}  // namespace llasa
