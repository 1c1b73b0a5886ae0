// Dropout on the CPU; see ops/dropout.h. Philox takes far longer than the memory, so plain loops serve.
#include "ops/dropout.h"

#include <algorithm>

#include "core/half.h"
#include "core/parallel.h"

namespace llasa {

namespace {
constexpr int64_t kBlocks = 4096;  // of four elements, per task

// op(i, factor) for each element, factor 0 or 1 / (1 - rate).
template <typename Op>
void for_each_kept(int64_t count, const DropoutMask& mask, Op op) {
  const uint32_t threshold = dropout_threshold(mask.rate);
  const float scale = 1.0f / (1.0f - mask.rate);
  parallel_ranges((count + 3) / 4, kBlocks, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const PhiloxBlock block = philox4x32(mask.seed, mask.stream, static_cast<uint64_t>(b));
      const int64_t last = std::min<int64_t>(4, count - 4 * b);
      for (int64_t j = 0; j < last; ++j) op(4 * b + j, block.word[j] < threshold ? 0.0f : scale);
    }
  });
}
}  // namespace

void dropout_forward(Stream&, WeightView x, ArrayView y, int64_t count, const DropoutMask& mask) {
  // A dropped element is 0 whatever it was: an infinity times 0 would be NaN.
  if (y.is_bf16()) {
    for_each_kept(count, mask, [from = x.bf16(), to = y.bf16()](int64_t i, float factor) {
      to[i].bits = factor == 0.0f ? uint16_t{0} : float_to_bf16(bf16_to_float(from[i].bits) * factor);
    });
    return;
  }
  for_each_kept(count, mask, [from = x.f32(), to = y.f32()](int64_t i, float factor) {
    to[i] = factor == 0.0f ? 0.0f : from[i] * factor;
  });
}

void dropout_backward(Stream&, const float* dy, ArrayView dx, int64_t count, const DropoutMask& mask) {
  if (dx.is_bf16()) {
    for_each_kept(count, mask, [dy, to = dx.bf16()](int64_t i, float factor) {
      if (factor != 0.0f) to[i].bits = float_to_bf16(bf16_to_float(to[i].bits) + dy[i] * factor);
    });
    return;
  }
  for_each_kept(count, mask, [dy, to = dx.f32()](int64_t i, float factor) {
    if (factor != 0.0f) to[i] += dy[i] * factor;
  });
}

}  // namespace llasa
