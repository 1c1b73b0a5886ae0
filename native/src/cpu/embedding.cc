// Embedding family on the CPU; see ops/embedding.h.
#include "ops/embedding.h"

#include <algorithm>
#include <cstring>

#include "core/bf16_groups.h"
#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "ops/gpu_scratch.h"

namespace llasa {

void embedding_forward(Stream&, WeightView weight, const int32_t* ids, float* y, int64_t T, int64_t C) {
  const auto& k = *cpu::kernels().cast;
  parallel_ranges(T, std::max<int64_t>(1, 65536 / C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const WeightView row = weight + ids[t] * C;
      if (row.is_grouped()) {
        const int64_t at = row.first / C, lane = at % Q8Group::kRows;
        const int64_t group = at / Q8Group::kRows * (C / Q8Group::kColumns);
        if (row.is_q8()) {
          load_row(row.q8() + group, lane, y + t * C, C);
        } else {
          load_row(row.bf16_groups() + group, lane, y + t * C, C);
        }
      } else if (row.is_bf16()) {
        k.widen(row.bf16(), y + t * C, C);
      } else {
        std::memcpy(y + t * C, row.f32(), static_cast<size_t>(C) * sizeof(float));
      }
    }
  });
}

void embedding_backward(Stream& stream, const int32_t* ids, const float* dy, float* dweight, int64_t T,
                        int64_t C) {
  if (planning_for_gpu()) gpu::embedding_backward(stream, T, C);
  const auto& k = *cpu::kernels().activation;
  // A task owns columns, not rows: two tokens of one id never meet, and their order stays that of t.
  parallel_ranges(C, std::max<int64_t>(64, (C + 7) / 8), [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < T; ++t) {
      float* row = dweight + ids[t] * C + begin;
      k.add(row, dy + t * C + begin, row, end - begin);
    }
  });
}

}  // namespace llasa
