// What a driver may say no to, and what other libraries of the process may change: the backend goes on.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/device.h"
#include "core/graph.h"
#include "core/launch.h"
#include "devices.h"
#include "fault.h"
#include "memory.h"

namespace llasa::test {
namespace {

__global__ void increment_kernel(float* x) {
  LLASA_DYNAMIC_SHARED(float, scratch);
  scratch[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = scratch[threadIdx.x] + 1.0f;
}

struct Restore {
  ~Restore() {
    cudasim::set_graphs(cudasim::kMade);
    cudasim::set_static_shared_bytes(0);
  }
};

TEST(Refusal, WhereNoGraphCanBeMadeEveryPassIsACall) {
  const Restore restore;
  for (const cudasim::Graphs how : {cudasim::kNotMade, cudasim::kNotBegun, cudasim::kNotEnded}) {
    cudasim::set_graphs(how);
    Stream stream;
    DeviceBuffer<float> x(32, "an array");
    zero_on_device(stream, x.data(), 128);
    int calls = 0;
    LaunchGraphs graphs("a test's pass");
    for (int i = 0; i < 4; ++i) {
      graphs.run(stream, 1, [&] {
        ++calls;
        LLASA_LAUNCH(increment_kernel, 1, 32, 128, stream, x.data());
      });
    }
    EXPECT_EQ(x.download(stream, 32), std::vector<float>(32, 4.0f)) << how;
    EXPECT_EQ(calls, how == cudasim::kNotBegun ? 4 : 5) << "four, and one that was to be recorded";
    EXPECT_EQ(graphs.recordings(), 0);
    EXPECT_EQ(graphs.replays(), 0);
  }
}

TEST(Refusal, ABodyThatLacksMemorySaysSoInItsCall) {
  Stream stream;
  LaunchGraphs graphs("a test's pass");
  int calls = 0;
  const auto pass = [&] {
    graphs.run(stream, 1, [&] {
      if (++calls > 1) fail(Status::kOutOfMemory, "call %d", calls);
    });
  };
  pass();
  try {
    pass();
    ADD_FAILURE() << "went on without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kOutOfMemory);
    EXPECT_STREQ(error.what(), "call 3") << "recorded in vain, then called";
  }
}

TEST(Refusal, AnotherLibrarysChoiceOfDeviceIsNotOurs) {
  ASSERT_EQ(cudasim::device_count(), 2);
  Stream stream;
  DeviceBuffer<float> before(32, "an array");
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);  // as torch might
  DeviceBuffer<float> after(32, "an array");
  EXPECT_EQ(cudasim::device_of(after.data()), 0);
  zero_on_device(stream, after.data(), 128);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  LLASA_LAUNCH(increment_kernel, 1, 32, 128, stream, after.data());
  EXPECT_EQ(after.download(stream, 32), std::vector<float>(32, 1.0f));
}

// A kernel that nobody launched before: what its arrays take is asked for once.
__global__ void shared_kernel(float* x) {
  LLASA_DYNAMIC_SHARED(float, scratch);
  scratch[threadIdx.x] = 1.0f;
  x[threadIdx.x] = scratch[threadIdx.x];
}

TEST(Refusal, AKernelsOwnArraysCountAsSharedMemory) {
  const Restore restore;
  constexpr int kStatic = 10 << 10;
  cudasim::set_static_shared_bytes(kStatic);
  Stream stream;
  DeviceBuffer<float> x(32, "an array");
  int most = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), cudaSuccess);
  LLASA_LAUNCH(shared_kernel, 1, 32, static_cast<size_t>(most - kStatic), stream, x.data());
  EXPECT_EQ(x.download(stream, 32), std::vector<float>(32, 1.0f));
  try {
    LLASA_LAUNCH(shared_kernel, 1, 32, static_cast<size_t>(most - kStatic + 4), stream, x.data());
    ADD_FAILURE() << "more than a block may have";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("needs " + std::to_string(most + 4) + " bytes of shared memory"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace llasa::test
