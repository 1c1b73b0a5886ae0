// RMSNorm (LlamaRMSNorm), LayerNorm and GroupNorm (torch.nn).
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps). x, y [T,C]; weight [C]; rstd [T] or NULL. y may be bf16, here
// and below: then it is what narrow_to_bf16 makes of the f32 result.
void rmsnorm_forward(Stream& stream, const float* x, const float* weight, ArrayView y, float* rstd, int64_t T,
                     int64_t C, float eps);
// The residual add in the same pass: sum = a + b, y = sum * rstd * weight, with the bits of add_forward and
// rmsnorm_forward. a, b, sum, y [T,C]; sum may be a; y in f32 may be b; rstd [T] or NULL.
void add_rmsnorm_forward(Stream& stream, const float* a, const float* b, const float* weight, float* sum,
                         ArrayView y, float* rstd, int64_t T, int64_t C, float eps);
// dx += rstd (w dy - x rstd^2 mean(w dy x)): accumulated, because x is the residual stream; dweight += dy x
// rstd, unless NULL. narrowed [T,C], unless NULL, is assigned what narrow_to_bf16 makes of dx, which products read next.
void rmsnorm_backward(Stream& stream, const float* x, const float* weight, const float* rstd, const float* dy,
                      float* dx, float* dweight, int64_t T, int64_t C, Bf16* narrowed = nullptr);

// y = (x - mean) / sqrt(var + eps) * weight + bias per row, biased variance. y in f32 may be x.
void layernorm_forward(Stream& stream, const float* x, const float* weight, const float* bias, ArrayView y,
                       int64_t T, int64_t C, float eps);

// GroupNorm over channel-last frames of packed clips: x, y [T,C] hold B clips, clip b at rows
// offsets[b]..offsets[b+1] (host array [B+1]); mean and variance over the clip's frames and the C/groups
// channels of a group. With silu, y = silu(groupnorm(x)) in the same pass. y may be x.
void groupnorm_forward(Stream& stream, const float* x, const float* weight, const float* bias, float* y,
                       const int64_t* offsets, int64_t B, int64_t C, int64_t groups, float eps,
                       bool silu = false);

}  // namespace llasa
