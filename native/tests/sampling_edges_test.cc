// Where the search for the kept set and the draw could go wrong by one: sizes around the split of a row into
// threads, segments and histograms, plateaus across the boundary, keys of extreme floats, the draw itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/philox.h"
#include "reference/sampling.h"
#include "sampling_fixture.h"

namespace llasa::test {
namespace {

ReferenceSampling expected_of(const llasa_sampling_options& o, const std::vector<float>& logits) {
  return reference_sampling(logits, all_ids(logits.size()), {}, 1, static_cast<double>(o.temperature),
                            o.top_k, static_cast<double>(o.top_p), static_cast<double>(o.min_p));
}

// The kept set equals the reference's; probabilities to the bound of sampling_test.cc, `spread` being the
// largest |x - max| / T of what is kept.
void expect_reference(const llasa_sampling_options& o, const std::vector<float>& logits, double spread = 30) {
  const std::vector<float> probs = distribution(o, logits);
  const ReferenceSampling expected = expected_of(o, logits);
  for (size_t id = 0; id < logits.size(); ++id) {
    ASSERT_EQ(probs[id] > 0, expected.kept[id] != 0 && expected.probs[id] > 1e-37)
        << "n " << logits.size() << " top_k " << o.top_k << " top_p " << o.top_p << " id " << id;
    // The exponent is rounded twice, the exponential to 2 ulp.
    ASSERT_NEAR(probs[id], expected.probs[id], (spread + 8) * 1.2e-7 * expected.probs[id] + 1e-12) << id;
  }
}

TEST(SamplingEdges, SizesAroundTheSplitOfARow) {
  for (size_t n : {31u, 32u, 33u, 127u, 128u, 129u, 511u, 512u, 513u, 1023u, 1024u, 16383u, 16384u, 16385u}) {
    const std::vector<float> logits = random_logits(n, static_cast<uint32_t>(n));
    llasa_sampling_options o = options();
    expect_reference(o, logits);
    o.top_k = static_cast<int32_t>(n / 3 + 1);
    expect_reference(o, logits);
    o.top_p = 0.83f;
    expect_reference(o, logits);
    o.top_k = 0;
    expect_reference(o, logits);
  }
}

// 1 - p of the size of what sums round by: the best is kept, and no more mass is left out than that and rounding.
TEST(SamplingEdges, TopPNextToOneLeavesOutNoMoreThanRounding) {
  for (const float p : {0x1.fffffep-1f, 0x1.fffffcp-1f, 0x1.ffffp-1f}) {
    for (uint32_t seed = 0; seed < 50; ++seed) {
      for (const float scale : {0.01f, 3.0f, 12.0f}) {
        const std::vector<float> logits = random_logits(1025, seed, scale);
        llasa_sampling_options o = options(), all = options();
        o.top_p = p;
        const std::vector<float> kept = distribution(o, logits), whole = distribution(all, logits);
        double sum = 0, left_out = 0;
        for (size_t i = 0; i < kept.size(); ++i) {
          sum += static_cast<double>(kept[i]);
          if (kept[i] == 0) left_out += static_cast<double>(whole[i]);
        }
        EXPECT_NEAR(sum, 1, 1e-5);
        EXPECT_LE(left_out, 1.0 - static_cast<double>(p) + 256 * 0x1p-24) << p << " " << seed << " " << scale;
        const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
        EXPECT_GT(kept[static_cast<size_t>(best)], 0);
      }
    }
  }
}

TEST(SamplingEdges, TopKOfEveryColumnOrOneLess) {
  for (size_t n : {1u, 2u, 40u, 600u}) {
    const std::vector<float> logits = random_logits(n, 3);
    for (size_t k : {n, n - 1, n + 1, size_t{1}}) {
      llasa_sampling_options o = options();
      o.top_k = static_cast<int32_t>(k);
      expect_reference(o, logits);
    }
  }
}

// All columns equal: top-k keeps all of them (ties stay), top-p the first ones by column. The target lies
// half a column away from a border, where rounding can't reach it.
TEST(SamplingEdges, FlatRowsAreCutByColumn) {
  for (size_t n : {33u, 513u, 5000u, 17000u}) {
    for (float value : {0.0f, -7.25f, 88.0f}) {
      llasa_sampling_options o = options();
      o.top_k = 3;
      const std::vector<float> logits(n, value);
      expect_reference(o, logits);
      o.top_p = (static_cast<float>(n / 2) + 0.5f) / static_cast<float>(n);
      expect_reference(o, logits);
      o.top_k = 0;
      expect_reference(o, logits);
      const std::vector<float> probs = distribution(o, logits);
      EXPECT_EQ(std::count_if(probs.begin(), probs.end(), [](float p) { return p > 0; }),
                static_cast<ptrdiff_t>(n / 2 + 1));
    }
  }
}

// Plateaus of equal logits, scattered, with the boundary of top-p inside each of them in turn.
TEST(SamplingEdges, PlateausAcrossTheBoundary) {
  const size_t n = 2000;
  std::vector<float> logits(n);
  for (size_t i = 0; i < n; ++i) logits[i] = static_cast<float>(i * 7919 % 5);
  for (int step = 1; step < 20; ++step) {
    llasa_sampling_options o = options();
    o.top_p = static_cast<float>(step) / 20 + 0.00137f;
    expect_reference(o, logits);
    o.top_k = 300;  // inside the largest plateau: all of it stays
    expect_reference(o, logits);
    o.top_k = 700;  // inside the second
    o.temperature = 0.5f;
    expect_reference(o, logits);
  }
}

TEST(SamplingEdges, SignedZerosAreOneValue) {
  std::vector<float> logits(100, -3.0f);
  for (size_t i = 0; i < 20; ++i) logits[5 * i] = i % 2 == 0 ? 0.0f : -0.0f;
  llasa_sampling_options o = options();
  o.top_k = 4;
  expect_reference(o, logits);
  o.top_k = 0;
  o.top_p = 0.31f;
  expect_reference(o, logits);
  o.temperature = 0;
  EXPECT_EQ(sample(o, logits, 100, {1}, {1}).ids[0], 0);
}

TEST(SamplingEdges, NeighbouringAndSubnormalFloatsAreTold) {
  std::vector<float> logits;
  for (float x = 1.0f; logits.size() < 40; x = std::nextafter(x, 0.0f)) logits.push_back(x);
  for (float x = 0.0f; logits.size() < 80; x = std::nextafter(x, -1.0f)) logits.push_back(x);
  std::rotate(logits.begin(), logits.begin() + 13, logits.end());
  llasa_sampling_options o = options();
  for (int32_t k : {1, 7, 39, 40, 41, 55, 79}) {
    o.top_k = k;
    expect_reference(o, logits);
  }
}

TEST(SamplingEdges, ExtremeLogitsAndTemperatures) {
  std::vector<float> logits = random_logits(700, 9, 50.0f);
  logits[3] = 3.0e38f;
  logits[600] = -3.0e38f;
  llasa_sampling_options o = options();
  o.top_k = 10;
  EXPECT_EQ(distribution(o, logits)[3], 1.0f);
  EXPECT_EQ(sample(o, logits, 700, {1}, {2}).ids[0], 3);
  logits[3] = 0.0f;
  for (float temperature : {0.01f, 100.0f}) {
    o.temperature = temperature;
    o.top_p = 0.9f;
    o.top_k = 0;
    // At T = 0.01 what is kept lies within a few nats of the best of 700 normals of deviation 5,000 nats.
    expect_reference(o, logits, 100);
  }
}

// The draw is the first column whose cumulative kept probability exceeds u. Probabilities are those of the
// reference in double. Weights carry an error of e = (30 + 8) eps (see expect_reference); block sums in f32
// add 256 / W + 5 roundings where vectors have W lanes: 256 eps at worst. A cumulative probability is a
// quotient of two such sums: 2 (38 + 256) eps / 2 = 1.8e-5. Outside that distance from a border the column is
// certain.
TEST(SamplingEdges, DrawIsTheFirstColumnPastU) {
  const double slack = 1.8e-5;
  for (size_t n : {5u, 300u, 4099u}) {
    const std::vector<float> logits = random_logits(n, static_cast<uint32_t>(n));
    for (int variant = 0; variant < 4; ++variant) {
      llasa_sampling_options o = options();
      o.seed = 77;
      o.temperature = 0.9f;
      o.top_k = variant % 2 == 0 ? 0 : static_cast<int32_t>(n / 2 + 1);
      o.top_p = variant < 2 ? 1.0f : 0.9f;
      const ReferenceSampling expected = expected_of(o, logits);
      std::vector<uint64_t> sequences(64);
      std::iota(sequences.begin(), sequences.end(), uint64_t{0});
      const Draws d = sample(o, repeat(logits, 64), static_cast<int64_t>(n), sequences,
                             std::vector<int64_t>(64, variant));
      for (size_t i = 0; i < 64; ++i) {
        const double u = philox_uniform_double(77, i, static_cast<uint64_t>(variant));
        const auto id = static_cast<size_t>(d.ids[i]);
        double before = 0;
        for (size_t j = 0; j < id; ++j) before += expected.probs[j];
        EXPECT_TRUE(expected.kept[id] != 0);
        EXPECT_LE(before - slack, u) << "n " << n << " variant " << variant << " draw " << i;
        EXPECT_GE(before + expected.probs[id] + slack, u)
            << "n " << n << " variant " << variant << " draw " << i;
      }
    }
  }
}

// min-p after top-p, both cutting: only what passes both stays, and the mass is that of what stays.
TEST(SamplingEdges, EveryFilterTogether) {
  for (size_t n : {64u, 1000u, 3001u}) {
    const std::vector<float> logits = random_logits(n, 17, 2.0f);
    for (float min_p : {0.013f, 0.21f, 0.93f}) {
      llasa_sampling_options o = options();
      o.temperature = 1.3f;
      o.top_k = static_cast<int32_t>(n / 2);
      o.top_p = 0.93f;
      o.min_p = min_p;
      expect_reference(o, logits);
    }
  }
}

}  // namespace
}  // namespace llasa::test
