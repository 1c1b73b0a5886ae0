// Hyper-parameters of a Whisper (transformers.WhisperConfig); abi/options.h checks them.
#pragma once

#include <cstdint>

namespace llasa {

struct WhisperConfig {
  int64_t vocab_size = 0;    // V
  int64_t num_mel_bins = 0;  // M
  int64_t d_model = 0;       // C
  int64_t encoder_layers = 0;
  int64_t encoder_heads = 0;
  int64_t encoder_ffn_dim = 0;
  int64_t decoder_layers = 0;
  int64_t decoder_heads = 0;
  int64_t decoder_ffn_dim = 0;
  int64_t max_source_positions = 0;  // P
  int64_t max_target_positions = 0;
  bool scale_embedding = false;
  int32_t eot_token = 0;
  int64_t cache_bytes = 0;  // most that keys and values of clips decoded together may take

  int64_t mel_frames() const { return 2 * max_source_positions; }  // of one window
  int64_t window_samples() const { return mel_frames() * 160; }    // 16 kHz
};

inline constexpr float kWhisperNormEps = 1e-5f;

}  // namespace llasa
