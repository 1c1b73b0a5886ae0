// What ranks with a pretended device each do by NCCL's twin. The parts are for nccl_test.cc: `describe` says what
// carries arrays, `error`, `vanish-nccl`, `differ` and `unwritten` go wrong in a collective.
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "core/nccl_library.h"
#include "counts.h"
#include "devices.h"
#include "nccl.h"
#include "rank.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

static_assert(sizeof(NcclConfig) == sizeof(ncclConfig_t) && offsetof(ncclConfig_t, blocking) == 16);
static_assert(offsetof(NcclConfig, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(sizeof(NcclId) == sizeof(ncclUniqueId));
static_assert(kNcclInProgress == ncclInProgress && kNcclInt8 == ncclInt8 && kNcclFloat32 == ncclFloat32 &&
              kNcclSum == ncclSum);

// What rank r has at i: many exponents, so that a sum's bits depend on its order.
float value(int r, int64_t i) {
  return static_cast<float>(std::sin(static_cast<double>(i) * 0.7 + r) * std::pow(10.0, (i + r) % 5));
}

TEST(ArraysOnDevices, TravelWithoutTheHostsMemoryAndAddUp) {
  Collective& world = *world_of_this_process->model;
  const int rank = world.rank(), size = world.size();
  Stream stream;
  world.connect_devices(stream);
  ASSERT_EQ(world.device_library(), "NCCL 2.18.5") << world.device_refusal();
  EXPECT_EQ(world.device_refusal(), "");
  // What is left over alone; a unit for each and something; much.
  for (const int64_t count :
       {int64_t{1}, int64_t{63}, int64_t{64 * size}, int64_t{64 * size + 1}, int64_t{100'003}}) {
    std::vector<float> start(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) start[static_cast<size_t>(i)] = value(rank, i);
    DeviceBuffer<float> values;
    values.upload(stream, start.data(), count, "values");
    stream.synchronize();
    const cudasim::Counts before = cudasim::counts();
    world.reduce_scatter(stream, values.data(), count);
    EXPECT_EQ(cudasim::counts().readbacks, before.readbacks);
    const Shard own = world.shard(count);
    const std::vector<float> scattered = values.download(stream, count);
    for (int64_t i = own.begin; i < own.end; ++i) {
      double sum = 0, all = 0;
      for (int r = 0; r < size; ++r) {
        sum += static_cast<double>(value(r, i));
        all += std::abs(static_cast<double>(value(r, i)));
      }
      // size - 1 additions, in whatever order, each off by half a unit in the last place of at most `all`.
      EXPECT_NEAR(scattered[static_cast<size_t>(i)], sum, (size - 1) * all * 6e-8) << count << " at " << i;
    }
    const cudasim::Counts between = cudasim::counts();
    world.all_gather(stream, values.data(), count);
    EXPECT_EQ(cudasim::counts().readbacks, between.readbacks);
    EXPECT_EQ(cudasim::counts().uploads, before.uploads);
    // The same bits everywhere, and this rank's shard as it was.
    std::vector<float> gathered = values.download(stream, count), of_first = gathered;
    EXPECT_TRUE(
        std::equal(gathered.begin() + own.begin, gathered.begin() + own.end, scattered.begin() + own.begin));
    world.broadcast(of_first.data(), count * static_cast<int64_t>(sizeof(float)), 0);
    EXPECT_EQ(gathered, of_first);
  }
}

// Arrays that are summed in the order of a ring differ from those in the order of ranks, or the test above, and the
// trainers', would not know the way they went.
TEST(ArraysOnDevices, AreNotSummedInTheOrderOfRanks) {
  Collective& world = *world_of_this_process->model;
  if (world.size() < 3) GTEST_SKIP() << "two numbers have one sum";
  Stream stream;
  world.connect_devices(stream);
  constexpr int64_t kCount = 10'000;
  std::vector<float> sums(kCount);
  DeviceBuffer<float> values;
  std::vector<float> start(kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    start[static_cast<size_t>(i)] = value(world.rank(), i);
    for (int r = 0; r < world.size(); ++r) sums[static_cast<size_t>(i)] += value(r, i);
  }
  values.upload(stream, start.data(), kCount, "values");
  world.all_reduce(stream, values.data(), kCount);
  EXPECT_NE(values.download(stream, kCount), sums);
}

// As a trainer does, by what the ABI says of it afterwards.
int describe(Collective& world) {
  PolicyHandle policy = create_policy(small_options(false));
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  llasa_trainer* trainer = nullptr;
  if (llasa_trainer_create_in_world(world_of_this_process, policy.get(), &options, &trainer) != LLASA_OK) {
    std::fprintf(stderr, "rank %d fails: %s\n", world.rank(), llasa_last_error());
    return 4;
  }
  const TrainerHandle owned(trainer);
  llasa_world_info info{};
  info.struct_size = sizeof info;
  EXPECT_OK(llasa_world_get_info(world_of_this_process, &info));
  std::fprintf(stderr, "rank %d: by `%s`, refused: `%s`\n", world.rank(), info.device_library,
               info.device_refusal);
  return 0;
}

int describe_another_version(Collective& world) {
  if (world.rank() == 1) cudasim::set_nccl_version(21903);
  return describe(world);
}

// Sums an array of so many, and says what came of it.
int sum_some(Collective& world, int64_t count, bool written = true) {
  try {
    Stream stream;
    world.connect_devices(stream);
    DeviceBuffer<float> values(count, "an array");
    if (written) zero_on_device(stream, values.data(), count * static_cast<int64_t>(sizeof(float)));
    for (int i = 0; i < 3; ++i) world.reduce_scatter(stream, values.data(), count);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "rank %d fails: %s\n", world.rank(), error.what());
    return 4;
  }
}

// Rank 1 meets an error of NCCL's; the others would wait for it for ever.
int error(Collective& world) {
  if (world.rank() == 1) cudasim::fault_at_collective(2);
  return sum_some(world, 1000);
}

// Rank 1 stops while the others wait for it in the first collective.
int vanish_in_nccl(Collective& world) {
  Stream stream;
  world.connect_devices(stream);
  if (world.rank() == 1) kill(getpid(), SIGSTOP);
  return sum_some(world, 1000);
}

int differ(Collective& world) {
  return sum_some(world, world.rank() == 1 ? 1000 : 2000);
}

int unwritten(Collective& world) {
  return sum_some(world, 1000, world.rank() != 1);
}

[[maybe_unused]] const bool known = [] {
  parts().insert({{"describe", describe},
                  {"describe-another", describe_another_version},
                  {"error", error},
                  {"vanish-nccl", vanish_in_nccl},
                  {"differ", differ},
                  {"unwritten", unwritten}});
  return true;
}();

}  // namespace
}  // namespace llasa::test
