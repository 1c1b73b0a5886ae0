// Seconds that a stream works: CUDA events on a card, the clock elsewhere.
#pragma once

#include <chrono>

#include "core/device.h"
#if defined(LLASA_BENCH_EVENTS)
#include "core/launch.h"
#endif

namespace llasa::bench {

#if defined(LLASA_BENCH_EVENTS)

class Timer {
 public:
  Timer() {
    cuda::check(cudaEventCreate(&begin_), "creating an event");
    cuda::check(cudaEventCreate(&end_), "creating an event");
  }
  ~Timer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Stream& stream) {
    cuda::check(cudaEventRecord(begin_, cuda::native(stream)), "recording an event");
  }
  double stop(Stream& stream) {
    cuda::check(cudaEventRecord(end_, cuda::native(stream)), "recording an event");
    stream.synchronize();
    float milliseconds = 0;
    cuda::check(cudaEventElapsedTime(&milliseconds, begin_, end_), "reading an event");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

#else

class Timer {
 public:
  void start(Stream& stream) {
    stream.synchronize();
    begin_ = std::chrono::steady_clock::now();
  }
  double stop(Stream& stream) {
    stream.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_;
};

#endif

}  // namespace llasa::bench
