// Matrix products by cuBLASLt. Row-major C = op(A) op(B) is the column-major C^T = op(B)^T op(A)^T, whose
// operands are the same bytes: nothing is copied. The heuristic's first algorithm is kept per shape, because
// asking costs tens of microseconds. LLASA_TF32=1 lets f32 products use TF32 tensor cores (10-bit mantissa
// operands, relative error about 5e-4 instead of 6e-8).
//
// Products of Precision::kBf16 take both operands in bf16: what is f32 is rounded into scratch memory first,
// 6 bytes per element once against 2 per element and column tile that the product reads. Sums are f32, and C, unless it
// is to be read by another product.
//
// Products of vectors have kernels of their own (cuda/gemm_thin.cu). Where cuBLASLt knows no algorithm for another, as it
// may for odd leading dimensions, a plain kernel multiplies.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "core/scratch.h"
#include "cuda/bf16.cuh"
#include "cuda/common.cuh"
#include "cuda/cublaslt.h"
#include "cuda/gemm_thin.h"
#include "ops/cast.h"
#include "ops/gemm.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

using cuda::cublaslt;
using cuda::CublasLt;
using cuda::native;
using cuda::Strides;

void check(cublasStatus_t status, const char* action) {
  LLASA_CHECK(status == CUBLAS_STATUS_SUCCESS, Status::kDevice, "%s: %s", action,
              cublaslt().get_status_string(status));
}

// Owner of one of cuBLASLt's descriptors.
template <typename T, cublasStatus_t (*CublasLt::*Destroy)(T)>
class Owned {
 public:
  Owned() = default;
  ~Owned() {
    if (value_ != nullptr) (cublaslt().*Destroy)(value_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T* out() { return &value_; }
  T get() const { return value_; }

 private:
  T value_ = nullptr;
};
using Desc = Owned<cublasLtMatmulDesc_t, &CublasLt::desc_destroy>;
using Layout = Owned<cublasLtMatrixLayout_t, &CublasLt::layout_destroy>;
using Preference = Owned<cublasLtMatmulPreference_t, &CublasLt::preference_destroy>;

// One product as cuBLASLt sees it: column-major, D [m,n] = op(a) op(b). Also the key of the algorithm's
// cache, compared as bytes: no padding, no pointers.
struct Problem {
  int64_t m, n, k, lda, ldb, ldc;
  int32_t transpose_a, transpose_b, has_bias, reads_c;
  uint32_t align_a, align_b, align_c;
  int32_t bf16;  // of both operands
  int32_t device, bf16_c;

  bool operator==(const Problem& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(sizeof(Problem) == 6 * 8 + 10 * 4, "compared as bytes");

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
  bool exists;
};

// cuBLAS's recommendation: the most for Hopper, 4 MiB for others.
size_t workspace_limit() {
  return cuda::compute_capability() >= 90 ? size_t{gpu::kWorkspaceBytes} : size_t{4} << 20;
}

// Of the calling thread's device, for which it was made.
cublasLtHandle_t handle() {
  // They live as long as the process: destroying them at exit would race with the driver's own shutdown.
  static std::mutex mutex;
  static auto& handles = *new std::unordered_map<int, cublasLtHandle_t>();
  const std::lock_guard<std::mutex> lock(mutex);
  cublasLtHandle_t& made = handles[cuda::device_number()];
  if (made == nullptr) check(cublaslt().create(&made), "starting cuBLASLt");
  return made;
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
  check(cublaslt().desc_set(desc.get(), which, &value, sizeof value), "describing a matrix product");
}
template <typename T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
  check(cublaslt().preference_set(preference.get(), which, &value, sizeof value),
        "describing a matrix product");
}

struct Descriptors {
  Desc product;
  Layout a, b, c;
};

void describe(const Problem& p, const float* bias, Descriptors& d) {
  const cublasComputeType_t compute = p.bf16 != 0 ? CUBLAS_COMPUTE_32F : compute_type();
  check(cublaslt().desc_create(d.product.out(), compute, CUDA_R_32F), "describing a matrix product");
  set(d.product, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(d.product, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.has_bias != 0) {
    set(d.product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(d.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const auto layout = [](Layout& out, cudaDataType type, int64_t rows, int64_t cols, int64_t ld) {
    check(cublaslt().layout_create(out.out(), type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols),
                                   ld),
          "describing a matrix");
  };
  const cudaDataType operand = p.bf16 != 0 ? CUDA_R_16BF : CUDA_R_32F;
  layout(d.a, operand, p.transpose_a != 0 ? p.k : p.m, p.transpose_a != 0 ? p.m : p.k, p.lda);
  layout(d.b, operand, p.transpose_b != 0 ? p.n : p.k, p.transpose_b != 0 ? p.k : p.n, p.ldb);
  layout(d.c, p.bf16_c != 0 ? CUDA_R_16BF : CUDA_R_32F, p.m, p.n, p.ldc);
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
  check(cublaslt().preference_create(preference.out()), "describing a matrix product");
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(workspace_limit()));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.align_a);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.align_b);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.align_c);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.align_c);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status =
      cublaslt().get_heuristic(handle(), d.product.get(), d.a.get(), d.b.get(), d.c.get(), d.c.get(),
                               preference.get(), 1, &result, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED)
    found = 0;
  else
    check(status, "choosing an algorithm for a matrix product");
  const Algorithm algorithm{result.algo, found > 0 ? result.workspaceSize : 0, found > 0};
  const std::lock_guard<std::mutex> lock(mutex);
  cache.emplace(p, algorithm);
  return algorithm;
}

