// The arithmetic that goes with how a model's matrices are stored.
#pragma once

#include "core/tensor_table.h"
#include "ops/precision.h"

namespace llasa {

inline Precision precision_of(Storage storage) {
  return storage == Storage::kF32 ? Precision::kF32 : Precision::kBf16;
}

}  // namespace llasa
