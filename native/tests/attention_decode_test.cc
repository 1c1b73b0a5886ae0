#include "ops/attention_decode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "bf16_arrays.h"
#include "core/half.h"
#include "core/parallel.h"
#include "op_test_util.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include "simulated.h"

namespace llasa::test {
namespace {

std::vector<float> random_values(size_t n, uint32_t seed) {
  return random_floats(static_cast<int64_t>(n), seed);
}

struct Case {
  DecodeShape shape;
  std::vector<int32_t> prefix;  // tokens of each prefix
  struct Sequence {
    size_t prefix;
    int32_t own;
  };
  std::vector<Sequence> sequences;
};

// Blocks of a case, filled token by token through kv_append, with NaN where nothing was written.
struct Cache {
  std::deque<DeviceArray<float>> blocks;  // which cannot move; of a cache in f32, or
  std::deque<DeviceArray<Bf16>> bf16_blocks;
  std::vector<void*> tables;  // device pointers
  std::vector<int64_t> prefix_table, own_table;
  std::vector<std::vector<float>> prefix_qkv, own_qkv;  // of each sequence, [tokens, row]
};

constexpr int64_t kLayers = 2;

int64_t add_table(Cache& cache, const DecodeShape& shape, int64_t tokens) {
  const auto first = static_cast<int64_t>(cache.tables.size());
  const auto elements = static_cast<size_t>(kLayers * shape.layer_elements());
  for (int64_t b = 0; b < shape.blocks(tokens); ++b) {
    if (shape.dtype == DType::kBf16) {
      cache.bf16_blocks.emplace_back(std::vector<Bf16>(elements, Bf16{0x7fc0}));
      cache.tables.push_back(cache.bf16_blocks.back().data());
    } else {
      cache.blocks.emplace_back(std::vector<float>(elements, std::nanf("")));
      cache.tables.push_back(cache.blocks.back().data());
    }
  }
  return first;
}

void fill(Cache& cache, const DecodeShape& shape, int64_t table, const std::vector<float>& qkv,
          int64_t layer) {
  Stream stream;
  const int64_t tokens = static_cast<int64_t>(qkv.size()) / shape.row();
  std::vector<DecodeRow> rows;
  for (int64_t t = 0; t < tokens; ++t) rows.push_back({0, table, 0, static_cast<int32_t>(t + 1)});
  if (tokens == 0) return;
  const DeviceArray<float> device_qkv(qkv);
  const DeviceArray<DecodeRow> device_rows(rows);
  const DeviceArray<void*> tables(cache.tables);
  kv_append(stream, device_qkv.data(), device_rows.data(), tables.data(), layer, tokens, shape);
  stream.synchronize();
}

Cache make_cache(const Case& c, int64_t layer) {
  Cache cache;
  uint32_t seed = 1;
  const auto row = static_cast<size_t>(c.shape.row());
  for (int32_t tokens : c.prefix) {
    cache.prefix_table.push_back(add_table(cache, c.shape, tokens));
    cache.prefix_qkv.push_back(random_values(static_cast<size_t>(tokens) * row, ++seed));
  }
  for (const auto& s : c.sequences) {
    cache.own_table.push_back(add_table(cache, c.shape, s.own));
    cache.own_qkv.push_back(random_values(static_cast<size_t>(s.own) * row, ++seed));
  }
  for (size_t i = 0; i < c.prefix.size(); ++i)
    fill(cache, c.shape, cache.prefix_table[i], cache.prefix_qkv[i], layer);
  for (size_t i = 0; i < c.sequences.size(); ++i)
    fill(cache, c.shape, cache.own_table[i], cache.own_qkv[i], layer);
  return cache;
}

// Whether q and weights are rounded to bf16, as the products of the training pass do on the backend.
bool rounds(const DecodeShape& shape) {
  return on_device() && shape.dtype == DType::kBf16 && shape.D <= 128;
}

double as_bf16(double x) {
  return static_cast<double>(bf16_to_float(float_to_bf16(static_cast<float>(x))));
}

// The last own token's query against all keys as the cache holds them, in double; `plain`: with q and the
// weights of the values rounded to bf16.
std::vector<double> reference(const Case& c, const Cache& cache, size_t i, bool plain) {
  const DecodeShape& s = c.shape;
  std::vector<float> all = cache.prefix_qkv[c.sequences[i].prefix];
  all.insert(all.end(), cache.own_qkv[i].begin(), cache.own_qkv[i].end());
  const int64_t tokens = static_cast<int64_t>(all.size()) / s.row();
  const std::vector<float> query(all.end() - s.row(), all.end());
  const float* last = query.data();
  if (s.dtype == DType::kBf16) all = rounded_bf16(all);
  std::vector<double> out(static_cast<size_t>(s.H * s.D), 0.0);
  for (int64_t h = 0; h < s.H; ++h) {
    const int64_t g = h / (s.H / s.G);
    std::vector<double> p;
    double max = -1e300, sum = 0;
    for (int64_t u = 0; u < tokens; ++u) {
      double dot = 0;
      for (int64_t d = 0; d < s.D; ++d) {
        const auto q = static_cast<double>(last[h * s.D + d]);
        dot += (plain ? as_bf16(q) : q) *
               static_cast<double>(all[static_cast<size_t>(u * s.row() + (s.H + g) * s.D + d)]);
      }
      p.push_back(dot / std::sqrt(static_cast<double>(s.D)));
      max = std::max(max, p.back());
    }
    for (double& v : p) {
      v = std::exp(v - max);
      if (plain) v = as_bf16(v);
      sum += v;
    }
    for (int64_t u = 0; u < tokens; ++u) {
      for (int64_t d = 0; d < s.D; ++d) {
        out[static_cast<size_t>(h * s.D + d)] +=
            p[static_cast<size_t>(u)] / sum *
            static_cast<double>(all[static_cast<size_t>(u * s.row() + (s.H + s.G + g) * s.D + d)]);
      }
    }
  }
  return out;
}

std::vector<float> decode(const std::vector<float>& qkv, const std::vector<DecodeRow>& rows,
                          const Cache& cache, int64_t layer, const DecodeShape& shape) {
  Stream stream;
  const auto T = static_cast<int64_t>(rows.size());
  Guarded device_qkv(qkv), out(T * shape.H * shape.D);
  const DeviceArray<DecodeRow> device_rows(rows);
  const DeviceArray<void*> tables(cache.tables);
  attention_decode(stream, device_qkv.data(), out.data(), device_rows.data(), tables.data(), layer, T, shape);
  DeviceArray<Bf16> narrow(T * shape.H * shape.D);
  attention_decode(stream, device_qkv.data(), narrow.data(), device_rows.data(), tables.data(), layer, T,
                   shape);
  EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(out.values())));
  return out.values();
}

