// The loader as the backend's code sees it: the linker's --wrap sends its calls here (cmake/CudaSim.cmake), and who
// asks for libnccl.so.2 gets the twin, if LLASA_CUDASIM_NCCL says that there is one.
#include <cstring>
#include <utility>

#include "devices.h"
#include "nccl.h"

using namespace cudasim;

extern "C" {

void* __real_dlopen(const char* file, int flags);
void* __real_dlsym(void* library, const char* name);

void* __wrap_dlopen(const char* file, int flags);
void* __wrap_dlsym(void* library, const char* name);

static const char twin_library = 0;

void* __wrap_dlopen(const char* file, int flags) {
  if (file != nullptr && std::strcmp(file, "libnccl.so.2") == 0 && nccl_version() > 0)
    return const_cast<char*>(&twin_library);
  return __real_dlopen(file, flags);
}

void* __wrap_dlsym(void* library, const char* name) {
  if (library != &twin_library) return __real_dlsym(library, name);
  const auto of = [](auto* function) { return reinterpret_cast<void*>(function); };
  const std::pair<const char*, void*> functions[] = {
      {"ncclGetVersion", of(ncclGetVersion)},
      {"ncclGetUniqueId", of(ncclGetUniqueId)},
      {"ncclCommInitRankConfig", of(ncclCommInitRankConfig)},
      {"ncclCommFinalize", of(ncclCommFinalize)},
      {"ncclCommDestroy", of(ncclCommDestroy)},
      {"ncclCommAbort", of(ncclCommAbort)},
      {"ncclCommGetAsyncError", of(ncclCommGetAsyncError)},
      {"ncclGetErrorString", of(ncclGetErrorString)},
      {"ncclGetLastError", of(ncclGetLastError)},
      {"ncclReduceScatter", of(ncclReduceScatter)},
      {"ncclAllGather", of(ncclAllGather)},
      {"ncclReduce", of(ncclReduce)},
      {"ncclBroadcast", of(ncclBroadcast)},
      {"ncclGroupStart", of(ncclGroupStart)},
      {"ncclGroupEnd", of(ncclGroupEnd)},
  };
  for (const auto& [known, function] : functions) {
    if (std::strcmp(known, name) == 0) return function;
  }
  return nullptr;
}

}  // extern "C"
