// A device array that products read.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "ops/gemm.h"

namespace llasa {

// Whether what products of that precision read is kept in bf16.
inline bool keeps_bf16(Precision precision) {
  return precision == Precision::kBf16 && keeps_bf16();
}

// In bf16 where that is kept, else in f32; in Buffers that are made of `owner`.
template <template <typename> class Buffer>
class OperandBufferOf {
 public:
  template <typename... Owner>
  explicit OperandBufferOf(Owner&... owner) : narrow_(owner...), wide_(owner...) {}
  ArrayView reserve(int64_t count, Precision precision, const char* what) {
    return reserve_over(nullptr, count, precision, what);
  }
  // For what an operation makes of f32 values that are spent then: where it is f32 itself, it takes their place.
  ArrayView reserve_over(float* values, int64_t count, Precision precision, const char* what) {
    if (keeps_bf16(precision)) return narrow_.reserve(count, what);
    return values != nullptr ? values : wide_.reserve(count, what);
  }
  void add_facts(std::vector<uint64_t>& facts) const {
    narrow_.add_facts(facts);
    wide_.add_facts(facts);
  }
  ArrayView view() { return narrow_.data() != nullptr ? ArrayView(narrow_.data()) : ArrayView(wide_.data()); }

 private:
  Buffer<Bf16> narrow_;
  Buffer<float> wide_;
};
using OperandBuffer = OperandBufferOf<PhaseBuffer>;

}  // namespace llasa
