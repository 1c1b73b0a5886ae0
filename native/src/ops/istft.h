// The vocoder's last step (vocos ISTFTHead with "same" padding): log-magnitudes and phases to samples.
//
// A frame of n_fft = 4 hop samples is
//   x[n] = (1/n_fft) sum over k of c_k (Re_k cos(2 pi k n / n_fft) - Im_k sin(2 pi k n / n_fft)),
// c = 1 for k = 0 and n_fft/2, else 2. It is a matrix product, but not with the full [n_fft/2+1, n_fft]
// matrix: with h = hop, n = 0..h and the four sums
//   a(n) = even k, cosines   b(n) = odd k, cosines   c(n) = even k, sines   d(n) = odd k, sines
// the symmetries of cosine and sine give all four quarters of the frame,
//   x[n] = a + b + c + d    x[2h-n] = a - b - c + d    x[2h+n] = a - b + c - d    x[4h-n] = a + b - c - d,
// so four [h+1, h+1] products do the work of one that is 8 times their size each. The window is applied while
// the quarters are overlapped and added, where it costs one multiplication.
#pragma once

#include "ops/shapes.h"

namespace llasa {

// Row length of one quarter: hop + 1 rounded up to 16 floats. The padding is zero.
inline int64_t istft_quarter(int64_t hop) {
  return (hop + 1 + 15) / 16 * 16;
}
// Floats of the basis: four [Q,Q] matrices, row = sample n, column = spectrum line.
inline int64_t istft_basis_size(int64_t hop) {
  return 4 * istft_quarter(hop) * istft_quarter(hop);
}
// Floats of each of the two scratch arrays for T frames.
inline int64_t istft_scratch_size(int64_t hop, int64_t frames) {
  return 4 * istft_quarter(hop) * frames;
}

// Fills the basis and the periodic Hann window [4 hop] in double precision. Host arrays.
void istft_tables(int64_t hop, float* basis, float* window);

// prediction [T, 4 hop + 2]: log-magnitudes (exp, clipped at 100), then phases. y: clip b's samples start at
// offsets[b] * hop, hop per frame: overlap-add, divided by the summed squared window, (n_fft - hop) / 2
// samples trimmed from both ends. offsets host [B+1]. spectrum and quarters: scratch of istft_scratch_size
// floats each.
void istft_forward(Stream& stream, const float* prediction, const float* basis, const float* window,
                   float* spectrum, float* quarters, float* y, const int64_t* offsets, int64_t B,
                   int64_t hop);

}  // namespace llasa
