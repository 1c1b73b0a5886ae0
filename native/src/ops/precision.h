// How precisely an op multiplies.
#pragma once

namespace llasa {

enum class Precision {
  kF32,
  // Operands may be rounded to bf16 (nearest even) where that is faster: on CUDA they are, for its tensor
  // cores, and on a CPU that multiplies bf16; on other CPUs they are not. Sums are f32 everywhere.
  kBf16,
};

}  // namespace llasa
