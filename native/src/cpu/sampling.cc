// Sampling on the CPU: one row at a time, rows in parallel; see ops/sampling.h for the chain.
//
// No row is sorted. The kept set of top-k and top-p is a prefix of the order (x descending, id ascending), so
// it is described by its last member (Limit). With top-k that member is found through a histogram over
// (max - x) / T: bins are monotone in x, so whole bins are taken or left and only the bin of the boundary is looked
// into, by selection. With top-p alone the few that can hold it are selected from. Weights are f32 exponentials
// (2 ulp); masses of blocks add up in double, so the boundary is as exact as the weights.
#include "ops/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "core/philox.h"
#include "cpu/isa.h"

namespace llasa {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kBlock = 256;  // columns whose weights are summed in f32 before the sum goes to double
constexpr int kBins = 2048;
constexpr float kBinsPerNat = 64;  // the last bin takes everything below 32 nats under the best

struct Candidate {
  float x;
  float weight;
  int32_t column;
};

// Reused by every row a thread works on; grows to the largest row once.
struct Scratch {
  std::vector<Candidate> boundary;
  std::vector<double> block_sums;
  std::vector<float> block_max;
  std::vector<float> largest;
  std::vector<float> weights;
  std::array<double, kBins> mass;
  std::array<int32_t, kBins> count;
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

// Kept: x > value, or x == value and column <= last; and weight >= min_weight.
struct Limit {
  float value = -kInfinity;
  int32_t last = std::numeric_limits<int32_t>::max();
  float min_weight = 0;
};

struct Row {
  const float* x;
  int32_t n;
  float max;
  float inverse_temperature;
  const float* block_max;  // of each block: what lies below a threshold is passed over whole

  float bin_scale() const { return inverse_temperature * kBinsPerNat; }
  int bin(float value) const {
    const float distance = (max - value) * bin_scale();
    return distance < static_cast<float>(kBins - 1) ? static_cast<int>(distance) : kBins - 1;
  }
  int64_t blocks() const { return (n + kBlock - 1) / kBlock; }
};

// Weights of one block under a limit.
int64_t block_weights(const Row& row, const Limit& limit, int64_t block, float* weights) {
  const int64_t begin = block * kBlock;
  const int64_t length = std::min<int64_t>(kBlock, row.n - begin);
  const float* x = row.x + begin;
  cpu::kernels().sampling->weights(x, weights, length, row.max, row.inverse_temperature, limit.value);
  if (limit.last < begin + length) {
    for (int64_t i = 0; i < length; ++i) {
      if (x[i] == limit.value && begin + i > limit.last) weights[i] = 0;
    }
  }
  if (limit.min_weight > 0) {
    for (int64_t i = 0; i < length; ++i) {
      if (weights[i] < limit.min_weight) weights[i] = 0;
    }
  }
  return length;
}

// Mass of the kept columns; block_sums keeps the parts it was added up from.
double kept_mass(const Row& row, const Limit& limit, std::vector<double>& block_sums) {
  const auto& k = *cpu::kernels().sampling;
  float weights[kBlock];
  block_sums.resize(static_cast<size_t>(row.blocks()));
  double total = 0;
  for (int64_t block = 0; block < row.blocks(); ++block) {
    double sum = 0;
    if (row.block_max[block] >= limit.value) {
      const int64_t length = block_weights(row, limit, block, weights);
      sum = static_cast<double>(k.sum(weights, length));
    }
    block_sums[static_cast<size_t>(block)] = sum;
    total += sum;
  }
  return total;
}

bool before(const Candidate& a, const Candidate& b) {
  return a.x != b.x ? a.x > b.x : a.column < b.column;
}

// A value that at least k columns reach: the k-th largest of the blocks' best. -infinity where there are
// fewer blocks.
float reached_by(const Row& row, int32_t k, Scratch& s) {
  if (k > row.blocks()) return -kInfinity;
  s.largest.assign(row.block_max, row.block_max + row.blocks());
  const auto kth = s.largest.begin() + (k - 1);
  std::nth_element(s.largest.begin(), kth, s.largest.end(), std::greater<>());
  return *kth;
}

// Of the columns that are at least `lowest`.
void fill_histogram(const Row& row, float lowest, Scratch& s) {
  s.mass.fill(0);
  s.count.fill(0);
  float weights[kBlock];
  for (int64_t block = 0; block < row.blocks(); ++block) {
    if (row.block_max[block] < lowest) continue;
    const int64_t length = block_weights(row, Limit{}, block, weights);
    for (int64_t i = 0; i < length; ++i) {
      const float x = row.x[block * kBlock + i];
      if (x == -kInfinity || x < lowest) continue;
      const auto bin = static_cast<size_t>(row.bin(x));
      s.mass[bin] += static_cast<double>(weights[i]);
      ++s.count[bin];
    }
  }
}

// Members of one bin that are at least `lowest`.
void gather(const Row& row, int bin, float lowest, std::vector<Candidate>& out) {
  out.clear();
  float weights[kBlock];
  for (int64_t block = 0; block < row.blocks(); ++block) {
    if (row.block_max[block] < lowest || row.bin(row.block_max[block]) > bin) continue;
    const int64_t begin = block * kBlock;
    const int64_t length = std::min<int64_t>(kBlock, row.n - begin);
    bool weighed = false;
    for (int64_t i = 0; i < length; ++i) {
      const float x = row.x[begin + i];
      if (x == -kInfinity || x < lowest || row.bin(x) != bin) continue;
      if (!weighed) block_weights(row, Limit{}, block, weights);
      weighed = true;
      out.push_back({x, weights[i], static_cast<int32_t>(begin + i)});
    }
  }
}

struct TopK {
  float value = -kInfinity;  // the k-th largest; everything >= it is kept
  int bin = kBins - 1;       // its bin
  double mass = 0;           // of all that is kept
  double boundary_mass = 0;  // of what is kept in that bin
};

TopK find_top_k(const Row& row, int32_t k, Scratch& s) {
  TopK result;
  int64_t above = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    const auto b = static_cast<size_t>(bin);
    if (above + s.count[b] >= k) {
      gather(row, bin, -kInfinity, s.boundary);
      const auto kth = s.boundary.begin() + (k - above - 1);
      std::nth_element(s.boundary.begin(), kth, s.boundary.end(), before);
      result.value = kth->x;
      result.bin = bin;
      result.boundary_mass = 0;
      for (const Candidate& c : s.boundary) {
        if (c.x >= result.value) result.boundary_mass += static_cast<double>(c.weight);
      }
      result.mass += result.boundary_mass;
      return result;
    }
    above += s.count[b];
    result.mass += s.mass[b];
    result.boundary_mass = s.mass[b];
  }
  return result;  // no more than k columns are finite
}

// The first candidate at which the cumulative mass, starting from `mass`, reaches target: halves by
// selection.
Candidate reach(std::vector<Candidate>& all, double mass, double target) {
  auto first = all.begin(), last = all.end();
  while (last - first > 32) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, before);
    double upper = 0;
    for (auto c = first; c != middle; ++c) upper += static_cast<double>(c->weight);
    if (mass + upper >= target) {
      last = middle;
    } else {
      mass += upper;
      first = middle;
    }
  }
  std::sort(first, last, before);
  for (auto c = first; c != last; ++c) {
    mass += static_cast<double>(c->weight);
    if (mass >= target) return *c;
  }
  return *(last - 1);
}

