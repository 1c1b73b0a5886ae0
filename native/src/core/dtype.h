// Element types of tensors. C++17, like core/device.h.
#pragma once

#include <cstdint>

namespace llasa {

enum class DType : int32_t { kF32, kF16, kBf16 };  // numbered as the ABI's

// Bytes of one element.
inline constexpr int64_t dtype_size(DType dtype) {
  return dtype == DType::kF32 ? 4 : 2;
}

}  // namespace llasa
