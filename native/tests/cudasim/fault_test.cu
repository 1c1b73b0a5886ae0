// Kernels with a planted fault each, next to the same kernel without it: the simulator must report the one
// and accept the other.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/device.h"
#include "core/graph.h"
#include "core/launch.h"
#include "core/phase_memory.h"
#include "cuda/async_copy.cuh"
#include "cuda/mma.cuh"
#include "fault.h"
#include "memory.h"

namespace llasa::test {
namespace {

// What the launches queued by body report when they are waited for; empty if nothing.
template <typename Body>
std::string fault_of(Body&& body) {
  Stream stream;
  std::string message;
  try {
    body(stream);
    stream.synchronize();
  } catch (const Error& error) {
    message = error.what();
  }
  cudasim::reset_device();
  return message;
}

void expect_fault(const std::string& message, const char* kernel, const char* what) {
  EXPECT_NE(message.find(kernel), std::string::npos) << message;
  EXPECT_NE(message.find(what), std::string::npos) << message;
}

__global__ void sum_kernel(const float* x, float* y, int count) {
  float sum = 0.0f;
  for (int i = 0; i < count; ++i) sum += x[i];
  *y = sum;
}

__global__ void fill_kernel(float* x, int count, int planted) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count + planted) x[i] = 1.0f;
}

TEST(Fault, StorePastTheEndOfADeviceArray) {
  DeviceBuffer<float> x(40, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, x.data(), 40, 0); }), "");
  const std::string message =
      fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, x.data(), 40, 1); });
  expect_fault(message, "fill_kernel",
               "out-of-bounds write of 4 bytes 0 bytes past the end of a device array of 160");
  EXPECT_NE(message.find("thread (40,0,0)"), std::string::npos) << message;
}

TEST(Fault, StoreToFreedMemory) {
  float* stale = nullptr;
  {
    DeviceBuffer<float> x(64, "an array");
    stale = x.data();
  }
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, stale, 64, 0); }),
               "fill_kernel", "inside a freed device array");
}

// Arrays of a phase lie beside each other in memory that is mapped as a whole.
TEST(Fault, StoreBetweenThePhasesArraysOrBehindTheirLease) {
  Stream stream;
  Phase phase;
  float* x = nullptr;
  {
    const PhaseLease lease(phase, stream);
    x = static_cast<float*>(phase.take(160, "an array"));
    float* y = static_cast<float*>(phase.take(256, "another"));
    const auto fill = [&](float* array, int count, int planted) {
      return fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, array, count, planted); });
    };
    EXPECT_EQ(fill(x, 40, 0), "");
    EXPECT_EQ(fill(y, 64, 0), "");
    expect_fault(fill(x, 40, 1), "fill_kernel",
                 "out-of-bounds write of 4 bytes 0 bytes past the end of a device array of 160");
    expect_fault(fill(y - 1, 40, 0), "fill_kernel", "before a device array of 256");
  }
  const auto stale = [&] {
    return fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, x, 40, 0); });
  };
  expect_fault(stale(), "fill_kernel", "inside a freed device array");
  phase.trim();
  expect_fault(stale(), "fill_kernel", "inside a freed device array");
  const PhaseLease lease(phase, stream);
  EXPECT_EQ(phase.take(160, "an array"), x);
  EXPECT_EQ(stale(), "");
}

TEST(Fault, WhatAnEarlierLeaseWroteIsNotInitialised) {
  Stream stream;
  Phase phase;
  DeviceBuffer<float> sum(1, "a sum");
  const auto sum_of = [&](bool written) {
    const PhaseLease lease(phase, stream);
    float* x = static_cast<float*>(phase.take(160, "an array"));
    return fault_of([&](Stream& s) {
      if (written) LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, x, 40, 0);
      LLASA_LAUNCH(sum_kernel, 1, 1, 0, s, x, sum.data(), 40);
    });
  };
  EXPECT_EQ(sum_of(true), "");
  expect_fault(sum_of(false), "sum_kernel",
               "uninitialised read of 4 bytes at byte 0 of a device array of 160");
}

TEST(Fault, HostPointerInAKernel) {
  std::vector<float> host(64);
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, host.data(), 64, 0); }),
               "fill_kernel", "of host memory");
}

