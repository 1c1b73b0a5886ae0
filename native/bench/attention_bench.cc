// Attention: of training (packed groups that share a prompt), of decoding (cached keys), of the codec's and
// the recogniser's encoders. Bound by multiply-adds, decoding by reading the cache.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/half.h"
#include "kernel_bench.h"
#include "ops/attention.h"
#include "ops/attention_decode.h"
#include "ops/attention_full.h"
#include "ops/cast.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

// softmax(scale q k) v over `keys`, dimension d: element(row, offset) reads an input.
template <typename Element>
double expected_output(const Element& element, int64_t query, int64_t q, int64_t k, int64_t v, int64_t D,
                       int64_t d, double scale, const std::vector<int64_t>& keys) {
  std::vector<double> scores;
  for (const int64_t row : keys) {
    double dot = 0;
    for (int64_t i = 0; i < D; ++i) dot += element(query, q + i) * element(row, k + i);
    scores.push_back(dot * scale);
  }
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0, out = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const double e = std::exp(scores[i] - most);
    sum += e;
    out += e * element(keys[i], v + d);
  }
  return out / sum;
}

// Groups of 8 responses that share a prompt, as a training step has them.
struct Packed {
  std::vector<AttentionGroup> groups;
  int64_t rows = 0;
  double pairs = 0;
};
Packed packed(int64_t tokens, int64_t prompt, int64_t response) {
  Packed p;
  while (p.rows + prompt + 8 * response <= tokens || p.rows == 0) {
    AttentionGroup group{{p.rows, p.rows + prompt}, {}};
    p.rows += prompt;
    p.pairs += 0.5 * static_cast<double>(prompt * prompt);
    for (int s = 0; s < 8; ++s, p.rows += response) {
      group.parts.push_back({p.rows, p.rows + response});
      p.pairs += static_cast<double>(response * prompt) + 0.5 * static_cast<double>(response * response);
    }
    p.groups.push_back(group);
  }
  return p;
}

// Of an average over `keys` random keys, relative to weights and values below 1: f32, or with bf16 the value,
// the weight and the score behind it each rounded by up to 2^-9, at random over the keys: 5 sigma.
double tolerance(Precision precision, size_t keys) {
  return precision == Precision::kF32 ? 1e-5
                                      : 5 * std::sqrt(3.0) * 0x1p-9 / std::sqrt(static_cast<double>(keys));
}
const char* suffix(Precision precision) {
  return precision == Precision::kF32 ? "/" : "_bf16/";
}

void training(const PolicyShape& s, int64_t prompt, int64_t response, Precision precision) {
  const bool tensor = precision == Precision::kBf16;
  const AttentionShape shape{s.H, s.G, s.D};
  const Packed p = packed(s.train, prompt, response);
  const int64_t T = p.rows, row = shape.row(), H = s.H, G = s.G, D = s.D;
  const double flops = 4.0 * static_cast<double>(D * H) * p.pairs;
  const double io = 4.0 * static_cast<double>(T) * static_cast<double>(row + H * D);
  add(std::string("attention/attention_forward") + suffix(precision) + s.name, {io, flops, io, tensor},
      [=](Kernel& k) {
        const float* qkv = k.random(T * row, 1);
        float *out = k.zeros(T * H * D), *lse = k.zeros(T * H);
        const auto run = [&] { attention_forward(k.stream(), qkv, out, lse, p.groups, shape, precision); };
        run();
        const AttentionGroup& group = p.groups.back();
        std::vector<int64_t> keys;
        for (int64_t t = group.prefix.begin; t < group.prefix.end; ++t) keys.push_back(t);
        for (int64_t t = group.parts.back().begin; t < group.parts.back().end; ++t) keys.push_back(t);
        const auto element = [&](int64_t t, int64_t i) { return static_cast<double>(noise(1, t * row + i)); };
        const int64_t h = H - 1, g = G - 1;
        const double expected = expected_output(element, T - 1, h * D, (H + g) * D, (H + G + g) * D, D, 3,
                                                1 / std::sqrt(static_cast<double>(D)), keys);
        k.near("out", k.read(out + (T - 1) * H * D + h * D + 3, 1)[0], expected,
               tolerance(precision, keys.size()));
        k.time(run);
      });
  const std::string backward = std::string("attention/attention_backward") + suffix(precision) + s.name;
  add(backward, {3 * io, 2.5 * flops, 3 * io, tensor}, [=](Kernel& k) {
    const float *qkv = k.random(T * row, 1), *dout = k.random(T * H * D, 2);
    float *out = k.zeros(T * H * D), *lse = k.zeros(T * H), *dqkv = k.zeros(T * row);
    attention_forward(k.stream(), qkv, out, lse, p.groups, shape, precision);
    const auto run = [&] {
      attention_backward(k.stream(), qkv, out, lse, dout, dqkv, p.groups, shape, precision);
    };
    run();
    // The last row sees all keys of its sequence; its value's gradient is its own weight times dout, from
    // each head that reads it.
    double expected = 0, size = 0;
    for (int64_t h = (G - 1) * H / G; h < H; ++h) {
      double dot = 0;
      for (int64_t i = 0; i < D; ++i) {
        dot += static_cast<double>(noise(1, (T - 1) * row + h * D + i)) *
               static_cast<double>(noise(1, (T - 1) * row + (H + G - 1) * D + i));
      }
      const double weight = std::exp(dot / std::sqrt(static_cast<double>(D)) -
                                     static_cast<double>(k.read(lse + (T - 1) * H + h, 1)[0]));
      expected += weight * static_cast<double>(noise(2, (T - 1) * H * D + h * D + 3));
      size += weight;
    }
    k.near("dv", k.read(dqkv + (T - 1) * row + (H + 2 * G - 1) * D + 3, 1)[0], expected,
           tolerance(precision, 1) * size + 1e-5);
    k.time(run);
  });
}

