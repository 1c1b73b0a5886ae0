// Finite scalar quantisation (arXiv 2309.15505; vector-quantize-pytorch 1.17 FSQ): codes to digits and back.
#pragma once

#include "ops/shapes.h"

namespace llasa {

// Digit i of a code is (code / basis_i) % levels[i], basis = running product of the levels, least significant
// first. y[t,i] = (digit - levels[i] / 2) / (levels[i] / 2), integer halves. codes device [T]; levels host
// [n]; y [T,n].
void fsq_dequantize(Stream& stream, const int32_t* codes, const int32_t* levels, float* y, int64_t T,
                    int64_t n);

// bound(z) = tanh(z + shift) half - offset with half = (level - 1) 1.001 / 2, offset = 0.5 for even levels,
// else 0, shift = atanh(offset / half). x and y [T,n]; y may be x.
void fsq_bound(Stream& stream, const float* x, const int32_t* levels, float* y, int64_t T, int64_t n);

// Codes of bounded values: digit = round half to even of x, + levels/2. x [T,n]; codes device [T].
void fsq_quantize(Stream& stream, const float* x, const int32_t* levels, int32_t* codes, int64_t T,
                  int64_t n);

}  // namespace llasa
