// Matrix products of a layer and the head: bound by multiply-adds in training, by reading the weight in
// decoding; each with its weight in f32 and in bf16 (whose share of the roof is of the f32 peak, too).
#include "core/half.h"
#include "kernel_bench.h"
#include "ops/cast.h"
#include "ops/gemm.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

// Element i as a product sees it: stored in bf16, or rounded on its way.
double seen(uint64_t seed, int64_t i, bool rounded) {
  const float x = noise(seed, i);
  return static_cast<double>(rounded ? bf16_to_float(float_to_bf16(x)) : x);
}
bool rounds_activations(bool bf16) {
  return bf16 && rounds_to_bf16();
}

// The weight of seed 2, stored in f32 or bf16.
WeightView random_weight(Kernel& k, int64_t count, bool bf16) {
  const float* values = k.random(count, 2);
  if (!bf16) return values;
  Bf16* stored = k.upload(std::vector<Bf16>(static_cast<size_t>(count)));
  narrow_to_bf16(k.stream(), values, count, stored, 1, count);
  return stored;
}

double forward_expected(int64_t t, int64_t n, int64_t K, bool bf16) {
  double sum = 0;
  for (int64_t i = 0; i < K; ++i) {
    sum += seen(1, t * K + i, rounds_activations(bf16)) * seen(2, n * K + i, bf16);
  }
  return sum;
}

// Unit-range inputs: K products of deviation 1/3, each rounded: 4 eps sqrt(K) with room.
double tolerance(int64_t K) {
  return 1e-6 * static_cast<double>(K > 100 ? K : 100);
}

void forward(const std::string& name, int64_t T, int64_t K, int64_t N, bool bf16) {
  const double t = static_cast<double>(T), kk = static_cast<double>(K), n = static_cast<double>(N);
  const double bytes = 4 * (t * kk + t * n) + (bf16 ? 2 : 4) * n * kk;
  const std::string op = bf16 ? "gemm/linear_forward_bf16/" : "gemm/linear_forward/";
  add(op + name, {bytes, 2 * t * kk * n, bytes + (bf16 ? 4 * n * kk : 0)}, [=](Kernel& k) {
    const float* x = k.random(T * K, 1);
    const WeightView weight = random_weight(k, N * K, bf16);
    float* y = k.zeros(T * N);
    const auto run = [&] { linear_forward(k.stream(), x, weight, nullptr, y, T, K, N); };
    run();
    for (const int64_t row : {int64_t{0}, T - 1}) {
      for (const int64_t column : {N / 3, N - 1}) {
        k.near("y", k.read(y + row * N + column, 1)[0], forward_expected(row, column, K, bf16), tolerance(K));
      }
    }
    k.time(run);
  });
}

void backward(const std::string& name, int64_t T, int64_t K, int64_t N, bool bf16) {
  const double t = static_cast<double>(T), kk = static_cast<double>(K), n = static_cast<double>(N);
  const double bytes = 4 * (t * kk + t * n) + (bf16 ? 2 : 4) * n * kk,
               memory = 4 * (t * kk + 2 * n * kk + t * n);
  const bool rounded = rounds_activations(bf16);
  const std::string kind = bf16 ? "_bf16/" : "/";
  add("gemm/linear_backward_input" + kind + name, {bytes, 2 * t * kk * n, memory}, [=](Kernel& k) {
    const float* dy = k.random(T * N, 1);
    const WeightView weight = random_weight(k, N * K, bf16);
    float* dx = k.zeros(T * K);
    const auto run = [&] { linear_backward(k.stream(), nullptr, weight, dy, dx, nullptr, T, K, N); };
    run();
    double expected = 0;
    for (int64_t i = 0; i < N; ++i) {
      expected += seen(1, (T - 1) * N + i, rounded) * seen(2, i * K + 7, bf16);
    }
    k.near("dx", k.read(dx + (T - 1) * K + 7, 1)[0], expected, tolerance(N));
    k.time(run);
  });
  // dweight is read and written.
  const double traffic = 4 * (t * kk + t * n + 2 * n * kk);
  add("gemm/linear_backward_weight" + kind + name, {traffic, 2 * t * kk * n, traffic}, [=](Kernel& k) {
    const float *dy = k.random(T * N, 1), *x = k.random(T * K, 2);
    float* dweight = k.zeros(N * K);
    // The weight's elements are not read here, its dtype decides.
    const WeightView weight = bf16 ? WeightView(static_cast<const Bf16*>(nullptr)) : WeightView(nullptr);
    const auto run = [&] { linear_backward(k.stream(), x, weight, dy, nullptr, dweight, T, K, N); };
    run();
    double expected = 0;
    for (int64_t i = 0; i < T; ++i) {
      expected += seen(1, i * N + N - 1, rounded) * seen(2, i * K + 7, rounded);
    }
    k.near("dweight", k.read(dweight + (N - 1) * K + 7, 1)[0], expected, tolerance(T));
    k.time(run);
  });
}

void register_all(bool bf16) {
  for (const PolicyShape& s : kPolicies) {
    const std::string name = s.name;
    for (const bool decode : {true, false}) {
      const int64_t T = decode ? s.decode : s.train;
      const std::string phase = decode ? "/decode" : "/train";
      forward(name + "/qkv" + phase, T, s.C, (s.H + 2 * s.G) * s.D, bf16);
      forward(name + "/gate_up" + phase, T, s.C, 2 * s.F, bf16);
      forward(name + "/down" + phase, T, s.F, s.C, bf16);
      forward(name + "/head" + phase, decode ? T : (T > 1024 ? 1024 : T), s.C, s.V, bf16);
    }
    backward(name + "/gate_up", s.train, s.C, 2 * s.F, bf16);
  }
  for (const CodecShape& s : kCodecs)
    forward(std::string(s.name) + "/ffn", s.clips * s.frames, s.C, s.F, bf16);
  for (const WhisperShape& s : kWhispers)
    forward(std::string(s.name) + "/ffn", s.clips * s.P, s.C, s.F, bf16);
}

const bool registered = [] {
  register_all(false);
  register_all(true);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
