// The ends of training: log-prob head and policy loss, gradient norm, AdamW, group advantages.
#include <cmath>

#include "kernel_bench.h"
#include "ops/advantage.h"
#include "ops/logprob_head.h"
#include "ops/optimizer.h"
#include "ops/policy_loss.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

// Log-sum-exp and entropy of row n of 4 noise(1).
void moments(int64_t n, int64_t V, double& lse, double& entropy) {
  double sum = 0, weighted = 0;
  for (int64_t j = 0; j < V; ++j) {
    const double z = 4.0 * static_cast<double>(noise(1, n * V + j));
    sum += std::exp(z);
    weighted += z * std::exp(z);
  }
  lse = std::log(sum);
  entropy = lse - weighted / sum;
}

std::vector<int32_t> targets_of(int64_t N, int64_t V) {
  std::vector<int32_t> targets(static_cast<size_t>(N));
  for (int64_t n = 0; n < N; ++n) targets[static_cast<size_t>(n)] = static_cast<int32_t>(n * 7919 % V);
  return targets;
}

void head(int64_t N, int64_t V, const std::string& name) {
  const double elements = static_cast<double>(N * V);
  add("logprob_head/logprob_forward/" + name, {4 * elements, 5 * elements, 4 * elements}, [=](Kernel& k) {
    const float* logits = k.random(N * V, 1, 4.0f);
    const auto targets = targets_of(N, V);
    const int32_t* columns = k.upload(targets);
    float *lse = k.zeros(N), *logprobs = k.zeros(N), *entropies = k.zeros(N);
    const auto run = [&] {
      logprob_forward(k.stream(), logits, V, columns, 1.0f, lse, logprobs, entropies, N, V);
    };
    run();
    double want_lse, want_entropy;
    moments(N - 1, V, want_lse, want_entropy);
    const double z = 4.0 * static_cast<double>(noise(1, (N - 1) * V + targets.back()));
    k.near("lse", k.read(lse + N - 1, 1)[0], want_lse, 2e-5);
    k.near("log-prob", k.read(logprobs + N - 1, 1)[0], z - want_lse, 2e-5);
    k.near("entropy", k.read(entropies + N - 1, 1)[0], want_entropy, 2e-5);
    k.time(run);
  });
  add("logprob_head/logprob_backward/" + name, {8 * elements, 6 * elements, 4 * elements}, [=](Kernel& k) {
    float* logits = k.random(N * V, 1, 4.0f);
    const auto targets = targets_of(N, V);
    const int32_t* columns = k.upload(targets);
    float *lse = k.zeros(N), *logprobs = k.zeros(N), *entropies = k.zeros(N);
    const float *dlogprobs = k.random(N, 2), *dentropies = k.random(N, 3);
    logprob_forward(k.stream(), logits, V, columns, 1.0f, lse, logprobs, entropies, N, V);
    const auto run = [&] {
      logprob_backward(k.stream(), logits, logits, V, columns, 1.0f, lse, entropies, dlogprobs, dentropies, N,
                       V);
    };
    run();
    double want_lse, want_entropy;
    moments(N - 1, V, want_lse, want_entropy);
    const auto column = static_cast<int64_t>(targets.back());
    for (const int64_t j : {column, (column + 1) % V}) {
      const double z = 4.0 * static_cast<double>(noise(1, (N - 1) * V + j)) - want_lse, p = std::exp(z),
                   d = static_cast<double>(noise(2, N - 1));
      const double expected =
          d * ((j == column ? 1 : 0) - p) - static_cast<double>(noise(3, N - 1)) * p * (z + want_entropy);
      k.near("dlogits", k.read(logits + (N - 1) * V + j, 1)[0], expected, 2e-5);
    }
    // The logits are overwritten: later calls see other numbers of the same size, and cost the same.
    k.time(run);
  });
}

