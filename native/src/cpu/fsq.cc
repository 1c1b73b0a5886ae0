// Finite scalar quantisation on the CPU; see ops/fsq.h.
#include "ops/fsq.h"

#include <cmath>

#include "core/parallel.h"

namespace llasa {

namespace {
constexpr int64_t kRows = 256;
}

void fsq_dequantize(Stream&, const int32_t* codes, const int32_t* levels, float* y, int64_t T, int64_t n) {
  parallel_ranges(T, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int32_t rest = codes[t];
      for (int64_t i = 0; i < n; ++i) {
        const int32_t half = levels[i] / 2;
        y[t * n + i] = static_cast<float>(rest % levels[i] - half) / static_cast<float>(half);
        rest /= levels[i];
      }
    }
  });
}

void fsq_bound(Stream&, const float* x, const int32_t* levels, float* y, int64_t T, int64_t n) {
  parallel_ranges(T, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < n; ++i) {
        const double half = static_cast<double>(levels[i] - 1) * 1.001 / 2.0;
        const double offset = levels[i] % 2 == 0 ? 0.5 : 0.0;
        const double z = static_cast<double>(x[t * n + i]) + std::atanh(offset / half);
        y[t * n + i] = static_cast<float>(std::tanh(z) * half - offset);
      }
    }
  });
}

void fsq_quantize(Stream&, const float* x, const int32_t* levels, int32_t* codes, int64_t T, int64_t n) {
  parallel_ranges(T, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int32_t code = 0, basis = 1;
      for (int64_t i = 0; i < n; ++i) {
        code += (static_cast<int32_t>(std::nearbyint(x[t * n + i])) + levels[i] / 2) * basis;
        basis *= levels[i];
      }
      codes[t] = code;
    }
  });
}

}  // namespace llasa
