// Tables of the log-mel spectrogram, made on the host for every backend; see ops/mel.h.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "ops/mel.h"

namespace llasa {

namespace {

constexpr int64_t kQ = kMelQuarter;
constexpr int64_t kP = kMelFft / 4 + 1;  // 101

double hertz_of_mel(double mel) {  // Slaney: linear below 1 kHz, logarithmic above
  return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * std::exp((mel - 15.0) * (std::log(6.4) / 27.0));
}
double mel_of_hertz(double hertz) {
  return hertz < 1000.0 ? hertz * 3.0 / 200.0 : 15.0 + std::log(hertz / 1000.0) * (27.0 / std::log(6.4));
}

}  // namespace

void mel_dft_tables(float* basis, float* window) {
  std::fill(basis, basis + kMelBasisSize, 0.0f);
  for (int64_t j = 0; j < kP; ++j) {
    for (int64_t i = 0; i < kP; ++i) {
      for (int64_t odd = 0; odd < 2; ++odd) {
        const int64_t k = 2 * j + odd;
        if (k > 200) continue;
        const double angle = 2.0 * std::numbers::pi * static_cast<double>(k * i % kMelFft) / kMelFft;
        basis[(odd * kQ + j) * kQ + i] = static_cast<float>(std::cos(angle));
        basis[((2 + odd) * kQ + j) * kQ + i] = static_cast<float>(-std::sin(angle));
      }
    }
  }
  for (int64_t n = 0; n < kMelFft; ++n) {
    window[n] =
        static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(n) / kMelFft));
  }
}

void mel_filterbank(int64_t num_mels, float* filters) {
  std::vector<double> edges(static_cast<size_t>(num_mels + 2));
  const double top = mel_of_hertz(kMelSampleRate / 2.0);
  for (int64_t i = 0; i < num_mels + 2; ++i) {
    edges[static_cast<size_t>(i)] =
        hertz_of_mel(top * static_cast<double>(i) / static_cast<double>(num_mels + 1));
  }
  for (int64_t m = 0; m < num_mels; ++m) {
    const double low = edges[static_cast<size_t>(m)], mid = edges[static_cast<size_t>(m + 1)],
                 high = edges[static_cast<size_t>(m + 2)];
    for (int64_t k = 0; k < kMelLines; ++k) {
      const double hertz = static_cast<double>(k) * kMelSampleRate / kMelFft;
      const double value =
          std::max(0.0, std::min((hertz - low) / (mid - low), (high - hertz) / (high - mid)));
      filters[m * kMelLines + k] = static_cast<float>(value * 2.0 / (high - low));
    }
  }
}

}  // namespace llasa
