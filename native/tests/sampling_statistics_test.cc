// What many draws together must look like.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "core/philox.h"
#include "sampling_fixture.h"
#include "simulated.h"

namespace llasa::test {
namespace {

TEST(SamplingStatistics, FrequenciesFollowTheDistribution) {
  const size_t n = 37, draws = repetitions<size_t>(100000, 5000);
  const std::vector<float> logits = random_logits(n, 3, 1.0f);
  llasa_sampling_options o = options();
  o.temperature = 0.9f;
  o.top_p = 0.95f;
  o.seed = 1234;
  const std::vector<float> probs = distribution(o, logits);
  std::vector<double> counts(n, 0);
  std::vector<uint64_t> sequences(draws);
  std::vector<int64_t> positions(draws);
  for (size_t i = 0; i < draws; ++i) {
    sequences[i] = i / 100;
    positions[i] = static_cast<int64_t>(i % 100);
  }
  const Draws d = sample(o, repeat(logits, draws), static_cast<int64_t>(n), sequences, positions);
  for (int32_t id : d.ids) ++counts[static_cast<size_t>(id)];
  double chi_square = 0, freedom = -1;
  for (size_t id = 0; id < n; ++id) {
    const double expected = static_cast<double>(probs[id]) * static_cast<double>(draws);
    if (expected == 0) {
      EXPECT_EQ(counts[id], 0);
      continue;
    }
    chi_square += (counts[id] - expected) * (counts[id] - expected) / expected;
    ++freedom;
  }
  // Mean f, variance 2 f: five standard deviations.
  EXPECT_LT(chi_square, freedom + 5 * std::sqrt(2 * freedom));
}

// Total variation between N draws and p has the mean 1/2 sum sqrt(2 p (1-p) / (pi N)) and, one draw moving it
// by at most 1/N, stays within t of it but for exp(-2 N t^2) (McDiarmid); t = 0.1 makes that 1e-9.
TEST(SamplingStatistics, TotalVariationIsThatOfAPerfectSamplerAtTheFullVocabulary) {
  if (simulated())
    GTEST_SKIP() << "200 million columns; the oracle's row of that size is sampled in its place";
  const size_t n = 193800, draws = 1024, batch = 32;
  std::vector<float> logits(n);
  for (uint64_t i = 0; i < n; ++i) {
    const double u = static_cast<double>((i * 2654435761u + 12345) % (uint64_t{1} << 32)) / 4294967296.0;
    logits[i] = static_cast<float>(22 * u * u * u - 9);
  }
  llasa_sampling_options o = options();
  o.temperature = 0.6f;
  o.top_p = 0.3f;
  const std::vector<float> probs = distribution(o, logits);
  const std::vector<float> rows = repeat(logits, batch);
  std::vector<double> counts(n, 0);
  for (size_t first = 0; first < draws; first += batch) {
    std::vector<uint64_t> sequences(batch);
    std::iota(sequences.begin(), sequences.end(), first);
    const Draws d = sample(o, rows, static_cast<int64_t>(n), sequences, std::vector<int64_t>(batch, 11));
    for (int32_t id : d.ids) ++counts[static_cast<size_t>(id)];
  }
  double distance = 0, expected = 0;
  for (size_t id = 0; id < n; ++id) {
    const double p = static_cast<double>(probs[id]);
    distance += 0.5 * std::abs(counts[id] / static_cast<double>(draws) - p);
    expected += 0.5 * std::sqrt(2 * p * (1 - p) / (3.14159265358979 * static_cast<double>(draws)));
    EXPECT_TRUE(p > 0 || counts[id] == 0) << id;
  }
  EXPECT_NEAR(distance, expected, 0.1);
}

// Block masses are rounded to f32, so with u within 1e-7 of 1 the target can lie above the sum of all single
// weights; the last kept column is then drawn, never one past it or a dropped one.
TEST(SamplingStatistics, UniformNextToOneDrawsTheLastKeptColumn) {
  uint64_t sequence = 0;
  double best = 0;
  for (uint64_t s = 0; s < 8000000; ++s) {
    const double u = philox_uniform_double(0, s, 0);
    if (u > best) {
      best = u;
      sequence = s;
    }
  }
  ASSERT_GT(best, 1 - 1e-6);
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const size_t n = 200 + seed;
    std::vector<float> logits = random_logits(n, seed, 0.2f);
    for (size_t i = n - 40; i < n; ++i) logits[i] = -kInf;
    const int32_t id = sample(options(), logits, static_cast<int64_t>(n), {sequence}, {0}).ids[0];
    EXPECT_EQ(id, static_cast<int32_t>(n) - 41);
  }
}

}  // namespace
}  // namespace llasa::test
