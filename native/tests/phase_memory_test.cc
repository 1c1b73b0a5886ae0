#include "core/phase_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/address_range.h"
#include "core/memory_plan.h"
#include "failing_allocator.h"
#include "rollout_fixture.h"
#include "token_terms.h"
#include "trainer_fixture.h"
#include "whisper_score_fixture.h"

namespace llasa::test {
namespace {

const int64_t kGranule = commit_granule();

std::vector<float> numbered(int64_t count, int first) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(first) + static_cast<float>(i % 1000);
  return values;
}

TEST(PhaseMemory, OnePhaseAfterAnotherTakesTheSameMemory) {
  const int64_t before = allocated_bytes();
  {
    Stream stream;
    Phase drawing, training;
    void* first = nullptr;
    {
      const PhaseLease lease(drawing, stream);
      first = drawing.take(3 * kGranule / 2, "an array");
      const auto* next = static_cast<char*>(drawing.take(100, "an array"));
      EXPECT_GE(next - static_cast<char*>(first), 3 * kGranule / 2);
      EXPECT_EQ(drawing.take(0, "nothing"), nullptr);
      EXPECT_EQ(allocated_bytes() - before, 2 * kGranule);
    }
    EXPECT_EQ(allocated_bytes() - before, 2 * kGranule);
    {
      const PhaseLease lease(training, stream);
      EXPECT_EQ(training.take(5 * kGranule / 2, "an array"), first);
      EXPECT_EQ(allocated_bytes() - before, 3 * kGranule);
    }
    {
      const PhaseLease lease(drawing, stream);
      EXPECT_EQ(drawing.take(kGranule, "an array"), first);
    }
    EXPECT_EQ(allocated_bytes() - before, 3 * kGranule);
    training.trim();
    EXPECT_EQ(allocated_bytes() - before, 0);
  }
  EXPECT_EQ(allocated_bytes(), before);
}

TEST(PhaseMemory, PhasesThatOverlapHaveMemoryOfTheirOwn_AndGiveUpWhatTheyDoNotUse) {
  const int64_t before = allocated_bytes();
  {
    Stream stream, others;
    Phase drawing, listening, training;
    const int64_t count = 2 * kGranule / static_cast<int64_t>(sizeof(float));
    PhaseBuffer<float> drawn{drawing}, heard{listening}, trained{training};
    const std::vector<float> x = numbered(count / 2, 1), y = numbered(count, 5);
    {
      const PhaseLease lease(drawing, stream);
      drawn.reserve(count / 2, "an array");
      copy_to_device(stream, drawn.data(), x.data(), count / 2 * 4);
      {
        const PhaseLease other(listening, others);
        heard.reserve(count, "another");
        copy_to_device(others, heard.data(), y.data(), count * 4);
      }
      std::vector<float> read(x.size());
      copy_to_host(stream, read.data(), drawn.data(), count / 2 * 4);
      EXPECT_EQ(read, x);
    }
    // A granule and two, each with the gap behind its array.
    EXPECT_EQ(allocated_bytes() - before, (2 + 3) * kGranule);
    {
      const PhaseLease lease(training, stream);
      trained.reserve(2 * count, "all of it");  // five granules, three of them the listener's
      EXPECT_EQ(allocated_bytes() - before, 5 * kGranule);
    }
    {
      const PhaseLease other(listening, others);  // where it was
      heard.reserve(count, "another");
      EXPECT_EQ(allocated_bytes() - before, 5 * kGranule);
    }
  }
  EXPECT_EQ(allocated_bytes(), before);
}

TEST(PhaseMemory, AnArrayEndsWithItsLease) {
  Stream stream;
  Phase phase;
  PhaseBuffer<float> buffer{phase};
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_THROW(buffer.reserve(1, "an array"), Error);
  {
    const PhaseLease lease(phase, stream);
    float* data = buffer.reserve(100, "an array");
    {
      const PhaseLease within(phase, stream);
      EXPECT_EQ(buffer.reserve(50, "an array"), data);
    }
    EXPECT_EQ(buffer.data(), data);
    EXPECT_TRUE(buffer.holds(100));
    EXPECT_NE(buffer.reserve(200, "an array"), data);
    EXPECT_EQ(buffer.room(), 200);
  }
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_FALSE(buffer.holds(1));
}

// Where an array is and what is behind it are the facts of a graph.
TEST(PhaseMemory, ARepeatedPhaseFindsItsArraysWhereTheyWere) {
  Stream stream;
  Phase phase, other;
  PhaseBuffer<float> small{phase}, large{phase};
  const auto facts_of = [&](int64_t count) {
    const PhaseLease lease(phase, stream);
    small.reserve(count, "an array");
    large.reserve(4 * count, "another");
    std::vector<uint64_t> facts;
    small.add_facts(facts);
    large.add_facts(facts);
    return facts;
  };
  const std::vector<uint64_t> facts = facts_of(1000);
  EXPECT_EQ(facts_of(1000), facts);
  EXPECT_EQ(facts_of(10), facts) << "there is room for the most";
  {
    const PhaseLease lease(other, stream);
    other.take(100, "in the same memory");
  }
  EXPECT_EQ(facts_of(1000), facts);
  phase.trim();
  const std::vector<uint64_t> renewed = facts_of(1000);
  EXPECT_EQ(renewed[0], facts[0]);
  EXPECT_NE(renewed[1], facts[1]) << "other memory";
  EXPECT_EQ(renewed[2], facts[2]);
}

TEST(PhaseMemory, ThatIsNotToBeHadLeavesTheLeaseUsable) {
  const int64_t before = allocated_bytes();
  {
    Stream stream;
    Phase phase;
    const PhaseLease lease(phase, stream);
    void* first = phase.take(10, "an array");
    fail_allocation_after(0);
    try {
      phase.take(kGranule, "what is wanting");
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kOutOfMemory);
      EXPECT_NE(std::string(error.what()).find("what is wanting"), std::string::npos) << error.what();
    }
    fail_allocation_after(-1);
    EXPECT_EQ(allocated_bytes() - before, kGranule);
    EXPECT_THROW(phase.take(-1, "a negative one"), Error);
    EXPECT_THROW(phase.take(INT64_MAX / 2, "all addresses"), Error);
    const auto* next = static_cast<char*>(phase.take(kGranule, "what is wanting"));
    EXPECT_LE(next - static_cast<char*>(first), 1024);
  }
  EXPECT_EQ(allocated_bytes(), before);
}

