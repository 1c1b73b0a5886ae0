#include "core/q8.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace llasa {

void store_row(Q8Group* groups, int64_t lane, const float* x, int64_t K) {
  for (int64_t b = 0; b < K / Q8Group::kColumns; ++b, x += Q8Group::kColumns) {
    float largest = 0.0f;
    for (int64_t k = 0; k < Q8Group::kColumns; ++k) largest = std::max(largest, std::fabs(x[k]));
    float scale = largest / 127.0f;
    if (scale < FLT_MIN) scale = 0.0f;  // numbers that cannot be divided by any more are zeros
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    groups[b].scales[lane] = scale;
    for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
      constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
      const float whole = (x[k] * inverse + kRounds) - kRounds;
      groups[b].values[k / 4][lane][k % 4] =
          static_cast<uint8_t>(static_cast<int32_t>(std::clamp(whole, -127.0f, 127.0f)) + 128);
    }
  }
}

void load_row(const Q8Group* groups, int64_t lane, float* x, int64_t K) {
  for (int64_t b = 0; b < K / Q8Group::kColumns; ++b, x += Q8Group::kColumns) {
    for (int64_t k = 0; k < Q8Group::kColumns; ++k) {
      const int32_t whole = static_cast<int32_t>(groups[b].values[k / 4][lane][k % 4]) - 128;
      x[k] = groups[b].scales[lane] * static_cast<float>(whole);
    }
  }
}

}  // namespace llasa
