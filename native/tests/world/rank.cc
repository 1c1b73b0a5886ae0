// A process of world_test.cc. `fail` has rank 1 end everybody, `vanish` has it stop giving signs of life, `rest`
// suspends all, others are in nccl_rank.cc; else the arguments are GoogleTest's, and every rank runs the same tests. `opens LIBRARY` is for one
// process without a launcher and says by its exit status whether that can be had.
#include "rank.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/collective.h"

namespace llasa::test {

llasa_world* world_of_this_process = nullptr;

namespace {

int fail(Collective& world);
int vanish(Collective& world);
int rest(Collective& world);

}  // namespace

std::map<std::string, Part>& parts() {
  static std::map<std::string, Part> all{{"fail", fail}, {"vanish", vanish}, {"rest", rest}};
  return all;
}

namespace {

// What rank r has at i: many exponents, so that a sum's bits depend on its order.
float value(int r, int64_t i) {
  const auto hash = static_cast<uint32_t>(i) * 2654435761u + static_cast<uint32_t>(r) * 40503u;
  return static_cast<float>(static_cast<int32_t>(hash)) * (i % 3 == 0 ? 1e-9f : 1e-3f);
}

float sum(int size, int64_t i) {
  float total = 0;
  for (int r = 0; r < size; ++r) total += value(r, i);
  return total;
}

TEST(Collectives, GiveTheSumsInTheOrderOfRanks) {
  Collective& world = *world_of_this_process->model;
  const int rank = world.rank(), size = world.size();
  EXPECT_GT(size, 1);
  EXPECT_EQ(world.local_size(), size);
  EXPECT_EQ(world.local_rank(), rank);
  EXPECT_GE(world.threads(), 1);
  EXPECT_NE(world.library(), "");
  world.barrier();

  for (int root = 0; root < size; ++root) {
    std::string text = rank == root ? "from " + std::to_string(root) : "nobody";
    world.broadcast(text.data(), 6, root);
    EXPECT_EQ(text, "from " + std::to_string(root));
  }

  // Each rank has one byte more than the one before, the last one none.
  std::vector<int64_t> sizes;
  std::string expected;
  for (int r = 0; r < size; ++r) {
    sizes.push_back(r + 1 < size ? r + 1 : 0);
    expected += std::string(static_cast<size_t>(sizes.back()), static_cast<char>('a' + r));
  }
  const std::string mine(static_cast<size_t>(sizes[static_cast<size_t>(rank)]),
                         static_cast<char>('a' + rank));
  std::string all(expected.size(), '?');
  world.all_gather(mine.data(), sizes, all.data());
  EXPECT_EQ(all, expected);

  double numbers[2] = {1.0 + rank, 0.1};
  world.all_reduce(numbers, 2);
  double tenths = 0;
  for (int r = 0; r < size; ++r) tenths += 0.1;
  EXPECT_EQ(numbers[0], size * (size + 1) / 2.0);
  EXPECT_EQ(numbers[1], tenths);

  Stream stream;
  // Less than a unit, about one unit a rank, more than what is on its way at once.
  for (const int64_t count : {int64_t{1}, int64_t{63}, int64_t{64 * size + 1}, int64_t{9'000'017}}) {
    std::vector<float> start(static_cast<size_t>(count)), sums(start.size());
    for (int64_t i = 0; i < count; ++i) {
      start[static_cast<size_t>(i)] = value(rank, i);
      sums[static_cast<size_t>(i)] = sum(size, i);
    }
    DeviceBuffer<float> values;
    values.upload(stream, start.data(), count, "values");
    world.reduce_scatter(stream, values.data(), count);
    const Shard own = world.shard(count);
    const std::vector<float> scattered = values.download(stream, count);
    EXPECT_TRUE(
        std::equal(scattered.begin() + own.begin, scattered.begin() + own.end, sums.begin() + own.begin));
    world.all_gather(stream, values.data(), count);
    EXPECT_EQ(values.download(stream, count), sums) << count;
  }
  world.check();
}

TEST(Collectives, AProcessJoinsOneWorld) {
  llasa_world* second = nullptr;
  EXPECT_EQ(llasa_world_create(&second), LLASA_ERR_STATE) << llasa_last_error();
}

TEST(Collectives, SizesWhoseSumDoesNotFitAreRefused) {
  const std::vector<int64_t> sizes(static_cast<size_t>(world_of_this_process->model->size()), INT64_MAX);
  char data = 0;
  // -2 is what two of them add up to where nobody looks.
  EXPECT_EQ(llasa_world_all_gather(world_of_this_process, &data, INT64_MAX, sizes.data(),
                                   static_cast<int64_t>(sizes.size()), &data, -2),
            LLASA_ERR_ARGUMENT);
  EXPECT_NE(std::string(llasa_last_error()).find("63 bits"), std::string::npos) << llasa_last_error();
}

int fail(Collective& world) {
  world.barrier();
  if (world.rank() == 1) {
    std::fprintf(stderr, "rank 1 cannot go on\n");
    world.abort(3);
  }
  world.barrier();  // never
  return 0;
}

int vanish(Collective& world) {
  world.barrier();
  if (world.rank() == 1) kill(getpid(), SIGSTOP);
  try {
    world.barrier();  // never
  } catch (const Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", world.rank(), error.what());
    try {
      world.check();
      std::fprintf(stderr, "check() of rank %d knows nothing of it\n", world.rank());
    } catch (const Error&) {
    }
    world.abort(4);
  }
  return 0;
}

// All ranks are suspended for longer than the time-out, as a batch system does with a job.
int rest(Collective& world) {
  world.barrier();
  const std::string wake = "(sleep 5; kill -CONT " + std::to_string(getpid()) + ") &";
  if (std::system(wake.c_str()) != 0) return 1;
  kill(getpid(), SIGSTOP);
  world.barrier();
  return 0;
}

int run(int count, char** arguments) {
  if (count == 3 && std::string(arguments[1]) == "opens")
    return dlopen(arguments[2], RTLD_NOW | RTLD_GLOBAL) == nullptr ? 1 : 0;
  testing::InitGoogleTest(&count, arguments);
  if (llasa_world_create(&world_of_this_process) != LLASA_OK) {
    std::fprintf(stderr, "%s\n", llasa_last_error());
    return 2;
  }
  const auto part = parts().find(count > 1 ? arguments[1] : "");
  Collective& world = *world_of_this_process->model;
  const int result = part != parts().end() ? part->second(world) : RUN_ALL_TESTS();
  // One that failed may have left the others waiting.
  if (result != 0) world.abort(result);
  if (llasa_world_finish(world_of_this_process) != LLASA_OK) return 2;
  llasa_world_destroy(world_of_this_process);
  return 0;
}

}  // namespace
}  // namespace llasa::test

int main(int count, char** arguments) {
  return llasa::test::run(count, arguments);
}
