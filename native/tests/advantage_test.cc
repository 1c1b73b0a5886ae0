#include "ops/advantage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "device_arrays.h"
#include "fixture.h"
#include "llasa_native.h"
#include "simulated.h"

namespace llasa::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> advantages(int32_t estimator, const std::vector<float>& rewards,
                              const std::vector<int64_t>& groups, const std::vector<uint8_t>& mask = {},
                              float epsilon = 1e-6f) {
  std::vector<float> out(rewards.size(), 77.0f);
  EXPECT_EQ(llasa_group_advantage(estimator, epsilon, rewards.data(), groups.data(),
                                  mask.empty() ? nullptr : mask.data(), static_cast<int64_t>(rewards.size()),
                                  out.data()),
            LLASA_OK)
      << llasa_last_error();
  return out;
}

class AdvantageOracle : public testing::TestWithParam<std::filesystem::path> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AdvantageOracle);
INSTANTIATE_TEST_SUITE_P(Cases, AdvantageOracle, testing::ValuesIn(cases("group_advantage")),
                         [](const auto& c) { return case_name(c.param); });

// Sums are in double, so what is left of the difference to the float64 oracle is the rounding of the result
// (6e-8 relative); the family's own tolerance is wider.
TEST_P(AdvantageOracle, MatchesFloat64) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const double absolute = manifest["tolerance"]["abs"].number();
  const double relative = manifest["tolerance"]["relative"].number();
  const std::map<std::string, int32_t> estimators = {
      {"grpo", LLASA_ADVANTAGE_GRPO}, {"dr_grpo", LLASA_ADVANTAGE_DR_GRPO}, {"rloo", LLASA_ADVANTAGE_RLOO}};
  for (const Json& c : manifest["cases"].elements()) {
    std::vector<float> rewards;
    std::vector<int64_t> groups;
    std::map<std::string, int64_t> names;
    for (const Json& r : c["rewards"].elements()) rewards.push_back(static_cast<float>(r.number()));
    for (const Json& g : c["groups"].elements()) {
      const std::string name = g.kind() == Json::Kind::kString ? g.string() : std::to_string(g.integer());
      groups.push_back(names.emplace(name, static_cast<int64_t>(names.size()) * 1000 - 5).first->second);
    }
    for (const auto& [name, estimator] : estimators) {
      const std::vector<float> got = advantages(estimator, rewards, groups);
      for (size_t i = 0; i < got.size(); ++i) {
        const double expected = c[name][i].number();
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(got[i])) << c["name"].string() << " " << name << " " << i;
        } else {
          EXPECT_NEAR(got[i], expected, absolute + relative * std::abs(expected))
              << c["name"].string() << " " << name << " " << i;
        }
      }
    }
  }
}

TEST(Advantage, FamilyOfOracleCasesIsThere) {
  EXPECT_GE(cases("group_advantage").size(), 1u);
}

TEST(Advantage, EqualRewardsGiveExactlyZero) {
  for (float value : {0.97f, 0.1f, 1.0f / 3.0f, -7.7e20f}) {
    for (size_t n : {2u, 3u, 7u, 15u, 64u}) {
      for (int32_t estimator : {LLASA_ADVANTAGE_GRPO, LLASA_ADVANTAGE_DR_GRPO, LLASA_ADVANTAGE_RLOO}) {
        for (float a :
             advantages(estimator, std::vector<float>(n, value), std::vector<int64_t>(n, 3), {}, 0.0f)) {
          EXPECT_EQ(a, 0.0f);
        }
      }
    }
  }
}

TEST(Advantage, GroupOfOneKeepsTheReward) {
  for (int32_t estimator : {LLASA_ADVANTAGE_GRPO, LLASA_ADVANTAGE_DR_GRPO, LLASA_ADVANTAGE_RLOO}) {
    const auto got = advantages(estimator, {0.37f, 5.0f, 6.0f}, {9, 2, 2});
    EXPECT_EQ(got[0], 0.37f);
  }
}

TEST(Advantage, MaskedSamplesTakeNoPart) {
  const std::vector<float> rewards = {1, kNan, 3, 8, 100};
  const auto got = advantages(LLASA_ADVANTAGE_DR_GRPO, rewards, {1, 1, 1, 2, 2}, {1, 0, 1, 1, 0});
  EXPECT_EQ(got, (std::vector<float>{-1, 0, 1, 8, 0}));
}

TEST(Advantage, NanStaysInItsGroup) {
  const auto got = advantages(LLASA_ADVANTAGE_RLOO, {1, kNan, 3, 8}, {1, 1, 2, 2});
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_TRUE(std::isnan(got[1]));
  EXPECT_EQ(got[2], -5.0f);
  EXPECT_EQ(got[3], 5.0f);
}

