// Activations, embedding, RoPE: bound by memory.
#include <cmath>

#include "kernel_bench.h"
#include "ops/activation.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/rope.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

void swiglu(const PolicyShape& s, int64_t T, const std::string& name) {
  const int64_t F = s.F;
  const double elements = static_cast<double>(T * F);
  add("activation/swiglu_forward/" + name, {12 * elements, 4 * elements, 12 * elements}, [=](Kernel& k) {
    const float* gate_up = k.random(T * 2 * F, 1, 4.0f);
    float* y = k.zeros(T * F);
    const auto run = [&] { swiglu_forward(k.stream(), gate_up, y, T, F); };
    run();
    const int64_t t = T - 1, f = F / 3;
    const double gate = 4.0 * static_cast<double>(noise(1, t * 2 * F + f)),
                 up = 4.0 * static_cast<double>(noise(1, t * 2 * F + F + f));
    k.near("y", k.read(y + t * F + f, 1)[0], gate * sigmoid(gate) * up, 1e-5);
    k.time(run);
  });
  add("activation/swiglu_backward/" + name, {24 * elements, 10 * elements, 24 * elements}, [=](Kernel& k) {
    const float *gate_up = k.random(T * 2 * F, 1, 4.0f), *dy = k.random(T * F, 2);
    float *dgate_up = k.zeros(T * 2 * F), *y = k.zeros(T * F);
    const auto run = [&] { swiglu_backward(k.stream(), gate_up, dy, dgate_up, y, T, F); };
    run();
    const int64_t t = T - 1, f = F / 3;
    const double gate = 4.0 * static_cast<double>(noise(1, t * 2 * F + f)),
                 up = 4.0 * static_cast<double>(noise(1, t * 2 * F + F + f)),
                 d = static_cast<double>(noise(2, t * F + f)), p = sigmoid(gate);
    k.near("dgate", k.read(dgate_up + t * 2 * F + f, 1)[0], d * up * p * (1 + gate * (1 - p)), 2e-5);
    k.near("dup", k.read(dgate_up + t * 2 * F + F + f, 1)[0], d * gate * p, 2e-5);
    k.time(run);
  });
}

// Without traffic that a mask kept in memory would have.
void dropout(const PolicyShape& s, int64_t T, const std::string& name) {
  const int64_t count = T * s.C;
  const double elements = static_cast<double>(count);
  add("activation/dropout_forward/" + name, {8 * elements, elements, 8 * elements}, [=](Kernel& k) {
    const float* x = k.random(count, 1);
    float* y = k.zeros(count);
    const DropoutMask mask{0.1f, 5, 9};
    const auto run = [&] { dropout_forward(k.stream(), x, y, count, mask); };
    run();
    const int64_t i = count - 2;
    const uint32_t word = philox4x32(5, 9, static_cast<uint64_t>(i / 4)).word[i % 4];
    const double kept = word < dropout_threshold(0.1f) ? 0.0 : 1.0 / 0.9;
    k.near("y", k.read(y + i, 1)[0], kept * static_cast<double>(noise(1, i)), 1e-6);
    k.time(run);
  });
  add("activation/dropout_backward/" + name, {12 * elements, 2 * elements, 12 * elements}, [=](Kernel& k) {
    const float* dy = k.random(count, 1);
    float* dx = k.zeros(count);
    const DropoutMask mask{0.1f, 5, 9};
    const auto run = [&] { dropout_backward(k.stream(), dy, dx, count, mask); };
    run();
    const int64_t i = count - 3;
    const uint32_t word = philox4x32(5, 9, static_cast<uint64_t>(i / 4)).word[i % 4];
    const double kept = word < dropout_threshold(0.1f) ? 0.0 : 1.0 / 0.9;
    k.near("dx", k.read(dx + i, 1)[0], kept * static_cast<double>(noise(1, i)), 1e-6);
    k.time(run);
  });
}

