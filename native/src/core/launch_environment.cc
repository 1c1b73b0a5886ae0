#include "core/launch_environment.h"

#include <cmath>
#include <cstdlib>

#include "core/status.h"

namespace llasa {

namespace {

constexpr const char* kOpenMpi[] = {"libmpi.so.40", "libmpi.so.80"};
constexpr const char* kMpich[] = {"libmpich.so.12", "libmpi.so.12"};

// "" where it is not set.
std::string value_of(const std::function<const char*(const char*)>& getenv, const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

LaunchEnvironment read_launch_environment(const std::function<const char*(const char*)>& getenv) {
  const auto text = [&](const char* name) { return value_of(getenv, name); };
  const auto number = [&](const char* name) { return std::atoi(text(name).c_str()); };
  LaunchEnvironment found;
  bool mpich_first = false;
  if (number("OMPI_COMM_WORLD_SIZE") > 0) {
    found.launcher = "Open MPI's mpirun";
    found.size = number("OMPI_COMM_WORLD_SIZE");
  } else if (!text("PMIX_RANK").empty()) {
    found.launcher = number("SLURM_STEP_NUM_TASKS") > 0 ? "srun with PMIx" : "a launcher with PMIx";
    found.size = number("SLURM_STEP_NUM_TASKS");
  } else if (!text("PMI_RANK").empty() || !text("PMI_FD").empty()) {
    found.launcher =
        number("SLURM_STEP_NUM_TASKS") > 0 ? "srun with PMI" : "a launcher with PMI, as MPICH's mpiexec";
    found.size = number("PMI_SIZE") > 0 ? number("PMI_SIZE") : number("SLURM_STEP_NUM_TASKS");
    mpich_first = true;
  } else {
    LLASA_CHECK(
        number("SLURM_STEP_NUM_TASKS") < 2, Status::kWorld,
        "srun started %d tasks without a way for them to meet: add --mpi=pmix, or --mpi=pmi2 for MPICH",
        number("SLURM_STEP_NUM_TASKS"));
    LLASA_CHECK(
        number("WORLD_SIZE") < 2 || text("RANK").empty(), Status::kWorld,
        "WORLD_SIZE is %d, as torchrun sets it: several processes are joined by MPI here, so start them by "
        "mpirun or srun",
        number("WORLD_SIZE"));
    return found;
  }
  found.message_passing = found.size != 1;
  if (const std::string named = text("LLASA_MPI_LIBRARY"); !named.empty()) {
    found.libraries = {named};
  } else {
    const auto add = [&](const auto& names) {
      found.libraries.insert(found.libraries.end(), std::begin(names), std::end(names));
    };
    if (mpich_first) add(kMpich);
    add(kOpenMpi);
    if (!mpich_first) add(kMpich);
    found.libraries.push_back("libmpi.so");
  }
  if (const std::string limit = text("LLASA_WORLD_TIMEOUT"); !limit.empty()) {
    char* end = nullptr;
    found.timeout_seconds = std::strtod(limit.c_str(), &end);
    LLASA_CHECK(*end == '\0' && std::isfinite(found.timeout_seconds) && found.timeout_seconds >= 1,
                Status::kWorld, "LLASA_WORLD_TIMEOUT: `%s`, expected seconds, at least 1", limit.c_str());
  }
  return found;
}

NcclEnvironment read_nccl_environment(const std::function<const char*(const char*)>& getenv) {
  NcclEnvironment found;
  const std::string wanted = value_of(getenv, "LLASA_NCCL"), named = value_of(getenv, "LLASA_NCCL_LIBRARY");
  LLASA_CHECK(wanted.empty() || wanted == "0" || wanted == "1", Status::kWorld,
              "LLASA_NCCL: `%s`, expected 0 or 1", wanted.c_str());
  found.refused = wanted == "0";
  found.named = !named.empty();
  if (found.named) found.library = named;
  return found;
}

int read_local_rank(const std::function<const char*(const char*)>& getenv) {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "LOCAL_RANK"}) {
    if (const char* value = getenv(name); value != nullptr && *value != '\0') return std::atoi(value);
  }
  return -1;
}

}  // namespace llasa
