#include "core/nccl_library.h"

#include <dlfcn.h>

#include <type_traits>

#include "core/status.h"

namespace llasa {

std::string nccl_name(int version) {
  return format("NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

NcclLibrary open_nccl_library(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  LLASA_CHECK(library != nullptr, Status::kWorld, "no NCCL: %s", dlerror());
  NcclLibrary nccl;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    LLASA_CHECK(function != nullptr, Status::kWorld, "%s: no function %s in it, expected NCCL 2.14 or later",
                file.c_str(), name);
  };
  find(nccl.get_version, "ncclGetVersion");
  const int result = nccl.get_version(&nccl.version);
  LLASA_CHECK(result == kNcclSuccess, Status::kWorld, "%s: ncclGetVersion: error %d", file.c_str(), result);
  // Before 2.9 it counted otherwise: those numbers are below all others.
  LLASA_CHECK(nccl.version >= NcclConfig::kVersion, Status::kWorld,
              "%s: its version is %d (%s), expected NCCL 2.14 or later", file.c_str(), nccl.version,
              nccl_name(nccl.version).c_str());
  nccl.name = nccl_name(nccl.version);
  find(nccl.get_unique_id, "ncclGetUniqueId");
  find(nccl.comm_init_rank_config, "ncclCommInitRankConfig");
  find(nccl.comm_finalize, "ncclCommFinalize");
  find(nccl.comm_destroy, "ncclCommDestroy");
  find(nccl.comm_abort, "ncclCommAbort");
  find(nccl.comm_get_async_error, "ncclCommGetAsyncError");
  find(nccl.get_error_string, "ncclGetErrorString");
  find(nccl.get_last_error, "ncclGetLastError");
  find(nccl.reduce_scatter, "ncclReduceScatter");
  find(nccl.all_gather, "ncclAllGather");
  find(nccl.reduce, "ncclReduce");
  find(nccl.broadcast, "ncclBroadcast");
  find(nccl.group_start, "ncclGroupStart");
  find(nccl.group_end, "ncclGroupEnd");
  return nccl;
}

}  // namespace llasa
