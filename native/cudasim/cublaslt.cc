// The twin of cuBLASLt: checks the operands like a kernel's accesses and multiplies by OpenBLAS.
#include "cublasLt.h"

#include <cblas.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/half.h"
#include "counts.h"
#include "devices.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "runtime.h"

struct cudasim_blas {
  int device = cudasim::current_device();
};
struct cudasim_matmul {
  cublasComputeType_t compute;
  cublasOperation_t trans_a = CUBLAS_OP_N, trans_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct cudasim_layout {
  cudaDataType type;
  int64_t rows, cols, ld;

  int64_t element_bytes() const { return type == CUDA_R_32F ? 4 : 2; }
  int64_t count() const { return cols == 0 ? 0 : (cols - 1) * ld + rows; }
};
struct cudasim_preference {
  uint64_t workspace_bytes = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};

using namespace cudasim;

namespace {

// What the pretended algorithm wants, so that the caller's workspace is exercised.
constexpr size_t kWorkspaceBytes = 512;

bool is_readable(const char* name, const void* data, const cudasim_layout& layout) {
  for (int64_t col = 0; col < layout.cols; ++col) {
    const auto* begin = static_cast<const char*>(data) + col * layout.ld * layout.element_bytes();
    const auto bytes = static_cast<size_t>(layout.rows * layout.element_bytes());
    const bool allocated = range_is_allocated(begin, bytes);
    if (allocated && range_is_written(begin, bytes)) continue;
    set_device_fault(
        cudaErrorIllegalAddress,
        text("cublasLtMatmul: %s of column %lld of operand %s (%lld x %lld), %s",
             allocated ? "uninitialised elements" : "out-of-bounds read", static_cast<long long>(col), name,
             static_cast<long long>(layout.rows), static_cast<long long>(layout.cols),
             describe_address(reinterpret_cast<uintptr_t>(begin)).c_str()));
    return false;
  }
  return true;
}

bool is_writable(void* data, const cudasim_layout& layout) {
  for (int64_t col = 0; col < layout.cols; ++col) {
    auto* begin = static_cast<char*>(data) + col * layout.ld * layout.element_bytes();
    if (!range_is_allocated(begin, static_cast<size_t>(layout.rows * layout.element_bytes()))) {
      set_device_fault(
          cudaErrorIllegalAddress,
          text("cublasLtMatmul: out-of-bounds write of column %lld of the result (%lld x %lld), %s",
               static_cast<long long>(col), static_cast<long long>(layout.rows),
               static_cast<long long>(layout.cols),
               describe_address(reinterpret_cast<uintptr_t>(begin)).c_str()));
      return false;
    }
  }
  return true;
}

// The operand as f32; bf16 is widened.
const float* as_float(const void* data, const cudasim_layout& layout, std::vector<float>& widened) {
  if (layout.type == CUDA_R_32F) return static_cast<const float*>(data);
  const auto* half = static_cast<const uint16_t*>(data);
  widened.resize(static_cast<size_t>(layout.count()));
  for (int64_t col = 0; col < layout.cols; ++col) {
    for (int64_t row = 0; row < layout.rows; ++row) {
      const auto i = static_cast<size_t>(col * layout.ld + row);
      widened[i] = llasa::bf16_to_float(half[i]);
    }
  }
  return widened.data();
}

struct Product {
  cudasim_matmul desc;
  float alpha, beta;
  const void* A;
  const void* B;
  const void* C;
  void* D;
  cudasim_layout a, b, c, d;
};

bool multiply(const Product& p) {
  const int64_t m = p.d.rows, n = p.d.cols;
  const int64_t k = p.desc.trans_a == CUBLAS_OP_N ? p.a.cols : p.a.rows;
  if (!is_readable("A", p.A, p.a) || !is_readable("B", p.B, p.b) ||
      (p.beta != 0.0f && !is_readable("C", p.C, p.c)) || !is_writable(p.D, p.d)) {
    return false;
  }
  const cudasim_layout bias_layout{CUDA_R_32F, m, 1, m};
  const bool has_bias = p.desc.epilogue == CUBLASLT_EPILOGUE_BIAS;
  if (has_bias && !is_readable("bias", p.desc.bias, bias_layout)) return false;
  std::vector<float> wide_a, wide_b, wide_c, wide_d;
  const float* A = as_float(p.A, p.a, wide_a);
  const float* B = as_float(p.B, p.b, wide_b);
  float* D = static_cast<float*>(p.D);
  if (p.d.type != CUDA_R_32F) {
    wide_d.resize(static_cast<size_t>(p.d.count()));
    D = wide_d.data();
  }
  if (p.beta != 0.0f) {
    const float* C = as_float(p.C, p.c, wide_c);
    for (int64_t col = 0; col < n; ++col) {
      std::memmove(D + col * p.d.ld, C + col * p.c.ld, static_cast<size_t>(m) * sizeof(float));
    }
  }
  ++counts().products;
  counts().product_flops += 2 * m * n * k;
  openblas_set_num_threads(1);
  cblas_sgemm(CblasColMajor, p.desc.trans_a == CUBLAS_OP_T ? CblasTrans : CblasNoTrans,
              p.desc.trans_b == CUBLAS_OP_T ? CblasTrans : CblasNoTrans, static_cast<blasint>(m),
              static_cast<blasint>(n), static_cast<blasint>(k), p.alpha, A, static_cast<blasint>(p.a.ld), B,
              static_cast<blasint>(p.b.ld), p.beta, D, static_cast<blasint>(p.d.ld));
  for (int64_t col = 0; col < n; ++col) {
    if (has_bias) {
      const auto* bias = static_cast<const float*>(p.desc.bias);
      for (int64_t row = 0; row < m; ++row) D[col * p.d.ld + row] += bias[row];
    }
    if (p.d.type != CUDA_R_32F) {
      auto* half = static_cast<uint16_t*>(p.D) + col * p.d.ld;
      for (int64_t row = 0; row < m; ++row) half[row] = llasa::float_to_bf16(D[col * p.d.ld + row]);
    }
    mark_written(static_cast<char*>(p.D) + col * p.d.ld * p.d.element_bytes(),
                 static_cast<size_t>(m * p.d.element_bytes()));
  }
  return true;
}

bool shapes_agree(const cudasim_matmul& desc, const cudasim_layout& a, const cudasim_layout& b,
                  const cudasim_layout& c, const cudasim_layout& d) {
  const bool ta = desc.trans_a == CUBLAS_OP_T, tb = desc.trans_b == CUBLAS_OP_T;
  const int64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols;
  const int64_t k2 = tb ? b.cols : b.rows, n = tb ? b.rows : b.cols;
  const auto ld_is_enough = [](const cudasim_layout& l) {
    return l.rows > 0 && l.cols > 0 && l.ld >= l.rows;
  };
  return k == k2 && d.rows == m && d.cols == n && c.rows == m && c.cols == n && ld_is_enough(a) &&
         ld_is_enough(b) && ld_is_enough(c) && ld_is_enough(d);
}

// cuBLASLt's table of types for sums in f32: f32 operands, or bf16 ones (never with TF32), and a result of
// f32 or of the operands' type.
bool types_agree(const cudasim_matmul& desc, const cudasim_layout& a, const cudasim_layout& b,
                 const cudasim_layout& c, const cudasim_layout& d) {
  const bool operands = a.type == b.type && (a.type == CUDA_R_32F || desc.compute == CUBLAS_COMPUTE_32F);
  return operands && c.type == d.type && (d.type == CUDA_R_32F || d.type == a.type);
}

template <typename T, typename... Values>
cublasStatus_t make(T** out, Values... values) {
  *out = new T{values...};
  return CUBLAS_STATUS_SUCCESS;
}
template <typename T>
cublasStatus_t destroy(T* object) {
  delete object;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

// Of the last one that was opened.
size_t cublasLtGetVersion() {
  return static_cast<size_t>(opened_cublaslt()) * 10000 + 203;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return make(handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy(handle);
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t) {
  return make(desc, compute);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return destroy(desc);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which,
                                              const void* value, size_t bytes) {
  const auto store = [&](auto& field) {
    if (bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return store(desc->trans_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return store(desc->trans_b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return store(desc->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return store(desc->bias);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  return make(layout, type, static_cast<int64_t>(rows), static_cast<int64_t>(cols), ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(layout);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return make(preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t which,
                                                    const void* value, size_t bytes) {
  if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    if (bytes != sizeof(uint64_t)) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&preference->workspace_bytes, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  }
  if (bytes != sizeof(uint32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&preference->alignment[which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

// The promised alignments go into the algorithm, as a real one may rely on them.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (wanted < 1 || !shapes_agree(*desc, *a, *b, *c, *d)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!types_agree(*desc, *a, *b, *c, *d)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool odd = a->type != CUDA_R_32F && (a->ld % 8 != 0 || b->ld % 8 != 0 || c->ld % 8 != 0);
  if (known_products() == 3) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (known_products() == 0 || (known_products() == 1 && odd)) return CUBLAS_STATUS_SUCCESS;
  results[0] = {};
  results[0].workspaceSize = preference->workspace_bytes < kWorkspaceBytes ? 0 : kWorkspaceBytes;
  results[0].algo.data[0] = results[0].workspaceSize;
  for (int i = 0; i < 4; ++i) results[0].algo.data[1 + i] = preference->alignment[i];
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* A, cublasLtMatrixLayout_t a, const void* B,
                              cublasLtMatrixLayout_t b, const void* beta, const void* C,
                              cublasLtMatrixLayout_t c, void* D, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  const ApiCall call("cublasLtMatmul");
  if (call.failed()) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!is_stream(stream) || !shapes_agree(*desc, *a, *b, *c, *d)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!types_agree(*desc, *a, *b, *c, *d)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (handle->device != stream->device) return CUBLAS_STATUS_INVALID_VALUE;
  const void* operands[4] = {A, B, C, D};
  for (const void* operand : operands) {
    if (!is_device_pointer(operand) || device_of(operand) == stream->device) continue;
    set_device_fault(cudaErrorIllegalAddress,
                     text("cublasLtMatmul: an operand is memory of device %d, the stream is device %d's",
                          device_of(operand), stream->device));
    return CUBLAS_STATUS_SUCCESS;
  }
  for (int i = 0; i < 4; ++i) {
    if (reinterpret_cast<uintptr_t>(operands[i]) % algo->data[1 + i] != 0) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (algo->data[0] > workspace_bytes ||
      (algo->data[0] > 0 && !range_is_allocated(workspace, static_cast<size_t>(algo->data[0])))) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  Product product{
      *desc, *static_cast<const float*>(alpha), *static_cast<const float*>(beta), A, B, C, D, *a, *b, *c, *d};
  note_call(stream);
  push(stream, [product] { return multiply(product); });
  return CUBLAS_STATUS_SUCCESS;
}