TEST(Advantage, MayRunInPlaceAndWithoutSamples) {
  std::vector<float> values = {1, 2};
  const std::vector<int64_t> groups = {0, 0};
  EXPECT_EQ(llasa_group_advantage(LLASA_ADVANTAGE_DR_GRPO, 0, values.data(), groups.data(), nullptr, 2,
                                  values.data()),
            LLASA_OK);
  EXPECT_EQ(values, (std::vector<float>{-0.5f, 0.5f}));
  EXPECT_EQ(llasa_group_advantage(LLASA_ADVANTAGE_DR_GRPO, 0, nullptr, nullptr, nullptr, 0, nullptr),
            LLASA_OK);
}

TEST(Advantage, EveryEstimatorIsNamed_AndNoOtherIsTakenForOne) {
  EXPECT_EQ(advantage_factor(GroupEstimator::kGrpo, 3, 8, 0), 0.5);
  EXPECT_EQ(advantage_factor(GroupEstimator::kDrGrpo, 3, 8, 0), 1.0);
  EXPECT_EQ(advantage_factor(GroupEstimator::kRloo, 3, 8, 0), 1.5);
  EXPECT_TRUE(std::isnan(advantage_factor(static_cast<GroupEstimator>(3), 3, 8, 0)));
  float reward = 1;
  const int64_t group = 0;
  EXPECT_EQ(llasa_group_advantage(LLASA_ADVANTAGE_RLOO + 1, 0, &reward, &group, nullptr, 1, &reward),
            LLASA_ERR_ARGUMENT);
  EXPECT_EQ(reward, 1.0f);
}

TEST(Advantage, OfArraysOfADeviceAreThoseOfTheHost) {
  const size_t n = 300;  // more than a block
  std::vector<float> rewards;
  std::vector<int64_t> groups;
  std::vector<uint8_t> mask;
  for (size_t i = 0; i < n; ++i) {
    rewards.push_back(std::sin(static_cast<float>(i)));
    groups.push_back(static_cast<int64_t>(i % 7) - 3);
    mask.push_back(i % 11 != 0);
  }
  for (const bool masked : {false, true}) {
    for (const bool in_place : {false, true}) {
      const auto expected =
          advantages(LLASA_ADVANTAGE_GRPO, rewards, groups, masked ? mask : std::vector<uint8_t>{});
      Caller caller;
      auto values = caller.array(rewards), out = caller.array(std::vector<float>(n, 77.0f));
      const auto ids = caller.array(groups);
      const auto kept = caller.array(mask);
      float* target = in_place ? values.data() : out.data();
      ASSERT_EQ(llasa_group_advantage_on_device(-1, caller.handle(), LLASA_ADVANTAGE_GRPO, 1e-6f,
                                                values.data(), ids.data(), masked ? kept.data() : nullptr,
                                                static_cast<int64_t>(n), target),
                LLASA_OK)
          << llasa_last_error();
      EXPECT_EQ(caller.read(in_place ? values : out), expected) << masked << in_place;
      if (!in_place) {
        EXPECT_EQ(caller.read(values), rewards);
      }
    }
  }
}

TEST(Advantage, ArraysThatAreNotTheDevicesAreRefused) {
  Caller caller;
  auto values = caller.array(std::vector<float>(4, 1.0f));
  const auto ids = caller.array(std::vector<int64_t>(4, 1));
  const auto call = [&](const float* rewards, const int64_t* groups, int64_t count, float* out) {
    return llasa_group_advantage_on_device(-1, caller.handle(), 0, 0, rewards, groups, nullptr, count, out);
  };
  expect_refused(call(nullptr, ids.data(), 4, values.data()), LLASA_ERR_ARGUMENT,
                 "llasa_group_advantage_on_device: `rewards` is NULL");
  expect_refused(call(values.data(), nullptr, 4, values.data()), LLASA_ERR_ARGUMENT, "`group_ids` is NULL");
  expect_refused(call(values.data(), ids.data(), 4, nullptr), LLASA_ERR_ARGUMENT, "`out_advantages` is NULL");
  expect_refused(call(values.data(), ids.data(), INT64_MAX, values.data()), LLASA_ERR_ARGUMENT,
                 "`rewards`: 9223372036854775807 elements, which no memory holds");
  EXPECT_EQ(call(nullptr, nullptr, 0, nullptr), LLASA_OK);
  if (!on_device()) return;
  float host[4] = {};
  expect_refused(call(host, ids.data(), 4, values.data()), LLASA_ERR_ARGUMENT,
                 "`rewards`: host memory, expected memory of device 0");
  expect_refused(call(values.data(), ids.data(), 4, host), LLASA_ERR_ARGUMENT,
                 "`out_advantages`: host memory");
}

}  // namespace
}  // namespace llasa::test