// As on a card; AddressSanitizer makes another death of the signal.
TEST(Fault, HostCodeThatTouchesDeviceMemory) {
  DeviceBuffer<float> x(8, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(fill_kernel, 1, 8, 0, s, x.data(), 8, 0); }), "");
  EXPECT_DEATH(*static_cast<volatile float*>(x.data()) = 1.0f, "");
}

TEST(Fault, UninitialisedDeviceMemory) {
  DeviceBuffer<float> x(8, "an array"), y(1, "an array");
  const auto sum = [&](int count) {
    return fault_of([&](Stream& s) {
      LLASA_LAUNCH(fill_kernel, 1, 64, 0, s, x.data(), 7, 0);
      LLASA_LAUNCH(sum_kernel, 1, 1, 0, s, x.data(), y.data(), count);
    });
  };
  EXPECT_EQ(sum(7), "");
  expect_fault(sum(8), "sum_kernel", "uninitialised read of 4 bytes at byte 28 of a device array of 32");
}

TEST(Fault, UninitialisedBytesCopiedToTheHost) {
  DeviceBuffer<float> x(8, "an array");
  expect_fault(fault_of([&](Stream& s) { x.download(s, 8); }), "copying to the host", "uninitialised bytes");
}

__global__ void wide_kernel(const float* x, float4* y) {
  *y = *reinterpret_cast<const float4*>(x);
}

TEST(Fault, MisalignedVectorLoad) {
  Stream stream;
  DeviceBuffer<float> x(8, "an array"), y(4, "an array");
  zero_on_device(stream, x.data(), 32);
  stream.synchronize();
  const auto load = [&](int offset) {
    return fault_of([&](Stream& s) {
      LLASA_LAUNCH(wide_kernel, 1, 1, 0, s, x.data() + offset, reinterpret_cast<float4*>(y.data()));
    });
  };
  EXPECT_EQ(load(4), "");
  expect_fault(load(1), "wide_kernel", "misaligned read of 16 bytes");
}

// Writes its slot and reads its neighbour's.
template <bool kBarrier>
__global__ void shift_kernel(float* y) {
  LLASA_DYNAMIC_SHARED(float, tile);
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<float>(i);
  if (kBarrier) __syncthreads();
  y[i] = tile[(i + blockDim.x - 1) % blockDim.x];
}

TEST(Fault, MissingBarrierBetweenWriteAndRead) {
  DeviceBuffer<float> y(64, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(shift_kernel<true>, 1, 64, 64 * 4, s, y.data()); }), "");
  // Thread 0 finds that nobody wrote its neighbour's slot, or a later one finds the race: both name the
  // place.
  const std::string message =
      fault_of([&](Stream& s) { LLASA_LAUNCH(shift_kernel<false>, 1, 64, 64 * 4, s, y.data()); });
  expect_fault(message, "shift_kernel<false>", "shared memory");
}

// Reads the slot of the thread before, which has run already, so that only the race gives it away.
template <bool kBarrier>
__global__ void overwrite_kernel(float* y) {
  __shared__ float tile[64];
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<float>(i);
  __syncthreads();
  const float left = tile[i == 0 ? 0 : i - 1];
  if (kBarrier) __syncthreads();
  tile[i] = left;
  __syncthreads();
  y[i] = tile[i];
}

TEST(Fault, MissingBarrierBetweenReadAndWrite) {
  DeviceBuffer<float> y(64, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(overwrite_kernel<true>, 1, 64, 0, s, y.data()); }), "");
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(overwrite_kernel<false>, 1, 64, 0, s, y.data()); }),
               "overwrite_kernel<false>", "shared-memory race");
}

__global__ void same_slot_kernel(float* y, int writers) {
  __shared__ float slot;
  if (static_cast<int>(threadIdx.x) < writers) slot = 1.0f;
  __syncthreads();
  y[threadIdx.x] = slot;
}

TEST(Fault, TwoWritersOfOneSharedSlot) {
  DeviceBuffer<float> y(64, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(same_slot_kernel, 1, 64, 0, s, y.data(), 1); }), "");
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(same_slot_kernel, 1, 64, 0, s, y.data(), 2); }),
               "same_slot_kernel", "shared-memory race: write");
}

