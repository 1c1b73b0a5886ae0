// Matrix products by cuBLASLt. Row-major C = op(A) op(B) is the column-major C^T = op(B)^T op(A)^T, whose
// operands are the same bytes: nothing is copied. The heuristic's first algorithm is kept per shape, because
// asking costs tens of microseconds. LLASA_TF32=1 lets f32 products use TF32 tensor cores (10-bit mantissa
// operands, relative error about 5e-4 instead of 6e-8).
#include <cublasLt.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "cuda/common.cuh"
#include "cuda/scratch.h"
#include "ops/gemm.h"

namespace llasa {

namespace {

using cuda::native;

void check(cublasStatus_t status, const char* action) {
  LLASA_CHECK(status == CUBLAS_STATUS_SUCCESS, LLASA_ERR_DEVICE, "%s: %s", action,
              cublasLtGetStatusString(status));
}

// Owner of one of cuBLASLt's descriptors.
template <typename T, cublasStatus_t (*Destroy)(T)>
class Owned {
 public:
  Owned() = default;
  ~Owned() {
    if (value_ != nullptr) Destroy(value_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T* out() { return &value_; }
  T get() const { return value_; }

 private:
  T value_ = nullptr;
};
using Desc = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// One product as cuBLASLt sees it: column-major, D [m,n] = op(a) op(b). Also the key of the algorithm's
// cache, compared as bytes: no padding, no pointers.
struct Problem {
  int64_t m, n, k, lda, ldb, ldc;
  int32_t transpose_a, transpose_b, has_bias, reads_c;
  uint32_t align_a, align_b, align_c, unused;

  bool operator==(const Problem& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(sizeof(Problem) == 6 * 8 + 8 * 4, "compared as bytes");

struct ProblemHash {
  size_t operator()(const Problem& problem) const {  // FNV-1a
    unsigned char bytes[sizeof problem];
    std::memcpy(bytes, &problem, sizeof problem);
    uint64_t hash = 14695981039346656037u;
    for (unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211u;
    return static_cast<size_t>(hash);
  }
};

struct Algorithm {
  cublasLtMatmulAlgo_t algo;
  size_t workspace_bytes;
};

// cuBLAS's recommendation: 32 MiB for Hopper, 4 MiB for others.
size_t workspace_limit() {
  return cuda::compute_capability() >= 90 ? size_t{32} << 20 : size_t{4} << 20;
}

cublasLtHandle_t handle() {
  // Lives as long as the process: destroying it at exit would race with the driver's own shutdown.
  static const cublasLtHandle_t instance = [] {
    cublasLtHandle_t made = nullptr;
    check(cublasLtCreate(&made), "starting cuBLASLt");
    return made;
  }();
  return instance;
}

uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  uint32_t bytes = 256;
  while (address % bytes != 0) bytes /= 2;
  return bytes;
}

cublasComputeType_t compute_type() {
  static const bool tf32 = [] {
    const char* value = std::getenv("LLASA_TF32");
    return value != nullptr && std::strcmp(value, "1") == 0;
  }();
  return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

template <typename T>
void set(const Desc& desc, cublasLtMatmulDescAttributes_t which, const T& value) {
  check(cublasLtMatmulDescSetAttribute(desc.get(), which, &value, sizeof value),
        "describing a matrix product");
}
template <typename T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), which, &value, sizeof value),
        "describing a matrix product");
}

struct Descriptors {
  Desc product;
  Layout a, b, c;
};

void describe(const Problem& p, const float* bias, Descriptors& d) {
  check(cublasLtMatmulDescCreate(d.product.out(), compute_type(), CUDA_R_32F), "describing a matrix product");
  set(d.product, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(d.product, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.has_bias != 0) {
    set(d.product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(d.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const auto layout = [](Layout& out, int64_t rows, int64_t cols, int64_t ld) {
    check(cublasLtMatrixLayoutCreate(out.out(), CUDA_R_32F, static_cast<uint64_t>(rows),
                                     static_cast<uint64_t>(cols), ld),
          "describing a matrix");
  };
  layout(d.a, p.transpose_a != 0 ? p.k : p.m, p.transpose_a != 0 ? p.m : p.k, p.lda);
  layout(d.b, p.transpose_b != 0 ? p.n : p.k, p.transpose_b != 0 ? p.k : p.n, p.ldb);
  layout(d.c, p.m, p.n, p.ldc);
}

Algorithm choose(const Problem& p, const Descriptors& d) {
  static std::mutex mutex;
  static auto& cache = *new std::unordered_map<Problem, Algorithm, ProblemHash>();
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto known = cache.find(p);
    if (known != cache.end()) return known->second;
  }
  Preference preference;
  check(cublasLtMatmulPreferenceCreate(preference.out()), "describing a matrix product");
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(workspace_limit()));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.align_a);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.align_b);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.align_c);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.align_c);
  cublasLtMatmulHeuristicResult_t result;
  int found = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle(), d.product.get(), d.a.get(), d.b.get(), d.c.get(), d.c.get(),
                                       preference.get(), 1, &result, &found),
        "choosing an algorithm for a matrix product");
  LLASA_CHECK(found > 0, LLASA_ERR_DEVICE, "cuBLASLt has no algorithm for a product of %lld x %lld x %lld",
              static_cast<long long>(p.m), static_cast<long long>(p.n), static_cast<long long>(p.k));
  const Algorithm algorithm{result.algo, result.workspaceSize};
  const std::lock_guard<std::mutex> lock(mutex);
  cache.emplace(p, algorithm);
  return algorithm;
}

