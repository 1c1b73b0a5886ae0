// Group advantages on the CPU: members of a group brought together by sorting indices; see ops/advantage.h.
#include "ops/advantage.h"

#include <algorithm>
#include <vector>

namespace llasa {

namespace {

void one_group(GroupEstimator estimator, double epsilon, const float* rewards, const int64_t* members,
               int64_t n, float* advantages) {
  if (n == 1) {
    advantages[members[0]] = rewards[members[0]];
    return;
  }
  const double count = static_cast<double>(n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(rewards[members[i]]);
  // n equal floats sum exactly in double (24 + log2 n bits), so their mean is the value itself.
  const double mean = sum / count;
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double centred = static_cast<double>(rewards[members[i]]) - mean;
    squares += centred * centred;
  }
  const double factor = advantage_factor(estimator, count, squares, epsilon);
  for (int64_t i = 0; i < n; ++i) {
    const double centred = static_cast<double>(rewards[members[i]]) - mean;
    advantages[members[i]] = static_cast<float>(centred * factor);
  }
}

}  // namespace

void group_advantage(Stream&, GroupEstimator estimator, float epsilon, const float* rewards,
                     const int64_t* group_ids, const uint8_t* mask, int64_t count, float* advantages) {
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    if (mask == nullptr || mask[i] != 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return group_ids[a] != group_ids[b] ? group_ids[a] < group_ids[b] : a < b;
  });
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && group_ids[order[end]] == group_ids[order[begin]]) ++end;
    one_group(estimator, static_cast<double>(epsilon), rewards, order.data() + begin,
              static_cast<int64_t>(end - begin), advantages);
    begin = end;
  }
  if (mask != nullptr) {
    for (int64_t i = 0; i < count; ++i) {
      if (mask[i] == 0) advantages[i] = 0.0f;
    }
  }
}

}  // namespace llasa
