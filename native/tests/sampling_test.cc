#include "ops/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/philox.h"
#include "fixture.h"
#include "llasa_native.h"
#include "op_test_util.h"
#include "reference/sampling.h"
#include "sampling_fixture.h"

namespace llasa::test {
namespace {

// logit_i = float32(22 u_i^3 - 9): the oracle's row at the full vocabulary.
std::vector<float> formula_logits(const Json& logits) {
  std::vector<float> x(static_cast<size_t>(logits["V"].integer()));
  const auto mul = static_cast<uint64_t>(logits["mul"].integer()),
             add = static_cast<uint64_t>(logits["add"].integer());
  for (uint64_t i = 0; i < x.size(); ++i) {
    const double u = static_cast<double>((i * mul + add) % (uint64_t{1} << 32)) / 4294967296.0;
    x[i] = static_cast<float>(22 * u * u * u - 9);
  }
  return x;
}

class SamplingOracle : public testing::TestWithParam<std::filesystem::path> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SamplingOracle);
INSTANTIATE_TEST_SUITE_P(Cases, SamplingOracle, testing::ValuesIn(cases("sampling")),
                         [](const auto& c) { return case_name(c.param); });

TEST_P(SamplingOracle, KeepsTheSameSetWithTheSameProbabilities) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const Tensors data = read_safetensors(GetParam() / "data.safetensors");
  const double tolerance = manifest["tolerance"]["prob_abs"].number();
  for (const Json& c : manifest["cases"].elements()) {
    SCOPED_TRACE(c["name"].string());
    std::vector<float> logits;
    if (c["logits"].has("formula")) {
      logits = formula_logits(c["logits"]);
    } else {
      const Tensor& tensor = data.at(c["logits"]["tensor"].string());
      logits = tensor.floats();
      if (tensor.shape.size() == 2) {
        const auto width = static_cast<ptrdiff_t>(tensor.shape[1]);
        const ptrdiff_t begin = width * static_cast<ptrdiff_t>(c["logits"]["row"].integer());
        logits = std::vector<float>(logits.begin() + begin, logits.begin() + begin + width);
      }
    }
    std::vector<int32_t> history;
    for (const Json& id : c["history"].elements()) history.push_back(static_cast<int32_t>(id.integer()));
    llasa_sampling_options o = options();
    o.repetition_penalty = static_cast<float>(c["repetition_penalty"].number());
    o.temperature = static_cast<float>(c["temperature"].number());
    o.top_k = static_cast<int32_t>(c["top_k"].integer());
    o.top_p = static_cast<float>(c["top_p"].number());
    const std::vector<float> probs = distribution(o, logits, history);

    const std::vector<int32_t> ids = data.at(c["name"].string() + ".ids").integers<int32_t>();
    // A kept id whose probability rounds to 0 in f32 cannot be told from a dropped one.
    const std::vector<float> expected = data.count(c["name"].string() + ".probs") != 0
                                            ? data.at(c["name"].string() + ".probs").floats()
                                            : std::vector<float>{};
    const bool tied = c.has("note") && c["note"].string().find("any choice") != std::string::npos;
    std::vector<float> sorted;
    for (float p : probs) {
      if (p > 0) sorted.push_back(p);
    }
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const auto kept = static_cast<double>(sorted.size());
    const double smallest = expected.empty() ? 1 : expected.back();
    if (smallest > 1e-30 && c["kept_count"].integer() < static_cast<int64_t>(logits.size())) {
      EXPECT_NEAR(kept, c["kept_count"].number(), c["kept_count_tolerance"].number());
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      if (tied) {
        EXPECT_NEAR(i < sorted.size() ? sorted[i] : 0.0f, expected[i], tolerance);
      } else {
        EXPECT_NEAR(probs[static_cast<size_t>(ids[i])], expected[i], tolerance) << "id " << ids[i];
      }
    }
    if (!tied && !c["kept_ids_truncated"].boolean()) {
      const std::set<int32_t> allowed(ids.begin(), ids.end());
      for (size_t id = 0; id < probs.size(); ++id) {
        EXPECT_TRUE(probs[id] == 0 || allowed.count(static_cast<int32_t>(id)) != 0)
            << "id " << id << " was kept";
      }
    }
  }
}

TEST(Sampling, FamilyOfOracleCasesIsThere) {
  EXPECT_GE(cases("sampling").size(), 1u);
}