// So many leases at once that the last ones find no segment that was there before.
TEST(PhaseMemory, WithoutAddressesEveryArrayIsAllocated) {
  const int64_t before = allocated_bytes();
  setenv("LLASA_ARENA", "0", 1);
  {
    Stream stream;
    std::vector<std::unique_ptr<Phase>> phases;
    std::vector<std::unique_ptr<PhaseLease>> leases;
    for (int i = 0; i < 40; ++i) {
      phases.push_back(std::make_unique<Phase>());
      leases.push_back(std::make_unique<PhaseLease>(*phases.back(), stream));
    }
    Phase& last = *phases.back();
    const std::vector<float> values = numbered(1000, 3);
    PhaseBuffer<float> x{last};
    copy_to_device(stream, x.reserve(1000, "an array"), values.data(), 4000);
    EXPECT_EQ(allocated_bytes() - before, 4000);
    std::vector<float> read(1000);
    copy_to_host(stream, read.data(), x.data(), 4000);
    EXPECT_EQ(read, values);
    std::vector<uint64_t> facts;
    x.add_facts(facts);
    EXPECT_EQ(facts, (std::vector<uint64_t>{reinterpret_cast<uintptr_t>(x.data()), 0}));
    leases.pop_back();
    EXPECT_EQ(allocated_bytes(), before);
  }
  unsetenv("LLASA_ARENA");
}