// Within a warp __syncwarp is enough, a shuffle is not.
template <bool kSync>
__global__ void warp_exchange_kernel(float* y) {
  __shared__ float tile[32];
  const unsigned i = threadIdx.x;
  tile[i] = 1.0f;
  if (kSync) {
    __syncwarp();
  } else {
    __shfl_sync(0xffffffffu, 1, 0);
  }
  y[i] = tile[31 - i];
}

TEST(Fault, ShuffleInsteadOfSyncwarp) {
  DeviceBuffer<float> y(32, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(warp_exchange_kernel<true>, 1, 32, 0, s, y.data()); }),
            "");
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(warp_exchange_kernel<false>, 1, 32, 0, s, y.data()); }),
               "warp_exchange_kernel<false>", "shared-memory race");
}

// All lanes read a slot, one of them then writes it.
template <bool kSync>
__global__ void read_then_write_kernel(float* y) {
  __shared__ float slot;
  const unsigned i = threadIdx.x;
  if (i == 0) slot = 1.0f;
  __syncthreads();
  const float seen = slot;
  if (kSync) __syncwarp();
  if (i == 5) slot = slot + seen;
  __syncthreads();
  y[i] = slot + seen;
}

TEST(Fault, WriteOfWhatOtherLanesRead) {
  DeviceBuffer<float> y(32, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(read_then_write_kernel<true>, 1, 32, 0, s, y.data()); }),
            "");
  EXPECT_NE(fault_of([&](Stream& s) { LLASA_LAUNCH(read_then_write_kernel<true>, 1, 64, 0, s, y.data()); }),
            "")
      << "the other warp's lanes have not met with this one's";
  expect_fault(
      fault_of([&](Stream& s) { LLASA_LAUNCH(read_then_write_kernel<false>, 1, 32, 0, s, y.data()); }),
      "read_then_write_kernel<false>", "shared-memory race: write");
}

__global__ void byte_kernel(unsigned char* y) {
  __shared__ unsigned char tile[64];
  tile[threadIdx.x] = static_cast<unsigned char>(threadIdx.x);
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

TEST(Fault, NeighbouringBytesAreNoRace) {
  DeviceBuffer<unsigned char> y(64, "an array");
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(byte_kernel, 1, 64, 0, s, y.data()); }), "");
}

__global__ void shared_bound_kernel(int planted) {
  LLASA_DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x + static_cast<unsigned>(planted)] = 0.0f;
}

TEST(Fault, StorePastTheEndOfSharedMemory) {
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(shared_bound_kernel, 1, 32, 128, s, 0); }), "");
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(shared_bound_kernel, 1, 32, 128, s, 1); }),
               "shared_bound_kernel", "out-of-bounds write of 4 bytes at byte 128 of dynamic shared memory");
}

__global__ void stale_shared_kernel(float* y) {
  __shared__ float slot;
  if (blockIdx.x == 0) slot = 1.0f;
  y[blockIdx.x] = slot;
}

TEST(Fault, SharedMemoryOfTheBlockBefore) {
  DeviceBuffer<float> y(2, "an array");
  const auto with = [&](int blocks) {
    return fault_of([&](Stream& s) { LLASA_LAUNCH(stale_shared_kernel, blocks, 1, 0, s, y.data()); });
  };
  EXPECT_EQ(with(1), "");
  expect_fault(with(2), "stale_shared_kernel", "uninitialised shared memory");
}

__global__ void barrier_kernel(int arriving) {
  if (static_cast<int>(threadIdx.x) < arriving) __syncthreads();
}

TEST(Fault, DivergentBarrier) {
  EXPECT_EQ(fault_of([&](Stream& s) { LLASA_LAUNCH(barrier_kernel, 1, 64, 0, s, 64); }), "");
  const std::string message = fault_of([&](Stream& s) { LLASA_LAUNCH(barrier_kernel, 1, 64, 0, s, 63); });
  expect_fault(message, "barrier_kernel", "divergent barrier");
  EXPECT_NE(message.find("thread (63,0,0) has ended"), std::string::npos) << message;
}

