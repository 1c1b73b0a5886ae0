#include "core/convert.h"

#include <cmath>
#include <cstring>

#include "core/half.h"
#include "core/status.h"

namespace llasa {

int64_t dtype_size(llasa_dtype dtype) {
  LLASA_CHECK(dtype == LLASA_F32 || dtype == LLASA_F16 || dtype == LLASA_BF16, LLASA_ERR_ARGUMENT,
              "`dtype`: %d, expected 0 (f32), 1 (f16) or 2 (bf16)", dtype);
  return dtype == LLASA_F32 ? 4 : 2;
}

bool widen(llasa_dtype dtype, const void* source, float* destination, int64_t count) {
  dtype_size(dtype);
  if (dtype == LLASA_F32) {
    std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
  } else {
    const auto* bytes = static_cast<const unsigned char*>(source);
    for (int64_t i = 0; i < count; ++i) {
      uint16_t bits;  // through memcpy: a memory-mapped tensor need not be aligned
      std::memcpy(&bits, bytes + 2 * i, sizeof bits);
      destination[i] = dtype == LLASA_F16 ? fp16_to_float(bits) : bf16_to_float(bits);
    }
  }
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) finite &= std::isfinite(destination[i]);
  return finite;
}

void narrow(llasa_dtype dtype, const float* source, void* destination, int64_t count) {
  dtype_size(dtype);
  if (dtype == LLASA_F32) {
    std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  auto* bytes = static_cast<unsigned char*>(destination);
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = dtype == LLASA_F16 ? float_to_fp16(source[i]) : float_to_bf16(source[i]);
    std::memcpy(bytes + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace llasa
