// Conversions on the CPU; see ops/cast.h.
#include "ops/cast.h"

#include <algorithm>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace llasa {

namespace {

constexpr int64_t kTask = 65536;  // elements

// Calls body(row, first, count) for pieces of all rows.
template <typename Body>
void for_pieces(int64_t rows, int64_t columns, Body&& body) {
  if (rows <= 0 || columns <= 0) return;
  if (columns >= kTask) {
    for (int64_t r = 0; r < rows; ++r) {
      parallel_ranges(columns, kTask, [&](int64_t begin, int64_t end) { body(r, begin, end - begin); });
    }
    return;
  }
  parallel_ranges(rows, kTask / columns, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) body(r, int64_t{0}, columns);
  });
}

}  // namespace

void narrow_to_bf16(Stream&, const float* x, int64_t ldx, Bf16* y, int64_t rows, int64_t columns) {
  const auto& k = *cpu::kernels().cast;
  for_pieces(rows, columns, [&](int64_t r, int64_t first, int64_t count) {
    k.narrow(x + r * ldx + first, y + r * columns + first, count);
  });
}

void widen_to_f32(Stream&, const Bf16* x, float* y, int64_t count) {
  const auto& k = *cpu::kernels().cast;
  parallel_ranges(count, kTask,
                  [&](int64_t begin, int64_t end) { k.widen(x + begin, y + begin, end - begin); });
}

void round_to_bf16(Stream&, float* x, int64_t ldx, int64_t rows, int64_t columns) {
  const auto& k = *cpu::kernels().cast;
  for_pieces(rows, columns,
             [&](int64_t r, int64_t first, int64_t count) { k.round(x + r * ldx + first, count); });
}

}  // namespace llasa
