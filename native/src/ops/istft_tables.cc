// Tables of the inverse STFT, made on the host for every backend; see ops/istft.h.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/istft.h"

namespace llasa {

void istft_tables(int64_t hop, float* basis, float* window) {
  const int64_t h = hop, n_fft = 4 * h, Q = istft_quarter(h);
  std::fill(basis, basis + istft_basis_size(h), 0.0f);
  // Angles are reduced in integers first: every entry is right to the last bit.
  const auto angle = [&](int64_t k, int64_t n) {
    return 2.0 * std::numbers::pi * static_cast<double>(k * n % n_fft) / static_cast<double>(n_fft);
  };
  for (int64_t n = 0; n <= h; ++n) {
    for (int64_t j = 0; j <= h; ++j) {
      for (int64_t odd = 0; odd < 2; ++odd) {
        const int64_t k = 2 * j + odd;
        if (k > 2 * h) continue;
        const double c = (k == 0 || k == 2 * h ? 1.0 : 2.0) / static_cast<double>(n_fft);
        const bool cosine_zero = k * n % n_fft == h || k * n % n_fft == 3 * h;
        const bool sine_zero = k * n % (2 * h) == 0;
        basis[(odd * Q + n) * Q + j] = cosine_zero ? 0.0f : static_cast<float>(c * std::cos(angle(k, n)));
        basis[((2 + odd) * Q + n) * Q + j] =
            sine_zero ? 0.0f : static_cast<float>(-c * std::sin(angle(k, n)));
      }
    }
  }
  for (int64_t n = 0; n < n_fft; ++n) window[n] = static_cast<float>(0.5 - 0.5 * std::cos(angle(1, n)));
}

}  // namespace llasa
