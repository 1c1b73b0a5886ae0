#include <dlfcn.h>

#include <cstdlib>
#include <type_traits>

#include "core/status.h"
#include "cuda/common.cuh"
#include "cuda/cublaslt.h"

namespace llasa::cuda {

namespace {

// What a header of one version says is told to a library of another: these numbers are those of CUDA 11.
static_assert(CUBLAS_STATUS_SUCCESS == 0 && CUBLAS_STATUS_NOT_SUPPORTED == 15);
static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1 && CUDA_R_32F == 0 && CUDA_R_16BF == 14);
static_assert(CUBLAS_COMPUTE_32F == 68 && CUBLAS_COMPUTE_32F_FAST_TF32 == 77 && CUBLASLT_EPILOGUE_BIAS == 4);
static_assert(CUBLASLT_MATMUL_DESC_TRANSA == 3 && CUBLASLT_MATMUL_DESC_TRANSB == 4);
static_assert(CUBLASLT_MATMUL_DESC_EPILOGUE == 7 && CUBLASLT_MATMUL_DESC_BIAS_POINTER == 8);
static_assert(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == 1);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == 5 &&
              CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == 8);
static_assert(sizeof(cublasLtMatmulAlgo_t) == 64 && sizeof(cublasLtMatmulHeuristicResult_t) == 96);

constexpr int kOldest = 11, kNewest = 13;

// Throws saying why `file` is of no use.
CublasLt open(const std::string& file, int driver) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  LLASA_CHECK(library != nullptr, Status::kNoDevice, "%s", dlerror());
  CublasLt lt;
  lt.file = file;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    LLASA_CHECK(function != nullptr, Status::kNoDevice, "%s: no function %s in it", file.c_str(), name);
  };
  find(lt.get_version, "cublasLtGetVersion");
  lt.version = lt.get_version();
  const int major = static_cast<int>(lt.version / 10000);
  LLASA_CHECK(major >= kOldest && major <= kNewest, Status::kNoDevice,
              "%s: its version is %d, expected %d to %d", file.c_str(), major, kOldest, kNewest);
  LLASA_CHECK(major <= driver / 1000, Status::kNoDevice,
              "%s: needs a driver for CUDA %d, this one supports %d.%d", file.c_str(), major, driver / 1000,
              driver % 1000 / 10);
  find(lt.get_status_string, "cublasLtGetStatusString");
  find(lt.create, "cublasLtCreate");
  find(lt.desc_create, "cublasLtMatmulDescCreate");
  find(lt.desc_destroy, "cublasLtMatmulDescDestroy");
  find(lt.desc_set, "cublasLtMatmulDescSetAttribute");
  find(lt.layout_create, "cublasLtMatrixLayoutCreate");
  find(lt.layout_destroy, "cublasLtMatrixLayoutDestroy");
  find(lt.preference_create, "cublasLtMatmulPreferenceCreate");
  find(lt.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  find(lt.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  find(lt.get_heuristic, "cublasLtMatmulAlgoGetHeuristic");
  find(lt.matmul, "cublasLtMatmul");
  return lt;
}

}  // namespace

CublasLt open_cublaslt(const std::string& named, int driver) {
  std::string why;
  try {
    if (!named.empty()) return open(named, driver);
  } catch (const Error& error) {
    fail(Status::kNoDevice, "LLASA_CUBLASLT_LIBRARY: %s", error.what());
  }
  for (int major = kNewest; major >= kOldest; --major) {
    try {
      return open(format("libcublasLt.so.%d", major), driver);
    } catch (const Error& error) {
      why += std::string(why.empty() ? "" : "; ") + error.what();
    }
  }
  fail(Status::kNoDevice,
       "no cuBLASLt, which NVIDIA's CUDA toolkit brings (LLASA_CUBLASLT_LIBRARY names its file): %s",
       why.c_str());
}

const CublasLt& cublaslt() {
  static const CublasLt& library = *new CublasLt([] {
    const char* named = std::getenv("LLASA_CUBLASLT_LIBRARY");
    int driver = 0;
    check(cudaDriverGetVersion(&driver), "asking for the driver's version");
    return open_cublaslt(named == nullptr ? "" : named, driver);
  }());
  return library;
}

}  // namespace llasa::cuda
