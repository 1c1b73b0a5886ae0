// What must hold of training whatever the model: gradients are slopes, and neither packing, micro-batches,
// recomputation nor threads change a step.
#include <tuple>

#include "core/parallel.h"
#include "simulated.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

// Groups of responses to shared prompts, and sequences of their own; some responses are empty.
struct Problem {
  BatchData batch;
  LossData data;
  llasa_head_options head;
  Loss loss;

  explicit Problem(int32_t vocab = 61) {
    uint64_t counter = 0;
    const auto token = [&] {
      return static_cast<int32_t>(philox_uniform(5, 6, counter++) * static_cast<float>(vocab));
    };
    const auto tokens = [&](size_t count) {
      std::vector<int32_t> ids(count);
      for (int32_t& id : ids) id = token();
      return ids;
    };
    const std::vector<std::pair<size_t, std::vector<size_t>>> groups = {
        {9, {7, 1, 12, 0, 5}}, {1, {4, 6}}, {6, {3}}, {6, {0}}, {11, {8, 8, 8}}};
    for (const auto& [prompt_length, responses] : groups) {
      const std::vector<int32_t> prompt = tokens(prompt_length);
      for (size_t response : responses) {
        std::vector<int32_t> ids = prompt;
        for (int32_t id : tokens(response)) ids.push_back(id);
        batch.add(ids, static_cast<int64_t>(prompt_length));
        data.advantages.push_back(normal(7, counter));
      }
    }
    llasa_head_options_init(&head);
    head.temperature = 0.9f;
    loss.kl_coef = 0.05f;
    loss.entropy_coef = 0.02f;
    loss.options.clip_low = loss.options.clip_high = 5.0f;  // no kinks near by
    loss.constant = 20;
    for (int64_t i = 0; i < batch.scored(); ++i) {
      data.old_logprobs.push_back(-4.0f + 0.2f * normal(8, static_cast<uint64_t>(i)));
      data.ref_logprobs.push_back(-4.0f + 0.2f * normal(9, static_cast<uint64_t>(i)));
      data.mask.push_back(i % 5 != 3);
    }
  }

  llasa_loss_stats accumulate(llasa_trainer* trainer, std::vector<float>* logprobs = nullptr) const {
    if (logprobs != nullptr) logprobs->resize(static_cast<size_t>(batch.scored()));
    return test::accumulate(trainer, batch, head, loss, data,
                            logprobs == nullptr ? nullptr : logprobs->data());
  }
};

llasa_trainer_options trainer_options() {
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.weight_decay = 0.01f;
  return options;
}

