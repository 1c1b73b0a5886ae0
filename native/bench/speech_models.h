// Codec and recogniser of the tiny world's sizes with random weights, for benchmarks.
#pragma once

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "llasa_native.h"

namespace llasa::bench {

inline void check(benchmark::State& state, llasa_status status) {
  if (status != LLASA_OK) state.SkipWithError(llasa_last_error());
}

// Sets every tensor: norms to 1, biases to 0, matrices to variance 1 / columns.
template <typename Handle>
void randomise(benchmark::State& state, Handle* handle, llasa_status (*count)(Handle*, int64_t*),
               llasa_status (*info)(Handle*, int64_t, llasa_tensor_info*),
               llasa_status (*set)(Handle*, const char*, llasa_dtype, const int64_t*, int32_t, const void*)) {
  int64_t tensors = 0;
  check(state, count(handle, &tensors));
  std::mt19937 generator(1);
  for (int64_t i = 0; i < tensors; ++i) {
    llasa_tensor_info t{};
    t.struct_size = sizeof t;
    check(state, info(handle, i, &t));
    if (t.is_optional != 0) continue;
    const int64_t columns = t.shape[1] * t.shape[2] * t.shape[3];
    std::vector<float> values(static_cast<size_t>(t.shape[0] * columns));
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(columns)));
    const bool bias = std::string(t.name).ends_with(".bias");
    for (float& v : values) v = t.rank > 1 ? normal(generator) : bias ? 0.0f : 1.0f;
    check(state, set(handle, t.name, LLASA_F32, t.shape, t.rank, values.data()));
  }
}

inline llasa_codec* tiny_codec(benchmark::State& state) {
  llasa_codec_options o;
  llasa_codec_options_init(&o);
  o.hidden_size = 128;
  o.intermediate_size = 512;
  o.num_layers = 3;
  o.num_heads = 4;
  o.head_dim = 32;
  o.quantization_dim = 192;
  o.num_levels = 5;
  o.encoder_hidden_size = 2;
  o.semantic_hidden_size = 64;
  o.semantic_num_layers = 2;
  o.semantic_num_heads = 4;
  o.semantic_intermediate_size = 128;
  llasa_codec* codec = nullptr;
  check(state, llasa_codec_create(&o, &codec));
  if (codec != nullptr) {
    randomise(state, codec, llasa_codec_tensor_count, llasa_codec_tensor_info, llasa_codec_set_tensor);
  }
  return codec;
}

inline llasa_whisper* tiny_whisper(benchmark::State& state) {
  llasa_whisper_options o;
  llasa_whisper_options_init(&o);
  o.vocab_size = 265;
  o.d_model = 96;
  o.encoder_layers = 3;
  o.encoder_heads = o.decoder_heads = 4;
  o.encoder_ffn_dim = o.decoder_ffn_dim = 384;
  o.decoder_layers = 2;
  o.max_source_positions = 150;
  o.max_target_positions = 64;
  o.eot_token = 256;
  llasa_whisper* whisper = nullptr;
  check(state, llasa_whisper_create(&o, &whisper));
  if (whisper != nullptr) {
    randomise(state, whisper, llasa_whisper_tensor_count, llasa_whisper_tensor_info,
              llasa_whisper_set_tensor);
  }
  return whisper;
}

// Lengths around 68 codes, as the tiny world's sentences have: 48 .. 88.
inline std::vector<int64_t> demo_offsets(int64_t clips) {
  std::vector<int64_t> offsets{0};
  for (int64_t b = 0; b < clips; ++b) offsets.push_back(offsets.back() + 48 + b * 13 % 41);
  return offsets;
}

}  // namespace llasa::bench
