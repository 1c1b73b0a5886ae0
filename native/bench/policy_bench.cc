// Training of the policy at the demo's shapes (C 192, F 512, L 4, H 6, G 2, D 32; 16 prompts of 80 tokens
// with 8 responses of 70). The bound is the machine's GEMM peak; its kernels have benchmarks of their own.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "abi/options.h"
#include "core/parallel.h"
#include "core/philox.h"
#include "models/trainer_step.h"
#include "roofline.h"

namespace {

using llasa::philox_uniform;

constexpr int64_t kPrompts = 16, kSamples = 8, kPromptTokens = 80, kResponseTokens = 70;
constexpr int64_t kSpeechStart = 268, kSpeechEnd = 1292;  // allowed ids of the head, as in a training run

llasa_policy_options demo_options() {
  llasa_policy_options options{};
  options.struct_size = sizeof options;
  options.vocab_size = 1293;
  options.hidden_size = 192;
  options.intermediate_size = 512;
  options.num_layers = 4;
  options.num_heads = 6;
  options.num_kv_heads = 2;
  options.head_dim = 32;
  options.max_position_embeddings = 512;
  options.tie_word_embeddings = 1;
  options.rms_norm_eps = 1e-5f;
  options.rope_theta = 5e5;
  return options;
}

std::vector<float> random_floats(int64_t count, float scale) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = scale * (2.0f * philox_uniform(1, 2, i) - 1.0f);
  return values;
}

std::shared_ptr<llasa::Policy> random_policy() {
  auto policy = std::make_shared<llasa::Policy>(llasa::abi::make_llama_config(demo_options()));
  auto& weights = policy->weights();
  for (const llasa::TensorSpec& spec : weights.specs()) {
    const bool norm = spec.shape.size() == 1;
    std::vector<float> values = random_floats(spec.size, 0.1f);
    for (float& v : values) v += norm ? 1.0f : 0.0f;
    weights.set(policy->stream(), std::string(spec.name), llasa::DType::kF32, spec.shape.data(),
                static_cast<int32_t>(spec.shape.size()), values.data());
  }
  return policy;
}

// Multiply-adds of the layers and the head, forward, times 2; backward costs twice that again.
double forward_flops() {
  const double rows = kPrompts * (kPromptTokens - 1 + kSamples * kResponseTokens);
  const double scored = kPrompts * kSamples * kResponseTokens;
  const double prefix = kPromptTokens - 1;
  const double pairs =
      kPrompts * (prefix * prefix / 2 + kSamples * kResponseTokens * (prefix + kResponseTokens / 2.0));
  const double attention = 4.0 * 32 * 6 * pairs;
  const double layer = 192.0 * (320 + 192 + 3 * 512);
  return 4 * (attention + 2 * rows * layer) + 2 * scored * 192 * (kSpeechEnd - kSpeechStart + 1);
}

void training_step(benchmark::State& state) {
  llasa::set_num_threads(static_cast<int>(state.range(0)));
  llasa::TrainerOptions options;
  options.micro_batch_tokens = state.range(1);
  options.keep = state.range(2) != 0 ? llasa::Keep::kLayerInputs : llasa::Keep::kActivations;
  llasa::Trainer trainer(random_policy(), options);
  std::vector<int64_t> offsets{0}, prompt_lengths;
  std::vector<int32_t> ids;
  std::vector<float> advantages;
  for (int64_t s = 0; s < kPrompts * kSamples; ++s) {
    for (int64_t t = 0; t < kPromptTokens + kResponseTokens; ++t) {
      const bool prompt = t < kPromptTokens;
      const float u = philox_uniform(3, static_cast<uint64_t>(prompt ? s / kSamples : 1000 + s),
                                     static_cast<uint64_t>(t));
      ids.push_back(static_cast<int32_t>(prompt ? u * 256.0f
                                                : static_cast<float>(kSpeechStart) +
                                                      u * static_cast<float>(kSpeechEnd - kSpeechStart)));
    }
    offsets.push_back(static_cast<int64_t>(ids.size()));
    prompt_lengths.push_back(kPromptTokens);
    advantages.insert(advantages.end(), kResponseTokens, s % 2 == 0 ? 1.0f : -1.0f);
  }
  const llasa::TokenBatch batch{kPrompts * kSamples, offsets.data(), ids.data(), prompt_lengths.data()};
  llasa_head_options given{};
  given.temperature = 1.0f;
  given.restrict_start = kSpeechStart;
  given.restrict_end = kSpeechEnd;
  given.restrict_extra = 266;
  const llasa::HeadOptions head =
      llasa::abi::make_head_options(given, llasa::abi::make_llama_config(demo_options()));
  const std::vector<float> weights(advantages.size(), 1.0f / static_cast<float>(advantages.size()));
  llasa::TokenTerms terms;
  terms.advantages = advantages.data();
  terms.policy_weights = weights.data();
  for (auto _ : state) {
    const llasa::LossStats stats = trainer.accumulate(batch, head, {}, terms, nullptr, nullptr, nullptr);
    if (!std::isfinite(trainer.step(1e-5f).grad_norm) ||
        stats.tokens != static_cast<double>(advantages.size())) {
      state.SkipWithError("not a step");
      break;
    }
  }
  llasa::bench::report_flops(state, 3 * forward_flops());
  llasa::set_num_threads(0);
}

}  // namespace

BENCHMARK(training_step)
    ->ArgNames({"threads", "micro_batch", "recompute"})
    ->Args({1, 4096, 0})
    ->Args({2, 1024, 0})
    ->Args({2, 2048, 0})
    ->Args({2, 4096, 0})
    ->Args({2, 4096, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
