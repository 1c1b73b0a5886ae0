// Host arrays in bf16, for tests of what reads or writes them.
#pragma once

#include <vector>

#include "core/half.h"
#include "core/weight_view.h"
#include "ops/gemm.h"

namespace llasa::test {

// Largest relative error of one rounding to bf16: half a unit of its 8-bit significand.
constexpr double kBf16Rounding = 1.0 / 256;

inline std::vector<Bf16> stored_bf16(const std::vector<float>& values) {
  std::vector<Bf16> stored;
  for (float v : values) stored.push_back({float_to_bf16(v)});
  return stored;
}
// What a reader of the stored values sees.
inline std::vector<float> rounded_bf16(std::vector<float> values) {
  for (float& v : values) v = bf16_to_float(float_to_bf16(v));
  return values;
}
inline std::vector<uint16_t> bits_of(const std::vector<Bf16>& stored) {
  std::vector<uint16_t> bits;
  for (Bf16 v : stored) bits.push_back(v.bits);
  return bits;
}
inline std::vector<float> widened(const std::vector<Bf16>& stored) {
  std::vector<float> values;
  for (Bf16 v : stored) values.push_back(bf16_to_float(v.bits));
  return values;
}
// What a product of Precision::kBf16 sees of an f32 operand.
inline std::vector<float> operand_bf16(const std::vector<float>& values) {
  return rounds_to_bf16() ? rounded_bf16(values) : values;
}

}  // namespace llasa::test
