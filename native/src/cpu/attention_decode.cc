// Decode attention on the CPU: rows in parallel, the query heads of one key/value head together.
#include "ops/attention_decode.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

struct HeadsInF32;

// Scores of one row and key/value head; grows to the longest row a thread meets.
std::vector<float>& scratch() {
  thread_local std::vector<float> memory;
  return memory;
}

void attend(const float* q, float* out, const DecodeRow& row, void* const* tables, int64_t key_offset,
            int64_t value_offset, const DecodeShape& shape, float* scores, int64_t ld) {
  const auto& decode = *cpu::kernels().decode;
  const auto score = shape.dtype == DType::kBf16 ? decode.scores_bf16 : decode.scores;
  const auto weigh = shape.dtype == DType::kBf16 ? decode.values_bf16 : decode.values;
  const auto& softmax = *cpu::kernels().softmax;
  const int64_t R = shape.H / shape.G, D = shape.D;
  const int64_t prefix = row.prefix_tokens, own = row.own_tokens, tokens = prefix + own;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  // Whole blocks are scored; what lies past the prefix is then overwritten by the scores of the own tokens.
  score(q, R, D, tables + row.prefix_table, key_offset, shape.blocks(prefix), scores, ld);
  score(q, R, D, tables + row.own_table, key_offset, shape.blocks(own), scores + prefix, ld);
  std::fill(out, out + R * D, 0.0f);
  float inverse_sum[64];
  for (int64_t first = 0; first < R; first += 64) {
    const int64_t heads = std::min<int64_t>(64, R - first);
    for (int64_t r = 0; r < heads; ++r) {
      float* s = scores + (first + r) * ld;
      inverse_sum[r] = 1.0f / softmax.exp_sum(s, s, scale, softmax.max(s, tokens) * scale, tokens);
    }
    float* o = out + first * D;
    const float* p = scores + first * ld;
    weigh(p, ld, heads, D, tables + row.prefix_table, value_offset, prefix, o);
    weigh(p + prefix, ld, heads, D, tables + row.own_table, value_offset, own, o);
    for (int64_t r = 0; r < heads; ++r) softmax.scale(o + r * D, inverse_sum[r], D);
  }
}

// Key and value of one row into its cache block; `store` converts and writes n values.
template <typename T, typename Store>
void append(const float* qkv, const DecodeRow& row, void* const* tables, int64_t layer,
            const DecodeShape& shape, Store&& store) {
  const int64_t D = shape.D, index = row.own_tokens - 1;
  T* block = static_cast<T*>(tables[row.own_table + index / kKvBlock]) + layer * shape.layer_elements();
  const float* key = qkv + shape.H * D;
  const float* value = key + shape.G * D;
  T* keys = block + index % kKvBlock;
  T* values = block + shape.G * D * kKvBlock + index % kKvBlock * D;
  for (int64_t i = 0; i < shape.G * D; ++i) store(key + i, keys + i * kKvBlock, 1);
  for (int64_t g = 0; g < shape.G; ++g) store(value + g * D, values + g * kKvBlock * D, D);
}

void append(const float* qkv, const DecodeRow& row, void* const* tables, int64_t layer,
            const DecodeShape& shape) {
  if (shape.dtype == DType::kBf16) {
    append<Bf16>(qkv, row, tables, layer, shape, [](const float* x, Bf16* y, int64_t n) {
      for (int64_t i = 0; i < n; ++i) y[i].bits = float_to_bf16(x[i]);
    });
  } else {
    append<float>(qkv, row, tables, layer, shape,
                  [](const float* x, float* y, int64_t n) { std::copy(x, x + n, y); });
  }
}

// Rows of a task: keys are written one by one, a few microseconds for so many.
int64_t append_grain(const DecodeShape& shape) {
  return std::max<int64_t>(1, 2048 / (shape.G * shape.D));
}

}  // namespace

void kv_append(Stream&, const float* qkv, const DecodeRow* rows, void* const* tables, int64_t layer,
               int64_t T, const DecodeShape& shape) {
  parallel_ranges(T, append_grain(shape), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) append(qkv + t * shape.row(), rows[t], tables, layer, shape);
  });
}

void rope_kv_append(Stream&, float* qkv, const int32_t* positions, const float* table, const DecodeRow* rows,
                    void* const* tables, int64_t layer, int64_t T, const DecodeShape& shape) {
  const auto& k = *cpu::kernels().attention;
  parallel_ranges(T, append_grain(shape), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = qkv + t * shape.row();
      k.rotate(row, table + positions[t] * shape.D, shape.H + shape.G, shape.D, 1.0f);
      append(row, rows[t], tables, layer, shape);
    }
  });
}

void attention_decode(Stream& stream, const float* qkv, ArrayView out, const DecodeRow* rows,
                      void* const* tables, int64_t layer, int64_t T, const DecodeShape& shape) {
  if (planning_for_gpu()) gpu::attention_decode(stream, T, shape.H, shape.D);
  const int64_t R = shape.H / shape.G, D = shape.D;
  const int64_t head_floats = D * kKvBlock;
  const int64_t grain = std::clamp<int64_t>(T / 16, 1, 8);
  parallel_ranges(T, grain, [&](int64_t begin, int64_t end) {
    // Head by head over the task's rows: neighbours share a prefix, which then stays in the first cache.
    for (int64_t g = 0; g < shape.G; ++g) {
      const int64_t key_offset = layer * shape.layer_elements() + g * head_floats;
      const int64_t value_offset = key_offset + shape.G * head_floats;
      for (int64_t t = begin; t < end; ++t) {
        const int64_t ld = rows[t].prefix_tokens + rows[t].own_tokens + 2 * kKvBlock;
        std::vector<float>& scores = scratch();
        if (static_cast<int64_t>(scores.size()) < R * ld) scores.resize(static_cast<size_t>(2 * R * ld));
        const ArrayView place = out + (t * shape.H + g * R) * D;
        float* heads = out.is_bf16() ? cpu::task_scratch<HeadsInF32>(R * D) : place.f32();
        attend(qkv + t * shape.row() + g * R * D, heads, rows[t], tables, key_offset, value_offset, shape,
               scores.data(), ld);
        if (out.is_bf16()) cpu::kernels().cast->narrow(heads, place.bf16(), R * D);
      }
    }
  });
}

}  // namespace llasa