void gelu(const char* shape, int64_t count, bool bf16) {
  const double elements = static_cast<double>(count), bytes = (bf16 ? 6 : 8) * elements;
  add(std::string(bf16 ? "activation/gelu_forward_bf16/" : "activation/gelu_forward/") + shape,
      {bytes, 20 * elements, bytes}, [=](Kernel& k) {
        const float* x = k.random(count, 1, 4.0f);
        const ArrayView y = k.results(count, bf16);
        const auto run = [&] { gelu_forward(k.stream(), x, y, count); };
        run();
        const double v = 4.0 * static_cast<double>(noise(1, count - 1));
        const double expected = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
        k.near("y", k.read_one(y + (count - 1)), expected, k.tolerance(y, expected, 2e-6));
        k.time(run);
      });
}

void embedding(const PolicyShape& s) {
  const int64_t T = s.train, C = s.C, V = s.V;
  const double elements = static_cast<double>(T * C), table = 4.0 * static_cast<double>(V * C);
  const auto ids_of = [=] {
    std::vector<int32_t> ids(static_cast<size_t>(T));
    for (int64_t t = 0; t < T; ++t) ids[static_cast<size_t>(t)] = static_cast<int32_t>(t * 7919 % (V / 2));
    return ids;
  };
  add(std::string("embedding/embedding_forward/") + s.name, {8 * elements, 0, table + 4 * elements},
      [=](Kernel& k) {
        const float* weight = k.random(V * C, 1);
        const auto ids = ids_of();
        const int32_t* device_ids = k.upload(ids);
        float* y = k.zeros(T * C);
        const auto run = [&] { embedding_forward(k.stream(), weight, device_ids, y, T, C); };
        run();
        k.near("y", k.read(y + (T - 1) * C + 5, 1)[0], static_cast<double>(noise(1, ids.back() * C + 5)), 0);
        k.time(run);
      });
  add(std::string("embedding/embedding_backward/") + s.name, {12 * elements, elements, table + 4 * elements},
      [=](Kernel& k) {
        const auto ids = ids_of();
        const int32_t* device_ids = k.upload(ids);
        const float* dy = k.random(T * C, 1);
        float* dweight = k.zeros(V * C);
        const auto run = [&] { embedding_backward(k.stream(), device_ids, dy, dweight, T, C); };
        run();
        double expected = 0;
        for (int64_t t = 0; t < T; ++t) {
          if (ids[static_cast<size_t>(t)] == ids.back()) expected += static_cast<double>(noise(1, t * C + 3));
        }
        k.near("dweight", k.read(dweight + ids.back() * C + 3, 1)[0], expected, 1e-4);
        k.time(run);
      });
}

void rope(const PolicyShape& s) {
  const int64_t T = s.train, heads = s.H + s.G, D = s.D, stride = (s.H + 2 * s.G) * D;
  const double elements = static_cast<double>(T * heads * D);
  add(std::string("rope/rope_forward/") + s.name,
      {8 * elements, 3 * elements, 4.0 * static_cast<double>(T * stride)}, [=](Kernel& k) {
        float* x = k.random(T * stride, 1);
        const float* table = k.random(64 * D, 2);
        std::vector<int32_t> positions(static_cast<size_t>(T));
        for (int64_t t = 0; t < T; ++t) positions[static_cast<size_t>(t)] = static_cast<int32_t>(t % 64);
        const int32_t* device_positions = k.upload(positions);
        const auto run = [&] { rope_forward(k.stream(), x, device_positions, table, T, heads, D, stride); };
        run();
        const int64_t t = T - 1, at = t * stride + (heads - 1) * D, row = positions.back() * D;
        const double a = static_cast<double>(noise(1, at)), b = static_cast<double>(noise(1, at + D / 2)),
                     c = static_cast<double>(noise(2, row)), d = static_cast<double>(noise(2, row + D / 2));
        k.near("x", k.read(x + at, 1)[0], a * c - b * d, 1e-6);
        k.time(run);
      });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    swiglu(s, s.decode, std::string(s.name) + "/decode");
    swiglu(s, s.train, std::string(s.name) + "/train");
    dropout(s, s.train, s.name);
    embedding(s);
    rope(s);
  }
  for (const WhisperShape& s : kWhispers) {
    for (const bool bf16 : {false, true}) gelu(s.name, s.clips * s.P * s.F, bf16);
  }
  return true;
}();

}  // namespace
}  // namespace llasa::bench
