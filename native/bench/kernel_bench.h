// Microbenchmarks of single operations: a case names a family, an operation and a shape, says how many bytes
// and flops the shape cannot do without, checks the answer against a double-precision reference on part of
// the output, and is then timed. The report relates the time to the roofs that the same process measured.
#pragma once

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/half.h"
#include "core/weight_view.h"

namespace llasa::bench {

// Element i of the array of noise with this seed, in [-1, 1): inputs need not be kept to know them.
inline float noise(uint64_t seed, int64_t i) {
  uint64_t z = (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15u + seed * 0xD1B54A32D192ED03u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<float>(z >> 40) * 0x1p-23f - 1.0f;
}

// The least that a call costs. memory: bytes of all arrays, for machines that are too small. tensor_cores:
// the flops are products of bf16, whose roof is the card's data sheet's where tensor_gflops knows it.
struct Work {
  double bytes = 0;
  double flops = 0;
  double memory = 0;
  bool tensor_cores = false;
};

// Arrays, checks and the clock of one case.
class Kernel {
 public:
  explicit Kernel(benchmark::State& state, const Work& work) : state_(state), work_(work) {}

  Stream& stream() { return stream_; }
  // A device array whose element i is offset + scale noise(seed, i).
  float* random(int64_t count, uint64_t seed, float scale = 1.0f, float offset = 0.0f);
  float* zeros(int64_t count);
  // Zeros for an operation to write.
  ArrayView results(int64_t count, bool bf16) {
    if (!bf16) return zeros(count);
    return upload(std::vector<Bf16>(static_cast<size_t>(count)));
  }
  template <typename T>
  T* upload(const std::vector<T>& values) {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
    return static_cast<T*>(copy_in(values.data(), bytes));
  }
  template <typename T>
  std::vector<T> read(const T* device, int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    copy_out(values.data(), device, count * static_cast<int64_t>(sizeof(T)));
    return values;
  }

  double read_one(ArrayView place) {
    return static_cast<double>(place.is_bf16() ? bf16_to_float(read(place.bf16(), 1)[0].bits)
                                               : read(place.f32(), 1)[0]);
  }
  // Of a result that may err by so much in f32: with the rounding of one that is bf16.
  static double tolerance(ArrayView result, double expected, double f32) {
    return result.is_bf16() ? f32 + std::abs(expected) / 256 : f32;
  }

  // The first answer out of bounds (or NaN) fails the case; it is then not timed.
  void near(const char* what, double actual, double expected, double tolerance);
  void ensure(bool holds, const char* what);
  // Times `run`, once it has been checked, and reports the median of 3 to 15 samples, and the least.
  void time(const std::function<void()>& run);

 private:
  void* copy_in(const void* values, int64_t bytes);
  void copy_out(void* values, const void* device, int64_t bytes);
  double seconds(const std::function<void()>& run, int64_t calls);

  benchmark::State& state_;
  const Work work_;
  Stream stream_;
  std::vector<std::unique_ptr<DeviceBuffer<char>>> arrays_;
  std::string failure_;
};

// Registers a case; to be called from a static initialiser. Cases that this machine would need more than
// LLASA_BENCH_SECONDS (default 0.25) per call for, or half of its memory, are left out by name.
bool add(const std::string& name, const Work& work, std::function<void(Kernel&)> body);

}  // namespace llasa::bench
