// What the environment says about how this process was started.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace llasa {

struct LaunchEnvironment {
  std::string launcher;          // who started it, in words; "" = nobody we know
  int size = 0;                  // processes it says it started; 0 = it does not say
  bool message_passing = false;  // processes to be joined by MPI
  // Libraries to try, in order.
  std::vector<std::string> libraries;
  double timeout_seconds = 30;  // without a sign of life, after which a rank is taken for gone
};

// getenv: as std::getenv. Throws Status::kWorld where several processes were started that cannot be joined.
LaunchEnvironment read_launch_environment(const std::function<const char*(const char*)>& getenv);

// What it says about NCCL.
struct NcclEnvironment {
  bool refused = false;                  // LLASA_NCCL=0
  bool named = false;                    // LLASA_NCCL_LIBRARY
  std::string library = "libnccl.so.2";  // to open
};

// Throws Status::kWorld for a value that means nothing.
NcclEnvironment read_nccl_environment(const std::function<const char*(const char*)>& getenv);

// This process's place among those that a launcher started on this machine; -1 = it does not say.
int read_local_rank(const std::function<const char*(const char*)>& getenv);

}  // namespace llasa