// Against the reference, at sizes around the block of 256 columns and the vector widths, with and without
// ties.
TEST(Sampling, SupportAndProbabilitiesEqualTheReference) {
  std::mt19937 generator(20);
  for (size_t n : {1u, 2u, 7u, 8u, 9u, 15u, 16u, 17u, 255u, 256u, 257u, 1025u, 3001u}) {
    for (int trial = 0; trial < 24; ++trial) {
      std::vector<float> logits =
          random_logits(n, static_cast<uint32_t>(n * 100) + static_cast<uint32_t>(trial));
      if (trial % 2 == 1) {
        for (float& v : logits) v = std::round(v * 2) / 2;  // many ties
      }
      if (trial % 5 == 4) {
        for (size_t i = 1; i < n; i += 3) logits[i] = -kInf;
      }
      llasa_sampling_options o = options();
      o.temperature = trial % 3 == 0 ? 1.0f : 0.7f;
      o.top_k = trial % 4 == 0 ? 0 : static_cast<int32_t>(1 + generator() % (n + 3));
      o.top_p = trial % 3 == 1 ? 1.0f : 0.05f + 0.9f * static_cast<float>(generator() % 1000) / 1000.0f;
      o.min_p = trial % 6 == 5 ? 0.0203f : 0.0f;
      o.repetition_penalty = trial % 2 == 0 ? 1.0f : 1.25f;
      std::vector<int32_t> history;
      for (size_t i = 0; i < n; i += 2) history.insert(history.end(), 1 + i % 2, static_cast<int32_t>(i));
      const std::vector<float> probs = distribution(o, logits, history);
      const ReferenceSampling expected =
          reference_sampling(logits, all_ids(n), o.repetition_penalty == 1 ? std::vector<int32_t>{} : history,
                             static_cast<double>(o.repetition_penalty), static_cast<double>(o.temperature),
                             o.top_k, static_cast<double>(o.top_p), static_cast<double>(o.min_p));
      for (size_t id = 0; id < n; ++id) {
        ASSERT_EQ(probs[id] > 0, expected.kept[id] != 0) << "n " << n << " trial " << trial << " id " << id;
        // Weights carry 2 ulp and the rounding of (x - max) / T, at most 30 * 6e-8 here: 4e-6 of the value.
        ASSERT_NEAR(probs[id], expected.probs[id], 4e-6 * expected.probs[id] + 1e-12);
      }
    }
  }
}

TEST(Sampling, LogProbIsOfTheDistributionBeforeAnythingWasDropped) {
  const size_t n = 777;
  const std::vector<float> logits = random_logits(n, 5);
  llasa_sampling_options o = options();
  o.temperature = 0.8f;
  o.top_k = 50;
  o.top_p = 0.9f;
  o.min_p = 0.01f;
  o.restrict_start = 100;
  o.restrict_end = 700;
  o.restrict_extra = 5;
  std::vector<int32_t> allowed = all_ids(700);
  allowed.erase(allowed.begin(), allowed.begin() + 100);
  allowed.push_back(5);
  const ReferenceSampling expected = reference_sampling(logits, allowed, {}, 1, 0.8f, 50, 0.9f, 0.01f);
  std::vector<uint64_t> sequences(200);
  std::iota(sequences.begin(), sequences.end(), 0u);
  const Draws d =
      sample(o, repeat(logits, 200), static_cast<int64_t>(n), sequences, std::vector<int64_t>(200, 3));
  for (size_t i = 0; i < 200; ++i) {
    const auto id = static_cast<size_t>(d.ids[i]);
    EXPECT_TRUE(expected.kept[id]);
    EXPECT_NEAR(d.logprobs[i], expected.log_probs[id], 2e-6);
  }
}

