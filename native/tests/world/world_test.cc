// Several processes under the launchers that this machine has; what each does is in rank.cc.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "core/collective.h"
#include "core/mpi_world.h"
#include "core/status.h"
#include "llasa_native.h"

namespace llasa {
namespace {

TEST(Shard, PartsAreContiguousAndDifferByNoMoreThanAUnit) {
  for (const int64_t count : {0, 1, 63, 64, 65, 1000, 4096, 100'003}) {
    for (const int size : {1, 2, 3, 4, 7, 64}) {
      int64_t next = 0;
      for (int r = 0; r < size; ++r) {
        const Shard part = Shard::of(count, r, size);
        EXPECT_EQ(part.begin, next);
        EXPECT_LE(std::abs(part.count() - count / size), Shard::kUnit) << count << " over " << size;
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

#if defined(LLASA_WORLD_RANK) && !defined(__SANITIZE_THREAD__)

struct Family {
  const char* name;      // as it calls itself
  const char* launcher;  // under Debian; `mpirun` alone may be anybody's
  const char* options;
  const char* library;
};

std::ostream& operator<<(std::ostream& out, const Family& family) {
  return out << family.name;
}

class Ranks : public testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    const Family family = GetParam();
    for (const std::string candidate : {family.launcher, "mpirun"}) {
      const Result result = sh(candidate + " --version 2>/dev/null");
      if (result.status == 0 && result.output.find(family.name) != std::string::npos) launcher_ = candidate;
      if (!launcher_.empty()) return;
    }
    GTEST_SKIP() << "no mpirun of " << family.name
                 << ": collectives of several processes are not tested with it";
  }

  struct Result {
    int status;
    std::string output;
    double seconds;
  };

  static Result sh(const std::string& command) {
    const auto begin = std::chrono::steady_clock::now();
    FILE* pipe = popen(command.c_str(), "r");
    std::string output;
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, n);
    const int status = pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, output,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
  }

  Result start(int ranks, const std::string& what, const std::string& settings = "") {
    // What leaks in MPI's libraries and launchers is not ours.
    return sh(settings + " ASAN_OPTIONS=detect_leaks=0 timeout -k 5 100 " + launcher_ + " " +
              GetParam().options + " -np " + std::to_string(ranks) + " " LLASA_WORLD_RANK " " + what +
              " 2>&1");
  }

  std::string launcher_;
};

TEST_P(Ranks, PassTheTestsOfCollectivesAndTrainers) {
  for (const int ranks : {2, 4}) {
    const Result result = start(ranks, "");
    EXPECT_EQ(result.status, 0) << ranks << " ranks:\n" << result.output;
  }
}

TEST_P(Ranks, OneThatFailsEndsAllWithItsMessage) {
  const Result result = start(3, "fail");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("rank 1 cannot go on"), std::string::npos) << result.output;
  EXPECT_LT(result.seconds, 10) << result.output;
}

TEST_P(Ranks, OneThatGivesNoSignOfLifeEndsAll) {
  const Result result = start(3, "vanish", "LLASA_WORLD_TIMEOUT=2");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("rank 1 of 3 has given no sign of life for 2 s"), std::string::npos)
      << result.output;
  EXPECT_EQ(result.output.find("knows nothing"), std::string::npos) << result.output;
  EXPECT_LT(result.seconds, 20) << result.output;
}

TEST_P(Ranks, SuspendedTogetherForLongerThanTheTimeOutGoOn) {
  const Result result = start(2, "rest", "LLASA_WORLD_TIMEOUT=2");
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

INSTANTIATE_TEST_SUITE_P(All, Ranks,
                         testing::Values(Family{"Open MPI", "mpirun.openmpi",
                                                "--allow-run-as-root --oversubscribe", "libmpich.so.12"},
                                         Family{"HYDRA", "mpiexec.hydra", "", "libmpi.so.40"}),
                         [](const auto& given) {
                           return std::string(given.param.name == std::string("HYDRA") ? "Mpich" : "OpenMpi");
                         });

#endif

}  // namespace
}  // namespace llasa
