// A trainer of several ranks against one that has all the work.
#include "trainer_of_ranks.h"

namespace llasa::test {
namespace {

TEST(TrainerOfRanks, TakesTheStepOfOneThatHasAllTheWork) {
  const PolicyHandle shared = random_policy(), alone = random_policy();
  const int rank = world_of_this_process->model->rank(), size = world_of_this_process->model->size();
  const TrainerHandle ours = create_in_world(shared.get());
  const TrainerHandle whole = create_trainer(alone.get(), trainer_options());
  for (int number = 0; number < 3; ++number) {
    // In the last step the last rank has nothing to do.
    const int working = number == 2 ? size - 1 : size;
    if (rank < working) accumulate_some(ours.get(), sequences(rank, working));
    accumulate_some(whole.get(), sequences(0, 1));
    EXPECT_OK(llasa_trainer_reduce(ours.get()));
    EXPECT_OK(llasa_trainer_reduce(whole.get()));
    if (number == 0) {
      EXPECT_LT(distance(states(ours.get(), shared.get(), LLASA_STATE_GRADIENT),
                         states(whole.get(), alone.get(), LLASA_STATE_GRADIENT)),
                kRounding);
    }
    const llasa_step_stats a = step(ours.get()), b = step(whole.get());
    EXPECT_NEAR(a.grad_norm / b.grad_norm, 1, kRounding * (1 + 10 * number));
    EXPECT_EQ(a.step, number + 1);
    // A moment's root divides: where a gradient is nearly 0 its rounding decides which way a weight goes.
    EXPECT_LT(distance(weights(shared.get()), weights(alone.get())), 1e-4);
  }
  EXPECT_LT(distance(states(ours.get(), shared.get(), LLASA_STATE_MOMENT1),
                     states(whole.get(), alone.get(), LLASA_STATE_MOMENT1)),
            1e-3);
}

TEST(TrainerOfRanks, GivesTheSameBitsAgainAndToEveryRank) {
  Arrays first;
  for (int turn = 0; turn < 2; ++turn) {
    const PolicyHandle policy = random_policy();
    const TrainerHandle trainer = create_in_world(policy.get());
    Collective& world = *world_of_this_process->model;
    for (int number = 0; number < 2; ++number) {
      accumulate_some(trainer.get(), sequences(world.rank(), world.size()));
      EXPECT_OK(llasa_trainer_reduce(trainer.get()));
      step(trainer.get());
    }
    Arrays now = weights(policy.get());
    for (std::vector<float>& values : now) {
      std::vector<float> of_first = values;
      world.broadcast(of_first.data(), static_cast<int64_t>(values.size() * sizeof(float)), 0);
      EXPECT_EQ(values, of_first);
    }
    if (turn == 0) first = now;
    EXPECT_EQ(now, first);
  }
}

TEST(TrainerOfRanks, MomentsGoOutWholeAndComeBackInParts) {
  const PolicyHandle policy = random_policy();
  const TrainerHandle trainer = create_in_world(policy.get());
  uint64_t seed = 0;
  Arrays given;
  for (const Parameter& p : parameters(policy.get())) {
    given.push_back(normals(++seed, p.size));
    EXPECT_OK(llasa_trainer_set_state(trainer.get(), LLASA_STATE_MOMENT2, p.name.c_str(), given.back().data(),
                                      p.size));
  }
  EXPECT_EQ(states(trainer.get(), policy.get(), LLASA_STATE_MOMENT2), given);
}

TEST(TrainerOfRanks, HoldsItsShareOfTheMomentsAsThePlanSays) {
  const llasa_policy_options policy_options = small_options(false);
  const PolicyHandle policy = random_policy();
  const int64_t start = allocated();
  int64_t taken_alone = 0;
  {
    const TrainerHandle alone = create_trainer(policy.get(), trainer_options());
    taken_alone = allocated() - start;
  }
  const TrainerHandle trainer = create_in_world(policy.get());
  const int64_t taken = allocated() - start;
  const int size = world_of_this_process->model->size();
  // Gradients of all; two moments of a share that is at most a unit for each rank from even, and an allocation's
  // rounding.
  const double expected = static_cast<double>(taken_alone) / 3 * (1 + 2.0 / size);
  EXPECT_NEAR(static_cast<double>(taken), expected, 2 * 4 * (size * Shard::kUnit + 16));

  llasa_trainer_options options = trainer_options();
  options.num_ranks = size;
  llasa_memory_plan_options plan;
  llasa_memory_plan_options_init(&plan);
  plan.policy = &policy_options;
  plan.trainer = &options;
  int64_t count = 0, peak = 0, planned = 0;
  ASSERT_OK(llasa_plan_memory(&plan, &count, &peak));
  for (int64_t i = 0; i < count; ++i) {
    llasa_memory_item item{};
    item.struct_size = sizeof item;
    ASSERT_OK(llasa_memory_plan_item(i, &item));
    if (std::string(item.stage) == "optimiser") planned += item.bytes;
  }
  // The plan is of the rank that has most.
  std::vector<int64_t> each(static_cast<size_t>(size));
  world_of_this_process->model->all_gather(&taken, std::vector<int64_t>(each.size(), sizeof(int64_t)),
                                           each.data());
  EXPECT_EQ(planned, *std::max_element(each.begin(), each.end()));
}

TEST(TrainerOfRanks, TheOrderOfCallsIsChecked) {
  const PolicyHandle policy = random_policy();
  const TrainerHandle trainer = create_in_world(policy.get());
  Collective& world = *world_of_this_process->model;
  accumulate_some(trainer.get(), sequences(world.rank(), world.size()));
  llasa_step_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_EQ(llasa_trainer_step(trainer.get(), 1e-2f, &stats), LLASA_ERR_STATE);
  EXPECT_OK(llasa_trainer_reduce(trainer.get()));
  EXPECT_EQ(llasa_trainer_reduce(trainer.get()), LLASA_ERR_STATE);
  EXPECT_OK(llasa_trainer_step(trainer.get(), 1e-2f, &stats));
}

TEST(TrainerOfRanks, ANumberThatIsNoneSkipsTheStepOfAll) {
  const PolicyHandle policy = random_policy();
  const TrainerHandle trainer = create_in_world(policy.get());
  Collective& world = *world_of_this_process->model;
  const Arrays before = weights(policy.get());
  // Finite on each of two ranks, together not.
  if (world.rank() == 0 || world.rank() == world.size() - 1) {
    const Parameter p = parameters(policy.get()).front();
    const std::vector<float> large(static_cast<size_t>(p.size), 3e38f);
    EXPECT_OK(
        llasa_trainer_set_state(trainer.get(), LLASA_STATE_GRADIENT, p.name.c_str(), large.data(), p.size));
  }
  EXPECT_OK(llasa_trainer_reduce(trainer.get()));
  EXPECT_EQ(step(trainer.get()).skipped, 1);
  EXPECT_EQ(weights(policy.get()), before);
}

}  // namespace
}  // namespace llasa::test
