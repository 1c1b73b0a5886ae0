// Several devices, lost ones, full ones and none: what the CUDA backend makes of them, on the simulator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "core/address_range.h"
#include "core/device.h"
#include "core/launch.h"
#include "core/phase_memory.h"
#include "devices.h"
#include "fault.h"
#include "llasa_native.h"
#include "memory.h"

namespace llasa::test {
namespace {

__global__ void add_kernel(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] + 1.0f;
}

// The message that body fails with; empty if it does not.
template <typename Body>
std::string error_of(Body&& body) {
  std::string message;
  try {
    body();
  } catch (const Error& error) {
    message = error.what();
  }
  cudasim::reset_device();
  return message;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

llasa_policy_options policy_options() {
  llasa_policy_options o;
  llasa_policy_options_init(&o);
  o.vocab_size = 4096;
  o.hidden_size = 256;
  o.head_dim = 64;
  o.intermediate_size = 512;
  o.num_layers = 2;
  o.num_heads = 4;
  o.num_kv_heads = 2;
  o.max_position_embeddings = 64;
  o.rope_theta = 1e4;
  return o;
}

class Devices : public testing::Test {
 protected:
  void SetUp() override {
    // A machine's devices are counted once, so that this must come before the first use: see main().
    ASSERT_EQ(cudasim::device_count(), 2);
  }
};

TEST_F(Devices, EachHasItsOwnMemoryAndStreams) {
  const DeviceScope second(1);
  Stream stream;
  DeviceBuffer<float> x(32, "an array"), y(32, "an array");
  x.upload(stream, std::vector<float>(32, 2.0f), "an array");
  LLASA_LAUNCH(add_kernel, 1, 32, 0, stream, x.data(), y.data());
  EXPECT_EQ(y.download(stream, 32), std::vector<float>(32, 3.0f));
  EXPECT_EQ(cudasim::device_of(x.data()), 1);
  {
    const DeviceScope first(0);
    DeviceBuffer<float> z(32, "an array");
    EXPECT_EQ(cudasim::device_of(z.data()), 0);
  }
  DeviceBuffer<float> again(32, "an array");
  EXPECT_EQ(cudasim::device_of(again.data()), 1);
}

TEST_F(Devices, AThreadBeginsOnTheProcessesDevice) {
  const DeviceScope second(1);
  std::thread([] {
    DeviceBuffer<float> x(32, "an array");
    EXPECT_EQ(cudasim::device_of(x.data()), 0);
  }).join();
}

TEST_F(Devices, MemoryOfOneUsedOnAnotherIsReported) {
  Stream first;
  DeviceBuffer<float> x(32, "an array");
  zero_on_device(first, x.data(), 128);
  first.synchronize();
  const DeviceScope second(1);
  const std::string kernel = error_of([&] {
    Stream stream;
    DeviceBuffer<float> y(32, "an array");
    LLASA_LAUNCH(add_kernel, 1, 32, 0, stream, x.data(), y.data());
    stream.synchronize();
  });
  EXPECT_HAS(kernel, "add_kernel");
  EXPECT_HAS(kernel, "read of 4 bytes of another device, number 0");
  const std::string copy = error_of([&] {
    Stream stream;
    zero_on_device(stream, x.data(), 128);
  });
  EXPECT_HAS(copy, "memory of device 0, the stream is device 1's");
  // A stream of another device than the thread's.
  const std::string stream = error_of([&] {
    DeviceBuffer<float> y(32, "an array");
    LLASA_LAUNCH(add_kernel, 1, 32, 0, first, y.data(), y.data());
  });
  EXPECT_HAS(stream, "launching kernel `add_kernel`: cudaErrorInvalidResourceHandle");
}

TEST_F(Devices, ADeviceThatDoesNotExistIsRefused) {
  EXPECT_EQ(resolve_device(-1, "x"), 0);
  EXPECT_EQ(resolve_device(1, "x"), 1);
  const std::string message = error_of([] { resolve_device(2, "`options.device`"); });
  EXPECT_HAS(message, "`options.device`: device 2, expected -1 or 0..1");
  llasa_codec_options o;
  llasa_codec_options_init(&o);
  EXPECT_EQ(o.device, -1);
  o.device = 2;
  llasa_codec* codec = nullptr;
  EXPECT_EQ(llasa_codec_create(&o, &codec), LLASA_ERR_NO_DEVICE);
  EXPECT_EQ(codec, nullptr);
}

// More than the ring holds, without a wait in between; and pieces of one that is larger than a buffer.
TEST_F(Devices, UploadsMayBeReusedAtOnceHoweverManyThereAre) {
  Stream stream;
  constexpr int kArrays = 40;
  constexpr int64_t kFloats = 50'000;  // 200 KB: 8 MB in all, twice the ring
  std::vector<DeviceBuffer<float>> arrays(kArrays);
  std::vector<float> source(kFloats);
  for (int i = 0; i < kArrays; ++i) {
    std::fill(source.begin(), source.end(), static_cast<float>(i));
    arrays[static_cast<size_t>(i)].upload(stream, source, "an array");
  }
  std::fill(source.begin(), source.end(), -1.0f);
  for (int i = 0; i < kArrays; ++i) {
    EXPECT_EQ(arrays[static_cast<size_t>(i)].download(stream, kFloats),
              std::vector<float>(kFloats, static_cast<float>(i)));
  }
  std::vector<float> large(3'000'001);
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<float>(i % 65537);
  const std::vector<float> expected = large;
  DeviceBuffer<float> one;
  one.upload(stream, large, "an array");
  std::fill(large.begin(), large.end(), 0.0f);
  EXPECT_EQ(one.download(stream, static_cast<int64_t>(expected.size())), expected);
}

TEST_F(Devices, OutOfMemorySaysWhatForHowMuchAndHowMuchIsFree) {
  cudasim::set_device_memory(size_t{1} << 20);
  const std::string message = error_of([] { DeviceBuffer<float> x(1 << 20, "the logits of rollouts"); });
  EXPECT_HAS(message, "out of device memory allocating 4194304 bytes for the logits of rollouts");
  EXPECT_HAS(message, " of 1048576 bytes are free on device 0 (simulated device)");
  const llasa_policy_options o = policy_options();
  llasa_policy* policy = nullptr;
  EXPECT_EQ(llasa_policy_create(&o, &policy), LLASA_ERR_OUT_OF_MEMORY);
  EXPECT_EQ(policy, nullptr);
  EXPECT_HAS(std::string(llasa_last_error()), "the policy's weights");
  cudasim::set_device_memory(size_t{16} << 30);
  EXPECT_EQ(llasa_policy_create(&o, &policy), LLASA_OK) << llasa_last_error();
  llasa_policy_destroy(policy);
}

TEST_F(Devices, WhatIdlePhasesKeepMakesRoomForAnArray) {
  Stream stream;
  Phase phase;
  {
    const PhaseLease lease(phase, stream);
    phase.take(kGpuGranule, "an array");
  }
  size_t available = 0, total = 0;
  cudasim::device_memory_info(&available, &total);
  cudasim::set_device_memory(total - available);
  const int64_t before = allocated_bytes();
  {
    const DeviceBuffer<char> x(2 * kGpuGranule, "what lives on");
    EXPECT_EQ(allocated_bytes(), before);
    const std::string message = error_of([&] {
      const PhaseLease lease(phase, stream);
      phase.take(100, "keys and values of rollouts");
    });
    EXPECT_HAS(message, "out of device memory allocating");
    EXPECT_HAS(message, " bytes for keys and values of rollouts: 0 of ");
  }
  {
    const PhaseLease lease(phase, stream);
    EXPECT_NE(phase.take(100, "keys and values of rollouts"), nullptr);
  }
  cudasim::set_device_memory(size_t{16} << 30);
}

// Each of the following is a process of its own, whose last words are compared: a machine has its devices
// from its first look at them, and a lost one stays lost.
[[noreturn]] void tell(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(7);
}

class DeviceDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(DeviceDeathTest, WithoutVirtualMemoryThePhasesArraysAreAllocated) {
  const auto lease = [] {
    setenv("LLASA_CUDASIM_VIRTUAL_MEMORY", "0", 1);
    Stream stream;
    Phase phase;
    const int64_t before = allocated_bytes();
    int64_t during = 0;
    {
      const PhaseLease within(phase, stream);
      phase.take(1000, "an array");
      during = allocated_bytes() - before;
    }
    tell(std::to_string(during) + " bytes, then " + std::to_string(allocated_bytes() - before));
  };
  EXPECT_EXIT(lease(), testing::ExitedWithCode(7), "1000 bytes, then 0");
}

TEST_F(DeviceDeathTest, NoDevice) {
  const auto create = [] {
    cudasim::set_device_count(0);
    const llasa_policy_options o = policy_options();
    llasa_policy* policy = nullptr;
    const llasa_status status = llasa_policy_create(&o, &policy);
    tell(std::to_string(status) + " " + llasa_last_error());
  };
  EXPECT_EXIT(create(), testing::ExitedWithCode(7), "401 .*no CUDA device: the driver sees none");
}

TEST_F(DeviceDeathTest, DriverTooOld) {
  const auto describe = [] {
    cudasim::set_driver_version(11040);
    llasa_device_info info{};
    info.struct_size = sizeof info;
    const llasa_status status = llasa_get_device_info(&info);
    tell(std::to_string(status) + " " + llasa_last_error());
  };
  EXPECT_EXIT(describe(), testing::ExitedWithCode(7),
              "401 .*the driver supports CUDA 11.4, this library needs 11.8 or later");
}

TEST_F(DeviceDeathTest, DriverMissing) {
  const auto describe = [] {
    cudasim::set_driver_version(0);
    tell(error_of([] { Stream stream; }));
  };
  EXPECT_EXIT(describe(), testing::ExitedWithCode(7), "no NVIDIA driver is installed");
}

TEST_F(DeviceDeathTest, DeviceOfTheEnvironmentDoesNotExist) {
  const auto describe = [] {
    ::setenv("LLASA_DEVICE", "2", 1);
    tell(error_of([] { Stream stream; }));
  };
  EXPECT_EXIT(describe(), testing::ExitedWithCode(7), "LLASA_DEVICE: `2`, expected 0..1");
}

// The fault names its kernel, later calls fail at once with the same status and say why, and what is
// destroyed then does no harm.
TEST_F(DeviceDeathTest, ALostDeviceStaysLost) {
  const auto lose = [] {
    std::string told;
    const auto note = [&](auto&& body) {
      try {
        body();
        told += "[none] ";
      } catch (const Error& error) {
        told += "[" + std::to_string(static_cast<int>(error.status())) + " " + error.what() + "] ";
      }
    };
    {
      Stream stream;
      DeviceBuffer<float> x(32, "an array"), y(32, "an array");
      zero_on_device(stream, x.data(), 128);
      cudasim::fault_at_launch(2);
      const auto launch = [&] { LLASA_LAUNCH(add_kernel, 1, 32, 0, stream, x.data(), y.data()); };
      note(launch);
      note(launch);
      note([&] { stream.synchronize(); });
      note(launch);
      note([] { DeviceBuffer<float> z(32, "an array"); });
      note([] { Stream another; });
      note([] {
        const llasa_policy_options o = policy_options();
        llasa_policy* policy = nullptr;
        const llasa_status status = llasa_policy_create(&o, &policy);
        if (status != LLASA_OK) throw Error(static_cast<Status>(status), llasa_last_error());
      });
    }
    tell(told + (allocated_bytes() == 0 ? "all freed" : "leaked"));
  };
  EXPECT_EXIT(lose(), testing::ExitedWithCode(7),
              "^\\[none\\] \\[none\\] \\[400 waiting for the device: kernel `add_kernel`: unspecified launch "
              "failure.*\\] \\[400 device 0 was lost: .*add_kernel.*\\] \\[400 device 0 was lost.*\\] \\[400 "
              "device 0 was lost.*\\] \\[400 .*device 0 was lost.*\\] all freed");
}

}  // namespace
}  // namespace llasa::test

int main(int argc, char** argv) {
  if (std::getenv("LLASA_CUDASIM_DEVICES") == nullptr) cudasim::set_device_count(2);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