__global__ void shuffle_kernel(int lanes, unsigned mask) {
  if (static_cast<int>(threadIdx.x) < lanes) __shfl_xor_sync(mask, 1, 1);
  __syncthreads();
}

TEST(Fault, LanesMissingFromACollective) {
  const auto with = [](int lanes, unsigned mask) {
    return fault_of([=](Stream& s) { LLASA_LAUNCH(shuffle_kernel, 1, 32, 0, s, lanes, mask); });
  };
  EXPECT_EQ(with(32, 0xffffffffu), "");
  EXPECT_EQ(with(16, 0xffffu), "");
  expect_fault(with(31, 0xffffffffu), "shuffle_kernel", "divergent barrier");
  expect_fault(with(32, 0xfu), "shuffle_kernel", "the calling lane is not in its mask");
}

TEST(Fault, UncheckedLaunch) {
  DeviceBuffer<float> x(8, "an array");
  const auto launch = [&](bool checked) {
    return fault_of([&](Stream& s) {
      cudasim::launch("bare_launch", fill_kernel, 1, 8, 0, cuda::native(s), x.data(), 8, 0);
      if (checked) {
        EXPECT_EQ(cudaGetLastError(), cudaSuccess);
      }
    });
  };
  EXPECT_EQ(launch(true), "");
  expect_fault(launch(false), "bare_launch", "was not checked before cudaStreamSynchronize");
}

// Fills a tile of 32 rows of 16 bytes, each row by a lane and again by the lane before, and hands each lane's
// row to ldmatrix, `offset` bytes further.
template <bool kBarrier>
__global__ void matrix_kernel(const unsigned char* elsewhere, int offset, uint32_t* y) {
  LLASA_DYNAMIC_SHARED(unsigned char, tile);
  const unsigned lane = threadIdx.x;
  for (unsigned i = 0; i < 16; ++i) tile[lane * 16 + i] = 0;
  __syncthreads();
  for (unsigned i = 0; i < 16; ++i) tile[(lane + 1) % 32 * 16 + i] = 1;
  if (kBarrier) __syncthreads();
  uint32_t r[4];
  cuda::ldmatrix_x4(r, (elsewhere != nullptr ? elsewhere : tile) + lane * 16 + offset);
  y[lane] = r[0] + r[1] + r[2] + r[3];
}

TEST(Fault, RowsOfLdmatrixThatAreNoneOfSharedMemory) {
  DeviceBuffer<uint32_t> y(32, "an array");
  DeviceBuffer<unsigned char> global(1024, "an array");
  const auto load = [&](auto kernel, const unsigned char* elsewhere, int offset) {
    return fault_of([&](Stream& s) { LLASA_LAUNCH(kernel, 1, 32, 512, s, elsewhere, offset, y.data()); });
  };
  EXPECT_EQ(load(matrix_kernel<true>, nullptr, 0), "");
  expect_fault(load(matrix_kernel<true>, nullptr, 8), "ldmatrix", "is not on a multiple of 16 bytes");
  expect_fault(load(matrix_kernel<true>, nullptr, 16), "out-of-bounds read of 16 bytes at byte 512",
               "dynamic shared memory");
  expect_fault(load(matrix_kernel<true>, global.data(), 0), "ldmatrix", "is not in shared memory");
  expect_fault(load(matrix_kernel<false>, nullptr, 0), "shared-memory race: read", "no barrier between");
}

__global__ void half_warp_kernel(float* y, unsigned lanes) {
  float d[4] = {};
  const uint32_t a[4] = {};
  if (threadIdx.x < lanes) cuda::mma_m16n8k16_bf16(d, a, 0, 0);
  y[threadIdx.x] = d[0];
}

TEST(Fault, MatrixProductOfHalfAWarp) {
  DeviceBuffer<float> y(32, "an array");
  const auto multiply = [&](unsigned lanes) {
    return fault_of([&](Stream& s) { LLASA_LAUNCH(half_warp_kernel, 1, 32, 0, s, y.data(), lanes); });
  };
  EXPECT_EQ(multiply(32), "");
  expect_fault(multiply(16), "half_warp_kernel", "mma.m16n8k16");
}