// The last column kept by top-p alone. What weighs less than (1 - p) mass / n adds up to less than (1 - p) mass, so the
// boundary is not among it, and by half of that not by rounding either. What lies between there and the best is halved
// by adding up, before the few that are left are selected from.
Candidate find_top_p(const Row& row, double top_p, double mass, Scratch& s) {
  constexpr int kHalvings = 7;
  constexpr double kWorthwhile = 0.05;  // nats
  const auto& k = *cpu::kernels().sampling;
  const double target = top_p * mass;
  const double range = -std::log(std::max(0.5 * (1 - top_p) * mass / row.n, 1e-30));
  float low = std::max(row.max - static_cast<float>(std::max(range, 0.0) + 0.01) / row.inverse_temperature,
                       std::numeric_limits<float>::lowest());
  float high = kInfinity;
  double above = 0;
  s.weights.resize(static_cast<size_t>(row.n));
  for (int64_t block = 0; block < row.blocks(); ++block) {
    if (row.block_max[block] >= low) block_weights(row, Limit{}, block, s.weights.data() + block * kBlock);
  }
  const auto for_blocks = [&](float from, auto&& each) {
    for (int64_t block = 0; block < row.blocks(); ++block) {
      const int64_t begin = block * kBlock;
      if (row.block_max[block] >= from) each(begin, std::min<int64_t>(kBlock, row.n - begin));
    }
  };
  for (int i = 0; i < kHalvings; ++i) {
    const float top = std::min(high, row.max);
    const float middle = low + 0.5f * (top - low);
    if (!(middle > low && middle < top) ||
        static_cast<double>((top - low) * row.inverse_temperature) < kWorthwhile) {
      break;
    }
    double sum = 0;
    for_blocks(middle, [&](int64_t begin, int64_t length) {
      sum += static_cast<double>(k.sum_from(row.x + begin, s.weights.data() + begin, length, middle));
    });
    if (sum >= target) {
      low = middle;
    } else {
      high = middle;
      above = sum;
    }
  }
  size_t count = 0;
  for_blocks(low, [&](int64_t begin, int64_t length) {
    s.boundary.resize(count + static_cast<size_t>(length));
    for (int64_t i = begin; i < begin + length; ++i) {
      const float x = row.x[i];
      s.boundary[count] = {x, s.weights[static_cast<size_t>(i)], static_cast<int32_t>(i)};
      count += x >= low && x < high ? 1 : 0;
    }
  });
  s.boundary.resize(count);
  // Where 1 - p is of the size of rounding, what weighs enough may add up to less than the target: all of it is kept.
  if (count == 0) return {high, 0, std::numeric_limits<int32_t>::max()};
  return reach(s.boundary, above, target);
}

