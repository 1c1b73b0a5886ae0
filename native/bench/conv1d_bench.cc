// Convolutions of codec and recogniser, and the encoder's own ops.
#include <cmath>

#include "kernel_bench.h"
#include "ops/conformer.h"
#include "ops/conv1d.h"
#include "ops/fsq.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

void conv(const std::string& name, int64_t clips, int64_t frames, const Conv1dShape& s) {
  const int64_t T = clips * frames, out_frames = conv1d_frames(s, frames), N = clips * out_frames;
  const int64_t I = s.in_channels, O = s.out_channels, J = s.kernel * I;
  const double flops = 2.0 * static_cast<double>(N * J * O);
  const double bytes = 4.0 * static_cast<double>(T * I + O * J + N * O);
  add("conv1d/conv1d_forward/" + name, {bytes, flops, bytes}, [=](Kernel& k) {
    const float *x = k.random(T * I, 1), *weight = k.random(O * J, 2), *bias = k.random(O, 3);
    float* y = k.zeros(N * O);
    std::vector<int64_t> in, out;
    for (int64_t b = 0; b <= clips; ++b) {
      in.push_back(b * frames);
      out.push_back(b * out_frames);
    }
    const auto run = [&] { conv1d_forward(k.stream(), x, weight, bias, y, in.data(), out.data(), clips, s); };
    run();
    const int64_t o = O - 1;
    for (const int64_t t : {int64_t{0}, out_frames - 1}) {
      double sum = static_cast<double>(noise(3, o));
      for (int64_t j = 0; j < J; ++j) {
        const int64_t frame = t * s.stride + j / I * s.dilation - s.pad_left;
        if (frame < 0 || frame >= frames) continue;
        sum += static_cast<double>(noise(2, o * J + j)) *
               static_cast<double>(noise(1, ((clips - 1) * frames + frame) * I + j % I));
      }
      k.near("y", k.read(y + ((clips - 1) * out_frames + t) * O + o, 1)[0], sum,
             1e-6 * static_cast<double>(J + 100));
    }
    k.time(run);
  });
}

void depthwise(const char* name, int64_t T, int64_t C, int64_t K) {
  const double elements = static_cast<double>(T * C);
  add(std::string("conv1d/depthwise_conv1d_forward/") + name,
      {8 * elements, 2.0 * static_cast<double>(K) * elements, 8 * elements}, [=](Kernel& k) {
        const float *x = k.random(T * C, 1), *weight = k.random(C * K, 2);
        float* y = k.zeros(T * C);
        const std::vector<int64_t> offsets{0, T};
        const auto run = [&] {
          depthwise_conv1d_forward(k.stream(), x, weight, y, offsets.data(), 1, C, K, K / 2);
        };
        run();
        double sum = 0;
        for (int64_t j = 0; j < K; ++j) {
          const int64_t t = T - 1 + j - K / 2;
          if (t < T)
            sum +=
                static_cast<double>(noise(2, (C - 1) * K + j)) * static_cast<double>(noise(1, t * C + C - 1));
        }
        k.near("y", k.read(y + T * C - 1, 1)[0], sum, 1e-5);
        k.time(run);
      });
}

void snake(const char* name, int64_t T, int64_t C) {
  const double elements = static_cast<double>(T * C);
  add(std::string("conformer/snake_forward/") + name, {8 * elements, 70 * elements, 8 * elements},
      [=](Kernel& k) {
        // A constant passes both unit-sum filters: y = x + sin^2(x e^alpha) / (e^beta + 1e-9).
        const float *x = k.random(T * C, 1, 0.0f, 0.7f), *alpha = k.random(C, 2), *beta = k.random(C, 3);
        float* y = k.zeros(T * C);
        const auto run = [&] { snake_forward(k.stream(), x, alpha, beta, y, T, C); };
        run();
        const double a = std::exp(static_cast<double>(noise(2, C - 1))),
                     b = std::exp(static_cast<double>(noise(3, C - 1)));
        k.near("y", k.read(y + T / 2 * C + C - 1, 1)[0], 0.7 + std::pow(std::sin(0.7 * a), 2) / (b + 1e-9),
               1e-5);
        k.time(run);
      });
}