// C[m,n] = beta C + bias[n]: what is left of a product with K = 0.
template <typename To>
__global__ void scale_kernel(To* C, int64_t M, int64_t N, int64_t ldc, float beta, const float* bias) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= M * N) return;
  const int64_t n = i % N;
  To* c = C + i / N * ldc + n;
  cuda::assign(c, (beta == 0.0f ? 0.0f : beta * cuda::to_float(*c)) + (bias == nullptr ? 0.0f : bias[n]));
}

constexpr int kTile = 16;

// C = alpha op(A) op(B) + beta C + bias for any strides. A block makes a tile of 16 x 16 results, a thread one;
// 2 KB of shared memory; sums in f32 in the order of K. Traffic: 2 K M N / 16 elements, so ten times slower than
// tensor cores: the last resort of small products.
template <typename T, typename To>
__global__ void plain_product_kernel(const T* A, Strides a, const T* B, Strides b, To* C, int64_t ldc,
                                     int64_t M, int64_t N, int64_t K, float alpha, float beta,
                                     const float* bias) {
  __shared__ float left[kTile][kTile + 1], right[kTile][kTile + 1];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t first_m = static_cast<int64_t>(blockIdx.x) * kTile,
                first_n = static_cast<int64_t>(blockIdx.y) * kTile;
  const int64_t m = first_m + y, n = first_n + x;
  float sum = 0.0f;
  for (int64_t k = 0; k < K; k += kTile) {
    left[y][x] = m < M && k + x < K ? cuda::to_float(A[m * a.row + (k + x) * a.column]) : 0.0f;
    right[y][x] = n < N && k + y < K ? cuda::to_float(B[(k + y) * b.row + n * b.column]) : 0.0f;
    __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += left[y][i] * right[i][x];
    __syncthreads();
  }
  if (m >= M || n >= N) return;
  To* c = C + m * ldc + n;
  cuda::assign(c, alpha * sum + (beta == 0.0f ? 0.0f : beta * cuda::to_float(*c)) +
                      (bias == nullptr ? 0.0f : bias[n]));
}

template <typename T, typename To>
void plain_product(Stream& stream, const T* A, Strides a, const T* B, Strides b, int64_t M, int64_t N,
                   int64_t K, float alpha, float beta, To* C, int64_t ldc, const float* bias) {
  const int64_t columns = cuda::ceil_div(N, kTile);
  LLASA_CHECK(columns <= 65535, Status::kDevice,
              "cuBLASLt has no algorithm for a product of %lld x %lld x %lld, nor has this library",
              static_cast<long long>(M), static_cast<long long>(N), static_cast<long long>(K));
  const dim3 grid(static_cast<unsigned>(cuda::ceil_div(M, kTile)), static_cast<unsigned>(columns));
  LLASA_LAUNCH((plain_product_kernel<T, To>), grid, dim3(kTile, kTile), 0, stream, A, a, B, b, C, ldc, M, N,
               K, alpha, beta, bias);
}

// Calls body with the pointer of the type that C has.
template <typename Body>
void by_type(ArrayView C, Body&& body) {
  C.is_bf16() ? body(C.bf16()) : body(C.f32());
}

