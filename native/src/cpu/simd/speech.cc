// Row kernels of the speech families; see cpu/isa.h for what each computes.
#include "cpu/isa.h"
#include "cpu/simd/simd.h"

namespace llasa::cpu::LLASA_ISA {

namespace {

void column_sums(const float* x, float* sum, int64_t rows, int64_t n) {
  int64_t c = 0;
  for (; c + kW <= n; c += kW) {
    VF total = {};
    for (int64_t r = 0; r < rows; ++r) total += load(x + r * n + c);
    store(sum + c, total);
  }
  for (; c < n; ++c) {
    float total = 0.0f;
    for (int64_t r = 0; r < rows; ++r) total += x[r * n + c];
    sum[c] = total;
  }
}

void column_squares(const float* x, const float* mean, float* sum, int64_t rows, int64_t n) {
  int64_t c = 0;
  for (; c + kW <= n; c += kW) {
    const VF m = load(mean + c);
    VF total = {};
    for (int64_t r = 0; r < rows; ++r) {
      const VF d = load(x + r * n + c) - m;
      total += d * d;
    }
    store(sum + c, total);
  }
  for (; c < n; ++c) {
    float total = 0.0f;
    for (int64_t r = 0; r < rows; ++r) total += (x[r * n + c] - mean[c]) * (x[r * n + c] - mean[c]);
    sum[c] = total;
  }
}

inline VF silu(VF v) {
  return v * vsigmoid(v);
}

void affine(const float* x, const float* scale, const float* shift, float* y, int64_t n, bool with_silu) {
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const VF v = load(x + i) * load(scale + i) + load(shift + i);
    store(y + i, with_silu ? silu(v) : v);
  }
  if (i < n) {
    const int64_t rest = n - i;
    const VF v = load_partial(x + i, rest) * load_partial(scale + i, rest) + load_partial(shift + i, rest);
    store_partial(y + i, with_silu ? silu(v) : v, rest);
  }
}

void polar_block(VF log_magnitude, VF phase, VF& re, VF& im) {
  const VF magnitude = vmin(vexp(log_magnitude), splat(100.0f));
  VF sine, cosine;
  vsincos(phase, sine, cosine);
  re = magnitude * cosine;
  im = magnitude * sine;
}

void polar(const float* log_magnitude, const float* phase, float* re, float* im, int64_t n) {
  int64_t i = 0;
  VF r, s;
  for (; i + kW <= n; i += kW) {
    polar_block(load(log_magnitude + i), load(phase + i), r, s);
    store(re + i, r);
    store(im + i, s);
  }
  if (i < n) {
    polar_block(load_partial(log_magnitude + i, n - i), load_partial(phase + i, n - i), r, s);
    store_partial(re + i, r, n - i);
    store_partial(im + i, s, n - i);
  }
}

// Quarter j of a frame is a + s1 b + s2 c + s3 d, read forwards (j even, from n = 0) or backwards (j odd,
// from h).
struct Quarter {
  float b, c, d;
  bool backwards;
};
constexpr Quarter kQuarters[4] = {{1.0f, 1.0f, 1.0f, false},
                                  {-1.0f, -1.0f, 1.0f, true},
                                  {-1.0f, 1.0f, -1.0f, false},
                                  {1.0f, -1.0f, -1.0f, true}};

void istft_hop(const float* const* frames, const float* window, float* y, int64_t hop, int64_t quarter) {
  int64_t i = 0;
  for (; i + kW <= hop; i += kW) {
    VF sum = {}, envelope = {};
    for (int j = 0; j < 4; ++j) {
      if (frames[j] == nullptr) continue;
      const Quarter& q = kQuarters[j];
      const float* f = frames[j] + (q.backwards ? hop - i - (kW - 1) : i);
      VF v = load(f) + q.b * load(f + quarter) + q.c * load(f + 2 * quarter) + q.d * load(f + 3 * quarter);
      if (q.backwards) v = vreverse(v);
      const VF w = load(window + j * hop + i);
      sum += w * v;
      envelope += w * w;
    }
    store(y + i, envelope > 0.0f ? sum / envelope : splat(0.0f));
  }
  for (; i < hop; ++i) {
    float sum = 0.0f, envelope = 0.0f;
    for (int j = 0; j < 4; ++j) {
      if (frames[j] == nullptr) continue;
      const Quarter& q = kQuarters[j];
      const float* f = frames[j] + (q.backwards ? hop - i : i);
      const float w = window[j * hop + i];
      sum += w * (f[0] + q.b * f[quarter] + q.c * f[2 * quarter] + q.d * f[3 * quarter]);
      envelope += w * w;
    }
    y[i] = envelope > 0.0f ? sum / envelope : 0.0f;
  }
}

float log10_floored(const float* x, float* y, float floor, float log10_floor, int64_t n) {
  const auto f = [&](VF v) { return v > floor ? vlog(v) * 0.43429448190325183f : splat(log10_floor); };
  VF largest = splat(log10_floor);
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const VF v = f(load(x + i));
    largest = vmax(largest, v);
    store(y + i, v);
  }
  if (i < n) {
    const VF v = f(load_partial(x + i, n - i));
    largest = vmax(largest, v);
    store_partial(y + i, v, n - i);
  }
  return hmax(largest);
}

