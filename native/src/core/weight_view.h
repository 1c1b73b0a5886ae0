// A matrix that is only read, an array that is written, and how their elements are stored. C++17, like core/device.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/q8.h"

namespace llasa {

// A stored bfloat16: the upper half of an f32. core/half.h converts on the host, ops/cast.h whole arrays.
struct Bf16 {
  uint16_t bits;
};

struct Bf16Group;

// A pointer whose elements may be f32, bf16 or 8 bits, the latter two perhaps in groups of rows. A plain float pointer is the view of an f32 matrix.
struct WeightView {
  const void* data = nullptr;
  DType dtype = DType::kF32;  // any but DType::kF16
  int64_t first = 0;          // in groups: elements of the matrix at `data` before the view, whole rows

  WeightView() = default;
  WeightView(std::nullptr_t) {}
  WeightView(const float* values) : data(values) {}
  WeightView(const Bf16* values) : data(values), dtype(DType::kBf16) {}
  explicit WeightView(const Q8Group* groups, int64_t before = 0)
      : data(groups), dtype(DType::kQ8), first(before) {}
  explicit WeightView(const Bf16Group* groups, int64_t before = 0)
      : data(groups), dtype(DType::kBf16Groups), first(before) {}

  bool is_f32() const { return dtype == DType::kF32; }
  bool is_bf16() const { return dtype == DType::kBf16; }
  bool is_q8() const { return dtype == DType::kQ8; }
  bool is_bf16_groups() const { return dtype == DType::kBf16Groups; }
  bool is_grouped() const { return is_q8() || is_bf16_groups(); }
  // Of the dtype that the view has; there is no conversion.
  const float* f32() const { return static_cast<const float*>(data); }
  const Bf16* bf16() const { return static_cast<const Bf16*>(data); }
  const Q8Group* q8() const { return static_cast<const Q8Group*>(data); }
  const Bf16Group* bf16_groups() const { return static_cast<const Bf16Group*>(data); }
};

// A pointer to elements that are f32 or bf16 and that an operation writes. A plain float pointer is the view of an f32
// array.
struct ArrayView {
  void* data = nullptr;
  DType dtype = DType::kF32;

  ArrayView() = default;
  ArrayView(std::nullptr_t) {}
  ArrayView(float* values) : data(values) {}
  ArrayView(Bf16* values) : data(values), dtype(DType::kBf16) {}
  // To be read.
  operator WeightView() const { return is_bf16() ? WeightView(bf16()) : WeightView(f32()); }

  bool is_bf16() const { return dtype == DType::kBf16; }
  // Of the dtype that the view has; there is no conversion.
  float* f32() const { return static_cast<float*>(data); }
  Bf16* bf16() const { return static_cast<Bf16*>(data); }
};

inline ArrayView operator+(ArrayView view, int64_t offset) {
  return view.is_bf16() ? ArrayView(view.bf16() + offset) : ArrayView(view.f32() + offset);
}

// The view that begins `offset` elements later; in groups these are whole rows.
inline WeightView operator+(WeightView view, int64_t offset) {
  if (view.is_grouped()) {
    view.first += offset;
    return view;
  }
  return view.is_bf16() ? WeightView(view.bf16() + offset) : WeightView(view.f32() + offset);
}

}  // namespace llasa
