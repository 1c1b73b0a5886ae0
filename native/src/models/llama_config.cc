#include "models/llama_config.h"

#include <cmath>
#include <numbers>

#include "core/status.h"

namespace llasa {

namespace {

int64_t positive(int32_t value, const char* field) {
  LLASA_CHECK(value > 0, LLASA_ERR_ARGUMENT, "`options.%s`: %d, expected > 0", field, value);
  return value;
}

double positive(double value, const char* field) {
  LLASA_CHECK(std::isfinite(value) && value > 0, LLASA_ERR_ARGUMENT, "`options.%s`: %g, expected > 0", field,
              value);
  return value;
}

void read_rope_scaling(const llasa_policy_options& options, LlamaConfig& config) {
  LLASA_CHECK(options.rope_type == LLASA_ROPE_DEFAULT || options.rope_type == LLASA_ROPE_LLAMA3,
              LLASA_ERR_ARGUMENT, "`options.rope_type`: %d, expected 0 (default) or 1 (llama3)",
              options.rope_type);
  config.rope_theta = positive(options.rope_theta, "rope_theta");
  config.llama3_scaling = options.rope_type == LLASA_ROPE_LLAMA3;
  if (!config.llama3_scaling) return;
  config.rope_factor = positive(options.rope_factor, "rope_factor");
  config.rope_low_freq_factor = positive(options.rope_low_freq_factor, "rope_low_freq_factor");
  config.rope_high_freq_factor = positive(options.rope_high_freq_factor, "rope_high_freq_factor");
  config.rope_original_max_position =
      positive(options.rope_original_max_position, "rope_original_max_position");
  LLASA_CHECK(config.rope_high_freq_factor > config.rope_low_freq_factor, LLASA_ERR_ARGUMENT,
              "`options.rope_high_freq_factor`: %g, expected > rope_low_freq_factor (%g)",
              config.rope_high_freq_factor, config.rope_low_freq_factor);
}

}  // namespace

LlamaConfig make_llama_config(const llasa_policy_options& options) {
  LlamaConfig config;
  config.vocab_size = positive(options.vocab_size, "vocab_size");
  config.hidden_size = positive(options.hidden_size, "hidden_size");
  config.intermediate_size = positive(options.intermediate_size, "intermediate_size");
  config.num_layers = positive(options.num_layers, "num_layers");
  LLASA_CHECK(options.num_layers <= 4096, LLASA_ERR_ARGUMENT, "`options.num_layers`: %d, expected 1..4096",
              options.num_layers);
  config.num_heads = positive(options.num_heads, "num_heads");
  config.num_kv_heads = positive(options.num_kv_heads, "num_kv_heads");
  config.head_dim = positive(options.head_dim, "head_dim");
  config.max_positions = positive(options.max_position_embeddings, "max_position_embeddings");
  LLASA_CHECK(config.num_heads % config.num_kv_heads == 0, LLASA_ERR_ARGUMENT,
              "`options.num_kv_heads`: %d, expected a divisor of num_heads (%d)", options.num_kv_heads,
              options.num_heads);
  LLASA_CHECK(config.head_dim % 2 == 0 && config.head_dim <= 256, LLASA_ERR_ARGUMENT,
              "`options.head_dim`: %d, expected an even number up to 256", options.head_dim);
  LLASA_CHECK(options.tie_word_embeddings == 0 || options.tie_word_embeddings == 1, LLASA_ERR_ARGUMENT,
              "`options.tie_word_embeddings`: %d, expected 0 or 1", options.tie_word_embeddings);
  config.tied = options.tie_word_embeddings != 0;
  LLASA_CHECK(std::isfinite(options.rms_norm_eps) && options.rms_norm_eps >= 0, LLASA_ERR_ARGUMENT,
              "`options.rms_norm_eps`: %g, expected >= 0", static_cast<double>(options.rms_norm_eps));
  config.rms_norm_eps = options.rms_norm_eps;
  read_rope_scaling(options, config);
  return config;
}

std::vector<double> rope_frequencies(const LlamaConfig& config) {
  std::vector<double> frequencies(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    double frequency = std::pow(config.rope_theta, -exponent);
    if (config.llama3_scaling) {
      // Turns completed within the original context: few = scaled down, many = kept, between = blended.
      const double turns = config.rope_original_max_position * frequency / (2.0 * std::numbers::pi);
      const double low = config.rope_low_freq_factor, high = config.rope_high_freq_factor;
      const double keep = turns < low ? 0.0 : turns > high ? 1.0 : (turns - low) / (high - low);
      frequency = (1.0 - keep) * frequency / config.rope_factor + keep * frequency;
    }
    frequencies[i] = frequency;
  }
  return frequencies;
}

}  // namespace llasa
