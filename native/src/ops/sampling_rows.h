// What ops/sampling.h takes, made on the device from arrays of a caller who has all of it there.
#pragma once

#include "ops/sampling.h"

namespace llasa {

struct SamplingArrays {
  const float* logits;             // [rows, V]
  int64_t vocab_size;              // V
  const uint64_t* sequence_ids;    // [rows]
  const int64_t* positions;        // [rows]
  const int64_t* history_offsets;  // [rows + 1], or NULL: nobody has a history
  const int32_t* history_ids;      // [history_count]
  int64_t history_count;
};

// info [rows] gets each row's numbers, and the row itself as its history. gathered [rows, allowed.count()] gets the
// columns of allowed ids; seen [rows, seen_words] the bits of those that the row's history holds. Either is NULL where it
// is not needed; with seen comes gathered. A history that is not [a, b), 0 <= a <= b <= history_count, or holds an id
// outside 0..V-1 makes its row's first logit NaN, which sampling answers by kSampleNotFinite.
void sampling_rows(Stream& stream, const AllowedIds& allowed, const SamplingArrays& arrays, int64_t rows,
                   SampleRow* info, uint32_t* seen, float* gathered);

}  // namespace llasa