std::vector<float> attend(const Case& c, const Cache& cache, int64_t layer) {
  const auto row = static_cast<size_t>(c.shape.row());
  std::vector<DecodeRow> rows;
  std::vector<float> qkv;
  for (size_t i = 0; i < c.sequences.size(); ++i) {
    const auto& s = c.sequences[i];
    rows.push_back({cache.prefix_table[s.prefix], cache.own_table[i], c.prefix[s.prefix], s.own});
    qkv.insert(qkv.end(), cache.own_qkv[i].end() - static_cast<ptrdiff_t>(row), cache.own_qkv[i].end());
  }
  return decode(qkv, rows, cache, layer, c.shape);
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  const std::vector<DecodeShape> shapes = {{6, 2, 32},
                                           {4, 4, 16},
                                           {8, 1, 64},
                                           {10, 2, 24},
                                           {3, 3, 2},
                                           {5, 1, 10},
                                           {8, 1, 64, DType::kBf16},
                                           {10, 2, 24, DType::kBf16},
                                           {5, 1, 10, DType::kBf16}};
  for (const DecodeShape& shape : shapes) {
    Case c{shape, {0, 1, 15, 16, 17, 40}, {}};
    for (size_t prefix = 0; prefix < c.prefix.size(); ++prefix) {
      for (int32_t own : {1, 2, 15, 16, 17, 33}) c.sequences.push_back({prefix, own});
    }
    all.push_back(c);
  }
  return all;
}

