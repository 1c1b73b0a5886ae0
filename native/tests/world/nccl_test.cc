// Ranks with a pretended device each, joined by NCCL's twin; what each does is in nccl_rank.cc and trainer_rank.cc.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "world/launcher.h"

namespace llasa::test {
namespace {

// MPI only introduces the ranks to one another, which each family does in world_test.cc: here it is the first that the
// machine has.
class NcclRanks : public Launched {
 protected:
  void SetUp() override {
    for (const Family& family : kFamilies) {
      if (find(family)) return;
    }
    GTEST_SKIP() << "no mpirun of Open MPI or MPICH: NCCL's twin is not tested";
  }
  // Each has a device of its own, and NCCL is there. The simulator takes its time, under sanitizers above all.
  Result begin(int ranks, const std::string& what, const std::string& settings = "") {
    return start(ranks, what,
                 "LLASA_CUDASIM_DEVICES=" + std::to_string(ranks) + " LLASA_CUDASIM_NCCL=21805 " + settings,
                 900);
  }
  // All end soon, and this was said.
  static void expect_end(const Result& result, const std::string& message) {
    EXPECT_NE(result.status, 0) << result.output;
    EXPECT_NE(result.output.find(message), std::string::npos) << message << ":\n" << result.output;
    EXPECT_LT(result.seconds, kSoon) << result.output;
  }
  // All go on without it, for this reason.
  static void expect_refusal(const Result& result, const std::string& reason) {
    EXPECT_EQ(result.status, 0) << result.output;
    for (const char* rank : {"rank 0", "rank 1"}) {
      const std::string said = std::string(rank) + ": by ``, refused: `" + reason;
      EXPECT_NE(result.output.find(said), std::string::npos) << said << ":\n" << result.output;
    }
  }
};

TEST_F(NcclRanks, TakeTheStepsOfOneThatHasAllTheWork) {
  // Three, for an order of sums that differs from that of ranks.
  for (const auto& [ranks, tests] :
       {std::pair{2, "TrainerOfRanks.*:*WeightsOfRanks.AreTheSameBits*/2:*ReferenceOfRanks.Scores*/1"},
        {3, "TrainerOfRanks.TakesTheStep*:*ReferenceOfRanks.Scores*/2"}}) {
    const Result result = begin(ranks, std::string("--gtest_filter=ArraysOnDevices.*:") + tests);
    EXPECT_EQ(result.status, 0) << ranks << " ranks:\n" << result.output;
    EXPECT_NE(result.output.find("PASSED"), std::string::npos) << result.output;
  }
}

TEST_F(NcclRanks, SayWhatCarriesTheirArrays) {
  const Result result = begin(2, "describe");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_NE(result.output.find("rank 1: by `NCCL 2.18.5`, refused: ``"), std::string::npos) << result.output;
}

TEST_F(NcclRanks, GoOnThroughTheHostsMemoryWhereThereIsNoNccl) {
  expect_refusal(begin(2, "describe", "LLASA_CUDASIM_NCCL=0"), "rank 0: no NCCL: libnccl.so.2: cannot open");
  const Result result = begin(2, "--gtest_filter=TrainerOfRanks.TakesTheStep*", "LLASA_CUDASIM_NCCL=0");
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(NcclRanks, GoOnThroughTheHostsMemoryWhereItIsNotWanted) {
  expect_refusal(begin(2, "describe", "LLASA_NCCL=0"), "rank 0: LLASA_NCCL is 0");
}

TEST_F(NcclRanks, GoOnThroughTheHostsMemoryWhereItIsTooOld) {
  expect_refusal(begin(2, "describe", "LLASA_CUDASIM_NCCL=21304"),
                 "rank 0: libnccl.so.2: its version is 21304 (NCCL 2.13.4), expected NCCL 2.14 or later");
}

TEST_F(NcclRanks, GoOnThroughTheHostsMemoryWhereTheyHaveDifferentOnes) {
  expect_refusal(begin(2, "describe-another"), "rank 0 has NCCL 2.18.5, rank 1 NCCL 2.19.3");
}

TEST_F(NcclRanks, GoOnThroughTheHostsMemoryWhereTwoShareADevice) {
  expect_refusal(begin(2, "describe", "LLASA_CUDASIM_DEVICES=1"),
                 "ranks 0 and 1 share the device 0000:01:00.0");
}

TEST_F(NcclRanks, EndWhereTheLibraryThatWasNamedIsNotThere) {
  expect_end(begin(2, "describe", "LLASA_NCCL_LIBRARY=/nowhere/libnccl.so"),
             "LLASA_NCCL_LIBRARY: no NCCL: /nowhere/libnccl.so: cannot open");
}

TEST_F(NcclRanks, AnErrorOfOneEndsAllWithItsMessage) {
  expect_end(begin(3, "error"),
             "rank 1 fails: adding up arrays of the ranks' devices: ncclReduceScatter of NCCL 2.18.5: error "
             "6, remote "
             "process exited or there was a network error");
}

TEST_F(NcclRanks, OneThatStopsInACollectiveEndsAll) {
  expect_end(begin(3, "vanish-nccl", "LLASA_WORLD_TIMEOUT=4"),
             "adding up arrays of the ranks' devices: rank 1 of 3 has given no sign of life for 4 s");
}

// What the twin finds, planted.
TEST_F(NcclRanks, CollectivesThatDifferAreFound) {
  expect_end(begin(2, "differ"),
             "calls ncclReduceScatter of 960 elements with root 0, rank 1 ncclReduceScatter of 448");
}

TEST_F(NcclRanks, AnArrayThatNobodyWroteIsFound) {
  expect_end(begin(2, "unwritten"), "ncclReduceScatter: the send buffer's 3584 bytes are not all written");
}

}  // namespace
}  // namespace llasa::test