void relative(const char* name, int64_t T, int64_t H, int64_t D, int64_t left, int64_t right) {
  const int64_t C = H * D;
  const double flops = 4.0 * static_cast<double>(T * T * C), io = 16.0 * static_cast<double>(T * C);
  add(std::string("conformer/relative_attention_forward/") + name, {io, flops, io}, [=](Kernel& k) {
    const float *q = k.random(T * C, 1), *key = k.random(T * C, 2), *v = k.random(T * C, 3),
                *distance = k.random((left + right + 1) * D, 4);
    float* y = k.zeros(T * C);
    const float scale = 1.0f / std::sqrt(static_cast<float>(D));
    const auto run = [&] {
      relative_attention_forward(k.stream(), q, key, v, distance, y, T, H, D, left, right, scale);
    };
    run();
    const int64_t l = T / 2, column = C - D;
    double sum = 0, out = 0;
    for (int64_t r = 0; r < T; ++r) {
      const int64_t p = (r - l < -left ? -left : r - l > right ? right : r - l) + left;
      double score = 0;
      for (int64_t d = 0; d < D; ++d) {
        score +=
            static_cast<double>(noise(1, l * C + column + d)) *
            (static_cast<double>(noise(2, r * C + column + d)) + static_cast<double>(noise(4, p * D + d)));
      }
      const double e = std::exp(score * static_cast<double>(scale));
      sum += e;
      out += e * static_cast<double>(noise(3, r * C + column));
    }
    k.near("y", k.read(y + l * C + column, 1)[0], out / sum, 1e-5);
    k.time(run);
  });
}

void kaldi(const char* name, int64_t samples) {
  const int64_t frames = samples / 160;
  add(std::string("conformer/kaldi_features_forward/") + name,
      {4.0 * static_cast<double>(samples + frames * kKaldiMels), static_cast<double>(frames) * 64000, 0},
      [=](Kernel& k) {
        const float* x = k.random(samples, 1, 0.1f);
        float *y = k.zeros(frames * kKaldiMels), *log_mel = k.zeros(frames * kKaldiMels);
        const auto run = [&] { kaldi_features_forward(k.stream(), x, samples, y, log_mel); };
        run();
        // Normalised over time: mean 0 and unbiased variance 1 in every bin.
        const auto values = k.read(y, frames * kKaldiMels);
        double mean = 0, variance = 0;
        for (int64_t t = 0; t < frames; ++t) {
          const double value = static_cast<double>(values[static_cast<size_t>(t * kKaldiMels + 7)]);
          mean += value / static_cast<double>(frames);
          variance += value * value / static_cast<double>(frames - 1);
        }
        k.near("mean", mean, 0, 1e-5);
        k.near("variance", variance, 1, 1e-4);
        k.time(run);
      });
}

void dequantize(const CodecShape& s) {
  const int64_t T = s.clips * s.frames, n = 8;
  add(std::string("fsq/fsq_dequantize/") + s.name, {4.0 * static_cast<double>(T * (n + 1)), 0, 0},
      [=](Kernel& k) {
        std::vector<int32_t> codes, levels(static_cast<size_t>(n), 4);
        for (int64_t t = 0; t < T; ++t) codes.push_back(static_cast<int32_t>(t * 7919 % 65536));
        const int32_t* device_codes = k.upload(codes);
        float* y = k.zeros(T * n);
        const auto run = [&] { fsq_dequantize(k.stream(), device_codes, levels.data(), y, T, n); };
        run();
        const int32_t digit = codes.back() / 16 % 4;
        k.near("digit", k.read(y + (T - 1) * n + 2, 1)[0], (digit - 2) / 2.0, 0);
        k.time(run);
      });
}

const bool registered = [] {
  for (const CodecShape& s : kCodecs) {
    const std::string name = s.name;
    conv(name + "/embed", s.clips, s.frames, {s.C, s.C, 7, 1, 1, 3, 3});
    conv(name + "/resnet", s.clips, s.frames, {s.C, s.C, 3, 1, 1, 1, 1});
    dequantize(s);
  }
  for (const WhisperShape& s : kWhispers) {
    const std::string name = s.name;
    conv(name + "/conv1", s.clips, 2 * s.P, {s.M, s.C, 3, 1, 1, 1, 1});
    conv(name + "/conv2", s.clips, 2 * s.P, {s.C, s.C, 3, 2, 1, 1, 1});
  }
  conv("xcodec2_encoder/level1", 1, 160000, {48, 48, 7, 1, 1, 3, 3});
  conv("tiny/encoder", 1, 16000, {4, 8, 7, 1, 1, 3, 3});
  depthwise("tiny", 100, 64, 31);
  depthwise("xcodec2_10s", 500, 1024, 31);
  snake("tiny", 4000, 4);
  snake("xcodec2_10s", 160000, 48);
  relative("tiny", 100, 4, 16, 64, 8);
  relative("xcodec2_10s", 500, 16, 64, 64, 8);
  kaldi("tiny", 16000);
  kaldi("xcodec2_10s", 160000);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
