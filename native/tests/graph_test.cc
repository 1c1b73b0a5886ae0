#include "core/graph.h"

#include <functional>

#include "models/rollout.h"
#include "op_test_util.h"
#include "ops/activation.h"
#include "rollout_fixture.h"

namespace llasa::test {
namespace {

#if defined(LLASA_TESTS_ON_DEVICE)
constexpr bool kRecords = true;
#else
constexpr bool kRecords = false;
#endif

// y += x, so that the number of passes shows in y.
struct Counter {
  Counter() : x(std::vector<float>(8, 1.0f)), y(8) {}
  std::function<void()> body() {
    return [this] {
      ++calls;
      add_forward(stream, y.data(), x.data(), y.data(), 8);
    };
  }
  void run(int64_t key) {
    const auto f = body();
    graphs.run(stream, key, f);
  }
  float passes() {
    stream.synchronize();
    return y.values()[0];
  }

  DeviceArray<float> x, y;
  Stream stream;
  int calls = 0;
  LaunchGraphs graphs{"a test's pass"};
};

TEST(LaunchGraphs, EveryPassRunsAndTheBodyIsCalledTwice) {
  Counter c;
  for (int i = 0; i < 5; ++i) c.run(1);
  EXPECT_EQ(c.passes(), 5.0f);
  EXPECT_EQ(c.calls, kRecords ? 2 : 5);
  EXPECT_EQ(c.graphs.recordings(), kRecords ? 1 : 0);
  EXPECT_EQ(c.graphs.replays(), kRecords ? 4 : 0);
  for (int i = 0; i < 3; ++i) c.run(2);
  EXPECT_EQ(c.passes(), 8.0f);
  EXPECT_EQ(c.graphs.recordings(), kRecords ? 2 : 0);
}

TEST(LaunchGraphs, OtherFactsAreRecordedAnew) {
  Counter c;
  c.graphs.fix({1, 2});
  for (int i = 0; i < 3; ++i) c.run(1);
  c.graphs.fix({1, 2});
  c.run(1);
  EXPECT_EQ(c.graphs.recordings(), kRecords ? 1 : 0);
  c.graphs.fix({1, 3});
  for (int i = 0; i < 3; ++i) c.run(1);
  EXPECT_EQ(c.graphs.recordings(), kRecords ? 2 : 0);
  EXPECT_EQ(c.passes(), 7.0f);
}

TEST(LaunchGraphs, ABodyThatFailsLeavesTheStreamUsable) {
  Counter c;
  const auto failing = [&] {
    c.body()();
    if (c.calls > 1) fail(Status::kArgument, "planted");
  };
  c.graphs.run(c.stream, 1, failing);
  EXPECT_THROW(c.graphs.run(c.stream, 1, failing), Error);
  const float before = c.passes();  // what was recorded did not run; on the CPU it did
  EXPECT_EQ(before, kRecords ? 1.0f : 2.0f);
  c.calls = 0;
  c.run(1);
  c.run(1);
  EXPECT_EQ(c.passes(), before + 2);
}

TEST(LaunchGraphs, BucketsHoldTheRowsAndAreFew) {
  int64_t different = 0, last = 0;
  for (int64_t rows = 1; rows <= 128; ++rows) {
    const int64_t bucket = LaunchGraphs::bucket(rows, 128);
    EXPECT_GE(bucket, rows);
    EXPECT_LE(bucket, 128);
    EXPECT_GE(bucket, last);
    different += bucket != last;
    last = bucket;
  }
  EXPECT_EQ(different, kRecords ? 12 : 128);
  EXPECT_EQ(LaunchGraphs::bucket(5, 6), kRecords ? 6 : 5);
  EXPECT_EQ(LaunchGraphs::bucket(21, 24), kRecords ? 24 : 21);
}

// Recorded steps draw what called ones draw, to the bit, also after other options and other weights.
TEST(LaunchGraphs, RolloutsDrawTheSameFromRecordedSteps) {
  const TinyPolicy policy;
  Job job = make_job();
  job.slots = 7;
  job.sampling.repetition_penalty = 1.2f;
  record_launches(false);
  const Samples called = generate(policy, job);
  Job colder = job;
  colder.sampling.temperature = 0.5f;
  const Samples called_colder = generate(policy, colder);
  record_launches(true);
  llasa_rollout* rollout = create(policy.handle, job.slots);
  EXPECT_EQ(generate(rollout, job), called);
  EXPECT_EQ(generate(rollout, colder), called_colder);
  EXPECT_EQ(generate(rollout, job), called);
  llasa_rollout_destroy(rollout);
}

}  // namespace
}  // namespace llasa::test