// `mass_of_all` is that of all columns of the row.
Limit find_limit(const Row& row, double mass_of_all, const SamplingParameters& parameters, Scratch& s) {
  Limit limit;
  limit.min_weight = parameters.min_p;  // the best has weight 1
  const bool use_top_k = parameters.top_k > 0 && parameters.top_k < row.n;
  if (!use_top_k) {
    if (parameters.top_p < 1) {
      const Candidate last = find_top_p(row, static_cast<double>(parameters.top_p), mass_of_all, s);
      limit.value = last.x;
      limit.last = last.column;
    }
    return limit;
  }
  // What less than k columns can keep out is not counted: bins above the boundary are whole.
  fill_histogram(row, reached_by(row, parameters.top_k, s), s);
  const TopK top = find_top_k(row, parameters.top_k, s);
  limit.value = top.value;
  if (parameters.top_p >= 1) return limit;
  const double target = static_cast<double>(parameters.top_p) * top.mass;
  double mass = 0;
  for (int bin = 0; bin <= top.bin; ++bin) {
    const double here = bin == top.bin ? top.boundary_mass : s.mass[static_cast<size_t>(bin)];
    if (mass + here < target) {
      mass += here;
      continue;
    }
    gather(row, bin, top.value, s.boundary);
    if (s.boundary.empty()) continue;
    const Candidate last = reach(s.boundary, mass, target);
    limit.value = last.x;
    limit.last = last.column;
    break;
  }
  return limit;
}

// First column whose cumulative kept mass exceeds target; the last kept one where rounding leaves none (u ->
// 1).
int32_t find_column(const Row& row, const Limit& limit, const std::vector<double>& block_sums,
                    double target) {
  float weights[kBlock];
  double mass = 0;
  int32_t column = -1;
  for (int64_t block = 0; block < row.blocks(); ++block) {
    const double sum = block_sums[static_cast<size_t>(block)];
    if (mass + sum > target) {
      const int64_t length = block_weights(row, limit, block, weights);
      for (int64_t i = 0; i < length && mass <= target; ++i) {
        if (weights[i] > 0) column = static_cast<int32_t>(block * kBlock + i);
        mass += static_cast<double>(weights[i]);
      }
      return column;
    }
    mass += sum;
  }
  for (int64_t block = row.blocks() - 1; block >= 0 && column < 0; --block) {
    const int64_t length = block_weights(row, limit, block, weights);
    for (int64_t i = 0; i < length; ++i) {
      if (weights[i] > 0) column = static_cast<int32_t>(block * kBlock + i);
    }
  }
  return column;
}

int32_t column_of_largest(const Row& row) {
  return static_cast<int32_t>(std::find(row.x, row.x + row.n, row.max) - row.x);
}

void penalise(float* x, int32_t n, const uint32_t* seen, float penalty) {
  for (int32_t base = 0; base < n; base += 32) {
    for (uint32_t bits = seen[base / 32]; bits != 0; bits &= bits - 1) {
      float& value = x[base + __builtin_ctz(bits)];
      value = value < 0 ? value * penalty : value / penalty;
    }
  }
}

// Best of each block and of all; *bad becomes 1 if a NaN or +infinity is among them, else 0.
float scan_blocks(const float* x, int32_t n, std::vector<float>& block_max, int32_t* bad) {
  const auto& k = *cpu::kernels().sampling;
  block_max.resize(static_cast<size_t>((n + kBlock - 1) / kBlock));
  float max = -kInfinity;
  *bad = 0;
  for (int64_t block = 0, begin = 0; begin < n; ++block, begin += kBlock) {
    int32_t wrong = 0;
    const float best = k.scan(x + begin, std::min<int64_t>(kBlock, n - begin), &wrong);
    block_max[static_cast<size_t>(block)] = best;
    max = std::max(max, best);
    *bad |= wrong;
  }
  return max;
}

// A row after penalty, forbidding and the search for what is kept.
struct PreparedRow {
  int32_t error = 0;  // a kSample code
  Row row{};          // of what may be drawn
  float full_max = 0;
  double log_mass = 0;  // log of the mass of all columns, relative to full_max
  double mass = 0;      // kept
  Limit limit;
};