enum class Planted {
  kNothing,
  kNoWait,
  kWaitForOneLess,
  kNoCommit,
  kNoBarrier,
  kBarrierBeforeTheWait,
  kSlotBeingRead,
  kSlotUnderWay,
};

// y[i][thread] = sum over the four numbers of another thread's 16 bytes of tile i, tiles passing through two slots, the next
// one on its way while one is read: the order of things in attention's kernels. `tiles` of 32 threads x 16 bytes; of
// the last one only `bytes` per thread are copied.
template <Planted kPlanted>
__global__ void ring_kernel(const float* x, float* y, int tiles, int bytes) {
  LLASA_DYNAMIC_SHARED(float, slots);
  const int i = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const auto request = [&](int t) {
    const int slot = kPlanted == Planted::kSlotUnderWay ? 0 : t % 2;
    if (t < tiles) {
      cuda::copy_async(slots + (slot * threads + i) * 4, x + (t * threads + i) * 4,
                       t + 1 < tiles ? 16 : bytes);
    }
    if (kPlanted != Planted::kNoCommit) cuda::commit_copies();
  };
  request(0);
  if (kPlanted == Planted::kSlotUnderWay) request(1);
  for (int t = 0; t < tiles; ++t) {
    if (kPlanted == Planted::kBarrierBeforeTheWait) __syncthreads();
    if (kPlanted == Planted::kWaitForOneLess) {
      cuda::wait_for_copies<1>();
    } else if (kPlanted != Planted::kNoWait) {
      cuda::wait_for_copies<0>();
    }
    if (kPlanted != Planted::kNoBarrier && kPlanted != Planted::kBarrierBeforeTheWait) __syncthreads();
    request(kPlanted == Planted::kSlotBeingRead && t + 1 < tiles ? t : t + 1);
    const float* row = slots + (t % 2 * threads + (i + 7) % threads) * 4;
    y[t * threads + i] = row[0] + row[1] + row[2] + row[3];
  }
}

// The ring's results, or what was reported of it.
template <Planted kPlanted>
std::string ring(std::vector<float>* results = nullptr, int bytes = 16) {
  constexpr int kThreads = 64, kTiles = 3;
  std::vector<float> values(kTiles * kThreads * 4);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 97);
  DeviceBuffer<float> x, y(kTiles * kThreads, "sums");
  return fault_of([&](Stream& s) {
    x.upload(s, values, "tiles");
    LLASA_LAUNCH(ring_kernel<kPlanted>, 1, kThreads, 2 * kThreads * 16, s, x.data(), y.data(), kTiles, bytes);
    const std::vector<float> found = y.download(s, kTiles * kThreads);
    if (results != nullptr) *results = found;
  });
}

TEST(Fault, CopiesThatNobodyWaitedFor) {
  for (const int bytes : {16, 12, 4, 0}) {
    std::vector<float> sums;
    EXPECT_EQ(ring<Planted::kNothing>(&sums, bytes), "");
    for (size_t i = 0; i < sums.size(); ++i) {
      const size_t row = i / 64 * 64 + (i % 64 + 7) % 64;
      float expected = 0.0f;
      for (size_t e = 0; e < (i < 128 ? 4u : static_cast<size_t>(bytes) / 4); ++e)
        expected += static_cast<float>((row * 4 + e) % 97);
      EXPECT_EQ(sums[i], expected) << i << ", " << bytes << " bytes";
    }
  }
  expect_fault(ring<Planted::kNoWait>(), "ring_kernel", "has not arrived");
  expect_fault(ring<Planted::kWaitForOneLess>(), "ring_kernel", "has not arrived");
  expect_fault(ring<Planted::kNoCommit>(), "ring_kernel", "has not arrived");
  expect_fault(ring<Planted::kBarrierBeforeTheWait>(), "ring_kernel", "has not arrived");
  expect_fault(ring<Planted::kNoBarrier>(), "ring_kernel", "read of uninitialised shared memory");
  expect_fault(ring<Planted::kSlotBeingRead>(), "ring_kernel", "shared-memory race: write");
  expect_fault(ring<Planted::kSlotUnderWay>(), "ring_kernel", "write of dynamic shared memory");
}

