// What follows the vocabulary projection: log-prob of a target and entropy of the distribution, and the
// gradient of both, made of the logits, in place or in bf16 beside them. Works on a chunk of rows; see models/policy_head.h.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// With z = logits * inverse_temperature: lse = log sum exp z, logprobs = z[target] - lse, entropies =
// lse - sum p z. logits [N,V] with leading dimension ld >= V; targets [N] columns on the device, 0..V-1; lse,
// logprobs, entropies [N].
void logprob_forward(Stream& stream, const float* logits, int64_t ld, const int32_t* targets,
                     float inverse_temperature, float* lse, float* logprobs, float* entropies, int64_t N,
                     int64_t V);

// dlogits, rows ld apart as the logits' and none else, which may be them: with p = exp(z - lse),
//   dlogits_j = inverse_temperature (dlogprob (1[j = target] - p_j) - dentropy p_j (z_j - lse + entropy)).
// dlogprobs [N]; dentropies [N] or NULL (all 0). In bf16 each is rounded once.
void logprob_backward(Stream& stream, const float* logits, ArrayView dlogits, int64_t ld,
                      const int32_t* targets, float inverse_temperature, const float* lse,
                      const float* entropies, const float* dlogprobs, const float* dentropies, int64_t N,
                      int64_t V);

}  // namespace llasa