PreparedRow prepare(const SamplingParameters& parameters, float* x, const SampleRow& info,
                    const uint32_t* seen, Scratch& s) {
  PreparedRow p;
  const int32_t n = parameters.allowed.count();
  if (parameters.repetition_penalty != 1 && seen != nullptr) {
    penalise(x, n, seen + info.history * seen_words(parameters.allowed), parameters.repetition_penalty);
  }
  int32_t bad = 0;
  const float max = scan_blocks(x, n, s.block_max, &bad);
  if (bad != 0) p.error = kSampleNotFinite;
  if (bad == 0 && max == -kInfinity) p.error = kSampleEmpty;
  if (p.error != 0) return p;
  const float temperature = parameters.temperature == 0 ? 1.0f : parameters.temperature;
  p.row = {x, n, max, 1.0f / temperature, s.block_max.data()};
  p.full_max = max;
  p.mass = kept_mass(p.row, Limit{}, s.block_sums);
  p.log_mass = std::log(p.mass);
  if (info.forbidden_column >= 0) {
    x[info.forbidden_column] = -kInfinity;
    p.row.max = scan_blocks(x, n, s.block_max, &bad);
    if (p.row.max == -kInfinity) {
      p.error = kSampleEmpty;
      return p;
    }
    p.mass = kept_mass(p.row, Limit{}, s.block_sums);
  }
  if (parameters.temperature == 0) return p;
  p.limit = find_limit(p.row, p.mass, parameters, s);
  if (p.limit.value > -kInfinity || p.limit.min_weight > 0) {
    p.mass = kept_mass(p.row, p.limit, s.block_sums);
  }
  return p;
}

int64_t rows_per_task(int64_t n) {
  return std::max<int64_t>(1, 4096 / n);
}

}  // namespace

void sampling_forward(Stream&, const SamplingParameters& parameters, float* logits, int64_t ld, int64_t rows,
                      const SampleRow* info, uint32_t* seen, int32_t* ids, float* logprobs,
                      float* draw_logprobs) {
  const AllowedIds& allowed = parameters.allowed;
  parallel_ranges(rows, rows_per_task(allowed.count()), [&](int64_t begin, int64_t end) {
    Scratch& s = scratch();
    for (int64_t r = begin; r < end; ++r) {
      const PreparedRow p = prepare(parameters, logits + r * ld, info[r], seen, s);
      logprobs[r] = 0;
      if (draw_logprobs != nullptr) draw_logprobs[r] = 0;
      ids[r] = p.error;
      if (p.error != 0) continue;
      int32_t column;
      if (parameters.temperature == 0) {
        column = column_of_largest(p.row);
      } else {
        const double u = philox_uniform_double(parameters.seed, info[r].sequence_id,
                                               static_cast<uint64_t>(info[r].position));
        column = find_column(p.row, p.limit, s.block_sums, u * p.mass);
      }
      ids[r] = allowed.id_of(column);
      logprobs[r] = static_cast<float>(
          static_cast<double>((p.row.x[column] - p.full_max) * p.row.inverse_temperature) - p.log_mass);
      if (draw_logprobs != nullptr && parameters.temperature != 0) {
        draw_logprobs[r] = static_cast<float>(
            static_cast<double>((p.row.x[column] - p.row.max) * p.row.inverse_temperature) -
            std::log(p.mass));
      }
      if (seen != nullptr) {
        seen[info[r].history * seen_words(allowed) + column / 32] |= uint32_t{1} << (column % 32);
      }
    }
  });
}

void sampling_distribution(Stream&, const SamplingParameters& parameters, float* logits, int64_t ld,
                           int64_t rows, const SampleRow* info, const uint32_t* seen, int32_t* ids,
                           float* probs) {
  const int32_t n = parameters.allowed.count();
  parallel_ranges(rows, rows_per_task(n), [&](int64_t begin, int64_t end) {
    Scratch& s = scratch();
    for (int64_t r = begin; r < end; ++r) {
      const PreparedRow p = prepare(parameters, logits + r * ld, info[r], seen, s);
      float* out = probs + r * int64_t{n};
      std::fill(out, out + n, 0.0f);
      ids[r] = p.error;
      if (p.error != 0) continue;
      const int32_t best = column_of_largest(p.row);
      ids[r] = parameters.allowed.id_of(best);
      if (parameters.temperature == 0) {
        out[best] = 1;
        continue;
      }
      for (int64_t block = 0; block < p.row.blocks(); ++block) {
        const int64_t length = block_weights(p.row, p.limit, block, out + block * kBlock);
        for (int64_t i = 0; i < length; ++i) {
          float& weight = out[block * kBlock + i];
          weight = static_cast<float>(static_cast<double>(weight) / p.mass);
        }
      }
    }
  });
}

}  // namespace llasa
