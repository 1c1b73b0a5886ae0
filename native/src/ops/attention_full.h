// Attention of packed clips where every frame may see every other, and the small decoder attention over
// caches. softmax(scale q k^T) v per clip and head; a clip never sees another one.
#pragma once

#include "core/weight_view.h"
#include "ops/attention_decode.h"
#include "ops/precision.h"
#include "ops/shapes.h"

namespace llasa {

// Self-attention inside each clip. q, k, v point at [T, H*D] arrays whose rows are row_stride floats apart (3
// H D for a fused projection); y [T, H*D] contiguous. offsets host [B+1]. causal: frame t sees frames 0..t of
// its clip. y must not overlap the inputs. With kBf16 (scale > 0) q, k, v and the weights of the sum over v
// may be rounded to bf16. y may be bf16, here and below, whatever the precision: then it is what narrow_to_bf16 makes
// of the f32 result.
void attention_full_forward(Stream& stream, const float* q, const float* k, const float* v, ArrayView y,
                            const int64_t* offsets, int64_t B, int64_t H, int64_t D, int64_t row_stride,
                            float scale, bool causal = false, Precision precision = Precision::kF32);

// Keys and values of many sequences, transposed so that a query runs along positions: slot s holds
// keys [C, capacity] at element s * 2 C capacity, then values [C, capacity]. capacity is a multiple of 16;
// contents must be finite (zeroed once). Elements are f32 or bf16, rounded to nearest even when they are
// written; everything is computed in f32.
struct KeyValueCache {
  void* data;
  int64_t channels;  // C = H*D
  int64_t capacity;  // positions
  DType dtype = DType::kF32;

  int64_t element_bytes() const { return dtype == DType::kBf16 ? 2 : 4; }
};
inline int64_t key_value_capacity(int64_t positions) {
  return (positions + 15) / 16 * 16;
}
inline int64_t key_value_slot_size(int64_t channels, int64_t capacity) {
  return 2 * channels * capacity;
}

// Stores rows offsets[a] .. offsets[a+1] of keys and values (rows row_stride floats apart) at positions
// start[a].. of slot slots[a]. Host arrays: offsets [A+1], slots [A], start [A].
void cache_append(Stream& stream, const float* keys, const float* values, int64_t row_stride,
                  const KeyValueCache& cache, const int64_t* offsets, const int64_t* slots,
                  const int64_t* start, int64_t A);

// Queries of sequence a are rows offsets[a].. of q (rows row_stride floats apart); they see positions
// 0 .. visible[a] - 1 of slot slots[a], and with causal query i sees i more. y [rows, C] contiguous.
// Host arrays: offsets [A+1], slots [A], visible [A] (>= 1).
void cached_attention_forward(Stream& stream, const float* q, int64_t row_stride, const KeyValueCache& cache,
                              ArrayView y, const int64_t* offsets, const int64_t* slots,
                              const int64_t* visible, int64_t A, int64_t H, int64_t D, float scale,
                              bool causal);

// Keys and values of a decode loop's rows, `row_stride` floats apart as their queries are; NULL: none.
struct RowKeys {
  const float* keys = nullptr;
  const float* values = nullptr;
};

// The same in a decode loop, for one row of each sequence and without the host: rows [A] on the device, of which
// row a is of slot own_table and at position own_tokens - 1; it sees own_tokens positions, or `visible` where that
// is not 0. Its key and value in `own`, if there are any, are stored first, as by cache_append; rows that store have a slot
// each. A row of slot -1 only fills the batch: nothing is stored for it, and its y is 0.
void cached_attention_rows(Stream& stream, const float* q, RowKeys own, int64_t row_stride,
                           const KeyValueCache& cache, ArrayView y, const DecodeRow* rows, int64_t visible,
                           int64_t A, int64_t H, int64_t D, float scale);

}  // namespace llasa
