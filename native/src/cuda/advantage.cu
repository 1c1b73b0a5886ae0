// Group advantages on the device; contract in ops/advantage.h.
#include "core/scratch.h"
#include "cuda/common.cuh"
#include "ops/advantage.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// advantage_i from the members of i's group, each found by its id in index order.
//   shapes        rewards, group_ids, mask, advantages [count]
//   mapping       thread = sample; every thread walks all samples, a tile of them in shared memory at a time.
//                 A step has hundreds to thousands of samples: count^2 comparisons (1e6 for 1024 samples, two
//                 walks, an estimated 4 us) beat a sort and its launches, and every group's sums keep their
//                 order
//   shared        13 bytes per thread
//   numerics      sums in double in index order, as on the CPU: equal rewards give exactly 0. A NaN reaches
//                 the members of its group only
//   determinism   index order
__global__ void __launch_bounds__(kThreads, 8)
    group_advantage_kernel(GroupEstimator estimator, double epsilon, const float* __restrict__ rewards,
                           const int64_t* __restrict__ group_ids, const uint8_t* __restrict__ mask,
                           int64_t count, float* __restrict__ advantages) {
  __shared__ int64_t ids[kThreads];
  __shared__ float values[kThreads];
  __shared__ uint8_t kept[kThreads];
  const int me = static_cast<int>(threadIdx.x);
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + me;
  const int64_t group = i < count ? group_ids[i] : 0;
  const float reward = i < count ? rewards[i] : 0.0f;
  const bool active = i < count && (mask == nullptr || mask[i] != 0);
  int64_t members = 0;
  double mean = 0.0, squares = 0.0;
#pragma unroll 1
  for (int walk = 0; walk < 2; ++walk) {
    double sum = 0.0;
    for (int64_t first = 0; first < count; first += kThreads) {
      if (first + me < count) {
        ids[me] = group_ids[first + me];
        values[me] = rewards[first + me];
        kept[me] = mask == nullptr || mask[first + me] != 0;
      }
      __syncthreads();
      const int length = static_cast<int>(count - first < kThreads ? count - first : kThreads);
      for (int j = 0; j < length; ++j) {
        if (ids[j] != group || kept[j] == 0) continue;
        const double value = static_cast<double>(values[j]);
        if (walk == 0) {
          sum += value;
          ++members;
        } else {
          sum += (value - mean) * (value - mean);
        }
      }
      __syncthreads();
    }
    if (walk == 0) {
      mean = sum / static_cast<double>(members);  // NaN for a masked sample alone, which is not used
    } else {
      squares = sum;
    }
  }
  if (i >= count) return;
  if (!active) {
    advantages[i] = 0.0f;
  } else if (members == 1) {
    advantages[i] = reward;
  } else {
    const double factor = advantage_factor(estimator, static_cast<double>(members), squares, epsilon);
    advantages[i] = static_cast<float>((static_cast<double>(reward) - mean) * factor);
  }
}

}  // namespace
}  // namespace cuda

void group_advantage(Stream& stream, GroupEstimator estimator, float epsilon, const float* rewards,
                     const int64_t* group_ids, const uint8_t* mask, int64_t count, float* advantages) {
  using namespace cuda;
  if (count == 0) return;
  const auto launch = [&](float* result) {
    LLASA_LAUNCH(group_advantage_kernel, grid_of(ceil_div(count, kThreads)), kThreads, 0, stream, estimator,
                 static_cast<double>(epsilon), rewards, group_ids, mask, count, result);
  };
  if (advantages != rewards) return launch(advantages);
  // Other blocks still read what is to be written.
  Scratch scratch(stream);
  float* result = scratch.take<float>(count);
  launch(result);
  copy_on_device(stream, advantages, result, count * static_cast<int64_t>(sizeof(float)));
}

}  // namespace llasa