// C[m,n] = beta C + bias[n]: what is left of a product with K = 0.
__global__ void scale_kernel(float* C, int64_t M, int64_t N, int64_t ldc, float beta, const float* bias) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= M * N) return;
  const int64_t n = i % N;
  float& c = C[i / N * ldc + n];
  c = (beta == 0.0f ? 0.0f : beta * c) + (bias == nullptr ? 0.0f : bias[n]);
}

void product(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
             const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc,
             const float* bias) {
  if (M <= 0 || N <= 0) return;
  if (K <= 0 || alpha == 0.0f) {
    constexpr int kThreads = 256;
    LLASA_LAUNCH(scale_kernel, cuda::grid_of(cuda::ceil_div(M * N, kThreads)), kThreads, 0, stream, C, M, N,
                 ldc, beta, bias);
    return;
  }
  Problem p{};
  p.m = N;
  p.n = M;
  p.k = K;
  p.lda = ldb;
  p.ldb = lda;
  p.ldc = ldc;
  p.transpose_a = transpose_b;
  p.transpose_b = transpose_a;
  p.has_bias = bias != nullptr;
  p.reads_c = beta != 0.0f;
  p.align_a = alignment(B);
  p.align_b = alignment(A);
  p.align_c = alignment(C);
  Descriptors d;
  describe(p, bias, d);
  const Algorithm algorithm = choose(p, d);
  cuda::Scratch scratch(stream);
  void* workspace = scratch.take<char>(static_cast<int64_t>(algorithm.workspace_bytes));
  const cublasStatus_t status =
      cublasLtMatmul(handle(), d.product.get(), &alpha, B, d.a.get(), A, d.b.get(), &beta, C, d.c.get(), C,
                     d.c.get(), &algorithm.algo, workspace, algorithm.workspace_bytes, native(stream));
  LLASA_CHECK(status == CUBLAS_STATUS_SUCCESS, LLASA_ERR_DEVICE, "matrix product of %lld x %lld x %lld: %s",
              static_cast<long long>(M), static_cast<long long>(N), static_cast<long long>(K),
              cublasLtGetStatusString(status));
}

}  // namespace

void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  product(stream, transpose_a, transpose_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc, nullptr);
}

void linear_forward(Stream& stream, const float* x, const float* weight, const float* bias, float* y,
                    int64_t T, int64_t K, int64_t N, bool accumulate) {
  product(stream, false, true, T, N, K, 1.0f, x, K, weight, K, accumulate ? 1.0f : 0.0f, y, N, bias);
}

void linear_backward(Stream& stream, const float* x, const float* weight, const float* dy, float* dx,
                     float* dweight, int64_t T, int64_t K, int64_t N, bool accumulate_dx) {
  if (dx != nullptr)
    gemm(stream, false, false, T, K, N, 1.0f, dy, N, weight, K, accumulate_dx ? 1.0f : 0.0f, dx, K);
  if (dweight != nullptr) gemm(stream, true, false, N, K, T, 1.0f, dy, N, x, K, 1.0f, dweight, K);
}

}  // namespace llasa
