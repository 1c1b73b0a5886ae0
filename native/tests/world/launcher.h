// Starts processes of llasa_world_rank under the launchers that this machine has.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <ostream>
#include <string>

namespace llasa::test {

struct Family {
  const char* name;      // as it calls itself
  const char* launcher;  // under Debian; `mpirun` alone may be anybody's
  const char* options;
  const char* library;
};

inline std::ostream& operator<<(std::ostream& out, const Family& family) {
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

  Result start(int ranks, const std::string& what, const std::string& settings = "", int limit_s = 100) {
    // What leaks in MPI's libraries and launchers is not ours.
    return sh(settings + " ASAN_OPTIONS=detect_leaks=0 timeout -k 5 " + std::to_string(limit_s) + " " +
              launcher_ + " " + GetParam().options + " -np " + std::to_string(ranks) +
              " " LLASA_WORLD_RANK " " + what + " 2>&1");
  }

  std::string launcher_;
};

inline const Family kFamilies[] = {
    {"Open MPI", "mpirun.openmpi", "--allow-run-as-root --oversubscribe", "libmpich.so.12"},
    {"HYDRA", "mpiexec.hydra", "", "libmpi.so.40"}};

inline std::string name_of_family(const testing::TestParamInfo<Family>& given) {
  return given.param.name == std::string("HYDRA") ? "Mpich" : "OpenMpi";
}

}  // namespace llasa::test
