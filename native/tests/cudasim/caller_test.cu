// Streams and arrays of the library's caller: who waits for whom, and which are refused, on the simulator, where a stream
// does nothing before somebody waits for it.
#include <gtest/gtest.h>

#include <vector>

#include "core/device.h"
#include "core/launch.h"
#include "counts.h"
#include "device_arrays.h"
#include "devices.h"
#include "fault.h"
#include "queue.h"

namespace llasa::test {
namespace {

__global__ void double_kernel(const float* x, float* y) {
  y[threadIdx.x] = 2.0f * x[threadIdx.x];
}

// Two rows of two logits that a kernel of the caller's stream makes, and what is drawn of them.
struct Logits {
  explicit Logits(Caller& of)
      : caller(of),
        halves(caller.array(std::vector<float>{1.5f, 1.0f, 2.0f, 3.0f})),
        logits(4, "logits"),
        sequences(caller.array(std::vector<uint64_t>{1, 2})),
        positions(caller.array(std::vector<int64_t>{3, 4})),
        ids(2, "ids"),
        logprobs(2, "log-probs") {}

  void make() { LLASA_LAUNCH(double_kernel, 1, 4, 0, caller.stream, halves.data(), logits.data()); }
  llasa_status sample(void* stream, int32_t device = -1) {
    llasa_sampling_options o;
    llasa_sampling_options_init(&o);
    o.temperature = 0;
    return llasa_sample_on_device(device, stream, &o, logits.data(), 2, 2, nullptr, nullptr, 0,
                                  sequences.data(), positions.data(), ids.data(), logprobs.data());
  }

