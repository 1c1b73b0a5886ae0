// What the ABI says of a parameter.
#pragma once

#include "core/tensor_table.h"
#include "llasa_native.h"

namespace llasa::abi {

inline llasa_tensor_info describe(const TensorSpec& spec) {
  llasa_tensor_info info{};
  info.rank = static_cast<int32_t>(spec.shape.size());
  for (size_t i = 0; i < 4; ++i) info.shape[i] = i < spec.shape.size() ? spec.shape[i] : 1;
  info.name = spec.name.c_str();
  info.is_set = spec.is_set;
  info.is_optional = spec.optional;
  return info;
}

}  // namespace llasa::abi
