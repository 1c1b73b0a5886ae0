// Fused sampling on the device; contract in ops/sampling.h, passes in cuda/sampling_row.cuh, derivations in
// docs/kernels/sampling.md.
//
// One block per row, no sort and no scratch: a row is at most 0.8 MB, which one SM streams in an estimated
// 7 us, the time of three launches. The first pass applies the penalty and finds the largest logit and the
// mass at once; without top-k, top-p and min-p it is the only one over the whole row. The kept set is a
// prefix of the order (x descending, column ascending); histograms over it find its last member (Limit).
#include <algorithm>

#include "core/philox.h"
#include "cuda/common.cuh"
#include "cuda/sampling_row.cuh"
#include "ops/sampling.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kMaxThreads = 1024;

// The seen bit of a column makes its logit smaller; once, however often the id occurred.
__device__ __forceinline__ float penalised(float x, float penalty) {
  return x < 0.0f ? x * penalty : x / penalty;
}

// What the first pass knows of a lane's, then a segment's columns: the largest x and the sum of
// exp((x - max) / T), compensated (Kahan), so that a lane's 200 terms cost 2 ulp and not 200.
struct Running {
  float max, sum, lost;

  __device__ __forceinline__ void add(const float (&x)[kBatch], float inverse_temperature) {
    float largest = max;
#pragma unroll
    for (int u = 0; u < kBatch; ++u) largest = fmaxf(largest, x[u]);
    if (largest == -INFINITY) return;
    if (largest > max) {
      const float factor = expf((max - largest) * inverse_temperature);
      sum *= factor;
      lost *= factor;
      max = largest;
    }
    float batch = 0.0f;
#pragma unroll
    for (int u = 0; u < kBatch; ++u) batch += expf((x[u] - max) * inverse_temperature);
    const float y = batch - lost, t = sum + y;
    lost = (t - sum) - y;
    sum = t;
  }
};

// A row after penalty, forbidding and the search for what is kept.
struct Prepared {
  int32_t error;  // a kSample code
  Row row;        // of what may be drawn
  int32_t best;   // the lowest column of the largest x
  Limit limit;
  uint64_t mass;  // kept; its parts by segment in RowShared::warp_mass
};

