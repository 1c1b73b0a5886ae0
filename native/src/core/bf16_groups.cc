#include "core/bf16_groups.h"

#include "core/half.h"

namespace llasa {

void store_row(Bf16Group* groups, int64_t lane, const float* x, int64_t K) {
  for (int64_t k = 0; k < K; ++k) {
    Bf16Group& group = groups[k / Bf16Group::kColumns];
    group.pairs[k % Bf16Group::kColumns / 2][lane][k % 2].bits = float_to_bf16(x[k]);
  }
}

void load_row(const Bf16Group* groups, int64_t lane, float* x, int64_t K) {
  for (int64_t k = 0; k < K; ++k) {
    const Bf16Group& group = groups[k / Bf16Group::kColumns];
    x[k] = bf16_to_float(group.pairs[k % Bf16Group::kColumns / 2][lane][k % 2].bits);
  }
}

}  // namespace llasa
