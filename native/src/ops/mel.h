// Whisper's log-mel spectrogram (openai/whisper audio.py, log_mel_spectrogram).
//
// STFT with n_fft 400, hop 160, periodic Hann, centred with reflect padding, last frame dropped; power;
// Slaney mel filterbank; l = log10(max(power, 1e-10)); l = max(l, max over the clip of l - 8); (l + 4) / 4.
//
// The DFT of a real frame is a matrix product after two foldings (x[j] +- x[400-j], then j against 200-j),
// which leave four [101,101] products: even and odd lines, cosines and sines. Frames past the end of a clip
// hold zeros and are -10 before the floor: they are filled in, not computed.
#pragma once

#include "ops/shapes.h"

namespace llasa {

inline constexpr int64_t kMelFft = 400;
inline constexpr int64_t kMelHop = 160;
inline constexpr int64_t kMelLines = kMelFft / 2 + 1;
inline constexpr int64_t kMelQuarter = 112;  // 101 rounded up to 16 floats
inline constexpr int64_t kMelBasisSize = 4 * kMelQuarter * kMelQuarter;
inline constexpr int64_t kMelSampleRate = 16000;

// Four [112,112] matrices (row = spectrum line, column = folded sample; cosines even/odd, sines even/odd) and
// the window [400], in double precision. Host arrays.
void mel_dft_tables(float* basis, float* window);

// Slaney filterbank in double: filters [num_mels, 201] f32 (librosa.filters.mel(16000, 400, num_mels)). Host
// array.
void mel_filterbank(int64_t num_mels, float* filters);

// Waveforms of B clips: clip b is samples[begin[b] .. end[b]) (host arrays), cut or zero-padded to frames *
// 160 samples. y [B, frames, num_mels]. basis, window and filters as above, on the device.
void log_mel_forward(Stream& stream, const float* samples, const int64_t* begin, const int64_t* end,
                     const float* basis, const float* window, const float* filters, float* y, int64_t B,
                     int64_t frames, int64_t num_mels);

}  // namespace llasa
