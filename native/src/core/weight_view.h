// A weight matrix that is only read, and how its elements are stored. C++17, like core/device.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace llasa {

// A stored bfloat16: the upper half of an f32. core/half.h converts on the host, ops/cast.h whole arrays.
struct Bf16 {
  uint16_t bits;
};

// A pointer whose elements may be f32 or bf16. A plain float pointer is the view of an f32 matrix.
struct WeightView {
  const void* data = nullptr;
  DType dtype = DType::kF32;  // DType::kF32 or DType::kBf16

  WeightView() = default;
  WeightView(std::nullptr_t) {}
  WeightView(const float* values) : data(values) {}
  WeightView(const Bf16* values) : data(values), dtype(DType::kBf16) {}

  bool is_bf16() const { return dtype == DType::kBf16; }
  // Of the dtype that the view has; there is no conversion.
  const float* f32() const { return static_cast<const float*>(data); }
  const Bf16* bf16() const { return static_cast<const Bf16*>(data); }
};

// The view that begins `offset` elements later.
inline WeightView operator+(WeightView view, int64_t offset) {
  return view.is_bf16() ? WeightView(view.bf16() + offset) : WeightView(view.f32() + offset);
}

}  // namespace llasa
