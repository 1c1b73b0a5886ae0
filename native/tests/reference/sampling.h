// The sampling chain written plainly, in double, with a full sort: the oracle of ops/sampling.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

namespace llasa::test {

struct ReferenceSampling {
  std::vector<double> probs;      // by id; 0 where dropped
  std::vector<char> kept;         // by id
  std::vector<double> log_probs;  // log-softmax before anything was dropped; -inf outside the allowed ids
};

// allowed: the ids that may be drawn; forbidden: one of them that is dropped before top-k, or -1.
inline ReferenceSampling reference_sampling(const std::vector<float>& logits,
                                            const std::vector<int32_t>& allowed,
                                            const std::vector<int32_t>& history, double penalty,
                                            double temperature, int32_t top_k, double top_p, double min_p,
                                            int32_t forbidden = -1) {
  const double lowest = -std::numeric_limits<double>::infinity();
  std::vector<double> x(logits.size(), lowest);
  for (int32_t id : allowed)
    x[static_cast<size_t>(id)] = static_cast<double>(logits[static_cast<size_t>(id)]);
  for (int32_t id : std::set<int32_t>(history.begin(), history.end())) {
    double& v = x[static_cast<size_t>(id)];
    if (v > lowest) v = v < 0 ? v * penalty : v / penalty;
  }
  for (double& v : x) v /= temperature;
  ReferenceSampling result;
  const auto log_softmax = [](const std::vector<double>& v) {
    const double max = *std::max_element(v.begin(), v.end());
    double sum = 0;
    for (double e : v) sum += std::exp(e - max);
    std::vector<double> out;
    for (double e : v) out.push_back(e - max - std::log(sum));
    return out;
  };
  result.log_probs = log_softmax(x);
  if (forbidden >= 0) x[static_cast<size_t>(forbidden)] = lowest;
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)];
  });
  result.kept.assign(x.size(), 0);
  for (int32_t id : order) result.kept[static_cast<size_t>(id)] = x[static_cast<size_t>(id)] > lowest;
  if (top_k > 0 && static_cast<size_t>(top_k) < x.size()) {
    const double kth = x[static_cast<size_t>(order[static_cast<size_t>(top_k - 1)])];
    for (size_t id = 0; id < x.size(); ++id) {
      if (x[id] < kth) result.kept[id] = 0;
    }
  }
  const auto probabilities = [&] {
    std::vector<double> kept = x;
    for (size_t id = 0; id < x.size(); ++id) {
      if (!result.kept[id]) kept[id] = lowest;
    }
    std::vector<double> p = log_softmax(kept);
    for (double& v : p) v = std::exp(v);
    return p;
  };
  result.probs = probabilities();
  if (top_p < 1) {
    double mass = 0;  // of the ids before this one
    for (int32_t id : order) {
      if (mass >= top_p) result.kept[static_cast<size_t>(id)] = 0;
      mass += result.probs[static_cast<size_t>(id)];
    }
    result.probs = probabilities();
  }
  if (min_p > 0) {
    const double best = *std::max_element(result.probs.begin(), result.probs.end());
    for (size_t id = 0; id < x.size(); ++id) {
      if (result.probs[id] < min_p * best) result.kept[id] = 0;
    }
    result.probs = probabilities();
  }
  return result;
}

}  // namespace llasa::test