TEST(Sampling, DrawLogProbIsOfWhatWasKept) {
  const size_t n = 777;
  const std::vector<float> logits = random_logits(n, 5);
  SamplingParameters parameters;
  parameters.temperature = 0.8f;
  parameters.top_p = 0.9f;
  parameters.seed = 3;
  parameters.allowed = AllowedIds::of(0, static_cast<int32_t>(n), -1);
  const auto best = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (int32_t forbidden : {-1, best}) {
    std::vector<float> left = logits;  // what can be drawn
    if (forbidden >= 0) left[static_cast<size_t>(forbidden)] = -std::numeric_limits<float>::infinity();
    const ReferenceSampling expected = reference_sampling(left, all_ids(n), {}, 1, 0.8f, 0, 0.9f, 0);
    const size_t rows = 64;
    std::vector<SampleRow> info(rows);
    for (size_t r = 0; r < rows; ++r) info[r] = {r, 3, 0, forbidden};
    DeviceArray<SampleRow> device_info(info);
    DeviceArray<int32_t> device_ids(rows);
    Guarded many(repeat(logits, rows)), device_logprobs(rows), device_draws(rows);
    Stream stream;
    sampling_forward(stream, parameters, many.data(), static_cast<int64_t>(n), static_cast<int64_t>(rows),
                     device_info.data(), nullptr, device_ids.data(), device_logprobs.data(),
                     device_draws.data());
    const auto ids = device_ids.values();
    const auto logprobs = device_logprobs.values(), draws = device_draws.values();
    for (size_t r = 0; r < rows; ++r) {
      // As the log-prob: the rounding of (x - max) / T and of the logarithm of the mass.
      EXPECT_NEAR(draws[r], std::log(expected.probs[static_cast<size_t>(ids[r])]), 4e-6);
      if (forbidden < 0) {
        EXPECT_GT(draws[r], logprobs[r] + 0.01f);  // a tenth of the mass is gone
      }
    }
  }
}

TEST(Sampling, ExtraIdBelowAndAboveTheRangeIsDrawn) {
  const std::vector<float> logits = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (int32_t extra : {0, 1, 6, 9, 4}) {  // 4 lies inside the range: no extra
    llasa_sampling_options o = options();
    o.restrict_start = 3;
    o.restrict_end = 6;
    o.restrict_extra = extra;
    std::vector<int32_t> allowed = {3, 4, 5};
    if (extra != 4) allowed.push_back(extra);
    const ReferenceSampling expected = reference_sampling(logits, allowed, {}, 1, 1, 0, 1, 0);
    const std::vector<float> probs = distribution(o, logits);
    for (size_t id = 0; id < logits.size(); ++id) EXPECT_NEAR(probs[id], expected.probs[id], 1e-7) << id;
  }
}

TEST(Sampling, GreedyTakesTheLowestIdAmongEqualsAndLogProbAtTemperatureOne) {
  std::vector<float> logits = random_logits(600, 1);
  logits[301] = logits[300] = logits[599] = 20.0f;
  llasa_sampling_options o = options();
  o.temperature = 0;
  o.top_k = 3;
  const Draws d = sample(o, logits, 600, {7}, {9});
  EXPECT_EQ(d.ids[0], 300);
  EXPECT_NEAR(d.logprobs[0], reference_sampling(logits, all_ids(600), {}, 1, 1, 0, 1, 0).log_probs[300],
              1e-6);
  EXPECT_EQ(distribution(o, logits)[300], 1.0f);
}

TEST(Sampling, TopK1ReturnsArgmaxAtAnyTemperature) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> logits = random_logits(1025, seed);
    llasa_sampling_options o = options();
    o.top_k = 1;
    o.temperature = 5;
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(sample(o, logits, 1025, {seed}, {0}).ids[0], best);
  }
}

TEST(Sampling, ARowDoesNotDependOnItsNeighboursOrTheThreads) {
  const size_t n = 1025, rows = 53;
  const std::vector<float> logits = random_logits(n * rows, 8);
  llasa_sampling_options o = options();
  o.top_k = 200;
  o.top_p = 0.9f;
  std::vector<uint64_t> sequences(rows);
  std::vector<int64_t> positions(rows);
  for (size_t r = 0; r < rows; ++r) {
    sequences[r] = 1000 + r * 7;
    positions[r] = static_cast<int64_t>(r * 3);
  }
  set_num_threads(1);
  const Draws crowd = sample(o, logits, static_cast<int64_t>(n), sequences, positions);
  set_num_threads(3);
  EXPECT_EQ(sample(o, logits, static_cast<int64_t>(n), sequences, positions), crowd);
  set_num_threads(0);
  for (size_t r = 0; r < rows; ++r) {
    const std::vector<float> row(logits.begin() + static_cast<ptrdiff_t>(r * n),
                                 logits.begin() + static_cast<ptrdiff_t>((r + 1) * n));
    const Draws alone = sample(o, row, static_cast<int64_t>(n), {sequences[r]}, {positions[r]});
    EXPECT_EQ(alone.ids[0], crowd.ids[r]);
    EXPECT_EQ(alone.logprobs[0], crowd.logprobs[r]);
  }
}