std::vector<float> all_state(llasa_trainer* trainer, llasa_policy* policy, int32_t kind) {
  std::vector<float> all;
  for (const Parameter& p : parameters(policy)) {
    const std::vector<float> one = get_state(trainer, kind, p);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

std::vector<float> all_weights(llasa_policy* policy) {
  std::vector<float> all;
  for (const Parameter& p : parameters(policy)) {
    const std::vector<float> one = get_tensor(policy, p);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

PolicyHandle random_policy(bool tied, uint64_t seed = 1) {
  PolicyHandle policy = create_policy(small_options(tied));
  randomise(policy.get(), seed);
  return policy;
}

std::vector<float> gradients_of(const Problem& problem, const llasa_trainer_options& options,
                                bool tied = true) {
  const PolicyHandle policy = random_policy(tied);
  const TrainerHandle trainer = create_trainer(policy.get(), options);
  problem.accumulate(trainer.get());
  return all_state(trainer.get(), policy.get(), LLASA_STATE_GRADIENT);
}

// Equal up to the rounding of sums in another order: a few hundred terms, relative to the largest element.
void expect_close(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0, worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  EXPECT_GT(largest, 0);
  EXPECT_LE(worst, 2e-5 * largest);
}

class TrainerGradient : public testing::TestWithParam<std::tuple<Aggregate, bool, bool>> {};

// Along a random direction d of length 1 in each parameter: (L(w + e d) - L(w - e d)) / 2e = <gradient, d>.
TEST_P(TrainerGradient, IsTheSlopeOfTheLoss) {
  const auto& [aggregation, tied, restricted] = GetParam();
  Problem problem(restricted ? 40 : 61);
  problem.loss.aggregate = aggregation;
  if (restricted) {  // drawn ids are 0..39
    problem.head.restrict_end = 39;
    problem.head.restrict_extra = 39;
  }
  const PolicyHandle policy = random_policy(tied);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  problem.accumulate(trainer.get());
  std::vector<std::vector<float>> gradients;  // all of them first: every loss below adds to the trainer's
  for (const Parameter& p : parameters(policy.get())) {
    gradients.push_back(get_state(trainer.get(), LLASA_STATE_GRADIENT, p));
  }
  uint64_t seed = 100;
  size_t index = 0;
  // Two passes per tensor: on the simulator each loss takes an eighth of them, its own one; every gradient is
  // compared with the oracle's there, too (trainer_test.cc).
  const size_t stride = repetitions<size_t>(1, 8),
               own = static_cast<size_t>(aggregation) +
                     (aggregation != Aggregate::kTokenMean || restricted ? 1 : 0);
  for (const Parameter& p : parameters(policy.get())) {
    const std::vector<float>& gradient = gradients[index++];
    if (index % stride != own % stride) continue;
    std::vector<float> direction = normals(++seed, p.size);
    double length = 0, slope = 0, norm = 0;
    for (float d : direction) length += static_cast<double>(d) * static_cast<double>(d);
    for (size_t i = 0; i < direction.size(); ++i) {
      // Half random, half along the gradient: a random direction alone would see little of a large tensor.
      direction[i] /= static_cast<float>(std::sqrt(length));
      norm += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    norm = std::sqrt(norm);
    for (size_t i = 0; i < direction.size(); ++i) {
      direction[i] = 0.7f * direction[i] + 0.7f * gradient[i] / static_cast<float>(norm + 1e-12);
      slope += static_cast<double>(direction[i]) * static_cast<double>(gradient[i]);
    }
    const std::vector<float> weights = get_tensor(policy.get(), p);
    const double e = 4e-3;
    double losses[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<float> moved = weights;
      for (size_t i = 0; i < moved.size(); ++i) {
        moved[i] += static_cast<float>(side == 0 ? e : -e) * direction[i];
      }
      set_tensor(policy.get(), p, moved);
      losses[side] = problem.accumulate(trainer.get()).loss;
    }
    set_tensor(policy.get(), p, weights);
    // Rounding of the loss, 2e-6 / 2e; curvature, e^2 times a third derivative of order the slope.
    EXPECT_NEAR((losses[0] - losses[1]) / (2 * e), slope, 5e-4 + 3e-3 * norm) << p.name << " norm " << norm;
    EXPECT_GT(norm, 1e-4) << p.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, TrainerGradient,
                         testing::Values(std::tuple{Aggregate::kTokenMean, true, false},
                                         std::tuple{Aggregate::kTokenMean, false, true},
                                         std::tuple{Aggregate::kSequenceMean, false, false},
                                         std::tuple{Aggregate::kConstant, true, true}));

TEST(Trainer, RecomputationChangesNothing) {
  const Problem problem;
  llasa_trainer_options options = trainer_options();
  const std::vector<float> kept = gradients_of(problem, options);
  for (const int32_t part : {1, 2}) {
    options.recompute = part;
    EXPECT_EQ(gradients_of(problem, options), kept) << part;
  }
}

TEST(Trainer, MicroBatchesAndHeadChunksChangeOnlyRounding) {
  Problem problem;
  llasa_trainer_options options = trainer_options();
  const std::vector<float> whole = gradients_of(problem, options);
  for (int64_t tokens : {1, 20, 33, 60}) {
    options.micro_batch_tokens = tokens;
    expect_close(whole, gradients_of(problem, options));
  }
  problem.head.chunk_tokens = 7;
  expect_close(whole, gradients_of(problem, trainer_options()));
}

TEST(Trainer, SequenceRatiosDoNotDependOnMicroBatches) {
  Problem problem;
  problem.loss.options.ratio = LLASA_RATIO_SEQUENCE;
  problem.loss.aggregate = Aggregate::kSequenceMean;
  llasa_trainer_options options = trainer_options();
  const std::vector<float> whole = gradients_of(problem, options);
  options.micro_batch_tokens = 20;
  problem.head.chunk_tokens = 7;
  expect_close(whole, gradients_of(problem, options));
  problem.loss.options.ratio = LLASA_RATIO_TOKEN;
  EXPECT_NE(gradients_of(problem, options), whole);
}

TEST(Trainer, EachTermHasItsOwnWeights) {
  const Problem problem;
  const PolicyHandle policy = random_policy(true);
  const auto gradients = [&](float advantage, float policy_weight, float kl, float entropy) {
    TermArrays arrays(problem.batch, problem.loss, problem.data);
    for (size_t n = 0; n < arrays.advantages.size(); ++n) {
      arrays.advantages[n] = advantage;
      arrays.policy_weights[n] *= policy_weight;
      arrays.kl_weights[n] *= kl;
      arrays.entropy_weights[n] *= entropy;
    }
    const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
    const llasa_token_batch view = problem.batch.view();
    const llasa_token_terms terms = arrays.view();
    llasa_loss_stats stats{};
    stats.struct_size = sizeof stats;
    EXPECT_OK(llasa_trainer_accumulate(trainer.get(), &view, &problem.head, &problem.loss.options, &terms,
                                       nullptr, nullptr, nullptr, &stats));
    return all_state(trainer.get(), policy.get(), LLASA_STATE_GRADIENT);
  };
  const std::vector<float> all = gradients(1, 1, 1, 1), first = gradients(1, 1, 0, 0),
                           second = gradients(1, 0, 1, 0), third = gradients(1, 0, 0, 1);
  EXPECT_EQ(gradients(0.5f, 1, 0, 0), gradients(1, 0.5f, 0, 0));  // powers of two: to the bit
  std::vector<float> sum(all.size());
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = first[i] + second[i] + third[i];
  expect_close(all, sum);
  for (const auto* part : {&first, &second, &third}) {
    EXPECT_NE(*part, std::vector<float>(part->size(), 0.0f));
  }
}

// REINFORCE is what a clipped ratio comes to while nothing has moved.
TEST(Trainer, TheLogProbTermIsTheRatioTermAtARatioOfOne) {
  Problem problem;
  problem.data.old_logprobs.clear();
  const std::vector<float> ratio = gradients_of(problem, trainer_options());
  problem.loss.options.policy_term = LLASA_POLICY_TERM_LOG_PROB;
  EXPECT_EQ(gradients_of(problem, trainer_options()), ratio);
}

TEST(Trainer, RefusesTermsThatAreMissingOrNotFinite) {
  const Problem problem;
  const PolicyHandle policy = random_policy(true);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  const llasa_token_batch view = problem.batch.view();
  const TermArrays good(problem.batch, problem.loss, problem.data);
  const auto refuse = [&](const TermArrays& arrays, const llasa_loss_options& options, llasa_status status,
                          const char* message) {
    const llasa_token_terms terms = arrays.view();
    llasa_loss_stats stats{};
    stats.struct_size = sizeof stats;
    EXPECT_EQ(llasa_trainer_accumulate(trainer.get(), &view, &problem.head, &options, &terms, nullptr,
                                       nullptr, nullptr, &stats),
              status);
    EXPECT_NE(std::string(llasa_last_error()).find(message), std::string::npos) << llasa_last_error();
  };
  const float nan = std::nanf("");
  const auto bad = [&](std::vector<float> TermArrays::*array, float value, llasa_status status,
                       const char* message) {
    TermArrays arrays = good;
    if ((arrays.*array).empty()) (arrays.*array).resize(good.advantages.size());
    (arrays.*array)[2] = value;
    refuse(arrays, problem.loss.options, status, message);
  };
  const auto without = [&](std::vector<float> TermArrays::*array, const char* message) {
    TermArrays arrays = good;
    (arrays.*array).clear();
    refuse(arrays, problem.loss.options, LLASA_ERR_ARGUMENT, message);
  };
  bad(&TermArrays::advantages, nan, LLASA_ERR_NOT_FINITE, "`terms.advantages[2]`");
  bad(&TermArrays::policy_weights, nan, LLASA_ERR_NOT_FINITE, "`terms.policy_weights[2]`");
  bad(&TermArrays::policy_weights, -1, LLASA_ERR_ARGUMENT, "`terms.policy_weights[2]`: -1, expected >= 0");
  bad(&TermArrays::kl_weights, nan, LLASA_ERR_NOT_FINITE, "`terms.kl_weights[2]`");
  bad(&TermArrays::entropy_weights, nan, LLASA_ERR_NOT_FINITE, "`terms.entropy_weights[2]`");
  bad(&TermArrays::old_logprobs, nan, LLASA_ERR_NOT_FINITE, "`terms.old_logprobs[2]`");
  bad(&TermArrays::ref_logprobs, nan, LLASA_ERR_NOT_FINITE, "`terms.ref_logprobs[2]`");
  bad(&TermArrays::policy_caps, nan, LLASA_ERR_NOT_FINITE, "`terms.policy_caps[2]`");
  without(&TermArrays::advantages, "`terms.advantages` is NULL");
  without(&TermArrays::policy_weights, "`terms.policy_weights` is NULL");
  without(&TermArrays::ref_logprobs, "`terms.ref_logprobs` is NULL");
  const auto bad_option = [&](auto field, auto value, const char* message) {
    llasa_loss_options options = problem.loss.options;
    options.*field = value;
    refuse(good, options, LLASA_ERR_ARGUMENT, message);
  };
  bad_option(&llasa_loss_options::policy_term, 2, "`loss.policy_term`: 2");
  bad_option(&llasa_loss_options::ratio, 2, "`loss.ratio`: 2");
  bad_option(&llasa_loss_options::kl_estimator, 3, "`loss.kl_estimator`: 3");
  bad_option(&llasa_loss_options::clip_low, -0.1f, "`loss.clip_low`: -0.1");
  bad_option(&llasa_loss_options::clip_high, nan, "`loss.clip_high`: nan");
}

TEST(Trainer, ATokenWithoutWeightMayHoldAnything) {
  const Problem problem;
  const std::vector<float> plain = gradients_of(problem, trainer_options());
  Problem other = problem;
  for (size_t n = 0; n < other.data.mask.size(); ++n) {
    if (other.data.mask[n] == 0) other.data.old_logprobs[n] = other.data.ref_logprobs[n] = std::nanf("");
  }
  EXPECT_EQ(gradients_of(other, trainer_options()), plain);
}

TEST(Trainer, SeveralCallsAddUp) {
  Problem problem;
  const std::vector<float> once = gradients_of(problem, trainer_options());
  problem.loss.total_tokens = 0;
  for (uint8_t counts : problem.data.mask) problem.loss.total_tokens += 2 * counts;
  const PolicyHandle policy = random_policy(true);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  problem.accumulate(trainer.get());
  problem.accumulate(trainer.get());
  expect_close(once, all_state(trainer.get(), policy.get(), LLASA_STATE_GRADIENT));
}

TEST(Trainer, StepsAreTheSameToTheBitForAnyNumberOfThreads) {
  const Problem problem;
  std::vector<std::vector<float>> results;
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    llasa_trainer_options options = trainer_options();
    options.micro_batch_tokens = 50;
    const PolicyHandle policy = random_policy(false);
    const TrainerHandle trainer = create_trainer(policy.get(), options);
    for (int step = 0; step < 2; ++step) {
      problem.accumulate(trainer.get());
      llasa_step_stats stats{};
      stats.struct_size = sizeof stats;
      ASSERT_OK(llasa_trainer_step(trainer.get(), 1e-3f, &stats));
    }
    results.push_back(all_weights(policy.get()));
  }
  set_num_threads(0);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Trainer, SharedPromptsGiveTheGradientsOfSeparateOnes) {
  Problem problem;
  const PolicyHandle policy = random_policy(true);
  std::vector<float> shared_logprobs, separate_logprobs;
  const TrainerHandle shared = create_trainer(policy.get(), trainer_options());
  const llasa_loss_stats together = problem.accumulate(shared.get(), &shared_logprobs);
  // One token per micro-batch: every sequence is computed on its own.
  llasa_trainer_options options = trainer_options();
  options.micro_batch_tokens = 1;
  const TrainerHandle separate = create_trainer(policy.get(), options);
  const llasa_loss_stats alone = problem.accumulate(separate.get(), &separate_logprobs);
  expect_close(all_state(shared.get(), policy.get(), LLASA_STATE_GRADIENT),
               all_state(separate.get(), policy.get(), LLASA_STATE_GRADIENT));
  for (size_t i = 0; i < shared_logprobs.size(); ++i)
    EXPECT_NEAR(shared_logprobs[i], separate_logprobs[i], 1e-5);
  EXPECT_LT(together.computed_tokens, alone.computed_tokens);
  EXPECT_NEAR(together.loss, alone.loss, 1e-6);
}

TEST(Trainer, OldLogProbsLeftOutMeanARatioOfOne) {
  Problem problem;
  problem.data.old_logprobs.clear();
  problem.data.mask.clear();
  const PolicyHandle policy = random_policy(true);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  const llasa_loss_stats stats = problem.accumulate(trainer.get());
  EXPECT_EQ(stats.ratio_sum, stats.tokens);
  EXPECT_EQ(stats.tokens, static_cast<double>(problem.batch.scored()));
  EXPECT_EQ(stats.logprob_gap_max, 0);
  EXPECT_EQ(stats.clipped_low + stats.clipped_high + stats.capped, 0);
}

TEST(Trainer, SavedStateContinuesToTheBit) {
  const Problem problem;
  const auto step = [&](llasa_trainer* trainer) {
    problem.accumulate(trainer);
    llasa_step_stats stats{};
    stats.struct_size = sizeof stats;
    EXPECT_OK(llasa_trainer_step(trainer, 1e-3f, &stats));
  };
  const PolicyHandle policy = random_policy(false);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  step(trainer.get());
  step(trainer.get());

  const PolicyHandle restored = create_policy(small_options(false));
  ASSERT_OK(llasa_policy_copy_weights(restored.get(), policy.get()));
  const TrainerHandle resumed = create_trainer(restored.get(), trainer_options());
  for (const Parameter& p : parameters(policy.get())) {
    for (int32_t kind : {LLASA_STATE_MOMENT1, LLASA_STATE_MOMENT2}) {
      const std::vector<float> values = get_state(trainer.get(), kind, p);
      ASSERT_OK(llasa_trainer_set_state(resumed.get(), kind, p.name.c_str(), values.data(), p.size));
    }
  }
  int64_t steps = 0;
  ASSERT_OK(llasa_trainer_get_step(trainer.get(), &steps));
  EXPECT_EQ(steps, 2);
  ASSERT_OK(llasa_trainer_set_step(resumed.get(), steps));
  step(trainer.get());
  step(resumed.get());
  EXPECT_EQ(all_weights(policy.get()), all_weights(restored.get()));
}

// Moments on the host are the same to the bit, and go from one trainer to another of either kind.
TEST(Trainer, OffloadedMomentsAreTheSameToTheBit) {
  const Problem problem;
  const auto step = [&](llasa_trainer* trainer) {
    problem.accumulate(trainer);
    llasa_step_stats stats{};
    stats.struct_size = sizeof stats;
    EXPECT_OK(llasa_trainer_step(trainer, 1e-3f, &stats));
  };
  llasa_trainer_options offloaded = trainer_options();
  offloaded.offload_moments = 1;
  const PolicyHandle policy = random_policy(false), other = random_policy(false);
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  TrainerHandle on_host = create_trainer(other.get(), offloaded);
  for (int i = 0; i < 2; ++i) {
    step(trainer.get());
    step(on_host.get());
  }
  const TrainerHandle resumed = create_trainer(other.get(), offloaded);
  for (const Parameter& p : parameters(policy.get())) {
    for (int32_t kind : {LLASA_STATE_MOMENT1, LLASA_STATE_MOMENT2}) {
      const std::vector<float> values = get_state(on_host.get(), kind, p);
      ASSERT_EQ(values, get_state(trainer.get(), kind, p)) << p.name;
      ASSERT_OK(llasa_trainer_set_state(resumed.get(), kind, p.name.c_str(), values.data(), p.size));
    }
  }
  ASSERT_OK(llasa_trainer_set_step(resumed.get(), 2));
  on_host.reset();
  step(trainer.get());
  step(resumed.get());
  EXPECT_EQ(all_weights(policy.get()), all_weights(other.get()));
}

TEST(Trainer, AGradientThatIsNotFiniteSkipsTheStep) {
  const Problem problem;
  const PolicyHandle policy = random_policy(true);
  for (const Parameter& p : parameters(policy.get())) {
    if (p.name.find("down_proj") != std::string::npos) {
      set_tensor(policy.get(), p, std::vector<float>(static_cast<size_t>(p.size), 3e38f));
    }
  }
  const std::vector<float> before = all_weights(policy.get());
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
  problem.accumulate(trainer.get());
  llasa_step_stats stats{};
  stats.struct_size = sizeof stats;
  ASSERT_OK(llasa_trainer_step(trainer.get(), 1e-3f, &stats));
  EXPECT_EQ(stats.skipped, 1);
  EXPECT_EQ(stats.step, 0);
  EXPECT_FALSE(std::isfinite(stats.grad_norm));
  EXPECT_EQ(all_weights(policy.get()), before);
  for (int32_t kind : {LLASA_STATE_GRADIENT, LLASA_STATE_MOMENT1, LLASA_STATE_MOMENT2}) {
    for (float v : all_state(trainer.get(), policy.get(), kind)) ASSERT_EQ(v, 0.0f);
  }
  EXPECT_EQ(llasa_trainer_step(trainer.get(), 1e-3f, &stats), LLASA_ERR_STATE);  // the gradients are gone
}

TEST(Trainer, ReportsProgressAndCanBeCancelled) {
  const Problem problem;
  const PolicyHandle policy = random_policy(true);
  llasa_trainer_options options = trainer_options();
  options.micro_batch_tokens = 20;
  const TrainerHandle trainer = create_trainer(policy.get(), options);
  const llasa_token_batch view = problem.batch.view();
  const TermArrays arrays(problem.batch, problem.loss, problem.data);
  const llasa_token_terms terms = arrays.view();
  llasa_loss_stats stats{};
  stats.struct_size = sizeof stats;
  struct Seen {
    std::vector<int64_t> done;
    size_t stop_at;
  } seen{{}, 2};
  const auto progress = [](void* user, int64_t done, int64_t) -> int32_t {
    auto* s = static_cast<Seen*>(user);
    s->done.push_back(done);
    return s->done.size() == s->stop_at;
  };
  const auto run = [&] {
    return llasa_trainer_accumulate(trainer.get(), &view, &problem.head, &problem.loss.options, &terms,
                                    progress, &seen, nullptr, &stats);
  };
  EXPECT_EQ(run(), LLASA_ERR_CANCELLED);
  EXPECT_EQ(seen.done.size(), 2u);
  seen = {{}, 1000};
  ASSERT_OK(run());
  EXPECT_EQ(seen.done.back(), problem.batch.scored());
  EXPECT_TRUE(std::is_sorted(seen.done.begin(), seen.done.end()));
}

TEST(Trainer, OutlivesThePolicyHandleAndLeavesNothingBehind) {
  llasa_live_counts counts{};
  counts.struct_size = sizeof counts;
  ASSERT_OK(llasa_get_live_counts(&counts));
  const int64_t before = counts.allocated_bytes;
  {
    const Problem problem;
    PolicyHandle policy = random_policy(true);
    const TrainerHandle trainer = create_trainer(policy.get(), trainer_options());
    policy.reset();
    problem.accumulate(trainer.get());
  }
  ASSERT_OK(llasa_get_live_counts(&counts));
  EXPECT_EQ(counts.policies, 0);
  EXPECT_EQ(counts.trainers, 0);
  EXPECT_EQ(counts.allocated_bytes, before);
}

}  // namespace
}  // namespace llasa::test
