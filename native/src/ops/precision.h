// How precisely an op multiplies.
#pragma once

namespace llasa {

enum class Precision {
  kF32,
  // Operands may be rounded to bf16 (nearest even) where that is faster: on CUDA they are, for its tensor
  // cores, on the CPU they are not. Sums are f32 on both.
  kBf16,
};

}  // namespace llasa
