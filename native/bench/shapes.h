// The shapes that kernels are measured at.
#pragma once

#include <cstdint>

namespace llasa::bench {

// Policies. V: columns of the head while speech is generated (codes and the end token).
struct PolicyShape {
  const char* name;
  int64_t C, F, H, G, D, V;
  int64_t decode, train;  // tokens of a decoding step and of a micro-batch
};
inline constexpr PolicyShape kPolicies[] = {
    {"tiny", 192, 512, 6, 2, 32, 1025, 128, 4096},      {"1b", 2048, 8192, 32, 8, 64, 65537, 128, 8192},
    {"1b_short", 2048, 8192, 32, 8, 64, 65537, 8, 512},  // what a CPU can wait for
    {"8b", 4096, 14336, 32, 8, 128, 65537, 128, 8192},  {"8b_short", 4096, 14336, 32, 8, 128, 65537, 8, 128},
};

// Codec decoders: C, F, H, D, hop, frames of a batch.
struct CodecShape {
  const char* name;
  int64_t C, F, H, D, hop, clips, frames;  // frames of one clip
};
inline constexpr CodecShape kCodecs[] = {
    {"tiny_codec", 128, 512, 4, 32, 320, 16, 68},
    {"xcodec2_30s", 1024, 4096, 16, 64, 320, 1, 1500},
    {"xcodec2_64x10s", 1024, 4096, 16, 64, 320, 64, 500},
};

// Recognisers: encoder positions P, mel bins M, vocabulary V.
struct WhisperShape {
  const char* name;
  int64_t C, F, H, D, M, V, clips, P;
};
inline constexpr WhisperShape kWhispers[] = {
    {"tiny_whisper", 96, 384, 4, 24, 80, 265, 16, 150},
    {"large_v3", 1280, 5120, 20, 64, 128, 51866, 1, 1500},
    {"large_v3_16", 1280, 5120, 20, 64, 128, 51866, 16, 1500},
};

}  // namespace llasa::bench
