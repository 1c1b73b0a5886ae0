// Norms: bound by one read and one write of the activations.
#include <cmath>

#include "kernel_bench.h"
#include "ops/norm.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

// RMSNorm of row t of noise(1), element c.
double rms_expected(int64_t t, int64_t c, int64_t C) {
  double squares = 0;
  for (int64_t i = 0; i < C; ++i) squares += std::pow(static_cast<double>(noise(1, t * C + i)), 2);
  const double weight = 1.0 + 0.1 * static_cast<double>(noise(2, c));
  return static_cast<double>(noise(1, t * C + c)) / std::sqrt(squares / static_cast<double>(C) + 1e-5) *
         weight;
}

void rmsnorm(const PolicyShape& s, int64_t T, const std::string& name) {
  const int64_t C = s.C;
  const double elements = static_cast<double>(T * C);
  add("norm/rmsnorm_forward/" + name, {8 * elements, 3 * elements, 8 * elements}, [=](Kernel& k) {
    const float* x = k.random(T * C, 1);
    const float* weight = k.random(C, 2, 0.1f, 1.0f);
    float* y = k.zeros(T * C);
    const auto run = [&] { rmsnorm_forward(k.stream(), x, weight, y, nullptr, T, C, 1e-5f); };
    run();
    for (const int64_t t : {int64_t{0}, T / 2, T - 1}) {
      const auto row = k.read(y + t * C, C);
      for (const int64_t c : {int64_t{0}, C / 3, C - 1}) {
        k.near("y", row[static_cast<size_t>(c)], rms_expected(t, c, C), 1e-5);
      }
    }
    k.time(run);
  });
  // dx is read and written, x and dy are read.
  add("norm/rmsnorm_backward/" + name, {16 * elements, 8 * elements, 16 * elements}, [=](Kernel& k) {
    const float* x = k.random(T * C, 1);
    const float* weight = k.random(C, 2, 0.1f, 1.0f);
    const float* dy = k.random(T * C, 3);
    float *y = k.zeros(T * C), *rstd = k.zeros(T), *dx = k.zeros(T * C), *dweight = k.zeros(C);
    rmsnorm_forward(k.stream(), x, weight, y, rstd, T, C, 1e-5f);
    const auto run = [&] { rmsnorm_backward(k.stream(), x, weight, rstd, dy, dx, dweight, T, C); };
    run();
    const int64_t t = T - 1;
    const double r = static_cast<double>(k.read(rstd + t, 1)[0]);
    double product = 0;
    const auto wdy = [&](int64_t c) {
      return (1.0 + 0.1 * static_cast<double>(noise(2, c))) * static_cast<double>(noise(3, t * C + c));
    };
    for (int64_t c = 0; c < C; ++c) product += wdy(c) * static_cast<double>(noise(1, t * C + c));
    const auto row = k.read(dx + t * C, C);
    for (const int64_t c : {int64_t{0}, C / 3, C - 1}) {
      const double expected =
          r * (wdy(c) - static_cast<double>(noise(1, t * C + c)) * r * r * product / static_cast<double>(C));
      k.near("dx", row[static_cast<size_t>(c)], expected, 2e-5);
    }
    k.time(run);
  });
}

void layernorm(const WhisperShape& s, bool bf16) {
  const int64_t C = s.C, T = s.clips * s.P;
  const double elements = static_cast<double>(T * C), bytes = (bf16 ? 6 : 8) * elements;
  add(std::string(bf16 ? "norm/layernorm_forward_bf16/" : "norm/layernorm_forward/") + s.name,
      {bytes, 6 * elements, bytes}, [=](Kernel& k) {
        const float *x = k.random(T * C, 1), *weight = k.random(C, 2), *bias = k.random(C, 3);
        const ArrayView y = k.results(T * C, bf16);
        const auto run = [&] { layernorm_forward(k.stream(), x, weight, bias, y, T, C, 1e-5f); };
        run();
        const int64_t t = T / 2, c = C / 3;
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < C; ++i) mean += static_cast<double>(noise(1, t * C + i));
        mean /= static_cast<double>(C);
        for (int64_t i = 0; i < C; ++i)
          variance += std::pow(static_cast<double>(noise(1, t * C + i)) - mean, 2);
        const double expected = (static_cast<double>(noise(1, t * C + c)) - mean) /
                                    std::sqrt(variance / static_cast<double>(C) + 1e-5) *
                                    static_cast<double>(noise(2, c)) +
                                static_cast<double>(noise(3, c));
        k.near("y", k.read_one(y + (t * C + c)), expected, k.tolerance(y, expected, 1e-5));
        k.time(run);
      });
}

void groupnorm(const CodecShape& s) {
  const int64_t C = s.C, T = s.clips * s.frames, groups = 32, width = C / groups;
  const double elements = static_cast<double>(T * C);
  // Mean and variance want the clip twice; the floor is one read more than it writes.
  add(std::string("norm/groupnorm_forward/") + s.name, {12 * elements, 8 * elements, 8 * elements},
      [=](Kernel& k) {
        const float *x = k.random(T * C, 1), *weight = k.random(C, 2), *bias = k.random(C, 3);
        float* y = k.zeros(T * C);
        std::vector<int64_t> offsets;
        for (int64_t b = 0; b <= s.clips; ++b) offsets.push_back(b * s.frames);
        const auto run = [&] {
          groupnorm_forward(k.stream(), x, weight, bias, y, offsets.data(), s.clips, C, groups, 1e-6f, true);
        };
        run();
        const int64_t first = offsets[static_cast<size_t>(s.clips - 1)], c = C - 1, low = C - width;
        double mean = 0, variance = 0;
        for (int64_t t = first; t < T; ++t) {
          for (int64_t i = low; i < C; ++i) mean += static_cast<double>(noise(1, t * C + i));
        }
        mean /= static_cast<double>(s.frames * width);
        for (int64_t t = first; t < T; ++t) {
          for (int64_t i = low; i < C; ++i)
            variance += std::pow(static_cast<double>(noise(1, t * C + i)) - mean, 2);
        }
        const double z = (static_cast<double>(noise(1, first * C + c)) - mean) /
                             std::sqrt(variance / static_cast<double>(s.frames * width) + 1e-6) *
                             static_cast<double>(noise(2, c)) +
                         static_cast<double>(noise(3, c));
        k.near("y", k.read(y + first * C + c, 1)[0], z / (1 + std::exp(-z)), 2e-5);
        k.time(run);
      });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    rmsnorm(s, s.decode, std::string(s.name) + "/decode");
    rmsnorm(s, s.train, std::string(s.name) + "/train");
  }
  for (const WhisperShape& s : kWhispers) {
    for (const bool bf16 : {false, true}) layernorm(s, bf16);
  }
  for (const CodecShape& s : kCodecs) groupnorm(s);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
