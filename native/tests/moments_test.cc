#include "models/moments.h"

#include <gtest/gtest.h>

#include "op_test_util.h"

namespace llasa::test {
namespace {

std::vector<float> host(Stream& stream, const float* values, int64_t count) {
  std::vector<float> copied(static_cast<size_t>(count));
  copy_to_host(stream, copied.data(), values, count * static_cast<int64_t>(sizeof(float)));
  return copied;
}

// In whatever pieces they go over the bus, the last one shorter: the same as on the device, to the bit.
TEST(Moments, OfTheHostAreThoseOfTheDevice) {
  Stream stream;
  constexpr int64_t kCount = 4 * 65536 + 77;
  AdamW options;
  options.learning_rate = 0.01f;
  options.weight_decay = 0.1f;
  const auto start = random_floats(kCount, 1);
  Moments on_device(stream, kCount, false);
  DeviceArray<float> expected(start);
  std::vector<std::vector<float>> gradients;
  for (uint32_t step = 1; step <= 2; ++step) {
    gradients.push_back(random_floats(kCount, 10 + step));
    options.step = step;
    on_device.step(stream, expected.data(), DeviceArray<float>(gradients.back()).data(), options);
    stream.synchronize();
  }
  for (const int64_t piece : {Moments::kPiece, int64_t{65536}, int64_t{3 * 65536}}) {
    Moments on_host(stream, kCount, true, piece);
    EXPECT_EQ(host(stream, on_host.first(), kCount), std::vector<float>(kCount)) << piece;
    DeviceArray<float> weights(start);
    for (uint32_t step = 1; step <= 2; ++step) {
      options.step = step;
      on_host.step(stream, weights.data(), DeviceArray<float>(gradients[step - 1]).data(), options);
    }
    EXPECT_EQ(weights.values(), expected.values()) << piece;
    EXPECT_EQ(host(stream, on_host.first(), kCount), host(stream, on_device.first(), kCount)) << piece;
    EXPECT_EQ(host(stream, on_host.second(), kCount), host(stream, on_device.second(), kCount)) << piece;
  }
}

TEST(Moments, OfNothingAreNothing) {
  Stream stream;
  for (const bool on_host : {false, true}) Moments(stream, 0, on_host).step(stream, nullptr, nullptr, {});
}

}  // namespace
}  // namespace llasa::test
