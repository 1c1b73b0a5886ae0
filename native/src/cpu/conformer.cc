// The encoder's own ops on the CPU; see ops/conformer.h.
#include "ops/conformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/conformer_tables.h"

namespace llasa {

namespace {

constexpr int64_t kFrame = kKaldiFrame, kStep = kKaldiStep, kFft = kKaldiFft, kLines = kKaldiLines;
constexpr int64_t kGrain = 16384;
struct RelativeScratch {};
struct SnakeScratch {};

// In-place radix-2 transform.
void fft(std::array<std::complex<double>, kFft>& x) {
  for (size_t i = 1, j = 0; i < kFft; ++i) {
    size_t bit = kFft >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (size_t length = 2; length <= kFft; length *= 2) {
    for (size_t k = 0; k < length / 2; ++k) {
      const std::complex<double> w =
          std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
      for (size_t i = k; i < kFft; i += length) {
        const std::complex<double> u = x[i], v = x[i + length / 2] * w;
        x[i] = u + v;
        x[i + length / 2] = u - v;
      }
    }
  }
}

void kaldi_frame(const KaldiTables& tables, const float* samples, int64_t num_samples, int64_t frame,
                 double* out) {
  std::array<double, kFrame> raw;
  double mean = 0.0;
  for (int64_t i = 0; i < kFrame; ++i) {
    const int64_t at = frame * kStep + i - kStep;
    const double value = at >= 0 && at < num_samples ? static_cast<double>(samples[at]) * 32768.0 : 0.0;
    raw[static_cast<size_t>(i)] = value;
    mean += value;
  }
  mean /= kFrame;
  std::array<std::complex<double>, kFft> spectrum{};
  for (size_t i = 0; i < kFrame; ++i) {
    const double previous = raw[i > 0 ? i - 1 : 0] - mean;
    spectrum[i] = (raw[i] - mean - 0.97 * previous) * tables.window[i];
  }
  fft(spectrum);
  for (size_t m = 0; m < kKaldiMels; ++m) {
    double sum = 0.0;
    for (size_t k = 0; k < kLines; ++k) sum += tables.filters[m * kLines + k] * std::norm(spectrum[k]);
    out[m] = std::log(std::max(sum, 1.192092955078125e-07));
  }
}

}  // namespace

void kaldi_features_forward(Stream&, const float* samples, int64_t num_samples, float* y, float* log_mel) {
  static const KaldiTables tables;
  const int64_t frames = num_samples / kStep;
  std::vector<double> values(static_cast<size_t>(frames * kKaldiMels));
  parallel_for(frames, [&](int64_t frame) {
    kaldi_frame(tables, samples, num_samples, frame, values.data() + frame * kKaldiMels);
  });
  for (int64_t m = 0; m < kKaldiMels; ++m) {
    double mean = 0.0, variance = 0.0;
    const double* column = values.data() + m;
    for (int64_t t = 0; t < frames; ++t) mean += column[t * kKaldiMels];
    mean /= static_cast<double>(frames);
    for (int64_t t = 0; t < frames; ++t) variance += std::pow(column[t * kKaldiMels] - mean, 2);
    const double rstd = 1.0 / std::sqrt(variance / static_cast<double>(frames - 1) + 1e-7);
    for (int64_t t = 0; t < frames; ++t) {
      y[t * kKaldiMels + m] = static_cast<float>((column[t * kKaldiMels] - mean) * rstd);
      if (log_mel != nullptr) log_mel[t * kKaldiMels + m] = static_cast<float>(column[t * kKaldiMels]);
    }
  }
}

// With f the filter and e, o the even and odd samples of the doubled signal s:
//   e[j] = 2 sum_k x[j+k-3] f[11-2k],  o[j] = 2 sum_k x[j+k-2] f[10-2k],  k = 0..5,
//   y[j] = sum_k e[j+k-2] f[2k+1] + o[j+k-3] f[2k].
// Past its ends s repeats its first (e[0]) and last (o[T-1]) sample.
void snake_forward(Stream&, const float* x, const float* alpha, const float* beta, float* y, int64_t T,
                   int64_t C) {
  static const std::array<float, 12> f = snake_filter();
  const auto row = [&](int64_t t) { return x + std::clamp<int64_t>(t, 0, T - 1) * C; };
  const int64_t block = std::clamp<int64_t>(8192 / C, 16, 256);
  parallel_ranges(T, block, [&](int64_t begin, int64_t end) {
    const int64_t first = begin - 3, count = end - begin + 6;
    float* even = cpu::task_scratch<SnakeScratch>(2 * (block + 6) * C + 2 * C);
    float* odd = even + count * C;
    float* scale = odd + count * C;  // e^alpha, then 1 / (e^beta + 1e-9)
    for (int64_t c = 0; c < C; ++c) {
      scale[c] = std::exp(alpha[c]);
      scale[C + c] = 1.0f / (std::exp(beta[c]) + 1e-9f);
    }
    // Sample of the doubled signal at phase 0 (even) or 1 (odd) of frame j, the activation applied.
    const auto sample = [&](int64_t j, int64_t phase, float* out) {
      std::fill(out, out + C, 0.0f);
      for (int64_t k = 0; k < 6; ++k) {
        const float* in = row(j + k - 3 + phase);
        const float tap = 2.0f * f[static_cast<size_t>(11 - 2 * k - phase)];
        for (int64_t c = 0; c < C; ++c) out[c] += tap * in[c];
      }
      for (int64_t c = 0; c < C; ++c) {
        const float sine = std::sin(out[c] * scale[c]);
        out[c] += sine * sine * scale[C + c];
      }
    };
    for (int64_t i = 0; i < count; ++i) {
      const int64_t j = first + i;
      if (j < 0) {
        sample(0, 0, even + i * C);
        sample(0, 0, odd + i * C);
      } else if (j >= T) {
        sample(T - 1, 1, even + i * C);
        sample(T - 1, 1, odd + i * C);
      } else {
        sample(j, 0, even + i * C);
        sample(j, 1, odd + i * C);
      }
    }
    for (int64_t t = begin; t < end; ++t) {
      float* out = y + t * C;
      std::fill(out, out + C, 0.0f);
      for (int64_t k = 0; k < 6; ++k) {
        const float* e = even + (t + k - 2 - first) * C;
        const float* o = odd + (t + k - 3 - first) * C;
        const float even_tap = f[static_cast<size_t>(2 * k + 1)], odd_tap = f[static_cast<size_t>(2 * k)];
        for (int64_t c = 0; c < C; ++c) out[c] += even_tap * e[c] + odd_tap * o[c];
      }
    }
  });
}

void relative_attention_forward(Stream&, const float* q, const float* k, const float* v,
                                const float* distance, float* y, int64_t T, int64_t H, int64_t D,
                                int64_t left, int64_t right, float scale) {
  const auto& softmax = *cpu::kernels().softmax;
  constexpr int64_t kRows = 64;
  const int64_t C = H * D, P = left + right + 1, blocks = (T + kRows - 1) / kRows;
  parallel_for(blocks * H, [&](int64_t task) {
    const int64_t begin = task / H * kRows, rows = std::min(kRows, T - begin), column = task % H * D;
    float* scores = cpu::task_scratch<RelativeScratch>(kRows * (T + P));
    float* relative = scores + kRows * T;
    const float* queries = q + begin * C + column;
    cpu::task_gemm(true, rows, T, D, 1.0f, queries, C, k + column, C, 0.0f, scores, T);
    cpu::task_gemm(true, rows, P, D, 1.0f, queries, C, distance, D, 0.0f, relative, P);
    for (int64_t i = 0; i < rows; ++i) {
      float* row = scores + i * T;
      for (int64_t r = 0; r < T; ++r)
        row[r] += relative[i * P + std::clamp(r - begin - i, -left, right) + left];
      const float shift = softmax.max(row, T) * scale;
      const float sum = softmax.exp_sum(row, row, scale, shift, T);
      softmax.scale(row, 1.0f / sum, T);
    }
    cpu::task_gemm(false, rows, D, T, 1.0f, scores, T, v + column, C, 0.0f, y + begin * C + column, C);
  });
}

void glu_forward(Stream&, const float* x, float* y, int64_t T, int64_t C) {
  parallel_ranges(T, std::max<int64_t>(1, kGrain / C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < C; ++c)
        y[t * C + c] = x[t * 2 * C + c] / (1.0f + std::exp(-x[t * 2 * C + C + c]));
    }
  });
}

void scaled_add_forward(Stream&, const float* x, float scale, float* y, int64_t count) {
  parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += scale * x[i];
  });
}

void relu_forward(Stream&, const float* x, float* y, int64_t count) {
  parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = std::max(x[i], 0.0f);
  });
}

}  // namespace llasa
