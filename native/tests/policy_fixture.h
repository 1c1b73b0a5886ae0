// Policies for tests, through the ABI: from an oracle case's directory, or small and random.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/philox.h"
#include "fixture.h"
#include "llasa_native.h"

#define ASSERT_OK(call) ASSERT_EQ((call), LLASA_OK) << llasa_last_error()
#define EXPECT_OK(call) EXPECT_EQ((call), LLASA_OK) << llasa_last_error()

namespace llasa::test {

struct DestroyPolicy {
  void operator()(llasa_policy* policy) const { llasa_policy_destroy(policy); }
};
using PolicyHandle = std::unique_ptr<llasa_policy, DestroyPolicy>;

inline PolicyHandle create_policy(const llasa_policy_options& options) {
  llasa_policy* policy = nullptr;
  if (llasa_policy_create(&options, &policy) != LLASA_OK) throw std::runtime_error(llasa_last_error());
  return PolicyHandle(policy);
}

// Options from the keys of a Hugging Face config.json, as the manifests repeat them under "config".
inline llasa_policy_options options_from(const Json& config) {
  llasa_policy_options options;
  llasa_policy_options_init(&options);
  const auto integer = [&](const char* key) { return static_cast<int32_t>(config[key].integer()); };
  options.vocab_size = integer("vocab_size");
  options.hidden_size = integer("hidden_size");
  options.intermediate_size = integer("intermediate_size");
  options.num_layers = integer("num_hidden_layers");
  options.num_heads = integer("num_attention_heads");
  options.num_kv_heads = integer("num_key_value_heads");
  options.head_dim =
      static_cast<int32_t>(config.number_or("head_dim", options.hidden_size / options.num_heads));
  options.max_position_embeddings = integer("max_position_embeddings");
  options.tie_word_embeddings = config.boolean_or("tie_word_embeddings", false);
  options.rms_norm_eps = static_cast<float>(config["rms_norm_eps"].number());
  const bool nested = config.has("rope_parameters");
  const Json& rope = nested ? config["rope_parameters"] : config;
  options.rope_theta = rope["rope_theta"].number();
  if (nested || !config["rope_scaling"].is_null()) {
    const Json& scaling = nested ? rope : config["rope_scaling"];
    if (scaling["rope_type"].string() == "llama3") {
      options.rope_type = LLASA_ROPE_LLAMA3;
      options.rope_factor = scaling["factor"].number();
      options.rope_low_freq_factor = scaling["low_freq_factor"].number();
      options.rope_high_freq_factor = scaling["high_freq_factor"].number();
      options.rope_original_max_position = scaling["original_max_position_embeddings"].number();
    }
  }
  return options;
}

inline void set_weights(llasa_policy* policy, const Tensors& tensors) {
  for (const auto& [name, t] : tensors) {
    if (llasa_policy_set_tensor(policy, name.c_str(), t.abi_dtype(), t.shape.data(),
                                static_cast<int32_t>(t.shape.size()), t.bytes.data()) != LLASA_OK) {
      throw std::runtime_error(llasa_last_error());
    }
  }
}

inline PolicyHandle load_policy(const std::filesystem::path& case_directory,
                                llasa_dtype compute_dtype = LLASA_F32) {
  const std::filesystem::path model = case_directory / "model";
  llasa_policy_options options = options_from(Json::read(model / "config.json"));
  options.compute_dtype = compute_dtype;
  options.frozen = compute_dtype == LLASA_BF16;
  PolicyHandle policy = create_policy(options);
  set_weights(policy.get(), read_checkpoint(model));
  return policy;
}

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
  int64_t size = 1;
};

inline std::vector<Parameter> parameters(llasa_policy* policy) {
  int64_t count = 0;
  EXPECT_OK(llasa_policy_tensor_count(policy, &count));
  std::vector<Parameter> all;
  for (int64_t i = 0; i < count; ++i) {
    llasa_tensor_info info{};
    info.struct_size = sizeof info;
    EXPECT_OK(llasa_policy_tensor_info(policy, i, &info));
    Parameter p;
    p.name = info.name;
    p.shape.assign(info.shape, info.shape + info.rank);
    for (int64_t extent : p.shape) p.size *= extent;
    all.push_back(std::move(p));
  }
  return all;
}

inline std::vector<float> get_tensor(llasa_policy* policy, const Parameter& p) {
  std::vector<float> values(static_cast<size_t>(p.size));
  EXPECT_OK(llasa_policy_get_tensor(policy, p.name.c_str(), LLASA_F32, values.data(), p.size * 4));
  return values;
}

inline void set_tensor(llasa_policy* policy, const Parameter& p, const std::vector<float>& values) {
  EXPECT_OK(llasa_policy_set_tensor(policy, p.name.c_str(), LLASA_F32, p.shape.data(),
                                    static_cast<int32_t>(p.shape.size()), values.data()));
}

// Standard normal number of a counter.
inline float normal(uint64_t seed, uint64_t index) {
  const double u = 1.0 - static_cast<double>(philox_uniform(seed, 1, index));
  const double v = static_cast<double>(philox_uniform(seed, 2, index));
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

inline std::vector<float> normals(uint64_t seed, int64_t count, float scale = 1.0f) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = scale * normal(seed, i);
  return values;
}

inline llasa_policy_options small_options(bool tied = true) {
  llasa_policy_options options;
  llasa_policy_options_init(&options);
  options.vocab_size = 61;
  options.hidden_size = 20;
  options.intermediate_size = 28;
  options.num_layers = 2;
  options.num_heads = 4;
  options.num_kv_heads = 2;
  options.head_dim = 6;
  options.max_position_embeddings = 64;
  options.tie_word_embeddings = tied;
  return options;
}

inline void randomise(llasa_policy* policy, uint64_t seed) {
  for (const Parameter& p : parameters(policy)) {
    const bool norm = p.shape.size() == 1;
    const float scale = norm ? 0.2f : 1.2f / std::sqrt(static_cast<float>(p.shape[1]));
    std::vector<float> values = normals(seed++, p.size, scale);
    if (norm) {
      for (float& v : values) v += 1.0f;
    }
    set_tensor(policy, p, values);
  }
}

// Owns the arrays of a llasa_token_batch.
struct BatchData {
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> ids;
  std::vector<int64_t> prompt_lengths;

  void add(const std::vector<int32_t>& tokens, int64_t prompt_length) {
    ids.insert(ids.end(), tokens.begin(), tokens.end());
    offsets.push_back(static_cast<int64_t>(ids.size()));
    prompt_lengths.push_back(prompt_length);
  }
  int64_t scored() const {
    int64_t n = 0;
    for (size_t b = 0; b < prompt_lengths.size(); ++b) n += offsets[b + 1] - offsets[b] - prompt_lengths[b];
    return n;
  }
  llasa_token_batch view() const {
    llasa_token_batch batch{};
    batch.struct_size = sizeof batch;
    batch.num_sequences = static_cast<int64_t>(prompt_lengths.size());
    batch.offsets = offsets.data();
    batch.token_ids = ids.data();
    batch.prompt_lengths = prompt_lengths.data();
    return batch;
  }
};

// Of every scored token under the policy, at temperature 1 over all ids.
inline std::vector<float> logprobs(llasa_policy* policy, const BatchData& batch) {
  llasa_head_options head;
  llasa_head_options_init(&head);
  const llasa_token_batch view = batch.view();
  std::vector<float> values(static_cast<size_t>(batch.scored()));
  EXPECT_OK(llasa_policy_logprobs(policy, &view, &head, 0, values.data(), nullptr));
  return values;
}

}  // namespace llasa::test
