// The ends of a text decoder: embeddings in, choices and likelihoods out.
#pragma once

#include "core/weight_view.h"
#include "ops/shapes.h"

namespace llasa {

// y[t] = scale * table[ids[t]] + positions[position_ids[t]]. table [V,C] in f32 or bf16, positions [P,C], y
// [T,C]; ids and position_ids are device arrays [T].
void text_embedding_forward(Stream& stream, WeightView table, const float* positions, const int32_t* ids,
                            const int32_t* position_ids, float* y, int64_t T, int64_t C, float scale);

// Greedy choice of each row: the first of the largest logits that is not banned, and its log-probability over
// the ids that are not banned. logits [A,V]; banned [V] bytes or NULL; ids, logprobs device arrays [A]. A row
// where everything is banned or a logit is NaN gets id -1.
void greedy_choice(Stream& stream, const float* logits, const uint8_t* banned, int32_t* ids, float* logprobs,
                   int64_t A, int64_t V);

// probabilities[a] = softmax(logits[a])[id]. logits [A,V]; device array [A].
void id_probability(Stream& stream, const float* logits, int64_t id, float* probabilities, int64_t A,
                    int64_t V);

// nll[n] = log sum exp(logits[n]) - logits[n, targets[n]]. logits [N,V]; targets, nll device arrays [N].
void token_nll_forward(Stream& stream, const float* logits, const int32_t* targets, float* nll, int64_t N,
                       int64_t V);

// y[n] = x[rows[n]]: rows of [.,C], both f32 or both bf16; rows is a device array [N]. y must not overlap x.
void gather_rows(Stream& stream, WeightView x, const int64_t* rows, ArrayView y, int64_t N, int64_t C);

}  // namespace llasa
