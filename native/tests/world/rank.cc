// A process of world_test.cc: `collectives` checks every collective against what it must give, `leave` finishes
// at once, `fail` has rank 1 end everybody, `vanish` has rank 1 stop giving signs of life.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/collective.h"

namespace llasa {
namespace {

int failures = 0;

#define EXPECT(condition)                                                                         \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      std::fprintf(stderr, "rank %d, line %d: not so: %s\n", world.rank(), __LINE__, #condition); \
      ++failures;                                                                                 \
    }                                                                                             \
  } while (0)

// What rank r has at i: many exponents, so that a sum's bits depend on its order.
float value(int r, int64_t i) {
  const auto hash = static_cast<uint32_t>(i * 2654435761u + static_cast<uint32_t>(r) * 40503u);
  return static_cast<float>(static_cast<int32_t>(hash)) * (i % 3 == 0 ? 1e-9f : 1e-3f);
}

float sum(int size, int64_t i) {
  float total = 0;
  for (int r = 0; r < size; ++r) total += value(r, i);
  return total;
}

void check_collectives(Collective& world) {
  const int rank = world.rank(), size = world.size();
  EXPECT(world.local_size() == size);
  EXPECT(world.local_rank() == rank);
  EXPECT(world.threads() >= 1);
  EXPECT(!world.library().empty());
  world.barrier();

  for (int root = 0; root < size; ++root) {
    std::string text = rank == root ? "from " + std::to_string(root) : "from nobod";
    text.resize(8);
    world.broadcast(text.data(), 6, root);
    EXPECT(text.substr(0, 6) == "from " + std::to_string(root));
  }

  // Each rank has rank + 1 bytes, the last one none.
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
  EXPECT(all == expected);

  double numbers[2] = {1.0 + rank, 0.1};
  world.all_reduce(numbers, 2);
  double tenths = 0;
  for (int r = 0; r < size; ++r) tenths += 0.1;
  EXPECT(numbers[0] == size * (size + 1) / 2.0);
  EXPECT(numbers[1] == tenths);

  Stream stream;
  // Less than a unit, about one unit a rank, more than what is on its way at once.
  for (const int64_t count :
       {int64_t{1}, int64_t{63}, int64_t{64 * size + 1}, int64_t{size} * 1'100'000 + 17}) {
    std::vector<float> start(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) start[static_cast<size_t>(i)] = value(rank, i);
    DeviceBuffer<float> values;
    values.upload(stream, start.data(), count, "values");
    world.reduce_scatter(stream, values.data(), count);
    const Shard own = world.shard(count);
    std::vector<float> now = values.download(stream, count);
    bool same = true;
    for (int64_t i = own.begin; i < own.end; ++i) same &= now[static_cast<size_t>(i)] == sum(size, i);
    EXPECT(same);
    world.all_gather(stream, values.data(), count);
    now = values.download(stream, count);
    same = true;
    for (int64_t i = 0; i < count; ++i) same &= now[static_cast<size_t>(i)] == sum(size, i);
    EXPECT(same);
  }
  world.check();
}

int run(const std::string& what) {
  const std::unique_ptr<Collective> joined = join_world();
  Collective& world = *joined;
  if (what == "collectives") {
    check_collectives(world);
    try {
      join_world();
      EXPECT(false && "a second world");
    } catch (const Error& error) {
      EXPECT(error.status() == Status::kState);
    }
  } else if (what == "fail") {
    world.barrier();
    if (world.rank() == 1) {
      std::fprintf(stderr, "rank 1 cannot go on\n");
      world.abort(3);
    }
    world.barrier();  // never
  } else if (what == "vanish") {
    world.barrier();
    if (world.rank() == 1) kill(getpid(), SIGSTOP);
    try {
      world.barrier();  // never
    } catch (const Error& error) {
      std::fprintf(stderr, "rank %d: %s\n", world.rank(), error.what());
      try {
        world.check();
        std::fprintf(stderr, "rank %d: check() knows nothing of it\n", world.rank());
      } catch (const Error&) {
      }
      world.abort(4);
    }
  }
  world.finish();
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace llasa

int main(int, char** arguments) {
  try {
    return llasa::run(arguments[1]);
  } catch (const llasa::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
