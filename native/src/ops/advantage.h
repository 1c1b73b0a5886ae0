// Group-relative advantages: the reward of a sample against the other samples of its prompt.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "ops/shapes.h"

namespace llasa {

enum class GroupEstimator : int32_t { kGrpo, kDrGrpo, kRloo };  // numbered as LLASA_ADVANTAGE_*

// What the distance from the mean is multiplied by, in a group of n > 1 whose squared distances sum to
// `squares`. NaN for an estimator that is none, so that one forgotten here is seen.
LLASA_HOST_DEVICE inline double advantage_factor(GroupEstimator estimator, double n, double squares,
                                                 double epsilon) {
  switch (estimator) {
    case GroupEstimator::kGrpo: {
      const double deviation = sqrt(squares / (n - 1.0));
      return deviation == 0.0 ? 1.0 : 1.0 / (deviation + epsilon);  // 0 over 0 + 0 is 0 here
    }
    case GroupEstimator::kDrGrpo:
      return 1.0;
    case GroupEstimator::kRloo:
      return n / (n - 1.0);
  }
  return NAN;
}

// For each group, over its unmasked members (n of them, mean m, s the unbiased standard deviation):
//   kGrpo    (r - m) / (s + epsilon)      arXiv 2402.03300, as verl computes it
//   kDrGrpo  r - m                        arXiv 2503.20783
//   kRloo    (r - m) n / (n - 1), which is r - mean of the others; arXiv 2402.14740
// n = 1: the reward itself. Equal rewards give exactly 0. Masked samples take no part and get 0. A NaN or an
// infinity makes its own group NaN and no other.
// rewards, group_ids, advantages [count]; mask [count] of 0/1 or NULL. Sums are in double, in index order.
// advantages may be rewards.
void group_advantage(Stream& stream, GroupEstimator estimator, float epsilon, const float* rewards,
                     const int64_t* group_ids, const uint8_t* mask, int64_t count, float* advantages);

}  // namespace llasa