// The slot that the rows before are read from, without a barrier behind them.
template <bool kBarrier>
__global__ void refill_kernel(const float* x, float* y) {
  __shared__ __align__(16) float slot[32 * 4];
  const int i = static_cast<int>(threadIdx.x);
  cuda::copy_async(slot + 4 * i, x + 4 * i, 16);
  cuda::commit_copies();
  cuda::wait_for_copies<0>();
  __syncthreads();
  const float before = slot[4 * (31 - i)];
  if (kBarrier) __syncthreads();
  cuda::copy_async(slot + 4 * i, x + 4 * i, 8);
  cuda::commit_copies();
  cuda::wait_for_copies<0>();
  y[i] = before + slot[4 * i] + slot[4 * i + 3];
}

TEST(Fault, CopyToWhatOthersStillRead) {
  const std::vector<float> ones(128, 1.0f);
  DeviceBuffer<float> x, y(32, "an array");
  const auto refill = [&](auto kernel) {
    return fault_of([&](Stream& s) {
      x.upload(s, ones, "an array");
      LLASA_LAUNCH(kernel, 1, 32, 0, s, x.data(), y.data());
    });
  };
  EXPECT_EQ(refill(refill_kernel<true>), "");
  expect_fault(refill(refill_kernel<false>), "shared-memory race", "no barrier between");
}

// One copy, from and to as given in bytes of x and of 1024 of shared memory.
__global__ void copy_kernel(const unsigned char* x, int from, int to, int bytes, unsigned char* elsewhere) {
  LLASA_DYNAMIC_SHARED(unsigned char, tile);
  cuda::copy_async(elsewhere != nullptr ? elsewhere : tile + to, x + from, bytes);
  cuda::commit_copies();
  cuda::wait_for_copies<0>();
}

TEST(Fault, CopyBetweenPlacesThatAreNone) {
  DeviceBuffer<unsigned char> x(64, "an array"), unwritten(64, "an array");
  const std::vector<unsigned char> host(64);
  const auto copy = [&](const unsigned char* source, int from, int to, int bytes, unsigned char* elsewhere) {
    return fault_of([&](Stream& s) {
      zero_on_device(s, x.data(), 64);
      LLASA_LAUNCH(copy_kernel, 1, 1, 1024, s, source, from, to, bytes, elsewhere);
    });
  };
  EXPECT_EQ(copy(x.data(), 48, 1008, 16, nullptr), "");
  EXPECT_EQ(copy(x.data(), 64, 0, 0, nullptr), "") << "reads nothing";
  EXPECT_EQ(copy(unwritten.data(), 0, 0, 0, nullptr), "") << "reads nothing";
  expect_fault(copy(x.data(), 64, 0, 16, nullptr), "copy_kernel", "out-of-bounds read of 16 bytes");
  expect_fault(copy(x.data(), 64, 0, 4, nullptr), "copy_kernel", "out-of-bounds read of 4 bytes");
  expect_fault(copy(unwritten.data(), 0, 0, 16, nullptr), "copy_kernel", "uninitialised read of 16 bytes");
  expect_fault(copy(x.data(), 0, 1024, 16, nullptr), "copy_kernel",
               "out-of-bounds write of 16 bytes at byte 1024");
  expect_fault(copy(x.data(), 8, 0, 16, nullptr), "copy_kernel", "source at");
  expect_fault(copy(x.data(), 0, 8, 16, nullptr), "copy_kernel", "destination at");
  expect_fault(copy(x.data(), 0, 0, 16, x.data()), "copy_kernel", "is not in shared memory");
  expect_fault(copy(host.data(), 0, 0, 16, nullptr), "copy_kernel", "is not in global memory");
  expect_fault(copy(x.data(), 0, 0, 32, nullptr), "copy_kernel", "32 bytes of 16");
}

TEST(Fault, ImpossibleLaunchNamesTheKernel) {
  expect_fault(fault_of([&](Stream& s) { LLASA_LAUNCH(barrier_kernel, 1, 2048, 0, s, 0); }),
               "launching kernel `barrier_kernel`", "cudaErrorInvalidConfiguration");
}

