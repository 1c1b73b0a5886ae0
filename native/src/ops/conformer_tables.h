// Constant tables of ops/conformer.h, made once on the host in double precision for every backend.
#pragma once

#include <array>
#include <vector>

#include "ops/conformer.h"

namespace llasa {

inline constexpr int64_t kKaldiFrame = 400;  // samples of a frame
inline constexpr int64_t kKaldiStep = 160;   // samples between frames
inline constexpr int64_t kKaldiFft = 512;
inline constexpr int64_t kKaldiLines = kKaldiFft / 2 + 1;

struct KaldiTables {
  KaldiTables();
  std::vector<double> window;   // Povey, [400]
  std::vector<double> filters;  // [80, 257]
};

// Kaiser-windowed sinc of 12 taps, cutoff 0.25, half width 0.3, unit sum (alias-free-torch).
std::array<float, 12> snake_filter();

}  // namespace llasa
