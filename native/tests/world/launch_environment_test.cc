#include "core/launch_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "core/status.h"

namespace llasa {
namespace {

using Variables = std::map<std::string, std::string>;

std::function<const char*(const char*)> environment(const Variables& variables) {
  return [&variables](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  };
}

LaunchEnvironment read(const Variables& variables) {
  return read_launch_environment(environment(variables));
}

std::string refusal(const Variables& variables) {
  try {
    read(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kWorld);
    return error.what();
  }
  return "accepted";
}

TEST(LaunchEnvironment, NothingMeansOneProcess) {
  EXPECT_FALSE(read({}).message_passing);
}

TEST(LaunchEnvironment, KnowsMpirunMpiexecAndSrun) {
  const LaunchEnvironment open_mpi = read({{"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_TRUE(open_mpi.message_passing);
  EXPECT_EQ(open_mpi.size, 4);
  EXPECT_EQ(open_mpi.libraries.front(), "libmpi.so.40");
  const LaunchEnvironment mpich = read({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}});
  EXPECT_TRUE(mpich.message_passing);
  EXPECT_EQ(mpich.size, 2);
  EXPECT_EQ(mpich.libraries.front(), "libmpich.so.12");
  const LaunchEnvironment pmix = read({{"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "8"}});
  EXPECT_TRUE(pmix.message_passing);
  EXPECT_EQ(pmix.size, 8);
  EXPECT_EQ(pmix.libraries.front(), "libmpi.so.40");
  EXPECT_EQ(read({{"PMI_FD", "5"}, {"SLURM_STEP_NUM_TASKS", "3"}}).size, 3);
}

TEST(LaunchEnvironment, NeedsNoMpiForOneProcess) {
  EXPECT_FALSE(read({{"OMPI_COMM_WORLD_SIZE", "1"}}).message_passing);
  EXPECT_FALSE(read({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}}).message_passing);
  EXPECT_FALSE(read({{"SLURM_STEP_NUM_TASKS", "1"}}).message_passing);
  // Inside sbatch, outside srun.
  EXPECT_FALSE(read({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).message_passing);
}

TEST(LaunchEnvironment, RefusesProcessesThatCannotMeetAndSaysWhatToDo) {
  EXPECT_NE(refusal({{"SLURM_STEP_NUM_TASKS", "4"}}).find("srun started 4 tasks"), std::string::npos);
  EXPECT_NE(refusal({{"SLURM_STEP_NUM_TASKS", "4"}}).find("--mpi=pmix"), std::string::npos);
  const std::string torchrun = refusal({{"RANK", "1"}, {"WORLD_SIZE", "2"}});
  EXPECT_NE(torchrun.find("WORLD_SIZE is 2"), std::string::npos);
  EXPECT_NE(torchrun.find("mpirun"), std::string::npos);
}

TEST(LaunchEnvironment, ALibraryThatIsNamedIsTheOnlyOne) {
  const std::vector<std::string> named{"/opt/mpi/lib/libmpi.so"};
  EXPECT_EQ(read({{"OMPI_COMM_WORLD_SIZE", "2"}, {"LLASA_MPI_LIBRARY", named[0]}}).libraries, named);
}

TEST(LaunchEnvironment, RefusesATimeOutThatIsNone) {
  EXPECT_EQ(read({{"PMI_RANK", "0"}, {"LLASA_WORLD_TIMEOUT", "2.5"}}).timeout_seconds, 2.5);
  for (const char* wrong : {"0", "soon", "5s", "nan"}) {
    EXPECT_NE(refusal({{"PMI_RANK", "0"}, {"LLASA_WORLD_TIMEOUT", wrong}}).find(wrong), std::string::npos)
        << wrong;
  }
}

TEST(LaunchEnvironment, KnowsWhetherAndWhichNcclIsWanted) {
  const auto nccl = [](const Variables& variables) { return read_nccl_environment(environment(variables)); };
  EXPECT_FALSE(nccl({}).refused);
  EXPECT_FALSE(nccl({}).named);
  EXPECT_EQ(nccl({}).library, "libnccl.so.2");
  EXPECT_FALSE(nccl({{"LLASA_NCCL", "1"}}).refused);
  EXPECT_TRUE(nccl({{"LLASA_NCCL", "0"}}).refused);
  EXPECT_TRUE(nccl({{"LLASA_NCCL_LIBRARY", "/opt/nccl.so"}}).named);
  EXPECT_EQ(nccl({{"LLASA_NCCL_LIBRARY", "/opt/nccl.so"}}).library, "/opt/nccl.so");
  try {
    nccl({{"LLASA_NCCL", "no"}});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "LLASA_NCCL: `no`, expected 0 or 1");
  }
}

TEST(LaunchEnvironment, KnowsTheRankWithinAMachine) {
  const auto local = [](const Variables& variables) { return read_local_rank(environment(variables)); };
  EXPECT_EQ(local({}), -1);
  EXPECT_EQ(local({{"OMPI_COMM_WORLD_LOCAL_RANK", "3"}}), 3);
  EXPECT_EQ(local({{"SLURM_LOCALID", "1"}}), 1);
  EXPECT_EQ(local({{"LOCAL_RANK", "2"}}), 2);
}

}  // namespace
}  // namespace llasa
