#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "core/parallel.h"
#include "core/philox.h"
#include "core/status.h"

namespace llasa {
namespace {

// Known answers of the reference implementation (Random123 kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, MatchesKnownAnswers) {
  const PhiloxBlock zero = philox4x32(0, 0, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  const PhiloxBlock ones = philox4x32(~0ull, ~0ull, ~0ull);
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
}

TEST(Philox, UniformStaysBelowOneAndHasTheRightMean) {
  double sum = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = philox_uniform(7, 3, static_cast<uint64_t>(i));
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
  }
  // Standard error of the mean is 0.2887 / sqrt(n) = 9.1e-4; five of them.
  EXPECT_NEAR(sum / kDraws, 0.5, 4.6e-3);
}

TEST(Half, EveryFp16RoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = fp16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(fp16_to_float(float_to_fp16(value))));
    } else {
      ASSERT_EQ(float_to_fp16(value), bits);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_bf16(1.00390625f), 0x3f80u);     // halfway between 0x3f80 and 0x3f81: to even
  EXPECT_EQ(float_to_bf16(1.01171875f), 0x3f82u);     // halfway between 0x3f81 and 0x3f82: to even
  EXPECT_EQ(float_to_fp16(1.00048828125f), 0x3c00u);  // 1 + 2^-11
  EXPECT_EQ(float_to_fp16(65519.0f), 0x7bffu);
  EXPECT_EQ(float_to_fp16(65520.0f), 0x7c00u);
  EXPECT_EQ(float_to_fp16(0x1p-25f), 0x0000u);
  EXPECT_EQ(float_to_fp16(0x1.8p-25f), 0x0001u);
}

TEST(Parallel, RunsEveryTaskOnceForAnyThreadCount) {
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    std::vector<std::atomic<int>> hits(1000);
    for (int repeat = 0; repeat < 50; ++repeat) {
      parallel_for(1000, [&](int64_t i) { ++hits[static_cast<size_t>(i)]; });
    }
    for (auto& h : hits) ASSERT_EQ(h.load(), 50);
  }
  set_num_threads(0);
}

// Jobs so short that workers come late to most of them, and more threads than processors: what the body
// points to is gone when the call returns, so a worker that joined late would write into the next job's.
TEST(Parallel, AJobIsOverWhenTheCallReturns) {
  set_num_threads(5);
  for (int job = 0; job < 20000; ++job) {
    int done[3] = {};
    parallel_for(3, [&done, job](int64_t i) { done[i] = job + 1; });
    for (const int d : done) ASSERT_EQ(d, job + 1);
  }
  set_num_threads(0);
}

TEST(Parallel, RethrowsTheErrorOfATask) {
  set_num_threads(3);
  EXPECT_THROW(parallel_for(100, [](int64_t i) { LLASA_CHECK(i != 57, Status::kState, "task %d", 57); }),
               Error);
  std::atomic<int> after{0};
  parallel_for(10, [&](int64_t) { ++after; });
  EXPECT_EQ(after.load(), 10);
  set_num_threads(0);
}

TEST(Parallel, NestedCallsRunInline) {
  set_num_threads(2);
  std::atomic<int> count{0};
  parallel_for(8, [&](int64_t) { parallel_for(8, [&](int64_t) { ++count; }); });
  EXPECT_EQ(count.load(), 64);
  set_num_threads(0);
}

}  // namespace
}  // namespace llasa
