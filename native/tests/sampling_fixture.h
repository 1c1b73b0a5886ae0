// Calls of the sampling functions of the ABI, and rows to call them on.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "llasa_native.h"

namespace llasa::test {

constexpr float kInf = std::numeric_limits<float>::infinity();

inline llasa_sampling_options options() {
  llasa_sampling_options o;
  llasa_sampling_options_init(&o);
  return o;
}

struct Draws {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  bool operator==(const Draws&) const = default;
};

// One row of logits drawn from under many (sequence, position).
inline Draws sample(const llasa_sampling_options& o, const std::vector<float>& logits, int64_t vocab,
                    const std::vector<uint64_t>& sequences, const std::vector<int64_t>& positions) {
  const size_t rows = sequences.size();
  Draws d{std::vector<int32_t>(rows), std::vector<float>(rows)};
  EXPECT_EQ(llasa_sample(&o, logits.data(), static_cast<int64_t>(rows), vocab, nullptr, nullptr,
                         sequences.data(), positions.data(), d.ids.data(), d.logprobs.data()),
            LLASA_OK)
      << llasa_last_error();
  return d;
}

inline std::vector<float> distribution(const llasa_sampling_options& o, const std::vector<float>& logits,
                                       const std::vector<int32_t>& history = {}) {
  std::vector<float> probs(logits.size(), -1.0f);
  const int64_t offsets[] = {0, static_cast<int64_t>(history.size())};
  EXPECT_EQ(llasa_sampling_distribution(&o, logits.data(), 1, static_cast<int64_t>(logits.size()), offsets,
                                        history.data(), probs.data()),
            LLASA_OK)
      << llasa_last_error();
  return probs;
}

inline std::vector<float> repeat(const std::vector<float>& row, size_t times) {
  std::vector<float> all;
  for (size_t i = 0; i < times; ++i) all.insert(all.end(), row.begin(), row.end());
  return all;
}

inline std::vector<float> random_logits(size_t n, uint32_t seed, float scale = 3.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> x(n);
  for (float& v : x) v = normal(generator);
  return x;
}

inline std::vector<int32_t> all_ids(size_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

}  // namespace llasa::test
