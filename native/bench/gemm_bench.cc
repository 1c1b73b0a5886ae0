// Matrix products of a layer and the head: bound by multiply-adds in training, by reading the weight in
// decoding.
#include "kernel_bench.h"
#include "ops/gemm.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

double forward_expected(int64_t t, int64_t n, int64_t K) {
  double sum = 0;
  for (int64_t i = 0; i < K; ++i) {
    sum += static_cast<double>(noise(1, t * K + i)) * static_cast<double>(noise(2, n * K + i));
  }
  return sum;
}

// Unit-range inputs: K products of deviation 1/3, each rounded: 4 eps sqrt(K) with room.
double tolerance(int64_t K) {
  return 1e-6 * static_cast<double>(K > 100 ? K : 100);
}

void forward(const std::string& name, int64_t T, int64_t K, int64_t N) {
  const double t = static_cast<double>(T), kk = static_cast<double>(K), n = static_cast<double>(N);
  const double bytes = 4 * (t * kk + n * kk + t * n);
  add("gemm/linear_forward/" + name, {bytes, 2 * t * kk * n, bytes}, [=](Kernel& k) {
    const float *x = k.random(T * K, 1), *weight = k.random(N * K, 2);
    float* y = k.zeros(T * N);
    const auto run = [&] { linear_forward(k.stream(), x, weight, nullptr, y, T, K, N); };
    run();
    for (const int64_t row : {int64_t{0}, T - 1}) {
      for (const int64_t column : {N / 3, N - 1}) {
        k.near("y", k.read(y + row * N + column, 1)[0], forward_expected(row, column, K), tolerance(K));
      }
    }
    k.time(run);
  });
}

void backward(const std::string& name, int64_t T, int64_t K, int64_t N) {
  const double t = static_cast<double>(T), kk = static_cast<double>(K), n = static_cast<double>(N);
  const double bytes = 4 * (t * kk + n * kk + t * n);
  add("gemm/linear_backward_input/" + name, {bytes, 2 * t * kk * n, bytes}, [=](Kernel& k) {
    const float *dy = k.random(T * N, 1), *weight = k.random(N * K, 2);
    float* dx = k.zeros(T * K);
    const auto run = [&] { linear_backward(k.stream(), nullptr, weight, dy, dx, nullptr, T, K, N); };
    run();
    double expected = 0;
    for (int64_t i = 0; i < N; ++i) {
      expected += static_cast<double>(noise(1, (T - 1) * N + i)) * static_cast<double>(noise(2, i * K + 7));
    }
    k.near("dx", k.read(dx + (T - 1) * K + 7, 1)[0], expected, tolerance(N));
    k.time(run);
  });
  add("gemm/linear_backward_weight/" + name, {bytes + 4 * n * kk, 2 * t * kk * n, bytes}, [=](Kernel& k) {
    const float *dy = k.random(T * N, 1), *x = k.random(T * K, 2);
    float* dweight = k.zeros(N * K);
    const auto run = [&] { linear_backward(k.stream(), x, nullptr, dy, nullptr, dweight, T, K, N); };
    run();
    double expected = 0;
    for (int64_t i = 0; i < T; ++i) {
      expected += static_cast<double>(noise(1, i * N + N - 1)) * static_cast<double>(noise(2, i * K + 7));
    }
    k.near("dweight", k.read(dweight + (N - 1) * K + 7, 1)[0], expected, tolerance(T));
    k.time(run);
  });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    const std::string name = s.name;
    for (const bool decode : {true, false}) {
      const int64_t T = decode ? s.decode : s.train;
      const std::string phase = decode ? "/decode" : "/train";
      forward(name + "/qkv" + phase, T, s.C, (s.H + 2 * s.G) * s.D);
      forward(name + "/gate_up" + phase, T, s.C, 2 * s.F);
      forward(name + "/down" + phase, T, s.F, s.C);
      forward(name + "/head" + phase, decode ? T : (T > 1024 ? 1024 : T), s.C, s.V);
    }
    backward(name + "/gate_up", s.train, s.C, 2 * s.F);
  }
  for (const CodecShape& s : kCodecs) forward(std::string(s.name) + "/ffn", s.clips * s.frames, s.C, s.F);
  for (const WhisperShape& s : kWhispers) forward(std::string(s.name) + "/ffn", s.clips * s.P, s.C, s.F);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
