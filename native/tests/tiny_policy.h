// A small random policy behind the ABI, with its weights at hand for the reference.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "llasa_native.h"
#include "reference/llama_forward.h"

namespace llasa::test {

inline llasa_policy_options tiny_options() {
  llasa_policy_options o;
  llasa_policy_options_init(&o);
  o.vocab_size = 61;
  o.hidden_size = 24;
  o.intermediate_size = 40;
  o.num_layers = 2;
  o.num_heads = 6;
  o.num_kv_heads = 2;
  o.head_dim = 10;
  o.max_position_embeddings = 128;
  o.rope_theta = 1000.0;
  o.tie_word_embeddings = 0;
  return o;
}

struct TinyPolicy {
  explicit TinyPolicy(const llasa_policy_options& given = tiny_options(), uint32_t seed = 1,
                      float scale = 1.5f)
      : options(given) {
    EXPECT_EQ(llasa_policy_create(&options, &handle), LLASA_OK) << llasa_last_error();
    std::mt19937 generator(seed);
    int64_t count = 0;
    EXPECT_EQ(llasa_policy_tensor_count(handle, &count), LLASA_OK);
    for (int64_t i = 0; i < count; ++i) {
      llasa_tensor_info info{};
      info.struct_size = sizeof info;
      EXPECT_EQ(llasa_policy_tensor_info(handle, i, &info), LLASA_OK);
      const int64_t columns = info.rank == 2 ? info.shape[1] : 1;
      std::normal_distribution<float> normal(
          info.rank == 2 ? 0.0f : 1.0f,
          info.rank == 2 ? scale / std::sqrt(static_cast<float>(columns)) : 0.1f);
      std::vector<float> values(static_cast<size_t>(info.shape[0] * columns));
      for (float& v : values) v = normal(generator);
      EXPECT_EQ(llasa_policy_set_tensor(handle, info.name, LLASA_F32, info.shape, info.rank, values.data()),
                LLASA_OK)
          << llasa_last_error();
      weights[info.name] = std::move(values);
    }
  }
  ~TinyPolicy() { llasa_policy_destroy(handle); }
  TinyPolicy(const TinyPolicy&) = delete;
  TinyPolicy& operator=(const TinyPolicy&) = delete;

  llasa_policy_options options;
  llasa_policy* handle = nullptr;
  Weights weights;
};

}  // namespace llasa::test