TEST(Sampling, DrawDependsOnSeedSequenceAndPosition) {
  const std::vector<float> logits(1000, 0.0f);
  llasa_sampling_options o = options();
  const auto draw = [&](uint64_t seed, uint64_t sequence, int64_t position) {
    o.seed = seed;
    return sample(o, logits, 1000, {sequence}, {position}).ids[0];
  };
  EXPECT_EQ(draw(1, 2, 3), draw(1, 2, 3));
  std::set<int32_t> ids;
  for (uint64_t i = 0; i < 10; ++i) {
    ids.insert(draw(i, 0, 0));
    ids.insert(draw(0, i + 1, 0));
    ids.insert(draw(0, 0, static_cast<int64_t>(i) + 1));
  }
  EXPECT_GT(ids.size(), 25u);  // 31 draws of 1000: 0.5 collisions expected
  // The draw is column floor(u * 1000) of a flat row: replayable by hand.
  EXPECT_EQ(draw(9, 8, 7), static_cast<int32_t>(philox_uniform_double(9, 8, 7) * 1000));
}

TEST(Sampling, NotFiniteRowsAreNamed) {
  std::vector<float> logits(30, 0.0f);
  const std::vector<uint64_t> sequences(3, 0);
  const std::vector<int64_t> positions(3, 0);
  int32_t ids[3];
  float logprobs[3];
  const llasa_sampling_options o = options();
  const auto call = [&] {
    return llasa_sample(&o, logits.data(), 3, 10, nullptr, nullptr, sequences.data(), positions.data(), ids,
                        logprobs);
  };
  for (float value : {std::numeric_limits<float>::quiet_NaN(), kInf}) {
    logits[17] = value;
    EXPECT_EQ(call(), LLASA_ERR_NOT_FINITE);
    EXPECT_NE(std::string(llasa_last_error()).find("row 1"), std::string::npos) << llasa_last_error();
  }
  logits[17] = -kInf;
  EXPECT_EQ(call(), LLASA_OK);
  std::fill(logits.begin() + 20, logits.end(), -kInf);
  EXPECT_EQ(call(), LLASA_ERR_NOT_FINITE);
  EXPECT_NE(std::string(llasa_last_error()).find("row 2"), std::string::npos) << llasa_last_error();
}

TEST(Sampling, ForbiddenColumnIsNeverDrawnButCountsInTheLogProb) {
  std::vector<float> logits = {1.0f, 8.0f, 0.5f, 0.0f};
  SamplingParameters parameters;
  parameters.allowed = AllowedIds::of(0, 4, -1);
  const ReferenceSampling expected = reference_sampling(logits, all_ids(4), {}, 1, 1, 0, 1, 0, 1);
  Stream stream;
  for (int64_t position = 0; position < 200; ++position) {
    Guarded row(logits), logprob(1);
    DeviceArray<SampleRow> info(std::vector<SampleRow>{{3, position, 0, 1}});
    DeviceArray<int32_t> drawn(1);
    sampling_forward(stream, parameters, row.data(), 4, 1, info.data(), nullptr, drawn.data(),
                     logprob.data());
    const int32_t id = drawn.values()[0];
    ASSERT_NE(id, 1);
    EXPECT_NEAR(logprob.values()[0], expected.log_probs[static_cast<size_t>(id)], 1e-6);
  }
}

TEST(Sampling, DrawnIdJoinsTheHistory) {
  SamplingParameters parameters;
  parameters.allowed = AllowedIds::of(10, 50, 3);
  parameters.repetition_penalty = 2;
  std::vector<float> logits(41, 0.0f);
  logits[7] = 30.0f;  // column 7 is id 16: the extra id comes first
  DeviceArray<uint32_t> seen(2 * seen_words(parameters.allowed));
  DeviceArray<SampleRow> info(std::vector<SampleRow>{{0, 0, 1, -1}});
  DeviceArray<int32_t> id(1);
  Guarded first(logits), second(logits), logprob(1);
  Stream stream;
  sampling_forward(stream, parameters, first.data(), 41, 1, info.data(), seen.data(), id.data(),
                   logprob.data());
  EXPECT_EQ(id.values()[0], 16);
  EXPECT_EQ(seen.values(), (std::vector<uint32_t>{0, 0, 1u << 7, 0}));
  sampling_forward(stream, parameters, second.data(), 41, 1, info.data(), seen.data(), id.data(),
                   logprob.data());
  EXPECT_EQ(second.values()[7], 15.0f);
}

}  // namespace
}  // namespace llasa::test
