// Rows for sampling on the device; contract in ops/sampling_rows.h.
#include "cuda/common.cuh"
#include "ops/sampling_rows.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kColumnsPerBlock = 8192;

// info_r = (sequence, position, r); seen_r = bits of the history; gathered[r, c] = logits[r, id_of(c)].
//   shapes        logits [rows, V], gathered [rows, n], seen [rows, seen_words], info [rows]
//   mapping       block (r, j) = columns j * 8192 .. of row r, neighbouring threads on neighbouring columns; block
//                 (r, 0) has the row's numbers and history as well, whose ids its threads share
//   traffic       8 n bytes per row and a history's 4 per id: 128 rows of the speech range 67 MB, floor 14 us
//                 (computed, H200 4.8 TB/s)
//   numerics      copies
//   determinism   bits are set by atomic or, whose order does not show
__global__ void __launch_bounds__(kThreads)
    sampling_rows_kernel(AllowedIds allowed, SamplingArrays arrays, SampleRow* __restrict__ info,
                         uint32_t* __restrict__ seen, float* __restrict__ gathered) {
  const int64_t r = blockIdx.x;
  const int me = static_cast<int>(threadIdx.x), n = allowed.count();
  bool leaves = false;  // the history its array or the vocabulary
  if (blockIdx.y == 0) {
    if (me == 0) {
      info[r].sequence_id = arrays.sequence_ids[r];
      info[r].position = arrays.positions[r];
      info[r].history = static_cast<int32_t>(r);
      info[r].forbidden_column = -1;
    }
    if (seen != nullptr) {
      const int64_t words = seen_words(allowed);
      uint32_t* bits = seen + r * words;
      for (int64_t w = me; w < words; w += kThreads) bits[w] = 0;
      __syncthreads();
      const int64_t begin = arrays.history_offsets == nullptr ? 0 : arrays.history_offsets[r];
      const int64_t end = arrays.history_offsets == nullptr ? 0 : arrays.history_offsets[r + 1];
      leaves = begin < 0 || begin > end || end > arrays.history_count;
      for (int64_t i = begin + me; !leaves && i < end; i += kThreads) {
        const int32_t id = arrays.history_ids[i];
        leaves = id < 0 || id >= arrays.vocab_size;
        const int32_t column = leaves ? -1 : allowed.column_of(id);
        if (column >= 0) atomicOr(bits + column / 32, uint32_t{1} << (column % 32));
      }
      leaves = __syncthreads_or(leaves ? 1 : 0) != 0;
    }
  }
  if (gathered == nullptr) return;
  const float* from = arrays.logits + r * arrays.vocab_size;
  float* to = gathered + r * n;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kColumnsPerBlock;
  const int64_t last = first + kColumnsPerBlock < n ? first + kColumnsPerBlock : n;
  for (int64_t c = first + me; c < last; c += kThreads) {
    to[c] = leaves && c == 0 ? NAN : from[allowed.id_of(static_cast<int32_t>(c))];
  }
}

}  // namespace
}  // namespace cuda

void sampling_rows(Stream& stream, const AllowedIds& allowed, const SamplingArrays& arrays, int64_t rows,
                   SampleRow* info, uint32_t* seen, float* gathered) {
  using namespace cuda;
  if (rows == 0) return;
  const int64_t parts = gathered == nullptr ? 1 : ceil_div(allowed.count(), kColumnsPerBlock);
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>(parts), 1);
  LLASA_LAUNCH(sampling_rows_kernel, grid, kThreads, 0, stream, allowed, arrays, info, seen, gathered);
}

}  // namespace llasa