// `rows` sequences in groups of `group` that share a prompt of `prefix` tokens, `own` tokens each.
void decoding(const PolicyShape& s, const std::string& name, int64_t group, int64_t prefix, int64_t own,
              DType dtype) {
  const DecodeShape shape{s.H, s.G, s.D, dtype};
  const bool bf16 = dtype == DType::kBf16;
  const int64_t rows = s.decode, groups = (rows + group - 1) / group, per_prefix = shape.blocks(prefix),
                per_own = shape.blocks(own);
  const int64_t blocks = groups * per_prefix + rows * per_own, elements = shape.layer_elements();
  const double keys = static_cast<double>(groups * prefix + rows * own);
  const double bytes =
      2.0 * static_cast<double>(shape.element_bytes()) * keys * static_cast<double>(s.G * s.D) +
      4.0 * static_cast<double>(rows * (shape.row() + s.H * s.D));
  const double flops = 4.0 * static_cast<double>(rows * (prefix + own) * s.H * s.D);
  add(std::string(bf16 ? "attention_decode/attention_decode_bf16/" : "attention_decode/attention_decode/") +
          name,
      {bytes, flops, 6.0 * static_cast<double>(blocks * elements)}, [=](Kernel& k) {
        float* memory = k.random(blocks * elements, 1);
        Bf16* narrow = k.upload(std::vector<Bf16>(static_cast<size_t>(bf16 ? blocks * elements : 1)));
        if (bf16) narrow_to_bf16(k.stream(), memory, blocks * elements, narrow, 1, blocks * elements);
        std::vector<void*> tables;
        for (int64_t b = 0; b < blocks; ++b)
          tables.push_back(bf16 ? static_cast<void*>(narrow + b * elements) : memory + b * elements);
        std::vector<DecodeRow> where;
        for (int64_t r = 0; r < rows; ++r) {
          where.push_back({r / group * per_prefix, groups * per_prefix + r * per_own,
                           static_cast<int32_t>(prefix), static_cast<int32_t>(own)});
        }
        void* const* device_tables = k.upload(tables);
        const DecodeRow* device_rows = k.upload(where);
        const float* qkv = k.random(rows * shape.row(), 2);
        float* out = k.zeros(rows * s.H * s.D);
        const auto run = [&] {
          attention_decode(k.stream(), qkv, out, device_rows, device_tables, 0, rows, shape);
        };
        run();
        // Every key of the last row's last head, through the block layout of ops/attention_decode.h.
        const int64_t r = rows - 1, g = s.G - 1, D = s.D;
        std::vector<int64_t> places;  // block * kKvBlock + column
        for (int64_t t = 0; t < prefix; ++t)
          places.push_back((where.back().prefix_table + t / kKvBlock) * kKvBlock + t % kKvBlock);
        for (int64_t t = 0; t < own; ++t)
          places.push_back((where.back().own_table + t / kKvBlock) * kKvBlock + t % kKvBlock);
        const auto element = [&](int64_t place, int64_t i) -> double {
          if (place < 0) return static_cast<double>(noise(2, r * shape.row() + (s.H - 1) * D + i));
          const int64_t base = place / kKvBlock * elements, column = place % kKvBlock;
          const int64_t at = i < D ? (g * D + i) * kKvBlock + column
                                   : s.G * D * kKvBlock + (g * kKvBlock + column) * D + i - D;
          const float x = noise(1, base + at);
          return static_cast<double>(bf16 ? bf16_to_float(float_to_bf16(x)) : x);
        };
        const double expected =
            expected_output(element, -1, 0, 0, D, D, 3, 1 / std::sqrt(static_cast<double>(D)), places);
        // A GPU rounds q and the weights to bf16 as the training pass does (ops/attention_decode.h); a CPU does not.
        const bool rounds = bf16 && D <= 128 && std::strcmp(describe_device().backend, "cpu") != 0;
        k.near("out", k.read(out + (r * s.H + s.H - 1) * D + 3, 1)[0], expected,
               tolerance(rounds ? Precision::kBf16 : Precision::kF32, places.size()));
        k.time(run);
      });
}

