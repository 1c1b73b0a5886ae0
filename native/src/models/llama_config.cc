#include "models/llama_config.h"

#include <cmath>
#include <numbers>

namespace llasa {

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
