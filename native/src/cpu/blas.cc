#include "cpu/blas.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "cpu/gemm_tiles.h"
#include "cpu/isa.h"

// OpenBLAS's own choice of kernels, which it makes when it is loaded; absent where it was built for one
// processor.
extern "C" {
__attribute__((weak)) void gotoblas_dynamic_init();
__attribute__((weak)) void gotoblas_dynamic_quit();
char* __real_getenv(const char* name);
char* __wrap_getenv(const char* name);
}

namespace {

constexpr const char* kVariable = "OPENBLAS_CORETYPE";
const char* core_type = nullptr;

// The OpenBLAS of Debian 12 does not know processors younger than itself and gives them kernels for SSE3, at
// a quarter of the speed. Returns the name of kernels for what the processor can do, or NULL if the choice
// was good enough.
const char* better_core_type() {
  const char* chosen = openblas_get_corename();
  for (const char* good : {"SapphireRapids", "Cooperlake", "SkylakeX", "Haswell", "Zen"}) {
    if (std::strcmp(chosen, good) == 0) return nullptr;
  }
  if (llasa::cpu::kernels_for("avx512") != nullptr) return "SkylakeX";
  if (llasa::cpu::kernels_for("avx2") != nullptr) return "Haswell";
  return nullptr;
}

}  // namespace

// OpenBLAS takes the name of its kernels from the environment alone. Changing that while other threads may
// read it is not safe, so the linker sends the calls of getenv in this library here (cmake/Backend.cmake).
char* __wrap_getenv(const char* name) {
  char* value = __real_getenv(name);
  if (value == nullptr && core_type != nullptr && std::strcmp(name, kVariable) == 0)
    return const_cast<char*>(core_type);
  return value;
}

namespace llasa::cpu {

void prepare_blas() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (gotoblas_dynamic_init != nullptr && gotoblas_dynamic_quit != nullptr &&
        std::getenv(kVariable) == nullptr) {
      core_type = better_core_type();
      if (core_type != nullptr) {
        gotoblas_dynamic_quit();
        gotoblas_dynamic_init();
      }
    }
    openblas_set_num_threads(1);
  });
}

void task_gemm(bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda,
               const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  if (M <= 0 || N <= 0) return;
  if (transpose_b && task_tiles({M, N, K}, alpha, A, lda, B, ldb, beta, C, ldc)) return;
  prepare_blas();
  cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(M),
              static_cast<blasint>(N), static_cast<blasint>(K), alpha, A, static_cast<blasint>(lda), B,
              static_cast<blasint>(ldb), beta, C, static_cast<blasint>(ldc));
}

}  // namespace llasa::cpu
