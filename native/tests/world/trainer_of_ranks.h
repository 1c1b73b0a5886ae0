// What trainers of several ranks are tried on.
#pragma once

#include "rank.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {

inline llasa_trainer_options trainer_options() {
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.weight_decay = 0.01f;
  options.max_grad_norm = 0.5f;
  return options;
}

inline TrainerHandle create_in_world(llasa_policy* policy,
                                     const llasa_trainer_options& options = trainer_options()) {
  llasa_trainer* trainer = nullptr;
  EXPECT_OK(llasa_trainer_create_in_world(world_of_this_process, policy, &options, &trainer));
  return TrainerHandle(trainer);
}

inline PolicyHandle random_policy(const llasa_policy_options& options = small_options(false)) {
  PolicyHandle policy = create_policy(options);
  randomise(policy.get(), 1);
  return policy;
}

// Sequences first, first + stride, ... of seven.
inline BatchData sequences(int first, int stride) {
  BatchData batch;
  for (int b = first; b < 7; b += stride) {
    std::vector<int32_t> ids;
    for (int t = 0; t < 8 + 3 * b; ++t) ids.push_back((17 * b + 5 * t * t + 3) % 61);
    batch.add(ids, 3);
  }
  return batch;
}

// Adds the gradient of some sequences, of a loss that is the mean over the tokens of all.
inline void accumulate_some(llasa_trainer* trainer, const BatchData& batch) {
  if (batch.prompt_lengths.empty()) return;
  Loss loss = Loss::cross_entropy();
  loss.total_tokens = static_cast<double>(sequences(0, 1).scored());
  llasa_head_options head;
  llasa_head_options_init(&head);
  accumulate(trainer, batch, head, loss, {});
}

using Arrays = std::vector<std::vector<float>>;

inline Arrays states(llasa_trainer* trainer, llasa_policy* policy, int32_t kind) {
  Arrays all;
  for (const Parameter& p : parameters(policy)) all.push_back(get_state(trainer, kind, p));
  return all;
}

inline Arrays weights(llasa_policy* policy) {
  Arrays all;
  for (const Parameter& p : parameters(policy)) all.push_back(get_tensor(policy, p));
  return all;
}

inline double distance(const Arrays& a, const Arrays& b) {
  double squares = 0, all = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) {
      const double x = static_cast<double>(a[i][j]), y = static_cast<double>(b[i][j]);
      squares += (x - y) * (x - y);
      all += x * x;
    }
  }
  return std::sqrt(squares / all);
}

inline llasa_step_stats step(llasa_trainer* trainer) {
  llasa_step_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_OK(llasa_trainer_step(trainer, 1e-2f, &stats));
  return stats;
}

inline int64_t allocated() {
  llasa_live_counts counts{};
  counts.struct_size = sizeof counts;
  EXPECT_OK(llasa_get_live_counts(&counts));
  return counts.allocated_bytes;
}

// Sums of n terms of either sign in another order: each addition rounds a partial sum, which comes to sqrt(n / 2) 2^-25
// of the whole, 5e-7 in two orders of 300 terms, and a gradient goes through several such sums, whose squares add up.
#if defined(LLASA_TESTS_ON_DEVICE)
inline constexpr double kRounding = 2e-6;
#else
inline constexpr double kRounding = 1e-6;  // what docs/scaling.md promises
#endif

}  // namespace llasa::test
