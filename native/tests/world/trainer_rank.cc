// A trainer of several ranks against one that has all the work.
#include "rank.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

llasa_trainer_options trainer_options() {
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.weight_decay = 0.01f;
  options.max_grad_norm = 0.5f;
  return options;
}

TrainerHandle create_in_world(llasa_policy* policy) {
  const llasa_trainer_options options = trainer_options();
  llasa_trainer* trainer = nullptr;
  EXPECT_OK(llasa_trainer_create_in_world(world_of_this_process, policy, &options, &trainer));
  return TrainerHandle(trainer);
}

PolicyHandle random_policy() {
  PolicyHandle policy = create_policy(small_options(false));
  randomise(policy.get(), 1);
  return policy;
}

// Sequences first, first + stride, ... of seven.
BatchData sequences(int first, int stride) {
  BatchData batch;
  for (int b = first; b < 7; b += stride) {
    std::vector<int32_t> ids;
    for (int t = 0; t < 8 + 3 * b; ++t) ids.push_back((17 * b + 5 * t * t + 3) % 61);
    batch.add(ids, 3);
  }
  return batch;
}

// Adds the gradient of some sequences, of a loss that is the mean over the tokens of all.
void accumulate_some(llasa_trainer* trainer, const BatchData& batch) {
  if (batch.prompt_lengths.empty()) return;
  Loss loss = Loss::cross_entropy();
  loss.total_tokens = static_cast<double>(sequences(0, 1).scored());
  llasa_head_options head;
  llasa_head_options_init(&head);
  accumulate(trainer, batch, head, loss, {});
}

using Arrays = std::vector<std::vector<float>>;

Arrays states(llasa_trainer* trainer, llasa_policy* policy, int32_t kind) {
  Arrays all;
  for (const Parameter& p : parameters(policy)) all.push_back(get_state(trainer, kind, p));
  return all;
}

Arrays weights(llasa_policy* policy) {
  Arrays all;
  for (const Parameter& p : parameters(policy)) all.push_back(get_tensor(policy, p));
  return all;
}

double distance(const Arrays& a, const Arrays& b) {
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

llasa_step_stats step(llasa_trainer* trainer) {
  llasa_step_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_OK(llasa_trainer_step(trainer, 1e-2f, &stats));
  return stats;
}

int64_t allocated() {
  llasa_live_counts counts{};
  counts.struct_size = sizeof counts;
  EXPECT_OK(llasa_get_live_counts(&counts));
  return counts.allocated_bytes;
}

// Sums of a few hundred terms in another order: 1e-6 of the norm is 8 units in the last place.
constexpr double kRounding = 1e-6;

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
