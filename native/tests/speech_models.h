// Builds codec and recogniser handles from Hugging Face directories, for tests and benchmarks.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "fixture.h"
#include "llasa_native.h"

namespace llasa::test {

inline void check(llasa_status status) {
  if (status != LLASA_OK) throw std::runtime_error(llasa_last_error());
}

struct CodecDeleter {
  void operator()(llasa_codec* codec) const { llasa_codec_destroy(codec); }
};
struct WhisperDeleter {
  void operator()(llasa_whisper* whisper) const { llasa_whisper_destroy(whisper); }
};
using CodecHandle = std::unique_ptr<llasa_codec, CodecDeleter>;
using WhisperHandle = std::unique_ptr<llasa_whisper, WhisperDeleter>;

inline llasa_codec_options codec_options(const Json& config, int32_t layout) {
  llasa_codec_options o;
  llasa_codec_options_init(&o);
  const auto number = [](const Json& json, const char* key) {
    return static_cast<int32_t>(json[key].integer());
  };
  o.layout = layout;
  o.hidden_size = number(config, "hidden_size");
  o.intermediate_size = number(config, "intermediate_size");
  o.num_layers = number(config, "num_hidden_layers");
  o.num_heads = number(config, "num_attention_heads");
  o.head_dim = number(config, "head_dim");
  o.rms_norm_eps = static_cast<float>(config["rms_norm_eps"].number());
  o.quantization_dim = number(config, "quantization_dim");
  o.num_levels = static_cast<int32_t>(config["quantization_levels"].size());
  for (size_t i = 0; i < config["quantization_levels"].size(); ++i) {
    o.levels[i] = static_cast<int32_t>(config["quantization_levels"][i].integer());
  }
  o.num_ratios = static_cast<int32_t>(config["downsampling_ratios"].size());
  for (size_t i = 0; i < config["downsampling_ratios"].size(); ++i) {
    o.ratios[i] = static_cast<int32_t>(config["downsampling_ratios"][i].integer());
  }
  o.encoder_hidden_size = number(config, "encoder_hidden_size");
  o.sampling_rate_hz = number(config, "sampling_rate");
  const Json& semantic = config["semantic_model_config"];
  o.semantic_hidden_size = number(semantic, "hidden_size");
  o.semantic_num_layers = number(semantic, "num_hidden_layers");
  o.semantic_num_heads = number(semantic, "num_attention_heads");
  o.semantic_intermediate_size = number(semantic, "intermediate_size");
  o.semantic_feature_dim = number(semantic, "feature_projection_input_dim");
  o.semantic_conv_kernel = number(semantic, "conv_depthwise_kernel_size");
  o.semantic_left_positions = static_cast<int32_t>(semantic.number_or("left_max_position_embeddings", 64));
  o.semantic_right_positions = static_cast<int32_t>(semantic.number_or("right_max_position_embeddings", 8));
  o.semantic_layer_norm_eps = static_cast<float>(semantic.number_or("layer_norm_eps", 1e-5));
  return o;
}

// Whether a checkpoint tensor is one that LLASA_CODEC_LAYOUT_ORIGINAL or _HF lists as unused.
inline bool codec_ignores(const std::string& name, const llasa_codec_options& o) {
  const auto ends = [&](const std::string& tail) {
    return name.size() >= tail.size() && name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
  };
  if (ends(".filter") || ends("istft.window") || ends("masked_spec_embed")) return true;
  const std::string layers = o.layout == LLASA_CODEC_LAYOUT_ORIGINAL ? "semantic_model.encoder.layers."
                                                                     : "semantic_encoder.encoder.layers.";
  return name.rfind(layers, 0) == 0 && std::stoi(name.substr(layers.size())) >= o.semantic_num_layers;
}

// config from config_directory, weights from weights_directory (the original layout's config lacks the
// sizes).
inline CodecHandle load_codec(const std::filesystem::path& config_directory,
                              const std::filesystem::path& weights_directory, int32_t layout,
                              llasa_dtype compute_dtype = LLASA_F32) {
  llasa_codec_options options = codec_options(Json::read(config_directory / "config.json"), layout);
  options.compute_dtype = compute_dtype;
  llasa_codec* codec = nullptr;
  check(llasa_codec_create(&options, &codec));
  CodecHandle handle(codec);
  for (const auto& [name, tensor] : read_checkpoint(weights_directory)) {
    if (codec_ignores(name, options)) continue;
    check(llasa_codec_set_tensor(codec, name.c_str(), tensor.abi_dtype(), tensor.shape.data(),
                                 static_cast<int32_t>(tensor.shape.size()), tensor.bytes.data()));
  }
  return handle;
}

inline llasa_whisper_options whisper_options(const Json& config) {
  llasa_whisper_options o;
  llasa_whisper_options_init(&o);
  const auto number = [&](const char* key) { return static_cast<int32_t>(config[key].integer()); };
  o.vocab_size = number("vocab_size");
  o.num_mel_bins = number("num_mel_bins");
  o.d_model = number("d_model");
  o.encoder_layers = number("encoder_layers");
  o.encoder_heads = number("encoder_attention_heads");
  o.encoder_ffn_dim = number("encoder_ffn_dim");
  o.decoder_layers = number("decoder_layers");
  o.decoder_heads = number("decoder_attention_heads");
  o.decoder_ffn_dim = number("decoder_ffn_dim");
  o.max_source_positions = number("max_source_positions");
  o.max_target_positions = number("max_target_positions");
  o.scale_embedding = config.boolean_or("scale_embedding", false) ? 1 : 0;
  o.eot_token = number("eos_token_id");
  return o;
}

inline WhisperHandle load_whisper(const std::filesystem::path& directory,
                                  llasa_dtype compute_dtype = LLASA_F32, int64_t cache_bytes = 0) {
  llasa_whisper_options options = whisper_options(Json::read(directory / "config.json"));
  options.compute_dtype = compute_dtype;
  if (cache_bytes != 0) options.cache_bytes = cache_bytes;
  llasa_whisper* whisper = nullptr;
  check(llasa_whisper_create(&options, &whisper));
  WhisperHandle handle(whisper);
  for (const auto& [name, tensor] : read_checkpoint(directory)) {
    check(llasa_whisper_set_tensor(whisper, name.c_str(), tensor.abi_dtype(), tensor.shape.data(),
                                   static_cast<int32_t>(tensor.shape.size()), tensor.bytes.data()));
  }
  return handle;
}

}  // namespace llasa::test