void full(const char* name, int64_t clips, int64_t frames, int64_t H, int64_t D, Precision precision) {
  const bool tensor = precision == Precision::kBf16;
  const int64_t T = clips * frames, C = H * D;
  const double flops = 4.0 * static_cast<double>(clips * frames * frames * C),
               io = 16.0 * static_cast<double>(T * C);
  const std::string title = std::string("attention_full/attention_full_forward") + suffix(precision) + name;
  add(title, {io, flops, io, tensor}, [=](Kernel& k) {
    const float* qkv = k.random(T * 3 * C, 1);
    float* y = k.zeros(T * C);
    std::vector<int64_t> offsets, keys;
    for (int64_t b = 0; b <= clips; ++b) offsets.push_back(b * frames);
    const float scale = 1.0f / std::sqrt(static_cast<float>(D));
    const auto run = [&] {
      attention_full_forward(k.stream(), qkv, qkv + C, qkv + 2 * C, y, offsets.data(), clips, H, D, 3 * C,
                             scale, false, precision);
    };
    run();
    for (int64_t t = T - frames; t < T; ++t) keys.push_back(t);
    const auto element = [&](int64_t t, int64_t i) { return static_cast<double>(noise(1, t * 3 * C + i)); };
    const double expected =
        expected_output(element, T - 1, C - D, 2 * C - D, 3 * C - D, D, 3, static_cast<double>(scale), keys);
    k.near("y", k.read(y + T * C - D + 3, 1)[0], expected, tolerance(precision, keys.size()));
    k.time(run);
  });
}

// A row of each of `s.clips` texts in a decode loop: its key and value go to the last of the positions that it sees.
void cached_rows(const WhisperShape& s, DType dtype) {
  const bool bf16 = dtype == DType::kBf16;
  const int64_t A = s.clips, H = s.H, D = s.D, C = H * D, P = s.P, capacity = key_value_capacity(P);
  const int64_t elements = A * key_value_slot_size(C, capacity);
  const double seen = static_cast<double>(A * P * C);
  const double bytes = (bf16 ? 4.0 : 8.0) * seen + (bf16 ? 14.0 : 16.0) * static_cast<double>(A * C);
  add(std::string("attention_full/cached_attention_rows") + (bf16 ? "_bf16/" : "/") + s.name,
      {bytes, 4 * seen, 6.0 * static_cast<double>(elements)}, [=](Kernel& k) {
        float* memory = k.random(elements, 1);
        Bf16* narrow = k.upload(std::vector<Bf16>(static_cast<size_t>(bf16 ? elements : 1)));
        if (bf16) narrow_to_bf16(k.stream(), memory, elements, narrow, 1, elements);
        const KeyValueCache cache{bf16 ? static_cast<void*>(narrow) : memory, C, capacity, dtype};
        std::vector<DecodeRow> where;
        for (int64_t a = 0; a < A; ++a) where.push_back({0, a, 0, static_cast<int32_t>(P)});
        const DecodeRow* rows = k.upload(where);
        const float* qkv = k.random(A * 3 * C, 2);
        const ArrayView y = k.results(A * C, bf16);
        const float scale = 1.0f / std::sqrt(static_cast<float>(D));
        const auto run = [&] {
          cached_attention_rows(k.stream(), qkv, {qkv + C, qkv + 2 * C}, 3 * C, cache, y, rows, 0, A, H, D,
                                scale);
        };
        run();
        // The last row's last head: its query, then the keys and values of all positions, through the cache's layout.
        const int64_t slot = (A - 1) * key_value_slot_size(C, capacity);
        const auto element = [&](int64_t place, int64_t i) -> double {
          if (place < 0) return static_cast<double>(noise(2, A * 3 * C - 2 * C - D + i));
          const int64_t channel = (i < D ? 0 : C) + C - D + i % D;
          const float x = place == P - 1 ? noise(2, (A * 3 - 2) * C + channel)
                                         : noise(1, slot + channel * capacity + place);
          return static_cast<double>(bf16 ? bf16_to_float(float_to_bf16(x)) : x);
        };
        std::vector<int64_t> places;
        for (int64_t p = 0; p < P; ++p) places.push_back(p);
        const double expected =
            expected_output(element, -1, 0, 0, D, D, 3, static_cast<double>(scale), places);
        k.near("y", k.read_one(y + (A * C - D + 3)), expected, k.tolerance(y, expected, 1e-5));
        k.time(run);
      });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    const bool tiny = std::string(s.name) == "tiny", small = s.train < 1024;
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      training(s, tiny ? 79 : small ? 64 : 128, tiny ? 70 : small ? 8 : 500, precision);
    }
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      decoding(s, s.name, 8, tiny ? 79 : 128, tiny ? 70 : 500, dtype);
      // A voice prompt at the beginning of a response: most keys are those of the group.
      if (s.decode >= 16) decoding(s, s.name + std::string("_voice"), 16, tiny ? 79 : 500, 24, dtype);
    }
  }
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (const CodecShape& s : kCodecs) full(s.name, s.clips, s.frames, s.H, s.D, precision);
    for (const WhisperShape& s : kWhispers) full(s.name, s.clips, s.P, s.H, s.D, precision);
  }
  for (const WhisperShape& s : kWhispers) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) cached_rows(s, dtype);
  }
  return true;
}();

}  // namespace
}  // namespace llasa::bench
