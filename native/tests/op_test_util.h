// Helpers of the op tests: reproducible random arrays, device arrays with guard bands, comparison against
// doubles. Also read by nvcc, as C++17.
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

// A device array between two guard bands that values() finds untouched.
class Guarded {
 public:
  explicit Guarded(int64_t count) : Guarded(std::vector<float>(static_cast<size_t>(count), kGuard)) {}
  explicit Guarded(const std::vector<float>& values)
      : count_(static_cast<int64_t>(values.size())), memory_(count_ + 2 * kBand, "a guarded test array") {
    std::vector<float> all(kBand, kGuard);
    all.insert(all.end(), values.begin(), values.end());
    all.insert(all.end(), kBand, kGuard);
    memory_.upload(stream_, all.data(), static_cast<int64_t>(all.size()), "a guarded test array");
    stream_.synchronize();  // the op runs on a stream of its own
  }
  float* data() { return memory_.data() + kBand; }
  // Waits for everything queued on any stream.
  std::vector<float> values() {
    synchronize_device();
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

// A device array without guards, of any type: what an op reads. values() brings it back.
template <typename T>
class DeviceArray {
 public:
  // Zeros.
  explicit DeviceArray(int64_t count) : count_(count), memory_(count, "a test array") {
    zero_on_device(stream_, memory_.data(), count * static_cast<int64_t>(sizeof(T)));
    stream_.synchronize();
  }
  explicit DeviceArray(const std::vector<T>& values) : count_(static_cast<int64_t>(values.size())) {
    memory_.upload(stream_, values.data(), count_, "a test array");
    stream_.synchronize();
  }
  T* data() { return memory_.data(); }
  const T* data() const { return memory_.data(); }
  // Waits for everything queued on any stream.
  std::vector<T> values() {
    synchronize_device();
    return memory_.download(stream_, count_);
  }

 private:
  Stream stream_;
  int64_t count_;
  DeviceBuffer<T> memory_;
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