// Nothing of one thread's arrays is another's, whoever grows.
TEST(PhaseMemory, ThreadsLeaseAndGrowAtOnce) {
  const int64_t before = allocated_bytes();
  std::vector<int> faults(4, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&faults, t] {
      Stream stream;
      Phase phase;
      for (int round = 0; round < 12; ++round) {
        const PhaseLease lease(phase, stream);
        const int64_t count =
            kGranule / 16 * (1 + (round * 7 + t * 3) % 5);  // a quarter of a granule and more
        PhaseBuffer<float> x{phase}, y{phase};
        const std::vector<float> a = numbered(count, t), b = numbered(count / 2, 10 + t);
        std::vector<float> read(a.size()), other(b.size());
        copy_to_device(stream, x.reserve(count, "an array"), a.data(), count * 4);
        copy_to_device(stream, y.reserve(count / 2, "another"), b.data(), count / 2 * 4);
        copy_to_host(stream, read.data(), x.data(), count * 4);
        copy_to_host(stream, other.data(), y.data(), count / 2 * 4);
        faults[static_cast<size_t>(t)] += read != a || other != b;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faults, std::vector<int>(4, 0));
  EXPECT_EQ(allocated_bytes(), before);
}

TEST(PhaseMemory, APlanCountsWhatIsSharedOnce) {
  const int64_t before = allocated_bytes();
  std::optional<Phase> survivor;
  {
    MemoryPlan plan;
    Stream stream;
    Phase drawing, training;
    survivor.emplace();
    plan.stage("one");
    {
      const PhaseLease lease(drawing, stream);
      drawing.take(kGranule, "an array");
    }
    plan.stage("other");
    DeviceBuffer<float> kept(10, "kept");
    {
      const PhaseLease lease(training, stream);
      training.take(2 * kGranule, "an array");
    }
    {
      const PhaseLease lease(*survivor, stream);
      survivor->take(10, "small");
    }
    int64_t shared = 0, in_turn = 0;
    for (const MemoryPlan::Item& item : plan.items()) {
      if (item.stage == MemoryPlan::kPhases) shared += item.bytes;
      if (item.in_turn) in_turn += item.bytes;
    }
    EXPECT_EQ(shared, 3 * kGranule);
    EXPECT_EQ(in_turn, 3 * kGranule + 10);
    EXPECT_EQ(plan.peak_bytes(), shared + 40);
  }
  {
    const MemoryPlan another;
    survivor.reset();  // of a plan that is over: nothing of this one's
    EXPECT_EQ(another.peak_bytes(), 0);
  }
  EXPECT_EQ(allocated_bytes(), before);
}

// Bytes that are NaN in every type, where whoever comes next finds them.
void leave_nans() {
  Stream stream;
  Phase phase;
  const PhaseLease lease(phase, stream);
  const std::vector<uint8_t> nans(static_cast<size_t>(4 * kGranule), 0xff);
  copy_to_device(stream, phase.take(4 * kGranule, "NaNs"), nans.data(), 4 * kGranule);
}

// Drawing, scoring, training and listening by models that live on, one after the other in one memory.
TEST(PhaseMemory, WhatAnotherPhaseLeftBehindChangesNoBit) {
  llasa_policy_options policy_options = small_options();
  const PolicyHandle policy = create_policy(policy_options);
  randomise(policy.get(), 3);
  llasa_trainer_options trainer_options;
  llasa_trainer_options_init(&trainer_options);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options);
  llasa_rollout* rollout = create(policy.get(), 4);
  const WhisperHandle whisper = load_whisper(case_directory("whisper_tiny", "d64_v300") / "model");
  llasa_head_options head;
  llasa_head_options_init(&head);
  Job job;
  llasa_sampling_options_init(&job.sampling);
  job.sampling.max_new_tokens = 9;
  job.prompts = {{1, 2, 3}, {4, 5}};
  BatchData data;
  data.add({1, 2, 3, 4, 5, 6}, 2);
  data.add({1, 2, 7, 8, 9}, 2);
  const llasa_token_batch view = data.view();
  const Clips clips{synthetic(), std::vector<float>(3000, 0.1f)};

  std::vector<Samples> drawn;
  std::vector<std::vector<float>> scored, trained, heard;
  std::vector<std::vector<int32_t>> written;
  for (int round = 0; round < 3; ++round) {
    if (round > 0) leave_nans();
    drawn.push_back(generate(rollout, job));
    if (round > 0) leave_nans();
    scored.emplace_back(static_cast<size_t>(data.scored()));
    ASSERT_OK(llasa_policy_logprobs(policy.get(), &view, &head, 0, scored.back().data(), nullptr));
    if (round > 0) leave_nans();
    accumulate(trainer.get(), data, head, Loss{}, {.old_logprobs = scored.back()});
    trained.emplace_back();
    for (const Parameter& p : parameters(policy.get())) {
      const auto gradient = get_state(trainer.get(), LLASA_STATE_GRADIENT, p);
      trained.back().insert(trained.back().end(), gradient.begin(), gradient.end());
    }
    ASSERT_OK(llasa_trainer_zero_grad(trainer.get()));
    if (round > 0) leave_nans();
    Scoring scoring;
    scoring.prompt = {1, 2, 3};
    scoring.max_new_tokens = 6;
    for (int b = 0; b < 2; ++b) scoring.add_target({1, 2, 3, 10, 11, 12}, 3);
    ASSERT_OK(scoring.run(whisper.get(), clips));
    heard.push_back(scoring.nlls);
    heard.back().insert(heard.back().end(), scoring.logprobs.begin(), scoring.logprobs.end());
    written.push_back(scoring.tokens);
  }
  for (size_t round = 1; round < 3; ++round) {
    EXPECT_EQ(drawn[round], drawn[0]);
    EXPECT_EQ(scored[round], scored[0]);
    EXPECT_EQ(trained[round], trained[0]);
    EXPECT_EQ(heard[round], heard[0]);
    EXPECT_EQ(written[round], written[0]);
  }
  llasa_rollout_destroy(rollout);
}

