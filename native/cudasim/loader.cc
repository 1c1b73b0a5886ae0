// The loader as the backend's code sees it: the linker's --wrap sends its calls here (cmake/CudaSim.cmake), and who
// asks for libnccl.so.2 or libcublasLt.so.11 to .13 gets the twin, if LLASA_CUDASIM_NCCL or LLASA_CUDASIM_CUBLASLT says
// that there is one; what there is on this machine is not found.
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "cublasLt.h"
#include "devices.h"
#include "nccl.h"

using namespace cudasim;

extern "C" {

void* __real_dlopen(const char* file, int flags);
void* __real_dlsym(void* library, const char* name);

void* __wrap_dlopen(const char* file, int flags);
void* __wrap_dlsym(void* library, const char* name);

static const char twin_library = 0;

static const char* const cublaslt_files[] = {"libcublasLt.so.11", "libcublasLt.so.12", "libcublasLt.so.13"};

void* __wrap_dlopen(const char* file, int flags) {
  if (file != nullptr && std::strcmp(file, "libnccl.so.2") == 0 && nccl_version() > 0)
    return const_cast<char*>(&twin_library);
  for (int i = 0; file != nullptr && i < static_cast<int>(std::size(cublaslt_files)); ++i) {
    if (std::strcmp(file, cublaslt_files[i]) != 0) continue;
    if ((cublaslt_versions() >> i & 1) == 0)
      return __real_dlopen((std::string("/nowhere/") + file).c_str(), flags);
    open_cublaslt_twin(11 + i);
    return const_cast<char*>(&twin_library);
  }
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
      {"cublasLtGetVersion", of(cublasLtGetVersion)},
      {"cublasLtGetStatusString", of(cublasLtGetStatusString)},
      {"cublasLtCreate", of(cublasLtCreate)},
      {"cublasLtMatmulDescCreate", of(cublasLtMatmulDescCreate)},
      {"cublasLtMatmulDescDestroy", of(cublasLtMatmulDescDestroy)},
      {"cublasLtMatmulDescSetAttribute", of(cublasLtMatmulDescSetAttribute)},
      {"cublasLtMatrixLayoutCreate", of(cublasLtMatrixLayoutCreate)},
      {"cublasLtMatrixLayoutDestroy", of(cublasLtMatrixLayoutDestroy)},
      {"cublasLtMatmulPreferenceCreate", of(cublasLtMatmulPreferenceCreate)},
      {"cublasLtMatmulPreferenceDestroy", of(cublasLtMatmulPreferenceDestroy)},
      {"cublasLtMatmulPreferenceSetAttribute", of(cublasLtMatmulPreferenceSetAttribute)},
      {"cublasLtMatmulAlgoGetHeuristic", of(cublasLtMatmulAlgoGetHeuristic)},
      {"cublasLtMatmul", of(cublasLtMatmul)},
  };
  for (const auto& [known, function] : functions) {
    if (std::strcmp(known, name) == 0) return function;
  }
  return nullptr;
}

}  // extern "C"
