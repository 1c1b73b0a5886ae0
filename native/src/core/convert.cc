#include "core/convert.h"

#include <cmath>
#include <cstring>

#include "core/half.h"

namespace llasa {

bool widen(DType dtype, const void* source, float* destination, int64_t count) {
  if (dtype == DType::kF32) {
    std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
  } else {
    const auto* bytes = static_cast<const unsigned char*>(source);
    for (int64_t i = 0; i < count; ++i) {
      uint16_t bits;  // through memcpy: a memory-mapped tensor need not be aligned
      std::memcpy(&bits, bytes + 2 * i, sizeof bits);
      destination[i] = dtype == DType::kF16 ? fp16_to_float(bits) : bf16_to_float(bits);
    }
  }
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) finite &= std::isfinite(destination[i]);
  return finite;
}

void narrow(DType dtype, const float* source, void* destination, int64_t count) {
  if (dtype == DType::kF32) {
    std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  auto* bytes = static_cast<unsigned char*>(destination);
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = dtype == DType::kF16 ? float_to_fp16(source[i]) : float_to_bf16(source[i]);
    std::memcpy(bytes + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace llasa
