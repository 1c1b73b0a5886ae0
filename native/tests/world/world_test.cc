// Several processes under the launchers that this machine has; what each does is in rank.cc.
#include <gtest/gtest.h>

#include <string>

#include "core/collective.h"
#include "core/mpi_world.h"
#include "core/status.h"
#include "llasa_native.h"
#include "world/launcher.h"

namespace llasa {
namespace {

TEST(Shard, PartsAreContiguousAndEvenButForTheLastWhichHasWhatIsLeft) {
  for (const int64_t count : {0, 1, 63, 64, 65, 1000, 4096, 100'003}) {
    for (const int size : {1, 2, 3, 4, 7, 64}) {
      int64_t next = 0;
      for (int r = 0; r < size; ++r) {
        const Shard part = Shard::of(count, r, size);
        EXPECT_EQ(part.begin, next);
        EXPECT_EQ(part.begin % Shard::kUnit, 0);
        const int64_t left_over = r + 1 < size ? 0 : count - size * Shard::even(count, size);
        EXPECT_EQ(part.count(), Shard::even(count, size) + left_over) << count << " over " << size;
        EXPECT_LT(std::abs(part.count() - count / size), size * Shard::kUnit) << count << " over " << size;
        next = part.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(World, OfOneProcessChangesNothing) {
  const std::unique_ptr<Collective> world = single_world();
  EXPECT_EQ(world->size(), 1);
  EXPECT_EQ(world->rank(), 0);
  EXPECT_EQ(world->library(), "");
  EXPECT_GE(world->threads(), 1);
  double value = 2.5;
  world->all_reduce(&value, 1);
  EXPECT_EQ(value, 2.5);
  const int64_t size = 3;
  char out[4] = "???";
  world->all_gather("abc", {&size, 1}, out);
  EXPECT_STREQ(out, "abc");
  world->broadcast(out, 3, 0);
  EXPECT_THROW(world->broadcast(out, 3, 1), Error);
  world->barrier();
  world->check();
  world->finish();
}

TEST(World, TheAbiChecksSizes) {
  llasa_world* world = nullptr;
  ASSERT_EQ(llasa_world_create(&world), LLASA_OK) << llasa_last_error();
  llasa_world_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(llasa_world_get_info(world, &info), LLASA_OK);
  EXPECT_EQ(info.size, 1);
  const int64_t two[2] = {1, 1};
  char data[2] = {'x', 'y'}, out[2] = {};
  EXPECT_EQ(llasa_world_all_gather(world, data, 1, two, 2, out, 2), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(llasa_world_all_gather(world, data, 2, two, 1, out, 2), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(llasa_world_all_gather(world, data, 1, two, 1, out, 2), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(llasa_world_all_gather(world, data, 1, two, 1, out, 1), LLASA_OK);
  EXPECT_EQ(out[0], 'x');
  EXPECT_EQ(llasa_world_broadcast(world, 1, data, 1), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(llasa_world_finish(world), LLASA_OK);
  llasa_world_destroy(world);
}

TEST(World, MayBeJoinedAgainWhereNoLibraryWasFound) {
  LaunchEnvironment environment;
  environment.libraries = {"libthere-is-none.so"};
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      join_mpi_world(environment);
      ADD_FAILURE() << "joined without a library";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kWorld) << error.what();
    }
  }
}

#if !defined(__SANITIZE_THREAD__)

using test::kFamilies;
using test::kSoon;
using test::name_of_family;
using test::Ranks;

TEST_P(Ranks, PassTheTestsOfCollectivesAndTrainers) {
  for (const int ranks : {2, 3, 4}) {
    const Result result = start(ranks, "");
    EXPECT_EQ(result.status, 0) << ranks << " ranks:\n" << result.output;
  }
}

TEST_P(Ranks, OneThatFailsEndsAllWithItsMessage) {
  const Result result = start(3, "fail");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("rank 1 cannot go on"), std::string::npos) << result.output;
  EXPECT_LT(result.seconds, kSoon) << result.output;
}

TEST_P(Ranks, OneThatGivesNoSignOfLifeEndsAll) {
  const Result result = start(3, "vanish", "LLASA_WORLD_TIMEOUT=4");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("rank 1 of 3 has given no sign of life for 4 s"), std::string::npos)
      << result.output;
  EXPECT_EQ(result.output.find("knows nothing"), std::string::npos) << result.output;
  EXPECT_LT(result.seconds, kSoon) << result.output;
}

TEST_P(Ranks, SuspendedTogetherForLongerThanTheTimeOutGoOn) {
  const Result result = start(2, "rest", "LLASA_WORLD_TIMEOUT=3");
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST_P(Ranks, AnotherFamilysLibraryIsRefusedByName) {
  // In a process of its own: MPI's libraries do not bear being in one together.
  const std::string library = GetParam().library;
  if (sh("ASAN_OPTIONS=detect_leaks=0 " LLASA_WORLD_RANK " opens " + library).status != 0)
    GTEST_SKIP() << library << " cannot be opened: there is no other family to refuse";
  const Result result = start(2, "", "LLASA_MPI_LIBRARY=" + library);
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("started 2 processes, but"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("LLASA_MPI_LIBRARY"), std::string::npos) << result.output;
}

INSTANTIATE_TEST_SUITE_P(All, Ranks, testing::ValuesIn(kFamilies), name_of_family);

#endif

}  // namespace
}  // namespace llasa
