#include "ops/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bf16_arrays.h"
#include "op_test_util.h"

namespace llasa::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> dropped(const std::vector<float>& x, const DropoutMask& mask) {
  Stream stream;
  Guarded in(x), out(static_cast<int64_t>(x.size()));
  dropout_forward(stream, in.data(), out.data(), static_cast<int64_t>(x.size()), mask);
  return out.values();
}

TEST(Dropout, KeepsTheRestScaledAndDropsTheShare) {
  constexpr int64_t kCount = 20011;  // no multiple of a block
  for (const float rate : {0.0f, 0.1f, 0.5f, 0.9f}) {
    const std::vector<float> x = random_floats(kCount, 1);
    const std::vector<float> y = dropped(x, {rate, 7, 3});
    int64_t zeros = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (y[i] == 0.0f) {
        ++zeros;
      } else {
        EXPECT_EQ(y[i], x[i] * (1.0f / (1.0f - rate)));
      }
    }
    // Binomial: five standard deviations.
    const double n = static_cast<double>(kCount), p = static_cast<double>(rate);
    EXPECT_NEAR(static_cast<double>(zeros), n * p, 5.0 * std::sqrt(n * p * (1.0 - p))) << rate;
  }
}

TEST(Dropout, EveryWordOfABlockAndEveryStreamIsDrawnByItself) {
  constexpr int64_t kCount = 40000;
  const std::vector<float> ones(kCount, 1.0f);
  const std::vector<float> a = dropped(ones, {0.5f, 7, 3});
  EXPECT_EQ(a, dropped(ones, {0.5f, 7, 3}));
  for (const DropoutMask& other : {DropoutMask{0.5f, 7, 4}, DropoutMask{0.5f, 8, 3}}) {
    const std::vector<float> b = dropped(ones, other);
    int64_t same = 0;
    for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(same), kCount / 2.0, 5.0 * std::sqrt(kCount / 4.0));
  }
  for (size_t lag = 1; lag <= 4; ++lag) {  // neighbours agree as often as not
    int64_t same = 0;
    for (size_t i = lag; i < a.size(); ++i) same += a[i] == a[i - lag] ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(same), kCount / 2.0, 5.0 * std::sqrt(kCount / 4.0)) << lag;
  }
}

TEST(Dropout, BackwardAddsTheGradientOfWhatWasKept) {
  const DropoutMask mask{0.3f, 11, 5};
  const std::vector<float> ones(1003, 1.0f), dy = random_floats(1003, 2), before = random_floats(1003, 3);
  const std::vector<float> kept = dropped(ones, mask);
  Stream stream;
  Guarded in(dy), out(before);
  dropout_backward(stream, in.data(), out.data(), 1003, mask);
  const std::vector<float> got = out.values();
  for (size_t i = 0; i < got.size(); ++i) {
    // One fused or two separate roundings of a sum of two terms.
    const float product = dy[i] * kept[i];
    EXPECT_NEAR(got[i], before[i] + product, 1.2e-7f * (std::abs(before[i]) + std::abs(product)));
    if (kept[i] == 0.0f) {
      EXPECT_EQ(got[i], before[i]);
    }
  }
}

TEST(Dropout, InBf16ItRoundsTheResultOfF32) {
  const DropoutMask mask{0.3f, 11, 5};
  const std::vector<float> x = rounded_bf16(random_floats(1003, 2)),
                           before = rounded_bf16(random_floats(1003, 3)), dy = random_floats(1003, 4);
  Stream stream;
  DeviceArray<Bf16> in(stored_bf16(x)), out(1003), dx(stored_bf16(before));
  Guarded pdy(dy);
  dropout_forward(stream, in.data(), out.data(), 1003, mask);
  EXPECT_EQ(bits_of(out.values()), bits_of(stored_bf16(dropped(x, mask))));
  dropout_backward(stream, pdy.data(), dx.data(), 1003, mask);
  const std::vector<float> got = widened(dx.values()), kept = dropped(dy, mask);
  for (size_t i = 0; i < got.size(); ++i) {
    const float sum = before[i] + kept[i];  // fused or not, and rounded
    EXPECT_NEAR(got[i], sum, std::abs(sum) * static_cast<float>(kBf16Rounding) + 1.2e-7f * std::abs(kept[i]))
        << i;
  }
}

TEST(Dropout, ADroppedInfinityIsGone) {
  const std::vector<float> y = dropped(std::vector<float>(64, kInfinity), {0.5f, 7, 3});
  for (const float v : y) EXPECT_TRUE(v == 0.0f || v == kInfinity);
}

TEST(Dropout, InPlaceAndForAnyThreadCount) {
  const std::vector<float> x = random_floats(50001, 4);
  const DropoutMask mask{0.25f, 1, 2};
  expect_same_for_any_thread_count([&] { return dropped(x, mask); });
  Stream stream;
  Guarded both(x);
  dropout_forward(stream, both.data(), both.data(), 50001, mask);
  EXPECT_EQ(both.values(), dropped(x, mask));
}

}  // namespace
}  // namespace llasa::test
