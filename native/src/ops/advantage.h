// Group-relative advantages: the reward of a sample against the other samples of its prompt.
#pragma once

#include "ops/shapes.h"

namespace llasa {

// For each group, over its unmasked members (n of them, mean m, s the unbiased standard deviation):
//   LLASA_ADVANTAGE_GRPO     (r - m) / (s + epsilon)      arXiv 2402.03300, as verl computes it
//   LLASA_ADVANTAGE_DR_GRPO  r - m                        arXiv 2503.20783
//   LLASA_ADVANTAGE_RLOO     (r - m) n / (n - 1), which is r - mean of the others; arXiv 2402.14740
// n = 1: the reward itself. Equal rewards give exactly 0. Masked samples take no part and get 0. A NaN or an
// infinity makes its own group NaN and no other.
// rewards, group_ids, advantages [count]; mask [count] of 0/1 or NULL. Sums are in double, in index order.
// advantages may be rewards.
void group_advantage(Stream& stream, int32_t estimator, float epsilon, const float* rewards,
                     const int64_t* group_ids, const uint8_t* mask, int64_t count, float* advantages);

}  // namespace llasa