void loss(int64_t N, const char* name) {
  add(std::string("logprob_head/policy_loss_backward/") + name,
      {40.0 * static_cast<double>(N), 0, 40.0 * static_cast<double>(N)}, [=](Kernel& k) {
        const PolicyLossOptions options;
        TokenTerms terms;
        terms.old_logprobs = k.random(N, 2);
        terms.ref_logprobs = k.random(N, 3);
        terms.advantages = k.random(N, 4);
        terms.policy_weights = terms.kl_weights = terms.entropy_weights = k.random(N, 5, 0.1f, 1.0f);
        const float* logp = k.random(N, 1);
        float *dlogp = k.zeros(N), *dentropy = k.zeros(N);
        const auto run = [&] { policy_loss_backward(k.stream(), options, terms, logp, dlogp, dentropy, N); };
        run();
        const int64_t n = N - 1;
        const float advantage = noise(4, n), old = noise(2, n), ref = noise(3, n);
        const PolicyTokenLoss t = policy_token_loss(
            options, {.advantages = &advantage, .old_logprobs = &old, .ref_logprobs = &ref}, 0, noise(1, n));
        const double w = 1.0 + 0.1 * static_cast<double>(noise(5, n));
        k.near("dlogp", k.read(dlogp + n, 1)[0],
               w * (static_cast<double>(t.policy_gradient) + static_cast<double>(t.kl_gradient)), 1e-5);
        k.near("dentropy", k.read(dentropy + n, 1)[0], -w, 1e-7);
        k.time(run);
      });
}

void optimizer(const char* name, int64_t count) {
  const double elements = static_cast<double>(count);
  add(std::string("optimizer/squared_norm/") + name, {4 * elements, 2 * elements, 4 * elements},
      [=](Kernel& k) {
        const float* x = k.random(count, 1);
        double norm = 0;
        const auto run = [&] { norm = squared_norm(k.stream(), x, count); };
        run();
        double expected = 0;
        for (int64_t i = 0; i < count; ++i) {
          expected += static_cast<double>(noise(1, i)) * static_cast<double>(noise(1, i));
        }
        // The reference adds one by one: a rounding of a double for every element.
        k.near("norm", norm, expected, 1.2e-16 * static_cast<double>(count) * expected);
        k.time(run);
      });
  add(std::string("optimizer/adamw_step/") + name, {28 * elements, 15 * elements, 16 * elements},
      [=](Kernel& k) {
        float *weights = k.random(count, 1), *m = k.zeros(count), *v = k.zeros(count);
        const float* gradients = k.random(count, 2);
        AdamW options;
        options.learning_rate = 0.01f;
        options.weight_decay = 0.1f;
        const auto run = [&] { adamw_step(k.stream(), weights, gradients, m, v, count, options); };
        run();
        // The first step moves every weight by the learning rate against the sign of its gradient.
        const double w = static_cast<double>(noise(1, count - 1)),
                     g = static_cast<double>(noise(2, count - 1));
        k.near("weight", k.read(weights + count - 1, 1)[0], w * (1 - 0.001) - 0.01 * g / (std::abs(g) + 1e-8),
               1e-6);
        k.time(run);
      });
}

void advantage(const char* name, int64_t prompts, int64_t samples) {
  const int64_t N = prompts * samples;
  add(std::string("advantage/group_advantage/") + name,
      {20.0 * static_cast<double>(N), 0, 20.0 * static_cast<double>(N)}, [=](Kernel& k) {
        std::vector<int64_t> groups;
        for (int64_t i = 0; i < N; ++i) groups.push_back(i / samples);
        const float* rewards = k.random(N, 1);
        const int64_t* ids = k.upload(groups);
        float* advantages = k.zeros(N);
        const auto run = [&] {
          group_advantage(k.stream(), GroupEstimator::kDrGrpo, 1e-6f, rewards, ids, nullptr, N, advantages);
        };
        run();
        double mean = 0;
        for (int64_t i = N - samples; i < N; ++i)
          mean += static_cast<double>(noise(1, i)) / static_cast<double>(samples);
        k.near("advantage", k.read(advantages + N - 1, 1)[0], static_cast<double>(noise(1, N - 1)) - mean,
               1e-6);
        k.time(run);
      });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    head(s.train < 1024 ? s.train : 1024, s.V, s.name);
  }
  head(128, 193800, "1b_full_vocabulary");
  loss(8960, "tiny");
  loss(65536, "1b");
  optimizer("tiny", 2 << 20);
  optimizer("100m", 100 << 20);
  optimizer("1b", int64_t{1236} << 20);
  advantage("tiny", 16, 8);
  advantage("1b", 128, 16);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