// Pass 1: penalty in place, largest x with its lowest column, NaN and +inf, masses of the segments. The
// forbidden column becomes -inf here and counts in log_mass alone.
__device__ void scan_row(Prepared& p, RowShared& s, const SamplingParameters& parameters,
                         const SampleRow& info, const uint32_t* seen) {
  Row& row = p.row;
  const int begin = warp_index() * row.segment, end = min(row.n, begin + row.segment);
  Running running = {-INFINITY, 0.0f, 0.0f};
  uint64_t best = 0;  // key, then the inverted column: the largest has the lowest column among equals
  bool bad = false;
  if (threadIdx.x == 0) s.forbidden_value = -INFINITY;
  __syncthreads();
  for (int base = begin; base < end; base += kBatch * kWarp) {
    float x[kBatch];
#pragma unroll
    for (int u = 0; u < kBatch; ++u) {
      const int column = base + u * kWarp + lane_index();
      x[u] = column < end ? row.x[column] : -INFINITY;
    }
#pragma unroll
    for (int u = 0; u < kBatch; ++u) {
      const int column = base + u * kWarp + lane_index();
      if (column >= end) continue;
      if (seen != nullptr && (seen[column / 32] >> (column % 32) & 1u) != 0) {
        x[u] = penalised(x[u], parameters.repetition_penalty);
        row.x[column] = x[u];
      }
      bad |= !(x[u] < INFINITY);
      if (column == info.forbidden_column) {
        s.forbidden_value = x[u];
        row.x[column] = x[u] = -INFINITY;
      }
      const uint64_t key = static_cast<uint64_t>(key_of(x[u])) << 32 | ~static_cast<uint32_t>(column);
      best = max(best, key);
    }
    running.add(x, row.inverse_temperature);
  }
  const float segment_max = lane_reduce(running.max, [](float a, float b) { return fmaxf(a, b); });
  const float factor =
      running.max == -INFINITY ? 0.0f : expf((running.max - segment_max) * row.inverse_temperature);
  const double segment_sum = warp_sum((static_cast<double>(running.sum) - static_cast<double>(running.lost)) *
                                      static_cast<double>(factor));
  best = lane_reduce(best, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
  bad = __any_sync(kAllLanes, bad) != 0;
  if (lane_index() == 0) {
    s.segment_max[warp_index()] = segment_max;
    s.segment_sum[warp_index()] = segment_sum;
    s.warp_key[warp_index()] = best;
    s.warp_bad[warp_index()] = bad ? 1u : 0u;
  }
  __syncthreads();
  bad = false;
  for (int w = 0; w < warp_count(); ++w) {
    bad |= s.warp_bad[w] != 0;
    best = max(best, s.warp_key[w]);
  }
  p.best = static_cast<int32_t>(~static_cast<uint32_t>(best));
  row.max = value_of(static_cast<uint32_t>(best >> 32));
  p.error = bad ? kSampleNotFinite : row.max == -INFINITY ? kSampleEmpty : 0;
}

// Masses of the segments relative to the largest x of all, from those relative to their own; and the log of
// the mass of all columns, the forbidden one included.
__device__ void add_segments(Prepared& p, RowShared& s) {
  const int w = static_cast<int>(threadIdx.x);
  const double inverse_temperature = static_cast<double>(p.row.inverse_temperature);
  if (w < warp_count()) {
    const double shift = (static_cast<double>(s.segment_max[w]) - static_cast<double>(p.row.max));
    const double mass = s.segment_sum[w] == 0.0 ? 0.0 : s.segment_sum[w] * exp(shift * inverse_temperature);
    s.warp_mass[w] = static_cast<uint64_t>(rint(mass * static_cast<double>(kMassUnit)));
  }
  __syncthreads();
  p.mass = 0;
  for (int i = 0; i < warp_count(); ++i) p.mass += s.warp_mass[i];
  if (threadIdx.x != 0) return;  // the log-prob is its to write
  double total = static_cast<double>(p.mass) / static_cast<double>(kMassUnit);
  const float forbidden = s.forbidden_value;
  if (forbidden > -INFINITY) {
    const double gap =
        (static_cast<double>(forbidden) - static_cast<double>(p.row.max)) * inverse_temperature;
    total = gap > 0.0 ? 1.0 + total * exp(-gap) : total + exp(gap);
  }
  s.full_max = fmaxf(p.row.max, forbidden);
  s.log_mass = log(total);
}

__device__ Limit find_limit(const Row& row, RowShared& s, const SamplingParameters& parameters) {
  Limit limit = {0, INT_MAX, parameters.min_p};  // the best has weight 1
  const bool use_top_k = parameters.top_k > 0 && parameters.top_k < row.n;
  if (!use_top_k && parameters.top_p >= 1.0f) return limit;
  const Bins bins = {s.coarse[0], s.coarse[1], s.coarse[2]};
  fill_bins(row, bins, row.bins, [&](float x) { return row.bin(x); });
  const Boundary nothing = {0, 0, 0, 0, 0, 0};
  int size = row.bins;
  if (use_top_k) {
    const Target target = {static_cast<uint32_t>(parameters.top_k), 0};
    const Boundary coarse = find_bin(s, bins, size, nothing, target);
    if (coarse.bin >= 0) {  // else no more than k columns are finite
      uint32_t lo, hi;
      bin_interval(row, s, coarse.bin, lo, hi);
      const Boundary kth = find_key(row, s, lo, hi, coarse, target);
      limit.key = kth.key;
      size = coarse.bin + 1;
      if (threadIdx.x == 0) {  // what is left of the boundary's bin
        const uint64_t mass = kth.mass_above + kth.mass - coarse.mass_above;
        bins.count[coarse.bin] = kth.count_above + kth.count - coarse.count_above;
        bins.low[coarse.bin] = static_cast<uint32_t>(mass);
        bins.high[coarse.bin] = static_cast<uint32_t>(mass >> 32);
      }
      __syncthreads();
    }
  }
  if (parameters.top_p >= 1.0f) return limit;
  uint64_t mass = 0;
  for (int b = static_cast<int>(threadIdx.x); b < size; b += static_cast<int>(blockDim.x)) {
    mass += (static_cast<uint64_t>(bins.high[b]) << 32) + bins.low[b];
  }
  mass = block_sum(mass, s.warp_mass);
  const double wanted = ceil(static_cast<double>(parameters.top_p) * static_cast<double>(mass));
  const Target target = {0, max(uint64_t{1}, static_cast<uint64_t>(wanted))};
  const Boundary coarse = find_bin(s, bins, size, nothing, target);
  uint32_t lo, hi;
  bin_interval(row, s, coarse.bin, lo, hi);
  const Boundary last = find_key(row, s, max(lo, limit.key), hi, coarse, target);
  limit.key = last.key;
  // Equal logits have equal masses; the first of them, by column, that reach the target stay.
  const uint64_t each = row.mass(value_of(last.key));
  const uint64_t missing = target.mass - last.mass_above;
  const uint64_t needed = (missing + each - 1) / each;
  if (needed < last.count) limit.last = nth_column(row, s, last.key, static_cast<uint32_t>(needed));
  return limit;
}

__device__ Prepared prepare(RowShared& s, const SamplingParameters& parameters, float* x,
                            const SampleRow& info, const uint32_t* seen, int32_t segment, int32_t bins) {
  Prepared p = {};
  p.row.x = x;
  p.row.n = parameters.allowed.count();
  p.row.segment = segment;
  p.row.bins = bins;
  p.row.inverse_temperature = 1.0f / (parameters.temperature == 0.0f ? 1.0f : parameters.temperature);
  if (parameters.repetition_penalty == 1.0f) seen = nullptr;
  if (seen != nullptr) seen += info.history * seen_words(parameters.allowed);
  scan_row(p, s, parameters, info, seen);
  if (p.error != 0) return p;
  add_segments(p, s);
  p.limit = {0, INT_MAX, 0.0f};
  if (parameters.temperature == 0.0f) return p;
  p.limit = find_limit(p.row, s, parameters);
  if (p.limit.key == 0 && p.limit.min_weight <= 0.0f) return p;
  __syncthreads();
  uint64_t kept = 0;
  for_segment(p.row, [&](int column, float value) { kept += p.row.kept_mass(p.limit, column, value); });
  kept = warp_sum(kept);
  if (lane_index() == 0) s.warp_mass[warp_index()] = kept;
  __syncthreads();
  p.mass = 0;
  for (int w = 0; w < warp_count(); ++w) p.mass += s.warp_mass[w];
  return p;
}

// First column whose cumulative kept mass exceeds u times the total: first the segment, then the column in
// it.
__device__ int32_t draw(const Prepared& p, RowShared& s, double u) {
  const uint64_t wanted = static_cast<uint64_t>(u * static_cast<double>(p.mass));
  uint64_t target = min(wanted, p.mass - 1);  // u -> 1 may round up to the total
  int w = 0;
  while (w + 1 < warp_count() && target >= s.warp_mass[w]) target -= s.warp_mass[w++];
  const int begin = w * p.row.segment, end = min(p.row.n, begin + p.row.segment);
  const int each = (p.row.segment + static_cast<int>(blockDim.x) - 1) / static_cast<int>(blockDim.x);
  const int first = min(end, begin + static_cast<int>(threadIdx.x) * each), last = min(end, first + each);
  if (threadIdx.x == 0) s.column = -1;
  uint64_t own = 0;
  uint64_t positive = 0;  // 1 + the last column that may be drawn
  for (int column = first; column < last; ++column) {
    const uint64_t mass = p.row.kept_mass(p.limit, column, p.row.x[column]);
    own += mass;
    if (mass > 0) positive = static_cast<uint64_t>(column) + 1;
  }
  __syncthreads();  // every thread has read the segments' masses
  uint32_t unused = 0;
  uint64_t before = own;
  exclusive_scan(s, unused, before);
  if (before <= target && target < before + own) {
    int column = first;
    for (uint64_t mass = before; column < last; ++column) {
      mass += p.row.kept_mass(p.limit, column, p.row.x[column]);
      if (mass > target) break;
    }
    s.column = column;
  }
  const auto larger = [](uint64_t a, uint64_t b) { return a > b ? a : b; };
  const uint64_t fallback = block_reduce(positive, s.warp_mass, larger);
  __syncthreads();
  // The first pass's f32 sums may put the target past the exact mass of the segment: its last column then.
  if (s.column >= 0) return s.column;
  return fallback > 0 ? static_cast<int32_t>(fallback - 1) : p.best;
}

// One id per row.
//   shapes        logits [rows, ld], n columns used; info, ids, both log-probs [rows]; seen [.., seen_words]
//   mapping       block = row; warp = a segment of the row, lanes on neighbouring columns, kBatch loads each
//   shared        37 KB: coarse and fine histograms of (count, mass); at most 64 registers (1024 threads)
//   traffic       4 n bytes once and 1/32 of it again, when nothing is dropped: 128 rows x 193,800 99 MB,
//                 floor 21 us (computed, H200 4.8 TB/s), one wave of blocks; top-p alone adds 4 passes, top-k
//                 and top-p 6, of which rows that fit the 50 MB of L2 together (the speech range: 128 x
//                 65,537) reread from there: 4 n x 5 bytes, at worst floor 105 us
//   numerics      weights f32 (2 ulp), masses in integers of 2^-43, the total's log in double
//   determinism   integer sums; the f32 sums of pass 1 have an order fixed by n. A row depends on itself
//                 alone
__global__ void __launch_bounds__(kMaxThreads)
    sampling_kernel(SamplingParameters parameters, float* logits, int64_t ld,
                    const SampleRow* __restrict__ info, uint32_t* seen, int32_t* __restrict__ ids,
                    float* __restrict__ logprobs, float* __restrict__ draw_logprobs, int32_t segment,
                    int32_t bins) {
  __shared__ RowShared s;
  const int64_t r = blockIdx.x;
  const Prepared p = prepare(s, parameters, logits + r * ld, info[r], seen, segment, bins);
  if (draw_logprobs != nullptr && threadIdx.x == 0) draw_logprobs[r] = 0.0f;
  if (p.error != 0) {
    if (threadIdx.x == 0) {
      ids[r] = p.error;
      logprobs[r] = 0.0f;
    }
    return;
  }
  const SampleRow me = info[r];
  int32_t column = p.best;
  if (parameters.temperature != 0.0f) {
    column = draw(p, s,
                  philox_uniform_double(parameters.seed, me.sequence_id, static_cast<uint64_t>(me.position)));
  }
  if (threadIdx.x != 0) return;
  ids[r] = parameters.allowed.id_of(column);
  const float z = (p.row.x[column] - s.full_max) * p.row.inverse_temperature;
  logprobs[r] = static_cast<float>(static_cast<double>(z) - s.log_mass);
  if (draw_logprobs != nullptr && parameters.temperature != 0.0f) {
    const float kept_z = (p.row.x[column] - p.row.max) * p.row.inverse_temperature;
    const double kept = static_cast<double>(p.mass) / static_cast<double>(kMassUnit);
    draw_logprobs[r] = static_cast<float>(static_cast<double>(kept_z) - log(kept));
  }
  if (seen != nullptr) {
    seen[me.history * seen_words(parameters.allowed) + column / 32] |= uint32_t{1} << (column % 32);
  }
}

// The distribution that sampling_kernel draws from, over the same passes; probs [rows, n].
//   traffic       as sampling_kernel, and 4 n bytes written per row; a test's and a caller's tool, not a hot
//                 path
__global__ void __launch_bounds__(kMaxThreads)
    sampling_distribution_kernel(SamplingParameters parameters, float* logits, int64_t ld,
                                 const SampleRow* __restrict__ info, const uint32_t* seen,
                                 int32_t* __restrict__ ids, float* __restrict__ probs, int32_t segment,
                                 int32_t bins) {
  __shared__ RowShared s;
  const int64_t r = blockIdx.x;
  const Prepared p = prepare(s, parameters, logits + r * ld, info[r], seen, segment, bins);
  const int n = parameters.allowed.count();
  float* out = probs + r * n;
  if (threadIdx.x == 0) ids[r] = p.error != 0 ? p.error : parameters.allowed.id_of(p.best);
  const double mass = static_cast<double>(p.mass) / static_cast<double>(kMassUnit);
  for (int column = static_cast<int>(threadIdx.x); column < n; column += static_cast<int>(blockDim.x)) {
    float probability = 0.0f;
    if (p.error == 0 && parameters.temperature == 0.0f) {
      probability = column == p.best ? 1.0f : 0.0f;
    } else if (p.error == 0) {
      const float value = p.row.x[column], w = p.row.weight(value);
      const uint32_t key = key_of(value);
      const bool kept = key > p.limit.key || (key == p.limit.key && column <= p.limit.last);
      if (kept && w >= p.limit.min_weight) probability = static_cast<float>(static_cast<double>(w) / mass);
    }
    out[column] = probability;
  }
}

struct Mapping {
  int threads;
  int32_t segment, bins;
};

// By n alone: about 16 columns per thread, and fewer bins to clear for a row that has few columns.
Mapping mapping_of(int64_t n) {
  LLASA_CHECK(n <= kMaxColumns, Status::kArgument, "sampling: %lld ids can be drawn, expected at most %lld",
              static_cast<long long>(n), static_cast<long long>(kMaxColumns));
  Mapping m;
  m.threads = static_cast<int>(std::min<int64_t>(kMaxThreads, ceil_div(n, 16 * kWarp) * kWarp));
  m.segment = static_cast<int32_t>(ceil_div(n, m.threads) * kWarp);
  m.bins = n >= 16384 ? kCoarseBins : n >= 1024 ? 512 : 128;
  return m;
}

}  // namespace
}  // namespace cuda

void sampling_forward(Stream& stream, const SamplingParameters& parameters, float* logits, int64_t ld,
                      int64_t rows, const SampleRow* info, uint32_t* seen, int32_t* ids, float* logprobs,
                      float* draw_logprobs) {
  using namespace cuda;
  if (rows == 0) return;
  const Mapping m = mapping_of(parameters.allowed.count());
  LLASA_LAUNCH(sampling_kernel, grid_of(rows), m.threads, 0, stream, parameters, logits, ld, info, seen, ids,
               logprobs, draw_logprobs, m.segment, m.bins);
}

void sampling_distribution(Stream& stream, const SamplingParameters& parameters, float* logits, int64_t ld,
                           int64_t rows, const SampleRow* info, const uint32_t* seen, int32_t* ids,
                           float* probs) {
  using namespace cuda;
  if (rows == 0) return;
  const Mapping m = mapping_of(parameters.allowed.count());
  LLASA_LAUNCH(sampling_distribution_kernel, grid_of(rows), m.threads, 0, stream, parameters, logits, ld,
               info, seen, ids, probs, m.segment, m.bins);
}

}  // namespace llasa
