// One row of logits in the hands of one block: the passes that ops/sampling.h is made of on the device.
// Derivations and error bounds: docs/kernels/sampling.md.
//
// Masses are integers, weights exp((x - max) / T) in units of 2^-43: integer sums have no order, so shared
// atomics and any split of the row give the same bits, and "the first column whose cumulative mass exceeds"
// is exact. A row of 2^20 columns of the largest weight still fits 64 bits.
#pragma once

#include <climits>

#include "cuda/common.cuh"
#include "ops/sampling.h"

namespace llasa::cuda {

constexpr float kMassUnit = 0x1p43f;  // units in the weight of the best column
constexpr int64_t kMaxColumns = int64_t{1} << 20;
constexpr int kCoarseBins = 2048;
constexpr int kFineBits = 10;
constexpr int kFineBins = 1 << kFineBits;
constexpr uint32_t kLowestFinite = 0x00800000u;  // key of -FLT_MAX
constexpr int kBatch = 4;                        // independent loads per lane

// Keys order as floats do; -0 and +0 are one key, as they are one value.
__device__ __forceinline__ uint32_t key_of(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float value_of(uint32_t key) {
  return __uint_as_float((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

// Kept: key > key, or the same key and column <= last; and weight >= min_weight.
struct Limit {
  uint32_t key;
  int32_t last;
  float min_weight;
};

// A boundary in the order (x descending, column ascending): what lies before the bin or key that holds it,
// and what is in it.
struct Boundary {
  int32_t bin;  // -1: not reached
  uint32_t key;
  uint32_t count_above, count;
  uint64_t mass_above, mass;
};

struct Bins {
  uint32_t *count, *low, *high;  // mass = high 2^32 + low: two 32-bit atomics are native, one of 64 is not
};

struct RowShared {
  uint32_t coarse[3][kCoarseBins];
  uint32_t fine[3][kFineBins];
  uint64_t warp_mass[kMaxWarps], warp_key[kMaxWarps];
  double segment_sum[kMaxWarps];
  float segment_max[kMaxWarps];
  uint32_t warp_count[kMaxWarps], warp_bad[kMaxWarps];
  Boundary found;
  uint32_t interval[2];
  float forbidden_value;
  float full_max;  // of all columns, and the log of their mass relative to it: thread 0's alone
  double log_mass;
  int32_t column;
};

// A row after penalty and forbidding. Warp w owns the columns [w, w + 1) * segment.
struct Row {
  float* x;
  int32_t n, segment;
  int32_t bins;  // coarse bins in use; the last one takes everything below 32 nats under the best
  float max, inverse_temperature;

  __device__ __forceinline__ float weight(float value) const {
    return expf((value - max) * inverse_temperature);
  }
  __device__ __forceinline__ uint64_t mass(float value) const {
    return static_cast<uint64_t>(rintf(weight(value) * kMassUnit));
  }
  __device__ __forceinline__ uint64_t kept_mass(const Limit& limit, int32_t column, float value) const {
    const uint32_t key = key_of(value);
    const float w = weight(value);
    const bool kept = key > limit.key || (key == limit.key && column <= limit.last);
    return kept && w >= limit.min_weight ? static_cast<uint64_t>(rintf(w * kMassUnit)) : 0;
  }
  __device__ __forceinline__ int32_t bin(float value) const {
    const float distance = (max - value) * (inverse_temperature * static_cast<float>(bins / 32));
    return distance < static_cast<float>(bins - 1) ? static_cast<int32_t>(distance) : bins - 1;
  }
};

__device__ __forceinline__ int lane_index() {
  return static_cast<int>(threadIdx.x) % kWarp;
}
__device__ __forceinline__ int warp_index() {
  return static_cast<int>(threadIdx.x) / kWarp;
}
__device__ __forceinline__ int warp_count() {
  return static_cast<int>(blockDim.x) / kWarp;
}

// Calls f(column, x) for the columns of this warp's segment, all lanes together; x = -inf past the end.
template <typename F>
__device__ __forceinline__ void for_segment(const Row& row, F f) {
  const int begin = warp_index() * row.segment;
  const int end = min(row.n, begin + row.segment);
  for (int base = begin; base < end; base += kBatch * kWarp) {
    float x[kBatch];
#pragma unroll
    for (int u = 0; u < kBatch; ++u) {
      const int column = base + u * kWarp + lane_index();
      x[u] = column < end ? row.x[column] : -INFINITY;
    }
#pragma unroll
    for (int u = 0; u < kBatch; ++u) f(base + u * kWarp + lane_index(), x[u]);
  }
}

// Sums before this thread, over the block; *total gets the whole. All threads call.
__device__ __forceinline__ void exclusive_scan(RowShared& s, uint32_t& count, uint64_t& mass) {
  const uint32_t own_count = count;
  const uint64_t own_mass = mass;
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const uint32_t c = __shfl_up_sync(kAllLanes, count, offset);
    const uint64_t m = __shfl_up_sync(kAllLanes, mass, offset);
    if (lane_index() >= offset) {
      count += c;
      mass += m;
    }
  }
  if (lane_index() == kWarp - 1) {
    s.warp_count[warp_index()] = count;
    s.warp_mass[warp_index()] = mass;
  }
  __syncthreads();
  count -= own_count;
  mass -= own_mass;
  for (int w = 0; w < warp_index(); ++w) {
    count += s.warp_count[w];
    mass += s.warp_mass[w];
  }
  __syncthreads();
}

__device__ __forceinline__ void add_to_bin(const Bins& bins, int bin, uint32_t count, uint64_t mass) {
  const uint32_t low = static_cast<uint32_t>(mass);
  atomicAdd(bins.count + bin, count);
  const uint32_t before = atomicAdd(bins.low + bin, low);
  const uint32_t high = static_cast<uint32_t>(mass >> 32) + (before + low < before ? 1u : 0u);
  if (high != 0) atomicAdd(bins.high + bin, high);
}

// Counts and masses of the columns for which bin_of(x) >= 0.
template <typename BinOf>
__device__ void fill_bins(const Row& row, const Bins& bins, int size, BinOf bin_of) {
  for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
    bins.count[i] = bins.low[i] = bins.high[i] = 0;
  }
  __syncthreads();
  for_segment(row, [&](int, float x) {
    const int bin = x == -INFINITY ? -1 : bin_of(x);
    const uint64_t mass = bin < 0 ? 0 : row.mass(x);
    // A warp of one bin (flat rows, deep tails) would queue 32 deep at one address.
    if (__all_sync(kAllLanes, bin == __shfl_sync(kAllLanes, bin, 0))) {
      if (bin >= 0) {
        const uint64_t sum = warp_sum(mass);
        if (lane_index() == 0) add_to_bin(bins, bin, kWarp, sum);
      }
    } else if (bin >= 0) {
      add_to_bin(bins, bin, 1, mass);
    }
  });
  __syncthreads();
}

// What is looked for: the k-th column, or, k = 0, the column at which the mass is reached.
struct Target {
  uint32_t count;
  uint64_t mass;
};

// The bin that holds the target, `above` lying before bin 0.
__device__ Boundary find_bin(RowShared& s, const Bins& bins, int size, const Boundary& above,
                             const Target& target) {
  const int each = (size + static_cast<int>(blockDim.x) - 1) / static_cast<int>(blockDim.x);
  const int begin = static_cast<int>(threadIdx.x) * each, end = min(size, begin + each);
  uint32_t own_count = 0;
  uint64_t own_mass = 0;
  for (int b = begin; b < end; ++b) {
    own_count += bins.count[b];
    own_mass += (static_cast<uint64_t>(bins.high[b]) << 32) + bins.low[b];
  }
  if (threadIdx.x == 0) s.found = {-1, 0, 0, 0, 0, 0};
  uint32_t count = own_count;
  uint64_t mass = own_mass;
  exclusive_scan(s, count, mass);
  count += above.count_above;
  mass += above.mass_above;
  const bool mine = target.count > 0 ? count < target.count && target.count <= count + own_count
                                     : mass < target.mass && target.mass <= mass + own_mass;
  if (mine) {
    for (int b = begin; b < end; ++b) {
      const uint64_t here = (static_cast<uint64_t>(bins.high[b]) << 32) + bins.low[b];
      if (target.count > 0 ? target.count <= count + bins.count[b] : target.mass <= mass + here) {
        s.found = {b, 0, count, bins.count[b], mass, here};
        break;
      }
      count += bins.count[b];
      mass += here;
    }
  }
  __syncthreads();
  const Boundary found = s.found;
  __syncthreads();
  return found;
}

// Narrows the keys [lo, hi], which hold the target, down to its own: at most four passes, each over the
// members of one bin of the last.
__device__ Boundary find_key(const Row& row, RowShared& s, uint32_t lo, uint32_t hi, Boundary at,
                             const Target& target) {
  const Bins bins = {s.fine[0], s.fine[1], s.fine[2]};
  while (lo != hi) {
    const int shift = max(0, 32 - __clz(static_cast<int>(hi - lo)) - kFineBits);
    const int size = static_cast<int>((hi - lo) >> shift) + 1;
    fill_bins(row, bins, size, [&](float x) {
      const uint32_t key = key_of(x);
      return key < lo || key > hi ? -1 : static_cast<int>((hi - key) >> shift);
    });
    at = find_bin(s, bins, size, at, target);
    hi -= static_cast<uint32_t>(at.bin) << shift;
    lo = hi - min(hi - lo, (uint32_t{1} << shift) - 1);
  }
  at.key = hi;
  return at;
}

// The keys of a coarse bin. Bins fall as keys rise, so both ends are found by bisection.
__device__ __forceinline__ void bin_interval(const Row& row, RowShared& s, int bin, uint32_t& lo,
                                             uint32_t& hi) {
  if (threadIdx.x < 2) {
    const int wanted =
        bin - static_cast<int>(threadIdx.x);  // the lowest key of this bin, and of the one before
    uint32_t low = kLowestFinite, high = key_of(row.max);
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (row.bin(value_of(middle)) <= wanted) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    s.interval[threadIdx.x] = low;
  }
  __syncthreads();
  lo = s.interval[0];
  hi = bin == 0 ? key_of(row.max) : s.interval[1] - 1;
  __syncthreads();
}

// Column of the r-th one (from 1) that has this key, in ascending order.
__device__ int32_t nth_column(const Row& row, RowShared& s, uint32_t key, uint32_t r) {
  uint32_t count = 0;
  for_segment(row, [&](int, float x) {
    count += static_cast<uint32_t>(__popc(__ballot_sync(kAllLanes, x != -INFINITY && key_of(x) == key)));
  });
  if (lane_index() == 0) s.warp_count[warp_index()] = count;
  __syncthreads();
  uint32_t before = 0;
  for (int w = 0; w < warp_index(); ++w) before += s.warp_count[w];
  if (before < r && r <= before + count) {
    for_segment(row, [&](int column, float x) {
      const bool equal = x != -INFINITY && key_of(x) == key;
      const unsigned votes = __ballot_sync(kAllLanes, equal);
      const unsigned lower = votes & ((1u << lane_index()) - 1u);
      if (equal && before + static_cast<uint32_t>(__popc(lower)) + 1 == r) s.column = column;
      before += static_cast<uint32_t>(__popc(votes));
    });
  }
  __syncthreads();
  const int32_t column = s.column;
  __syncthreads();
  return column;
}

}  // namespace llasa::cuda
