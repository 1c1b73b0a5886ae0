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

inline const Family kFamilies[] = {
    {"Open MPI", "mpirun.openmpi", "--allow-run-as-root --oversubscribe", "libmpich.so.12"},
    {"HYDRA", "mpiexec.hydra", "", "libmpi.so.40"}};

// Ends that nothing is waited for come within a second or two; twenty processes of others may want the machine meanwhile,
// and what hangs takes until its limit.
constexpr double kSoon = 60;

class Launched : public testing::Test {
 protected:
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

  // Whether the machine has its launcher, which is then the one.
  bool find(const Family& family) {
    for (const std::string candidate : {family.launcher, "mpirun"}) {
      const Result result = sh(candidate + " --version 2>/dev/null");
      if (result.status != 0 || result.output.find(family.name) == std::string::npos) continue;
      launcher_ = candidate + " " + family.options;
      return true;
    }
    return false;
  }

  Result start(int ranks, const std::string& what, const std::string& settings = "", int limit_s = 100) {
    // What leaks in MPI's libraries and launchers is not ours.
    return sh(settings + " ASAN_OPTIONS=detect_leaks=0 timeout -k 5 " + std::to_string(limit_s) + " " +
              launcher_ + " -np " + std::to_string(ranks) + " " LLASA_WORLD_RANK " " + what + " 2>&1");
  }

 private:
  std::string launcher_;
};

// Under the launcher of each family.
class Ranks : public Launched, public testing::WithParamInterface<Family> {
 protected:
  void SetUp() override {
    if (!find(GetParam())) {
      GTEST_SKIP() << "no mpirun of " << GetParam().name
                   << ": collectives of several processes are not tested with it";
    }
  }
};

inline std::string name_of_family(const testing::TestParamInfo<Family>& given) {
  return given.param.name == std::string("HYDRA") ? "Mpich" : "OpenMpi";
}

}  // namespace llasa::test
