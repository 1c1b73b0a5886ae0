// Host arrays of any ABI dtype to and from f32.
#pragma once

#include <cstdint>

#include "llasa_native.h"

namespace llasa {

// Bytes of one element; throws LLASA_ERR_ARGUMENT for an unknown dtype.
int64_t dtype_size(llasa_dtype dtype);
// Widens count elements. Returns false if one of them is not finite (all are written all the same).
bool widen(llasa_dtype dtype, const void* source, float* destination, int64_t count);
// Narrows count elements, round to nearest even.
void narrow(llasa_dtype dtype, const float* source, void* destination, int64_t count);

}  // namespace llasa