TEST(AttentionDecode, EqualsTheReferenceOverPrefixAndOwnTokens) {
  for (const Case& c : all_cases()) {
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      const Cache cache = make_cache(c, layer);
      const std::vector<float> out = attend(c, cache, layer);
      std::vector<double> expected;
      double plain_error = 0;
      for (size_t i = 0; i < c.sequences.size(); ++i) {
        const std::vector<double> exact = reference(c, cache, i, false), plain = reference(c, cache, i, true);
        expected.insert(expected.end(), exact.begin(), exact.end());
        for (size_t j = 0; j < exact.size(); ++j)
          plain_error = std::max(plain_error, std::abs(plain[j] - exact[j]));
      }
      // Scores of unit normals reach about 5 sqrt(D) with D eps of error each, so weights carry D eps; sums
      // of up to 73 weighted values of size 3 add 73 eps: 5e-6 * 3. Where the backend rounds, twice the
      // largest error of a plain version that does.
      const double allowed = 2e-5 + (rounds(c.shape) ? 2 * plain_error : 0);
      ASSERT_EQ(out.size(), expected.size());
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], expected[i], allowed) << "H " << c.shape.H << " D " << c.shape.D << " dtype "
                                                  << static_cast<int>(c.shape.dtype) << " at " << i;
      }
    }
  }
}

// Token by token and all at once: where both round, they round the same numbers, and what is left are those
// few that f32 puts on the other side of a rounding.
TEST(AttentionDecode, RoundsWhatTheTrainingPassRounds) {
  Stream stream;
  for (const int64_t D : {16, 64, 128, 160}) {
    const DecodeShape shape{4, 2, D, DType::kBf16};
    const int64_t prefix = 45, own = 150, T = prefix + own, R = shape.row(), O = shape.H * D;
    std::vector<float> qkv = random_values(static_cast<size_t>(T * R), 8);
    for (size_t i = 0; i < qkv.size(); ++i) {
      if (static_cast<int64_t>(i) % R >= O) qkv[i] = bf16_to_float(float_to_bf16(qkv[i]));
    }
    Cache cache;
    std::vector<DecodeRow> rows;
    const int64_t first = add_table(cache, shape, prefix), second = add_table(cache, shape, own);
    fill(cache, shape, first, {qkv.begin(), qkv.begin() + prefix * R}, 0);
    fill(cache, shape, second, {qkv.begin() + prefix * R, qkv.end()}, 0);
    for (int32_t t = 0; t < own; ++t) rows.push_back({first, second, static_cast<int32_t>(prefix), t + 1});
    const std::vector<float> decoded = decode({qkv.begin() + prefix * R, qkv.end()}, rows, cache, 0, shape);
    const auto train = [&](Precision precision) {
      Guarded in(qkv), out(T * O);
      attention_forward(stream, in.data(), out.data(), nullptr, {{{0, prefix}, {{prefix, T}}}},
                        {shape.H, shape.G, D}, precision);
      const std::vector<float> all = out.values();
      return std::vector<float>(all.begin() + prefix * O, all.end());
    };
    const std::vector<float> trained = train(Precision::kBf16), exact = train(Precision::kF32);
    double gap = 0, rounding = 0;
    for (size_t i = 0; i < decoded.size(); ++i) {
      gap += std::abs(static_cast<double>(decoded[i] - trained[i])) / static_cast<double>(decoded.size());
      rounding += std::abs(static_cast<double>(trained[i] - exact[i])) / static_cast<double>(decoded.size());
    }
    if (rounds(shape)) {
      // A number lands on the other side if f32's error, D eps of a score, reaches a tie: of weights and
      // queries, which have 2^-9 of their size between ties, D 2^-14 or less. 2^-7 for D = 128.
      EXPECT_GT(rounding, 1e-4) << D;
      EXPECT_LT(gap, 0.05 * rounding) << D;
    } else {
      EXPECT_EQ(rounding, 0) << D;
      EXPECT_LT(gap, 2e-6) << D;  // f32: a tenth of the largest difference allowed above
    }
  }
}

