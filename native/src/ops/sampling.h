// Fused sampling: repetition penalty -> temperature -> top-k -> top-p -> min-p -> draw, with the log-prob.
// The chain is that of transformers' generate (vLLM agrees); docs of each step below.
#pragma once

#include "core/host_device.h"
#include "ops/allowed_ids.h"
#include "ops/shapes.h"

namespace llasa {

struct SamplingParameters {
  float temperature = 1;         // 0 = greedy
  int32_t top_k = 0;             // 0 = off
  float top_p = 1;               // 1 = off
  float min_p = 0;               // 0 = off
  float repetition_penalty = 1;  // 1 = off
  uint64_t seed = 0;
  AllowedIds allowed;
};

// What differs from row to row.
struct SampleRow {
  uint64_t sequence_id = 0;
  int64_t position = 0;
  int32_t history = 0;            // row of `seen`
  int32_t forbidden_column = -1;  // not drawn (the stop token while the response is short); -1 = none
};

// Ids written instead of a drawn one; the caller turns them into an error.
constexpr int32_t kSampleNotFinite = -1;  // the row holds NaN or +infinity
constexpr int32_t kSampleEmpty = -2;      // every id that could be drawn is at -infinity

// 32-bit words of one row of `seen`: bit c of a row says that the id of column c occurred before.
LLASA_HOST_DEVICE inline int64_t seen_words(const AllowedIds& allowed) {
  return (int64_t{allowed.count()} + 31) / 32;
}

// Draws one id per row. With x a row of logits [rows, ld], n = allowed.count() columns used:
//   penalty   x_c < 0 ? x_c p : x_c / p where seen, once however often it occurred
//   log-prob  of the drawn id: log_softmax(x / T) over all columns, before anything is dropped, the forbidden
//             column included: the distribution that training computes when the penalty is 1
//   forbid    x[forbidden_column] = -infinity
//   top-k     keep x >= the k-th largest (its ties are kept)
//   top-p     in order of descending x, then ascending id, keep an id if the mass before it is < top_p of the
//             mass that top-k left: what dropping while the ascending cumulative probability is <= 1 - top_p
//             leaves. The best id always stays
//   min-p     keep probability >= min_p times the largest
//   draw      the first column whose cumulative kept mass exceeds u times the total,
//             u = philox_uniform_double(seed, sequence_id, position) in [0, 1)
// temperature 0: the largest x, the lowest id among equals; its log-prob at T = 1.
// draw_logprobs [rows] or NULL: log of the probability the id was drawn with, x / T normalised over what was
// kept; 0 at temperature 0. It differs from logprobs where something was forbidden or dropped.
// -infinity is allowed. logits are overwritten where an id is penalised or forbidden, and nowhere else.
// seen [.., seen_words] gets the drawn id's bit; NULL if the penalty is 1. ids, logprobs [rows]. A row's result
// depends on that row alone.
void sampling_forward(Stream& stream, const SamplingParameters& parameters, float* logits, int64_t ld,
                      int64_t rows, const SampleRow* info, uint32_t* seen, int32_t* ids, float* logprobs,
                      float* draw_logprobs = nullptr);

// The distribution sampling_forward draws from: probs [rows, n] by column, exactly 0 where dropped; greedy:
// one 1. ids gets a kSample code for a row without distribution, else the most probable id.
void sampling_distribution(Stream& stream, const SamplingParameters& parameters, float* logits, int64_t ld,
                           int64_t rows, const SampleRow* info, const uint32_t* seen, int32_t* ids,
                           float* probs);

}  // namespace llasa