  Caller& caller;
  DeviceBuffer<float> halves, logits;
  DeviceBuffer<uint64_t> sequences;
  DeviceBuffer<int64_t> positions;
  DeviceBuffer<int32_t> ids;
  DeviceBuffer<float> logprobs;
};

template <typename Body>
int64_t waits_of(Body&& body) {
  const int64_t before = cudasim::counts().waits;
  body();
  return cudasim::counts().waits - before;
}

TEST(CallerStream, WorkQueuedBeforeACallIsDoneBeforeItAndNobodyWaits) {
  Caller caller;
  Logits rows(caller);
  auto rewards = caller.array(std::vector<float>{1, 3});
  const auto groups = caller.array(std::vector<int64_t>{5, 5});
  caller.stream.synchronize();
  EXPECT_EQ(waits_of([&] {
              rows.make();
              ASSERT_EQ(rows.sample(caller.handle()), LLASA_OK) << llasa_last_error();
              ASSERT_EQ(
                  llasa_group_advantage_on_device(-1, caller.handle(), LLASA_ADVANTAGE_DR_GRPO, 0,
                                                  rewards.data(), groups.data(), nullptr, 2, rewards.data()),
                  LLASA_OK)
                  << llasa_last_error();
            }),
            0);
  EXPECT_EQ(cudaStreamQuery(static_cast<cudaStream_t>(caller.handle())), cudaErrorNotReady)
      << "all is still to be done";
  EXPECT_EQ(caller.read(rows.ids), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(caller.read(rewards), (std::vector<float>{-1, 1}));
}

// The same without an order between the streams: what the caller queued has not happened yet.
TEST(CallerStream, WorkOfAnotherStreamIsNotSeenWithoutAJoin) {
  Caller caller;
  Stream own;
  DeviceBuffer<float> x(4, "an array"), y(4, "an array");
  const auto halves = caller.array(std::vector<float>{1, 2, 3, 4});
  const auto both = [&](bool joined) {
    std::string message;
    try {
      LLASA_LAUNCH(double_kernel, 1, 4, 0, caller.stream, halves.data(), x.data());
      if (joined) {
        const StreamJoin join(own, caller.stream);
        LLASA_LAUNCH(double_kernel, 1, 4, 0, own, x.data(), y.data());
      } else {
        LLASA_LAUNCH(double_kernel, 1, 4, 0, own, x.data(), y.data());
        own.synchronize();
      }
      // Behind it on the caller's stream, which alone is waited for.
      EXPECT_EQ(y.download(caller.stream, 4), (std::vector<float>{4, 8, 12, 16}));
    } catch (const Error& error) {
      message = error.what();
    }
    cudasim::reset_device();
    return message;
  };
  EXPECT_NE(both(false).find("double_kernel"), std::string::npos) << "it read what nobody wrote";
  EXPECT_EQ(both(true), "");
}

TEST(CallerStream, AJoinHoldsWhereAnExceptionEndsTheWork) {
  Caller caller;
  Stream own;
  DeviceBuffer<float> y(4, "an array");
  try {
    const StreamJoin join(own, caller.stream);
    zero_on_device(own, y.data(), 16);
    fail(Status::kOutOfMemory, "no more");
  } catch (const Error&) {
  }
  EXPECT_EQ(y.download(caller.stream, 4), std::vector<float>(4, 0.0f));
}

TEST(CallerStream, OneThatIsRecordedIsRefusedAndNothingIsRecorded) {
  Caller caller;
  Logits rows(caller);
  rows.make();
  caller.stream.synchronize();
  const auto stream = static_cast<cudaStream_t>(caller.handle());
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  expect_refused(rows.sample(caller.handle()), LLASA_ERR_STATE, "`stream` is recorded into a graph");
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess) << "the recording goes on";
  EXPECT_TRUE(graph->work.empty());
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(rows.sample(caller.handle()), LLASA_OK) << llasa_last_error();
  caller.stream.synchronize();
}

TEST(CallerStream, MemoryAndStreamsOfAnotherDeviceAreRefused) {
  ASSERT_EQ(cudasim::device_count(), 2);
  Caller caller;
  Logits rows(caller);
  rows.make();
  expect_refused(rows.sample(caller.handle(), 1), LLASA_ERR_ARGUMENT,
                 "`logits`: memory of device 0, expected device 1");
  {
    const DeviceScope second(1);
    Caller other;
    Logits theirs(other);
    theirs.make();
    expect_refused(theirs.sample(caller.handle(), 1), LLASA_ERR_ARGUMENT, "expected a stream of device 1");
    expect_refused(theirs.sample(other.handle(), 0), LLASA_ERR_ARGUMENT,
                   "`logits`: memory of device 1, expected device 0");
    EXPECT_EQ(theirs.sample(other.handle(), 1), LLASA_OK) << llasa_last_error();
    EXPECT_EQ(other.read(theirs.ids), (std::vector<int32_t>{0, 1}));
    // Which device the thread has chosen is somebody else's business.
    int chosen = -1;
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    EXPECT_EQ(theirs.sample(other.handle(), 1), LLASA_OK) << llasa_last_error();
    ASSERT_EQ(cudaGetDevice(&chosen), cudaSuccess);
    EXPECT_EQ(chosen, 0);
  }
  int nothing = 0;
  expect_refused(rows.sample(&nothing), LLASA_ERR_ARGUMENT, "expected a stream of device 0");
  caller.stream.synchronize();
}

// The simulator's memory of a device ends somewhere; on a card its last page does.
TEST(CallerStream, AnArrayThatEndsOutsideTheDeviceIsRefused) {
  Caller caller;
  const auto values = caller.array(std::vector<float>(4, 1.0f));
  const auto groups = caller.array(std::vector<int64_t>(4, 1));
  const int64_t too_many = int64_t{1} << 50;
  expect_refused(llasa_group_advantage_on_device(-1, caller.handle(), 0, 0, values.data(), groups.data(),
                                                 nullptr, too_many, const_cast<float*>(values.data())),
                 LLASA_ERR_ARGUMENT,
                 "`rewards`: expected 4503599627370496 bytes of device 0, but the memory ends before");
  caller.stream.synchronize();
}

// The call is gone by then.
TEST(CallerStream, AFaultOfTheWorkIsReportedToWhoWaits) {
  Caller caller;
  Logits rows(caller);  // never made, so that nobody wrote them
  EXPECT_EQ(rows.sample(caller.handle()), LLASA_OK) << llasa_last_error();
  std::string message;
  try {
    caller.stream.synchronize();
  } catch (const Error& error) {
    message = error.what();
  }
  cudasim::reset_device();
  EXPECT_NE(message.find("sampling_kernel"), std::string::npos) << message;
}

}  // namespace
}  // namespace llasa::test