// In one pass and in two steps: the same queries, keys and values, to the bit.
TEST(AttentionDecode, RopeWhileAppendingEqualsRopeThenAppend) {
  Stream stream;
  for (const DecodeShape& shape : {DecodeShape{6, 2, 32}, DecodeShape{3, 3, 2}, DecodeShape{5, 1, 10},
                                   DecodeShape{6, 2, 32, DType::kBf16}}) {
    const int64_t T = 35, R = shape.row(), queries = shape.H * shape.D;
    const std::vector<float> qkv = random_values(static_cast<size_t>(T * R), 5);
    std::vector<int32_t> positions;
    for (int32_t t = 0; t < T; ++t) positions.push_back((t * 7 + 3) % 40);
    const std::vector<float> table = random_values(static_cast<size_t>(40 * shape.D), 6);
    Cache cache[2];
    const DeviceArray<int32_t> device_positions(positions);
    const DeviceArray<float> turns(table);
    DeviceArray<float> rows[2] = {DeviceArray<float>(qkv), DeviceArray<float>(qkv)};
    for (int i = 0; i < 2; ++i) {
      const int64_t first = add_table(cache[i], shape, T);
      std::vector<DecodeRow> host_where;
      for (int64_t t = 0; t < T; ++t) host_where.push_back({0, first, 0, static_cast<int32_t>(t + 1)});
      const DeviceArray<DecodeRow> where(host_where);
      const DeviceArray<void*> tables(cache[i].tables);
      if (i == 0) {
        rope_forward(stream, rows[i].data(), device_positions.data(), turns.data(), T, shape.H + shape.G,
                     shape.D, R);
        kv_append(stream, rows[i].data(), where.data(), tables.data(), 1, T, shape);
      } else {
        rope_kv_append(stream, rows[i].data(), device_positions.data(), turns.data(), where.data(),
                       tables.data(), 1, T, shape);
      }
      stream.synchronize();
    }
    const std::vector<float> apart = rows[0].values(), together = rows[1].values();
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t i = 0; i < queries; ++i) {
        ASSERT_EQ(apart[static_cast<size_t>(t * R + i)], together[static_cast<size_t>(t * R + i)]);
      }
    }
    for (size_t b = 0; b < cache[0].blocks.size(); ++b) {
      const std::vector<float> keys[2] = {cache[0].blocks[b].values(), cache[1].blocks[b].values()};
      for (size_t i = 0; i < keys[0].size(); ++i) {
        const float x = keys[0][i], y = keys[1][i];
        ASSERT_TRUE(x == y || (std::isnan(x) && std::isnan(y))) << "block " << b << " at " << i;
      }
    }
    ASSERT_EQ(cache[0].bf16_blocks.size(), cache[1].bf16_blocks.size());
    for (size_t b = 0; b < cache[0].bf16_blocks.size(); ++b) {
      const std::vector<Bf16> keys[2] = {cache[0].bf16_blocks[b].values(), cache[1].bf16_blocks[b].values()};
      for (size_t i = 0; i < keys[0].size(); ++i) {
        ASSERT_EQ(keys[0][i].bits, keys[1][i].bits) << "block " << b << " at " << i;
      }
    }
  }
}

TEST(AttentionDecode, ARowDependsNeitherOnItsNeighboursNorOnTheThreads) {
  const Case c = all_cases()[0];
  const Cache cache = make_cache(c, 1);
  set_num_threads(1);
  const std::vector<float> crowd = attend(c, cache, 1);
  set_num_threads(3);
  EXPECT_EQ(attend(c, cache, 1), crowd);
  set_num_threads(0);
  const size_t width = crowd.size() / c.sequences.size();
  for (size_t i = 0; i < c.sequences.size(); ++i) {
    const DecodeRow row{cache.prefix_table[c.sequences[i].prefix], cache.own_table[i],
                        c.prefix[c.sequences[i].prefix], c.sequences[i].own};
    const std::vector<float> out =
        decode({cache.own_qkv[i].end() - c.shape.row(), cache.own_qkv[i].end()}, {row}, cache, 1, c.shape);
    for (size_t j = 0; j < width; ++j) ASSERT_EQ(out[j], crowd[i * width + j]);
  }
}

// Groups of one, of what a block of a GPU reads a prefix for at once, and of more; prefixes of less than a block, of one
// stretch of a split and of several, none of whole blocks.
Case groups_of(const DecodeShape& shape) {
  Case c{shape, {9, 130, 333}, {}};
  const int sizes[] = {1, 3, 19};
  for (size_t prefix = 0; prefix < c.prefix.size(); ++prefix) {
    for (int i = 0; i < sizes[prefix]; ++i) c.sequences.push_back({prefix, 1 + 7 * i});
  }
  return c;
}