TEST(Fault, CopyInTheWrongDirection) {
  DeviceBuffer<float> x(4, "an array");
  std::vector<float> host(4);
  expect_fault(fault_of([&](Stream& s) { copy_to_device(s, host.data(), x.data(), 16); }),
               "copying to the device", "the destination is a host pointer");
  expect_fault(fault_of([&](Stream& s) { copy_on_device(s, x.data(), host.data(), 16); }),
               "copying on the device", "the source is a host pointer");
  expect_fault(fault_of([&](Stream& s) { copy_to_device(s, x.data() + 1, host.data(), 16); }),
               "copying to the device", "16 bytes begin at byte 4 of a device array of 16 bytes");
}

// What recording reports of a body that also does `planted` while it is recorded.
std::string fault_of_recording(const std::function<void(Stream&)>& planted) {
  return fault_of([&](Stream& s) {
    DeviceBuffer<float> x(8, "an array");
    LaunchGraphs graphs("a test's pass");
    int calls = 0;
    for (int i = 0; i < 3; ++i) {
      graphs.run(s, 1, [&] {
        LLASA_LAUNCH(fill_kernel, 1, 8, 0, s, x.data(), 8, 0);
        if (++calls == 2 && planted) planted(s);
      });
    }
    s.synchronize();
  });
}

TEST(Fault, WhatMayNotHappenWhileAGraphIsRecorded) {
  std::vector<float> host(4);
  DeviceBuffer<float> device(4, "an array"), other(4, "an array");
  Stream beside;
  EXPECT_EQ(fault_of_recording({}), "");
  EXPECT_EQ(fault_of_recording([&](Stream& s) { zero_on_device(s, device.data(), 16); }), "");
  expect_fault(fault_of_recording([](Stream& s) { s.synchronize(); }), "waiting for the device",
               "cudaStreamSynchronize while a graph is recorded");
  expect_fault(fault_of_recording([](Stream&) { synchronize_device(); }), "waiting for the device",
               "cudaDeviceSynchronize while a graph is recorded");
  expect_fault(fault_of_recording([](Stream&) { DeviceBuffer<float>(4, "a late array"); }), "a late array",
               "cudaMalloc while a graph is recorded");
  // cudaFree's error reaches nobody, so that the end of the recording reports it.
  expect_fault(fault_of_recording([&](Stream&) { other = DeviceBuffer<float>(); }), "recording a graph",
               "the capture was invalidated by cudaFree");
  expect_fault(fault_of_recording([&](Stream& s) { copy_to_device(s, device.data(), host.data(), 16); }),
               "copying to the device", "while a graph is recorded");
  expect_fault(fault_of_recording([&](Stream& s) { copy_to_host(s, host.data(), device.data(), 16); }),
               "copying to the host", "while a graph is recorded");
  expect_fault(fault_of_recording([&](Stream& s) {
                 cuda::check(
                     cudaMemcpyAsync(device.data(), host.data(), 16, cudaMemcpyHostToDevice, cuda::native(s)),
                     "a bare copy");
               }),
               "a bare copy", "pageable host memory while a graph is recorded");
  expect_fault(fault_of_recording([&](Stream&) {
                 LLASA_LAUNCH(fill_kernel, 1, 8, 0, cudaStream_t{nullptr}, device.data(), 4, 0);
               }),
               "launching kernel `fill_kernel`", "legacy stream while a graph is recorded");
  // Other threads and streams go on.
  EXPECT_EQ(fault_of_recording([&](Stream&) {
              std::thread([&] {
                DeviceBuffer<float> own(4, "an array");
                zero_on_device(beside, own.data(), 16);
                beside.synchronize();
              }).join();
            }),
            "");
}

TEST(Fault, ReplayAfterItsMemoryWasFreed) {
  DeviceBuffer<float> x(8, "an array");
  expect_fault(fault_of([&](Stream& s) {
                 LaunchGraphs graphs("a test's pass");
                 float* const stale = x.data();
                 const auto pass = [&] {
                   graphs.run(s, 1, [&] { LLASA_LAUNCH(fill_kernel, 1, 8, 0, s, stale, 8, 0); });
                   s.synchronize();
                 };
                 pass();
                 pass();
                 x = DeviceBuffer<float>();
                 pass();
               }),
               "fill_kernel", "inside a freed device array");
}

}  // namespace
}  // namespace llasa::test
