// Between f32 and bf16: round to nearest even; infinities stay, NaN stays NaN, what is too large becomes an
// infinity.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// y = bf16(x). x [rows, ldx] of which the first `columns` of each row are read; y [rows, columns] dense.
void narrow_to_bf16(Stream& stream, const float* x, int64_t ldx, Bf16* y, int64_t rows, int64_t columns);
// y = x, exactly; [count].
void widen_to_f32(Stream& stream, const Bf16* x, float* y, int64_t count);
// x = f32(bf16(x)) in place: what a reader of the bf16 array would see. x [rows, ldx], first `columns`.
void round_to_bf16(Stream& stream, float* x, int64_t ldx, int64_t rows, int64_t columns);

}  // namespace llasa