const DecodeShape kGroupShapes[] = {{8, 2, 64},
                                    {8, 2, 64, DType::kBf16},
                                    {4, 1, 128},
                                    {4, 1, 128, DType::kBf16},
                                    {9, 1, 34, DType::kBf16},
                                    {2, 2, 160, DType::kBf16}};

TEST(AttentionDecode, SamplesOfAGroupEqualTheReference) {
  for (const DecodeShape& shape : kGroupShapes) {
    const Case c = groups_of(shape);
    const Cache cache = make_cache(c, 0);
    const std::vector<float> out = attend(c, cache, 0);
    const size_t width = out.size() / c.sequences.size();
    for (size_t i = 0; i < c.sequences.size(); ++i) {
      const std::vector<double> exact = reference(c, cache, i, false), plain = reference(c, cache, i, true);
      double plain_error = 0;
      for (size_t j = 0; j < width; ++j) plain_error = std::max(plain_error, std::abs(plain[j] - exact[j]));
      // As in EqualsTheReferenceOverPrefixAndOwnTokens, with up to 460 values in a sum: their weights add up to 1.
      const double allowed = 2e-5 + (rounds(shape) ? 2 * plain_error : 0);
      for (size_t j = 0; j < width; ++j)
        ASSERT_NEAR(out[i * width + j], exact[j], allowed) << "D " << shape.D << " row " << i << " at " << j;
    }
  }
}

TEST(AttentionDecode, ASampleKeepsItsBitsWhileOthersOfItsGroupLeave) {
  for (const DecodeShape& shape : kGroupShapes) {
    Case c = groups_of(shape);
    Cache cache = make_cache(c, 0);
    std::vector<float> out = attend(c, cache, 0);
    const auto width = static_cast<ptrdiff_t>(out.size() / c.sequences.size());
    // Every third row leaves, then all but every fifth of those that stayed, the first of each group among them.
    for (const auto& [period, leaves] : {std::pair<size_t, bool>{3, true}, {5, false}}) {
      Case fewer{shape, c.prefix, {}};
      std::vector<int64_t> tables;
      std::vector<std::vector<float>> qkv;
      std::vector<float> expected;
      for (size_t i = 0; i < c.sequences.size(); ++i) {
        if ((i % period == 1) == leaves) continue;
        fewer.sequences.push_back(c.sequences[i]);
        tables.push_back(cache.own_table[i]);
        qkv.push_back(cache.own_qkv[i]);
        const auto row = out.begin() + static_cast<ptrdiff_t>(i) * width;
        expected.insert(expected.end(), row, row + width);
      }
      c = fewer;
      cache.own_table = tables;
      cache.own_qkv = qkv;
      ASSERT_GT(c.sequences.size(), 2u);
      out = attend(c, cache, 0);
      EXPECT_TRUE(out == expected) << "D " << shape.D << ", one in " << period;
    }
  }
}

// Neighbours that begin alike and go on apart: a prompt and its beginning.
TEST(AttentionDecode, RowsOfOneTableMaySeeDifferentNumbersOfItsTokens) {
  for (const DecodeShape& shape : kGroupShapes) {
    const Case c{shape, {130}, {{0, 5}, {0, 12}, {0, 1}}};
    const Cache cache = make_cache(c, 0);
    const int32_t seen[] = {130, 97, 97};
    std::vector<DecodeRow> rows;
    std::vector<float> qkv, alone;
    for (size_t i = 0; i < c.sequences.size(); ++i) {
      rows.push_back({cache.prefix_table[0], cache.own_table[i], seen[i], c.sequences[i].own});
      const std::vector<float> row(cache.own_qkv[i].end() - shape.row(), cache.own_qkv[i].end());
      qkv.insert(qkv.end(), row.begin(), row.end());
      const std::vector<float> out = decode(row, {rows.back()}, cache, 0, shape);
      alone.insert(alone.end(), out.begin(), out.end());
    }
    EXPECT_TRUE(decode(qkv, rows, cache, 0, shape) == alone) << "D " << shape.D;
  }
}

}  // namespace
}  // namespace llasa::test
