// Tables of the codec's encoder; see ops/conformer_tables.h.
#include "ops/conformer_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace llasa {

namespace {
double kaldi_mel(double hertz) {
  return 1127.0 * std::log(1.0 + hertz / 700.0);
}
}  // namespace

KaldiTables::KaldiTables()
    : window(static_cast<size_t>(kKaldiFrame)), filters(static_cast<size_t>(kKaldiMels * kKaldiLines)) {
  for (int64_t i = 0; i < kKaldiFrame; ++i) {
    const double hann =
        0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / (kKaldiFrame - 1));
    window[static_cast<size_t>(i)] = std::pow(hann, 0.85);
  }
  const double low = kaldi_mel(20.0), step = (kaldi_mel(8000.0) - low) / (kKaldiMels + 1);
  for (int64_t m = 0; m < kKaldiMels; ++m) {
    const double left = low + static_cast<double>(m) * step;
    for (int64_t k = 0; k < kKaldiLines; ++k) {
      const double mel = kaldi_mel(static_cast<double>(k) * 16000.0 / kKaldiFft);
      const double value = std::min((mel - left) / step, (left + 2.0 * step - mel) / step);
      filters[static_cast<size_t>(m * kKaldiLines + k)] = std::max(0.0, value);
    }
  }
}

std::array<float, 12> snake_filter() {
  const auto bessel = [](double x) {  // I0
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 40; ++k) {
      term *= x * x / 4.0 / (k * k);
      sum += term;
    }
    return sum;
  };
  const double attenuation = 2.285 * 5 * std::numbers::pi * 4 * 0.3 + 7.95;
  const double beta = attenuation > 50
                          ? 0.1102 * (attenuation - 8.7)
                          : 0.5842 * std::pow(attenuation - 21, 0.4) + 0.07886 * (attenuation - 21);
  std::array<double, 12> taps;
  double sum = 0.0;
  for (size_t i = 0; i < 12; ++i) {
    const double r = 2.0 * static_cast<double>(i) / 11.0 - 1.0, t = static_cast<double>(i) - 5.5;
    const double angle = std::numbers::pi * 0.5 * t;
    taps[i] = 0.5 * bessel(beta * std::sqrt(1.0 - r * r)) / bessel(beta) * std::sin(angle) / angle;
    sum += taps[i];
  }
  std::array<float, 12> filter;
  for (size_t i = 0; i < 12; ++i) filter[i] = static_cast<float>(taps[i] / sum);
  return filter;
}

}  // namespace llasa
