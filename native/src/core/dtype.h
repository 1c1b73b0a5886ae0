// Element types of tensors. C++17, like core/device.h.
#pragma once

#include <cstdint>

namespace llasa {

// Numbered as the ABI's. kQ8 is a way to keep matrices (core/q8.h), not the type of single elements.
enum class DType : int32_t { kF32, kF16, kBf16, kQ8 };

// Bytes of one element; not of kQ8.
inline constexpr int64_t dtype_size(DType dtype) {
  return dtype == DType::kF32 ? 4 : 2;
}

}  // namespace llasa
