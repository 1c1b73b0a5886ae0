// What the codec's encoder needs beyond the common ops: Kaldi features, anti-aliased Snake, and the parts of
// a Wav2Vec2-BERT layer (transformers.Wav2Vec2BertModel). One clip at a time.
#pragma once

#include "ops/shapes.h"

namespace llasa {

inline constexpr int64_t kKaldiMels = 80;

// Kaldi log-mel as SeamlessM4TFeatureExtractor makes it of a 16 kHz waveform padded by 160 zeros on both
// sides: samples * 32768, 400-sample frames every 160, DC removed, pre-emphasis 0.97, Povey window, 512-point
// power spectrum, 80 Kaldi bins from 20 to 8000 Hz, log(max(x, 1.19e-7)), then per bin (x - mean) /
// sqrt(unbiased variance + 1e-7) over time. In double: the normalisation amplifies rounding in quiet bins. y
// [frames, 80], frames = samples / 160; log_mel, the same before normalisation, may be NULL.
void kaldi_features_forward(Stream& stream, const float* samples, int64_t num_samples, float* y,
                            float* log_mel);

// y = downsample(s + sin^2(s e^alpha) / (e^beta + 1e-9)), s = x upsampled by 2; both with a 12-tap
// Kaiser-windowed sinc (cutoff 0.25, half width 0.3, unit sum) and repeated borders (BigVGAN's Activation1d
// with SnakeBeta). x, y [T,C]; y must not be x.
void snake_forward(Stream& stream, const float* x, const float* alpha, const float* beta, float* y, int64_t T,
                   int64_t C);

// Self-attention with relative keys: scores (q_l . k_r + q_l . distance[clamp(r - l, -left, right) + left])
// scale. q, k, v, y [T, H*D]; distance [left + right + 1, D].
void relative_attention_forward(Stream& stream, const float* q, const float* k, const float* v,
                                const float* distance, float* y, int64_t T, int64_t H, int64_t D,
                                int64_t left, int64_t right, float scale);

// y[t,c] = x[t,c] sigmoid(x[t,C+c]): torch.nn.functional.glu. x [T,2C], y [T,C].
void glu_forward(Stream& stream, const float* x, float* y, int64_t T, int64_t C);
// y += scale * x.
void scaled_add_forward(Stream& stream, const float* x, float scale, float* y, int64_t count);
// y = max(x, 0). y may be x.
void relu_forward(Stream& stream, const float* x, float* y, int64_t count);

}  // namespace llasa
