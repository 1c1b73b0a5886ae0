// Rows for sampling on the CPU: one after another, rows in parallel; contract in ops/sampling_rows.h.
#include "ops/sampling_rows.h"

#include <algorithm>
#include <limits>

#include "core/parallel.h"

namespace llasa {

namespace {

// False if the history leaves its array or the vocabulary.
bool mark_history(const AllowedIds& allowed, const SamplingArrays& arrays, int64_t row, uint32_t* seen) {
  if (arrays.history_offsets == nullptr) return true;
  const int64_t begin = arrays.history_offsets[row], end = arrays.history_offsets[row + 1];
  if (begin < 0 || begin > end || end > arrays.history_count) return false;
  for (int64_t i = begin; i < end; ++i) {
    const int32_t id = arrays.history_ids[i];
    if (id < 0 || id >= arrays.vocab_size) return false;
    const int32_t column = allowed.column_of(id);
    if (column >= 0) seen[column / 32] |= uint32_t{1} << (column % 32);
  }
  return true;
}

}  // namespace

void sampling_rows(Stream&, const AllowedIds& allowed, const SamplingArrays& arrays, int64_t rows,
                   SampleRow* info, uint32_t* seen, float* gathered) {
  const int64_t n = allowed.count(), words = seen_words(allowed);
  parallel_for(rows, [&](int64_t r) {
    info[r] = {arrays.sequence_ids[r], arrays.positions[r], static_cast<int32_t>(r), -1};
    if (gathered == nullptr) return;
    const float* from = arrays.logits + r * arrays.vocab_size;
    float* to = gathered + r * n;
    std::copy(from + allowed.start, from + allowed.end, to + allowed.range_column());
    if (allowed.extra >= 0) to[allowed.extra_column()] = from[allowed.extra];
    if (seen == nullptr) return;
    std::fill(seen + r * words, seen + (r + 1) * words, 0u);
    if (!mark_history(allowed, arrays, r, seen + r * words)) to[0] = std::numeric_limits<float>::quiet_NaN();
  });
}

}  // namespace llasa
