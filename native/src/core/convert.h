// Host arrays of any element type to and from f32.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace llasa {

// Widens count elements. Returns false if one of them is not finite (all are written all the same).
bool widen(DType dtype, const void* source, float* destination, int64_t count);
// Narrows count elements, round to nearest even.
void narrow(DType dtype, const float* source, void* destination, int64_t count);

}  // namespace llasa