// A [M,K] or transposed, B [K,N] or transposed; both f32 or both bf16, and C f32 with the former.
void product(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
             WeightView A, int64_t lda, WeightView B, int64_t ldb, float beta, ArrayView C, int64_t ldc,
             const float* bias) {
  if (M <= 0 || N <= 0) return;
  LLASA_CHECK(!C.is_bf16() || bias == nullptr, Status::kInternal, "a bias is added in f32");
  if (K <= 0 || alpha == 0.0f) {
    constexpr int kThreads = 256;
    by_type(C, [&](auto* c) {
      LLASA_LAUNCH(scale_kernel<std::remove_pointer_t<decltype(c)>>,
                   cuda::grid_of(cuda::ceil_div(M * N, kThreads)), kThreads, 0, stream, c, M, N, ldc, beta,
                   bias);
    });
    return;
  }
  if (planning_for_gpu()) {
    Scratch(stream).take<char>(gpu::kWorkspaceBytes);
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
  p.device = cuda::device_number();
  p.align_a = alignment(B.data);
  p.align_b = alignment(A.data);
  p.align_c = alignment(C.data);
  p.bf16 = B.is_bf16();
  p.bf16_c = C.is_bf16();
  Descriptors d;
  describe(p, bias, d);
  const Algorithm algorithm = choose(p, d);
  Scratch scratch(stream);
  void* workspace = scratch.take<char>(static_cast<int64_t>(algorithm.workspace_bytes));
  if (planning()) return;
  if (!algorithm.exists) {
    const Strides a = transpose_a ? Strides{1, lda} : Strides{lda, 1},
                  b = transpose_b ? Strides{1, ldb} : Strides{ldb, 1};
    if (B.is_bf16()) {
      by_type(C, [&](auto* c) {
        plain_product(stream, A.bf16(), a, B.bf16(), b, M, N, K, alpha, beta, c, ldc, bias);
      });
    } else {
      plain_product(stream, A.f32(), a, B.f32(), b, M, N, K, alpha, beta, C.f32(), ldc, bias);
    }
    return;
  }
  const cublasStatus_t status = cublaslt().matmul(
      handle(), d.product.get(), &alpha, B.data, d.a.get(), A.data, d.b.get(), &beta, C.data, d.c.get(),
      C.data, d.c.get(), &algorithm.algo, workspace, algorithm.workspace_bytes, native(stream));
  LLASA_CHECK(status == CUBLAS_STATUS_SUCCESS, Status::kDevice, "matrix product of %lld x %lld x %lld: %s",
              static_cast<long long>(M), static_cast<long long>(N), static_cast<long long>(K),
              cublaslt().get_status_string(status));
}

// A stored matrix of rows x columns as an operand in bf16: itself, or rounded into scratch, where it is
// dense.
struct Operand {
  Operand(Stream& stream, Scratch& scratch, WeightView matrix, int64_t rows, int64_t columns, int64_t stride)
      : view(matrix), ld(stride) {
    Bf16* rounded = gpu::take_operand(scratch, matrix, rows, columns);
    if (rounded == nullptr) return;
    narrow_to_bf16(stream, matrix.f32(), stride, rounded, rows, columns);
    view = rounded;
    ld = columns;
  }
  WeightView view;
  int64_t ld;
};

}  // namespace

void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          WeightView A, int64_t lda, WeightView B, int64_t ldb, float beta, ArrayView C, int64_t ldc,
          Precision precision) {
  if (A.is_bf16() || B.is_bf16() || C.is_bf16()) precision = Precision::kBf16;
  const cuda::ThinProduct thin{transpose_a, transpose_b, M,   N,    K, alpha, A,
                               lda,         B,           ldb, beta, C, ldc,   precision};
  if (M > 0 && N > 0 && K > 0 && alpha != 0.0f && cuda::is_thin(thin)) {
    cuda::thin_product(stream, thin);
    return;
  }
  if (precision == Precision::kF32) {
    product(stream, transpose_a, transpose_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc, nullptr);
    return;
  }
  Scratch scratch(stream);
  const Operand a(stream, scratch, A, transpose_a ? K : M, transpose_a ? M : K, lda);
  const Operand b(stream, scratch, B, transpose_b ? N : K, transpose_b ? K : N, ldb);
  product(stream, transpose_a, transpose_b, M, N, K, alpha, a.view, a.ld, b.view, b.ld, beta, C, ldc,
          nullptr);
}

bool rounds_to_bf16() {
  return true;
}

bool keeps_bf16() {
  return true;
}

bool multiplies_q8() {
  return false;
}

bool multiplies_bf16_groups() {
  return false;
}

void linear_forward(Stream& stream, WeightView x, WeightView weight, const float* bias, ArrayView y,
                    int64_t T, int64_t K, int64_t N, bool accumulate) {
  const float beta = accumulate ? 1.0f : 0.0f;
  if (!x.is_bf16() && !weight.is_bf16() && !y.is_bf16()) {
    product(stream, false, true, T, N, K, 1.0f, x, K, weight, K, beta, y, N, bias);
    return;
  }
  Scratch scratch(stream);
  const Operand rows(stream, scratch, x, T, K, K);
  const Operand columns(stream, scratch, weight, N, K, K);
  product(stream, false, true, T, N, K, 1.0f, rows.view, K, columns.view, K, beta, y, N, bias);
}

void linear_backward(Stream& stream, WeightView x, WeightView weight, WeightView dy, ArrayView dx,
                     float* dweight, int64_t T, int64_t K, int64_t N, bool accumulate_dx) {
  const auto products = [&](WeightView inputs, WeightView weights, WeightView gradients) {
    if (dx.data != nullptr) {
      product(stream, false, false, T, K, N, 1.0f, gradients, N, weights, K, accumulate_dx ? 1.0f : 0.0f, dx,
              K, nullptr);
    }
    if (dweight != nullptr) {
      product(stream, true, false, N, K, T, 1.0f, gradients, N, inputs, K, 1.0f, dweight, K, nullptr);
    }
  };
  if (!x.is_bf16() && !weight.is_bf16() && !dy.is_bf16() && !dx.is_bf16()) {
    products(x, weight, dy);
    return;
  }
  Scratch scratch(stream);
  const Operand gradients(stream, scratch, dy, T, N, N);
  const Operand inputs(stream, scratch, x, dweight == nullptr ? 0 : T, K, K);
  const Operand weights(stream, scratch, weight, dx.data == nullptr ? 0 : N, K, K);
  products(inputs.view, weights.view, gradients.view);
}

}  // namespace llasa
