// Rollouts of the demo: 16 prompts of 80 tokens, 8 samples of 70 tokens each, the tiny world's policy (4
// layers, hidden 192) with 1,025 of 1,293 ids allowed. The floor is the matrix products alone at the GEMM
// peak.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "llasa_native.h"
#include "roofline.h"

namespace {

void check(benchmark::State& state, llasa_status status) {
  if (status != LLASA_OK) state.SkipWithError(llasa_last_error());
}

llasa_policy* tiny_world_policy(benchmark::State& state, llasa_policy_options& o) {
  llasa_policy_options_init(&o);
  o.vocab_size = 1293;
  o.hidden_size = 192;
  o.intermediate_size = 512;
  o.num_layers = 4;
  o.num_heads = 6;
  o.num_kv_heads = 2;
  o.head_dim = 32;
  o.max_position_embeddings = 512;
  o.tie_word_embeddings = 1;
  o.rope_theta = 500000;
  llasa_policy* policy = nullptr;
  check(state, llasa_policy_create(&o, &policy));
  int64_t count = 0;
  check(state, llasa_policy_tensor_count(policy, &count));
  std::mt19937 generator(1);
  for (int64_t i = 0; i < count; ++i) {
    llasa_tensor_info info{};
    info.struct_size = sizeof info;
    check(state, llasa_policy_tensor_info(policy, i, &info));
    const int64_t columns = info.rank == 2 ? info.shape[1] : 1;
    std::normal_distribution<float> normal(info.rank == 2 ? 0.0f : 1.0f,
                                           1.0f / std::sqrt(static_cast<float>(columns)));
    std::vector<float> values(static_cast<size_t>(info.shape[0] * columns));
    for (float& v : values) v = info.rank == 2 ? normal(generator) : 1.0f;
    check(state, llasa_policy_set_tensor(policy, info.name, LLASA_F32, info.shape, info.rank, values.data()));
  }
  return policy;
}

void rollout_demo(benchmark::State& state) {
  const auto slots = static_cast<int32_t>(state.range(0));
  constexpr int64_t kPrompts = 16, kPromptTokens = 80, kNew = 70;
  constexpr int32_t kSamples = 8;
  llasa_policy_options o;
  llasa_policy* policy = tiny_world_policy(state, o);
  llasa_rollout_options ro;
  llasa_rollout_options_init(&ro);
  ro.max_slots = slots;
  llasa_rollout* rollout = nullptr;
  check(state, llasa_rollout_create(policy, &ro, &rollout));
  llasa_sampling_options s;
  llasa_sampling_options_init(&s);
  s.temperature = 0.8f;
  s.top_p = state.range(1) != 0 ? 0.9f : 1.0f;
  s.restrict_start = 268;
  s.restrict_end = 1292;
  s.restrict_extra = 266;
  s.max_new_tokens = kNew;
  std::vector<int64_t> offsets;
  std::vector<int32_t> prompts;
  for (int64_t p = 0; p <= kPrompts; ++p) offsets.push_back(p * kPromptTokens);
  for (int64_t i = 0; i < kPrompts * kPromptTokens; ++i)
    prompts.push_back(static_cast<int32_t>(i * 31 % 1293));
  llasa_rollout_request request{};
  request.struct_size = sizeof request;
  request.samples_per_prompt = kSamples;
  request.num_prompts = kPrompts;
  request.prompt_offsets = offsets.data();
  request.prompt_ids = prompts.data();
  const size_t count = static_cast<size_t>(kPrompts * kSamples);
  std::vector<int32_t> tokens(count * kNew), lengths(count), reasons(count);
  std::vector<float> logprobs(count * kNew);
  llasa_rollout_result result{};
  result.struct_size = sizeof result;
  result.tokens = tokens.data();
  result.logprobs = logprobs.data();
  result.lengths = lengths.data();
  result.finish_reasons = reasons.data();
  for (auto _ : state) {
    s.seed += 1;
    check(state, llasa_rollout_generate(rollout, &s, &request, &result));
  }
  for (int32_t length : lengths) {
    if (length != kNew) state.SkipWithError("a sample of another length");
  }
  llasa_rollout_destroy(rollout);
  llasa_policy_destroy(policy);
  const double C = 192, F = 512, Q = 192, KV = 64, L = 4, V = 1025;
  const double layer = C * (Q + 2 * KV) + Q * C + 3 * C * F;
  const double drawn = static_cast<double>(count) * kNew;
  const double prefill = static_cast<double>(kPrompts * (kPromptTokens - 1));
  llasa::bench::report_flops(state, 2 * (drawn * (L * layer + C * V) + prefill * L * layer));
  state.counters["tokens/s"] = benchmark::Counter(drawn, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

BENCHMARK(rollout_demo)
    ->ArgNames({"slots", "top_p"})
    ->Args({128, 0})
    ->Args({128, 1})
    ->Args({64, 0})
    ->Args({16, 0})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