#if defined(__linux__) && !defined(LLASA_TESTS_ON_DEVICE)
// Whether the process asked for huge pages at an address ("hg" among the flags of its mapping).
bool wants_huge_pages(const void* at) {
  std::ifstream maps("/proc/self/smaps");
  const auto address = reinterpret_cast<uintptr_t>(at);
  uintptr_t begin = 0, end = 0;
  for (std::string line; std::getline(maps, line);) {
    char dash = 0;
    std::istringstream range(line);
    uintptr_t first = 0, last = 0;
    if (range >> std::hex >> first >> dash >> last && dash == '-') {
      begin = first;
      end = last;
    } else if (line.rfind("VmFlags:", 0) == 0 && address >= begin && address < end) {
      return line.find(" hg") != std::string::npos;
    }
  }
  return false;
}

TEST(PhaseMemory, LargeArraysAskForHugePages) {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good())
    GTEST_SKIP() << "this system has no huge pages to ask for";
  constexpr int64_t kHuge = int64_t{2} << 20, kLarge = 5 * kHuge / 2;
  const DeviceBuffer<char> large(kLarge, "an array");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data()) % kHuge, 0u)
      << "or its first page would be a small one";
  EXPECT_TRUE(wants_huge_pages(large.data()));
  EXPECT_TRUE(wants_huge_pages(large.data() + 2 * kHuge - 1));
  Stream stream;
  Phase first, second;
  {
    const PhaseLease lease(first, stream), other(second, stream);
    EXPECT_TRUE(wants_huge_pages(first.take(kLarge, "an array")));
    EXPECT_TRUE(wants_huge_pages(second.take(100, "an array")));
  }
  // Memory that one gave up and another got.
  const PhaseLease lease(second, stream);
  EXPECT_TRUE(wants_huge_pages(static_cast<char*>(second.take(4 * kLarge, "an array")) + 3 * kLarge));
}
#endif

#if defined(__SANITIZE_ADDRESS__) && !defined(LLASA_TESTS_ON_DEVICE)
TEST(PhaseMemoryDeathTest, UseAfterTheLeaseAndPastTheEndIsReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Stream stream;
  Phase phase;
  volatile char* x = nullptr;
  {
    const PhaseLease lease(phase, stream);
    x = static_cast<char*>(phase.take(1000, "an array"));
    x[999] = 1;
    EXPECT_DEATH(x[1000] = 1, "use-after-poison");
  }
  EXPECT_DEATH(x[0] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace llasa::test
