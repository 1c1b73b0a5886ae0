// Element types of tensors. C++17, like core/device.h.
#pragma once

#include <cstdint>

namespace llasa {

// Numbered as the ABI's, which has no kBf16Groups. kQ8 and kBf16Groups are ways to keep matrices (core/q8.h,
// core/bf16_groups.h), not the type of single elements.
enum class DType : int32_t { kF32, kF16, kBf16, kQ8, kBf16Groups };

// Bytes of one element; not of matrices in groups.
inline constexpr int64_t dtype_size(DType dtype) {
  return dtype == DType::kF32 ? 4 : 2;
}

}  // namespace llasa