// scores[p..] of N vectors of positions: so many bytes in order of each of the D rows of keys, which is what memory
// can follow.
template <int N, typename T>
inline void score_positions(const float* q, const T* keys, float* scores, int64_t D, int64_t capacity,
                            float scale) {
  VF even[N] = {}, odd[N] = {};
  int64_t d = 0;
  for (; d + 2 <= D; d += 2, keys += 2 * capacity) {
    for (int v = 0; v < N; ++v) {
      even[v] += q[d] * load(keys + v * W);
      odd[v] += q[d + 1] * load(keys + capacity + v * W);
    }
  }
  for (int v = 0; v < N; ++v) {
    if (d < D) even[v] += q[d] * load(keys + v * W);
    store(scores + v * W, (even[v] + odd[v]) * scale);
  }
}

// out[0..N) = inverse sum_p scores[p] values[.., p]: N sums in turn, as one waits for itself.
template <int N, typename T>
inline void weigh_values(const float* scores, const T* values, float* out, int64_t positions,
                         int64_t capacity, float inverse) {
  VF sums[N] = {};
  for (int64_t p = 0; p < positions; p += kW) {
    const VF score = load(scores + p);
    for (int i = 0; i < N; ++i) sums[i] += score * load(values + i * capacity + p);
  }
  for (int i = 0; i < N; ++i) out[i] = hsum(sums[i]) * inverse;
}

// Keys and values run along positions, so every load is a whole vector: capacity is a multiple of 16 and the
// unused tail is finite; its weights are set to 0.
template <typename T>
void attend(const float* q, const T* keys, const T* values, float* scores, float* out, int64_t D, int64_t n,
            int64_t capacity, float scale) {
  constexpr int kVectors = W == 1 ? 16 : 4, kValues = 8;
  const int64_t padded = (n + kW - 1) / kW * kW;
  const float lowest = -std::numeric_limits<float>::infinity();
  int64_t first = 0;
  for (; first + kVectors * kW <= padded; first += kVectors * kW) {
    score_positions<kVectors>(q, keys + first, scores + first, D, capacity, scale);
  }
  for (; first < padded; first += kW) score_positions<1>(q, keys + first, scores + first, D, capacity, scale);
  for (int64_t p = n; p < padded; ++p) scores[p] = lowest;
  VF m = splat(lowest);
  for (int64_t p = 0; p < padded; p += kW) m = vmax(load(scores + p), m);
  const VF largest = splat(hmax(m));
  VF total = {};
  for (int64_t p = 0; p < padded; p += kW) {
    const VF e = vexp(load(scores + p) - largest);
    store(scores + p, e);
    total += e;
  }
  const float inverse = 1.0f / hsum(total);
  int64_t d = 0;
  for (; d + kValues <= D; d += kValues) {
    weigh_values<kValues>(scores, values + d * capacity, out + d, padded, capacity, inverse);
  }
  for (; d < D; ++d) weigh_values<1>(scores, values + d * capacity, out + d, padded, capacity, inverse);
}

}  // namespace

extern const SpeechKernels speech_kernels;
const SpeechKernels speech_kernels = {column_sums, column_squares, affine,        polar,
                                      istft_hop,   log10_floored,  attend<float>, attend<Bf16>};

}  // namespace llasa::cpu::LLASA_ISA
