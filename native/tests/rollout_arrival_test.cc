// Prompts that arrive while others are decoded, and samples that are cut short meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "rollout_fixture.h"
#include "simulated.h"
#include "tiny_policy.h"

namespace llasa::test {
namespace {

// One more prompt at every `every`-th look; at each look what is written so far must begin what is written in
// the end.
struct Arrivals {
  int64_t every = 1, most = 0, looks = 0, arrived = 0;
  const int32_t* tokens = nullptr;
  int64_t width = 0, rows = 0;
  std::vector<std::vector<int32_t>> seen{};

  static int64_t next(void* user) {
    auto& self = *static_cast<Arrivals*>(user);
    if (self.looks++ % self.every == 0) self.arrived = std::min(self.arrived + 1, self.most);
    if (self.tokens != nullptr) self.seen.emplace_back(self.tokens, self.tokens + self.rows * self.width);
    return self.arrived;
  }
};

class RolloutArrival : public ::testing::Test {
 protected:
  // The same job with its prompts coming one by one.
  Samples arriving(Job job, Arrivals& arrivals) {
    arrivals.most = static_cast<int64_t>(job.prompts.size());
    arrivals.width = job.sampling.max_new_tokens;
    arrivals.rows = arrivals.most * job.samples;
    job.arrived = Arrivals::next;
    job.arrived_user = &arrivals;
    job.on_result = [&](const llasa_rollout_result& result) { arrivals.tokens = result.tokens; };
    return generate(policy, job);
  }

  TinyPolicy policy;
};

TEST_F(RolloutArrival, PromptsThatComeLaterDrawWhatTheyDrawFromTheStart) {
  for (const int32_t slots : repetitions<std::vector<int32_t>>({1, 4, 64}, {4})) {
    for (const int32_t readback : {1, 3}) {
      Job job = make_job();
      job.slots = slots;
      job.readback_steps = readback;
      const Samples expected = generate(policy, job);
      Arrivals arrivals{.every = 2};
      const Samples s = arriving(job, arrivals);
      EXPECT_EQ(s.tokens, expected.tokens) << slots << " slots";
      EXPECT_EQ(s.lengths, expected.lengths);
      EXPECT_EQ(s.reasons, expected.reasons);
      EXPECT_EQ(arrivals.arrived, arrivals.most);
    }
  }
}

TEST_F(RolloutArrival, WhatIsDrawnSoFarIsThere) {
  Job job = make_job();
  job.slots = 64;
  Arrivals arrivals;
  const Samples s = arriving(job, arrivals);
  ASSERT_GT(arrivals.seen.size(), 10u);
  int64_t grown = 0, before = 0;
  for (const std::vector<int32_t>& seen : arrivals.seen) {
    int64_t drawn = 0;
    for (size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] < 0) continue;  // not drawn, or not arrived
      EXPECT_EQ(seen[i], s.tokens[i]);
      ++drawn;
    }
    EXPECT_GE(drawn, before);
    grown += drawn > before;
    before = drawn;
  }
  EXPECT_GT(grown, 10);
}

// The call is over when nothing is left to draw, whatever might have come later.
TEST_F(RolloutArrival, NothingThatArrivesIsNothingWritten) {
  Job job = make_job();
  Arrivals arrivals;
  job.arrived = [](void*) -> int64_t { return 0; };
  const Samples s = generate(policy, job);
  EXPECT_TRUE(std::all_of(s.tokens.begin(), s.tokens.end(), [](int32_t id) { return id == -9; }));
}

TEST_F(RolloutArrival, ALimitEndsItsSampleAndNoOther) {
  Job job = make_job();
  job.slots = 64;
  job.sampling.stop_token = -1;  // all draw max_new_tokens
  const Samples expected = generate(policy, job);
  const auto width = static_cast<size_t>(job.sampling.max_new_tokens);
  job.limits.assign(expected.lengths.size(), job.sampling.max_new_tokens);
  job.limits[1] = 9;
  job.limits[2] = -3;    // as 1
  job.limits[4] = 9999;  // as max_new_tokens
  const Samples s = generate(policy, job);
  for (size_t i = 0; i < expected.lengths.size(); ++i) {
    const int32_t length = i == 1 ? 9 : i == 2 ? 1 : job.sampling.max_new_tokens;
    EXPECT_EQ(s.lengths[i], length);
    EXPECT_EQ(s.reasons[i], LLASA_FINISH_LENGTH);
    for (size_t t = 0; t < width; ++t) {
      EXPECT_EQ(s.tokens[i * width + t],
                t < static_cast<size_t>(length) ? expected.tokens[i * width + t] : -1);
    }
  }
}

TEST_F(RolloutArrival, ALimitThatIsLoweredMeanwhileEndsItsSample) {
  struct Cut {
    std::vector<int32_t>* limits;
    int64_t looks = 0, prompts = 0;
    static int64_t look(void* user) {
      auto& self = *static_cast<Cut*>(user);
      if (++self.looks == 12) (*self.limits)[3] = 0;
      return self.prompts;
    }
  };
  Job job = make_job();
  job.slots = 64;
  job.readback_steps = 1;
  job.sampling.stop_token = -1;
  const Samples expected = generate(policy, job);
  job.limits.assign(expected.lengths.size(), job.sampling.max_new_tokens);
  Cut cut{&job.limits, 0, static_cast<int64_t>(job.prompts.size())};
  job.arrived = Cut::look;
  job.arrived_user = &cut;
  const Samples s = generate(policy, job);
  for (size_t i = 0; i < expected.lengths.size(); ++i) {
    // The first look is before the first token.
    EXPECT_EQ(s.lengths[i], i == 3 ? 11 : job.sampling.max_new_tokens);
  }
}

TEST_F(RolloutArrival, WrongArrivalsAreSaid) {
  Job job = make_job();
  job.expected = LLASA_ERR_CANCELLED;
  job.arrived = [](void*) -> int64_t { return -1; };
  generate(policy, job);
  job.expected = LLASA_ERR_ARGUMENT;
  job.arrived = [](void*) -> int64_t { return 8; };
  generate(policy, job);
  EXPECT_NE(std::string(llasa_last_error()).find("`request.arrived`: 8 prompts, expected 0..7"),
            std::string::npos)
      << llasa_last_error();
  int64_t looks = 0;
  job.arrived = [](void* user) -> int64_t { return 3 - (*static_cast<int64_t*>(user))++; };
  job.arrived_user = &looks;
  generate(policy, job);
  job.expected = LLASA_ERR_TOKEN;
  job.prompts[2][0] = 61000;
  looks = 0;
  generate(policy, job);
  // The handle is as good as new.
  Job good = make_job();
  EXPECT_EQ(generate(policy, good), generate(policy, good));
}

}  // namespace
}  // namespace llasa::test
