// Helpers of the op tests: reproducible random arrays, device arrays with guard bands, comparison against
// doubles.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "core/device.h"
#include "core/parallel.h"

namespace llasa::test {

inline std::vector<float> random_floats(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(generator);
  return values;
}

// A device array between two guard bands that check() finds untouched.
class Guarded {
 public:
  explicit Guarded(int64_t count) : count_(count), memory_(count + 2 * kBand, "a guarded test array") {
    const std::vector<float> fill(static_cast<size_t>(count + 2 * kBand), kGuard);
    memory_.upload(stream_, fill, "a guarded test array");
  }
  explicit Guarded(const std::vector<float>& values) : Guarded(static_cast<int64_t>(values.size())) {
    copy_to_device(stream_, data(), values.data(), count_ * 4);
  }
  float* data() { return memory_.data() + kBand; }
  std::vector<float> values() {
    const std::vector<float> all = memory_.download(stream_, count_ + 2 * kBand);
    for (int64_t i = 0; i < kBand; ++i) {
      EXPECT_EQ(all[static_cast<size_t>(i)], kGuard);
      EXPECT_EQ(all[static_cast<size_t>(count_ + kBand + i)], kGuard);
    }
    return {all.begin() + kBand, all.end() - kBand};
  }

 private:
  static constexpr int64_t kBand = 64;
  static constexpr float kGuard = 1234567.0f;
  Stream stream_;
  int64_t count_;
  DeviceBuffer<float> memory_;
};

inline double largest_difference(const std::vector<float>& actual, const std::vector<double>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double largest = 0.0;
  for (size_t i = 0; i < actual.size() && i < expected.size(); ++i) {
    const double d = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!(d <= largest)) largest = d;  // NaN stays
  }
  return largest;
}
inline double largest_difference(const std::vector<float>& actual, const std::vector<float>& expected) {
  return largest_difference(actual, std::vector<double>(expected.begin(), expected.end()));
}

inline std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets{0};
  for (int64_t n : lengths) offsets.push_back(offsets.back() + n);
  return offsets;
}

// Runs body with 1 and with 3 threads and returns both results: they must be equal to the bit.
template <typename Body>
void expect_same_for_any_thread_count(Body&& body) {
  const int before = num_threads();
  set_num_threads(1);
  const auto one = body();
  set_num_threads(3);
  const auto three = body();
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

}  // namespace llasa::test
