// Weights that are shared out over the ranks against weights that every rank holds.
#include <algorithm>
#include <tuple>

#include "trainer_of_ranks.h"

namespace llasa::test {
namespace {

Collective& world() {
  return *world_of_this_process->model;
}

llasa_trainer_options sharding(llasa_trainer_options options = trainer_options()) {
  options.shard_weights = 1;
  return options;
}

// Where sums are formed in one order whoever owns a number: by messages in the order of ranks, and any for two.
bool order_is_one() {
  return world().device_library().empty() || world().size() == 2;
}

// tied, compute type, recompute
class WeightsOfRanks : public testing::TestWithParam<std::tuple<bool, llasa_dtype, bool>> {
 protected:
  llasa_policy_options policy_options() const {
    llasa_policy_options options = small_options(std::get<0>(GetParam()));
    options.compute_dtype = std::get<1>(GetParam());
    return options;
  }
  llasa_trainer_options options() const {
    llasa_trainer_options options = trainer_options();
    options.recompute = std::get<2>(GetParam());
    return options;
  }
};

TEST_P(WeightsOfRanks, TakeTheStepsOfWeightsThatEveryRankHolds) {
  const PolicyHandle shared = random_policy(policy_options()), whole = random_policy(policy_options());
  const TrainerHandle ours = create_in_world(shared.get(), sharding(options()));
  const TrainerHandle theirs = create_in_world(whole.get(), options());
  const int rank = world().rank(), size = world().size();
  for (int number = 0; number < 3; ++number) {
    // One micro-batch for each rank, in the last step none for the last.
    const int working = number == 2 ? size - 1 : size;
    for (llasa_trainer* trainer : {ours.get(), theirs.get()}) {
      if (rank < working) accumulate_some(trainer, sequences(rank, working));
      EXPECT_OK(llasa_trainer_reduce(trainer));
    }
    const Arrays gradient = states(ours.get(), shared.get(), LLASA_STATE_GRADIENT);
    const Arrays expected = states(theirs.get(), whole.get(), LLASA_STATE_GRADIENT);
    if (order_is_one() && number == 0) {
      EXPECT_EQ(gradient, expected);
    } else {
      EXPECT_LT(distance(gradient, expected), kRounding * (1 + 10 * number));
    }
    const llasa_step_stats a = step(ours.get()), b = step(theirs.get());
    // The norm's squares are summed by shards, which are others.
    EXPECT_NEAR(a.grad_norm / b.grad_norm, 1, kRounding * (1 + 10 * number));
    EXPECT_EQ(a.step, b.step);
    EXPECT_LT(distance(weights(shared.get()), weights(whole.get())), 1e-4);
  }
}

// With no norm to be summed otherwise every bit is the same.
TEST_P(WeightsOfRanks, AreTheSameBitsWhereNothingIsClipped) {
  if (!order_is_one()) GTEST_SKIP() << "NCCL's order of sums hangs on who owns a number";
  llasa_trainer_options unclipped = options();
  unclipped.max_grad_norm = 0;
  const PolicyHandle shared = random_policy(policy_options()), whole = random_policy(policy_options());
  const TrainerHandle ours = create_in_world(shared.get(), sharding(unclipped));
  const TrainerHandle theirs = create_in_world(whole.get(), unclipped);
  for (int number = 0; number < 3; ++number) {
    for (llasa_trainer* trainer : {ours.get(), theirs.get()}) {
      accumulate_some(trainer, sequences(world().rank(), world().size()));
      EXPECT_OK(llasa_trainer_reduce(trainer));
      step(trainer);
    }
    EXPECT_EQ(weights(shared.get()), weights(whole.get()));
  }
  for (const int32_t kind : {LLASA_STATE_MOMENT1, LLASA_STATE_MOMENT2})
    EXPECT_EQ(states(ours.get(), shared.get(), kind), states(theirs.get(), whole.get(), kind));
  // What rollouts and scoring read.
  EXPECT_OK(llasa_policy_gather(shared.get()));
  const std::vector<int32_t> ids{3, 14, 15, 9, 26};
  std::vector<float> logits(ids.size() * 61), expected(logits.size());
  EXPECT_OK(llasa_policy_logits(shared.get(), ids.data(), static_cast<int64_t>(ids.size()), logits.data()));
  EXPECT_OK(llasa_policy_logits(whole.get(), ids.data(), static_cast<int64_t>(ids.size()), expected.data()));
  EXPECT_EQ(logits, expected);
}

// Ranks with several micro-batches, one and none: each takes part in those of the others.
TEST_P(WeightsOfRanks, RanksMayHaveDifferentNumbersOfMicroBatches) {
  llasa_trainer_options small = options();
  small.micro_batch_tokens = 24;
  const PolicyHandle shared = random_policy(policy_options()), alone = random_policy(policy_options());
  const TrainerHandle ours = create_in_world(shared.get(), sharding(small));
  const TrainerHandle whole = create_trainer(alone.get(), small);
  if (world().rank() == 0) {
    for (int b = 0; b < 6; ++b) accumulate_some(ours.get(), sequences(b, 7));
  } else if (world().rank() == 1) {
    accumulate_some(ours.get(), sequences(6, 7));
  }
  accumulate_some(whole.get(), sequences(0, 1));
  EXPECT_OK(llasa_trainer_reduce(ours.get()));
  EXPECT_OK(llasa_trainer_reduce(whole.get()));
  EXPECT_LT(distance(states(ours.get(), shared.get(), LLASA_STATE_GRADIENT),
                     states(whole.get(), alone.get(), LLASA_STATE_GRADIENT)),
            kRounding);
}

// To the byte, on the rank that holds most: what is kept, and what one pass adds.
TEST_P(WeightsOfRanks, TakeWhatThePlanSays) {
  const llasa_policy_options policy_options = this->policy_options();
  llasa_trainer_options trainer = sharding(options());
  const int64_t start = allocated();
  const PolicyHandle policy = random_policy(policy_options);
  const int64_t before = allocated() - start;
  const TrainerHandle ours = create_in_world(policy.get(), trainer);
  const int64_t kept = allocated() - start;
  BatchData batch;
  batch.add(std::vector<int32_t>(11, 0), 3);
  Loss loss = Loss::cross_entropy();
  llasa_head_options head;
  llasa_head_options_init(&head);
  accumulate(ours.get(), batch, head, loss, {.old_logprobs = std::vector<float>(8, 0.0f)});
  const int64_t most = allocated() - start;
  EXPECT_OK(llasa_trainer_reduce(ours.get()));
  step(ours.get());

  trainer.num_ranks = world().size();
  llasa_memory_plan_options plan;
  llasa_memory_plan_options_init(&plan);
  plan.policy = &policy_options;
  plan.trainer = &trainer;
  plan.prompt_tokens = 3;
  plan.response_tokens = 8;
  int64_t count = 0, peak = 0, planned_kept = 0, planned_most = 0;
  ASSERT_OK(llasa_plan_memory(&plan, &count, &peak));
  for (int64_t i = 0; i < count; ++i) {
    llasa_memory_item item{};
    item.struct_size = sizeof item;
    ASSERT_OK(llasa_memory_plan_item(i, &item));
    const std::string stage = item.stage;
    if (item.in_turn != 0) continue;
    if (stage == "optimiser") planned_kept += item.bytes;
    if (stage == "optimiser" || stage == "training" || stage == "phases") planned_most += item.bytes;
    if (stage == "policy") {
      EXPECT_EQ(item.bytes, before);
    }
  }
  const int64_t mine[2] = {kept, most};
  std::vector<int64_t> each(2 * static_cast<size_t>(world().size()));
  world().all_gather(mine, std::vector<int64_t>(each.size() / 2, sizeof mine), each.data());
  int64_t largest_kept = 0, largest = 0;
  for (size_t r = 0; r < each.size(); r += 2) {
    largest_kept = std::max(largest_kept, each[r]);
    largest = std::max(largest, each[r + 1]);
  }
  EXPECT_EQ(planned_kept, largest_kept);
  EXPECT_EQ(planned_most, largest);
  // Four arrays of f32, of which each rank has its share, at most some units from even in each of a few units.
  const double parameters =
      static_cast<double>(before) / (policy_options.compute_dtype == LLASA_BF16 ? 6 : 4);
  EXPECT_NEAR(static_cast<double>(kept), 16 * parameters / world().size(),
              16 * 5 * static_cast<double>(world().size() * Shard::kUnit));
}

INSTANTIATE_TEST_SUITE_P(All, WeightsOfRanks,
                         testing::Combine(testing::Bool(), testing::Values(LLASA_F32, LLASA_BF16),
                                          testing::Bool()));

// tied, compute type
class ReferenceOfRanks : public testing::TestWithParam<std::tuple<bool, llasa_dtype>> {
 protected:
  llasa_policy_options options() const {
    llasa_policy_options options = small_options(std::get<0>(GetParam()));
    options.compute_dtype = std::get<1>(GetParam());
    options.frozen = 1;
    return options;
  }
};

Arrays scores(llasa_policy* policy, const BatchData& batch, int64_t micro_batch_tokens) {
  llasa_head_options head;
  llasa_head_options_init(&head);
  const llasa_token_batch view = batch.view();
  Arrays values(2, std::vector<float>(static_cast<size_t>(batch.scored())));
  EXPECT_OK(
      llasa_policy_logprobs(policy, &view, &head, micro_batch_tokens, values[0].data(), values[1].data()));
  return values;
}

TEST_P(ReferenceOfRanks, ScoresToTheBitsOfOneThatEveryRankHolds) {
  const PolicyHandle start = random_policy(small_options(std::get<0>(GetParam())));
  const PolicyHandle shared = create_policy(options()), whole = create_policy(options());
  for (llasa_policy* policy : {shared.get(), whole.get()})
    EXPECT_OK(llasa_policy_copy_weights(policy, start.get()));
  EXPECT_OK(llasa_policy_share_out(shared.get(), world_of_this_process));
  const int rank = world().rank(), size = world().size();
  // Sequences of which ranks have different numbers, in one micro-batch and in several; at last some on the first alone.
  for (const int working : {size, 1}) {
    const BatchData mine = rank < working ? sequences(rank, working) : BatchData();
    for (const int64_t tokens : {4096, 24}) {
      EXPECT_EQ(scores(shared.get(), mine, tokens), scores(whole.get(), mine, tokens))
          << tokens << " tokens, " << working << " ranks";
    }
  }
  EXPECT_EQ(weights(shared.get()), weights(whole.get()));
  EXPECT_OK(llasa_policy_gather(shared.get()));
  const BatchData one = sequences(rank, size);
  EXPECT_EQ(scores(shared.get(), one, 24), scores(whole.get(), one, 24)) << "brought together";
}

TEST_P(ReferenceOfRanks, ComesInWhole) {
  const PolicyHandle shared = create_policy(options()), whole = create_policy(options());
  for (llasa_policy* policy : {shared.get(), whole.get()}) randomise(policy, 1);
  EXPECT_OK(llasa_policy_share_out(shared.get(), world_of_this_process));
  for (llasa_policy* policy : {shared.get(), whole.get()}) randomise(policy, 2);
  EXPECT_EQ(weights(shared.get()), weights(whole.get()));
  const BatchData mine = sequences(world().rank(), world().size());
  EXPECT_EQ(scores(shared.get(), mine, 24), scores(whole.get(), mine, 24));
}

// To the byte, on the rank that holds most.
TEST_P(ReferenceOfRanks, TakesWhatThePlanSays) {
  const int64_t start = allocated();
  const llasa_policy_options reference_options = options();
  const PolicyHandle reference = random_policy(reference_options);
  const int64_t before = allocated() - start;
  EXPECT_OK(llasa_policy_share_out(reference.get(), world_of_this_process));
  const int64_t kept = allocated() - start;

  const llasa_policy_options policy_options = small_options(std::get<0>(GetParam()));
  llasa_trainer_options trainer = sharding();
  trainer.num_ranks = world().size();
  llasa_memory_plan_options plan;
  llasa_memory_plan_options_init(&plan);
  plan.policy = &policy_options;
  plan.trainer = &trainer;
  plan.reference = &reference_options;
  plan.prompt_tokens = 3;
  plan.response_tokens = 8;
  int64_t count = 0, peak = 0, planned = 0;
  ASSERT_OK(llasa_plan_memory(&plan, &count, &peak));
  for (int64_t i = 0; i < count; ++i) {
    llasa_memory_item item{};
    item.struct_size = sizeof item;
    ASSERT_OK(llasa_memory_plan_item(i, &item));
    const std::string what = item.what;
    if (std::string(item.stage) == "reference" &&
        (what == "this rank's weights" || what == "the policy's gains"))
      planned += item.bytes;
  }
  std::vector<int64_t> each(static_cast<size_t>(world().size()));
  world().all_gather(&kept, std::vector<int64_t>(each.size(), sizeof kept), each.data());
  EXPECT_EQ(planned, *std::max_element(each.begin(), each.end()));
  // A share of what it was, at most some units from even in each of a few units, and the gains.
  EXPECT_NEAR(static_cast<double>(kept), static_cast<double>(before) / world().size(),
              4 * 5 * static_cast<double>(world().size() * Shard::kUnit));
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceOfRanks,
                         testing::Combine(testing::Bool(), testing::Values(LLASA_F32, LLASA_BF16)));

TEST(SharedReference, WhatCannotBeIsRefused) {
  llasa_policy_options options = small_options(false);
  const PolicyHandle trained = random_policy(options);
  EXPECT_EQ(llasa_policy_share_out(trained.get(), world_of_this_process), LLASA_ERR_STATE);
  options.frozen = 1;
  const PolicyHandle frozen = random_policy(options);
  EXPECT_EQ(llasa_policy_share_out(frozen.get(), nullptr), LLASA_ERR_ARGUMENT);
  EXPECT_OK(llasa_policy_share_out(frozen.get(), world_of_this_process));
  EXPECT_EQ(llasa_policy_share_out(frozen.get(), world_of_this_process), LLASA_ERR_STATE);
  const std::vector<int32_t> ids{3, 14, 15};
  std::vector<float> logits(3 * 61);
  EXPECT_EQ(llasa_policy_logits(frozen.get(), ids.data(), 3, logits.data()), LLASA_ERR_STATE);
  llasa_trainer* trainer = nullptr;
  const llasa_trainer_options training = sharding();
  EXPECT_EQ(llasa_trainer_create_in_world(world_of_this_process, frozen.get(), &training, &trainer),
            LLASA_ERR_STATE);
  options.compute_dtype = LLASA_Q8;
  llasa_policy* q8 = nullptr;
  if (llasa_policy_create(&options, &q8) == LLASA_OK) {  // which is the CPU's alone
    EXPECT_EQ(llasa_policy_share_out(q8, world_of_this_process), LLASA_ERR_STATE);
  }
  llasa_policy_destroy(q8);
}

TEST(SharedWeights, AreReadAndScoredOnlyTogether) {
  const PolicyHandle policy = random_policy();
  const TrainerHandle trainer = create_in_world(policy.get(), sharding());
  const std::vector<int32_t> ids{3, 14, 15};
  std::vector<float> logits(3 * 61);
  const auto compute = [&] { return llasa_policy_logits(policy.get(), ids.data(), 3, logits.data()); };
  EXPECT_EQ(compute(), LLASA_ERR_STATE);
  EXPECT_NE(std::string(llasa_last_error()).find("llasa_policy_gather"), std::string::npos)
      << llasa_last_error();
  EXPECT_OK(llasa_policy_gather(policy.get()));
  EXPECT_OK(compute());
  accumulate_some(trainer.get(), sequences(world().rank(), world().size()));
  EXPECT_EQ(compute(), LLASA_ERR_STATE);
  EXPECT_OK(llasa_trainer_reduce(trainer.get()));
  step(trainer.get());
  EXPECT_EQ(compute(), LLASA_ERR_STATE);
  void* data = nullptr;
  llasa_dtype dtype{};
  EXPECT_EQ(llasa_policy_tensor_data(policy.get(), "model.norm.weight", &data, &dtype), LLASA_ERR_STATE);
}

TEST(SharedWeights, GoOutWholeAndComeBackInParts) {
  const PolicyHandle policy = random_policy(), other = random_policy();
  const Arrays start = weights(policy.get());
  const TrainerHandle trainer = create_in_world(policy.get(), sharding());
  EXPECT_EQ(weights(policy.get()), start);
  uint64_t seed = 100;
  Arrays given;
  for (const Parameter& p : parameters(policy.get())) {
    given.push_back(normals(++seed, p.size));
    set_tensor(policy.get(), p, given.back());
  }
  EXPECT_EQ(weights(policy.get()), given);
  EXPECT_OK(llasa_policy_copy_weights(other.get(), policy.get()));
  EXPECT_EQ(weights(other.get()), given);
  EXPECT_OK(llasa_policy_gather(policy.get()));
  EXPECT_EQ(weights(policy.get()), given);
}

TEST(SharedWeights, WhatCannotBeIsRefused) {
  llasa_trainer* trainer = nullptr;
  const llasa_trainer_options options = sharding();
  llasa_lora_options lora;
  llasa_lora_options_init(&lora);
  {
    const PolicyHandle policy = random_policy();
    ASSERT_OK(llasa_policy_attach_lora(policy.get(), &lora));
    EXPECT_EQ(llasa_trainer_create_in_world(world_of_this_process, policy.get(), &options, &trainer),
              LLASA_ERR_STATE);
  }
  const PolicyHandle policy = random_policy();
  const TrainerHandle ours = create_in_world(policy.get(), options);
  EXPECT_EQ(llasa_policy_attach_lora(policy.get(), &lora), LLASA_ERR_STATE);
  const llasa_trainer_options whole = trainer_options();
  EXPECT_EQ(llasa_trainer_create_in_world(world_of_this_process, policy.get(), &whole, &trainer),
            LLASA_ERR_STATE);
  const Parameter p = parameters(policy.get()).front();
  const std::vector<float> values(static_cast<size_t>(p.size));
  EXPECT_EQ(llasa_trainer_set_state(ours.get(), LLASA_STATE_GRADIENT, p.name.c_str(), values.data(), p.size),
            LLASA_ERR_STATE);
}

}  // namespace
}  // namespace llasa::test
