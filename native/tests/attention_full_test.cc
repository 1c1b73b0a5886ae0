// Attention against softmax(q k^T) v in double precision. Outputs are averages of unit-variance values: 1e-5
// is about 16 eps times the largest score (|q.k| scale < 8) plus the sums.
#include "ops/attention_full.h"

#include <algorithm>
#include <utility>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"

using namespace llasa;
using namespace llasa::test;

namespace {

// One query against keys and values given as rows.
void attend(const float* q, const float* k, const float* v, int64_t n, int64_t stride, int64_t D,
            double scale, double* out) {
  std::vector<double> weights(static_cast<size_t>(n));
  double largest = -1e300, total = 0.0;
  for (int64_t p = 0; p < n; ++p) {
    double s = 0.0;
    for (int64_t d = 0; d < D; ++d) s += static_cast<double>(q[d]) * static_cast<double>(k[p * stride + d]);
    weights[static_cast<size_t>(p)] = s * scale;
    largest = std::max(largest, s * scale);
  }
  for (double& w : weights) total += w = std::exp(w - largest);
  for (int64_t d = 0; d < D; ++d) {
    out[d] = 0.0;
    for (int64_t p = 0; p < n; ++p)
      out[d] += weights[static_cast<size_t>(p)] / total * static_cast<double>(v[p * stride + d]);
  }
}

class AttentionFullOnEach : public IsaTest {};
LLASA_FOR_EACH_ISA(AttentionFullOnEach);

TEST_P(AttentionFullOnEach, MatchesSoftmaxPerClipAndHead) {
  // Dimensions below a panel of 16 and between two.
  for (const auto& [D, causal] : {std::pair{8, false}, std::pair{8, true}, std::pair{24, false}}) {
    const int64_t H = 3, C = H * D, stride = 3 * C;
    const auto offsets = offsets_of({5, 1, 0, 300, 17});
    const auto qkv = random_floats(offsets.back() * stride, 11);
    const double scale = 1.0 / std::sqrt(static_cast<double>(D));
    std::vector<double> expected(static_cast<size_t>(offsets.back() * C));
    for (size_t b = 0; b + 1 < offsets.size(); ++b) {
      for (int64_t t = offsets[b]; t < offsets[b + 1]; ++t) {
        for (int64_t h = 0; h < H; ++h) {
          const float* clip = qkv.data() + offsets[b] * stride + h * D;
          attend(qkv.data() + t * stride + h * D, clip + C, clip + 2 * C,
                 causal ? t - offsets[b] + 1 : offsets[b + 1] - offsets[b], stride, D, scale,
                 expected.data() + t * C + h * D);
        }
      }
    }
    const auto run = [&] {
      Stream stream;
      Guarded x(qkv), y(offsets.back() * C);
      attention_full_forward(stream, x.data(), x.data() + C, x.data() + 2 * C, y.data(), offsets.data(), 5, H,
                             D, stride, static_cast<float>(scale), causal);
      return y.values();
    };
    const std::vector<float> together = run();
    EXPECT_LT(largest_difference(together, expected), 1e-5);
    expect_same_for_any_thread_count(run);
    // A clip gets the same bits alone.
    for (size_t b = 0; b + 1 < offsets.size(); ++b) {
      const int64_t alone[2] = {0, offsets[b + 1] - offsets[b]};
      Stream stream;
      Guarded x(std::vector<float>(qkv.begin() + offsets[b] * stride, qkv.begin() + offsets[b + 1] * stride));
      Guarded y(alone[1] * C);
      attention_full_forward(stream, x.data(), x.data() + C, x.data() + 2 * C, y.data(), alone, 1, H, D,
                             stride, static_cast<float>(scale), causal);
      EXPECT_EQ(y.values(),
                std::vector<float>(together.begin() + offsets[b] * C, together.begin() + offsets[b + 1] * C));
    }
  }
}

// Rows appended in pieces to scattered slots and attended to one by one or in blocks give what attention over
// the whole sequence gives.
TEST(AttentionFull, CacheGivesWhatTheWholeSequenceGives) {
  const int64_t H = 2, D = 12, C = H * D, stride = 3 * C;
  const std::vector<int64_t> lengths{21, 1, 40};
  const auto offsets = offsets_of(lengths);
  const auto qkv = random_floats(offsets.back() * stride, 12);
  const float scale = 0.3f;
  Stream stream;
  Guarded x(qkv), whole(offsets.back() * C), pieces(offsets.back() * C);
  attention_full_forward(stream, x.data(), x.data() + C, x.data() + 2 * C, whole.data(), offsets.data(), 3, H,
                         D, stride, scale, true);
  const int64_t capacity = key_value_capacity(40);
  DeviceBuffer<float> memory(4 * key_value_slot_size(C, capacity), "a test cache");
  zero_on_device(stream, memory.data(), 4 * key_value_slot_size(C, capacity) * 4);
  const KeyValueCache cache{memory.data(), C, capacity};
  const std::vector<int64_t> slots{3, 0, 2};
  for (int64_t piece : {4, 1}) {
    for (size_t a = 0; a < 3; ++a) {
      for (int64_t t = 0; t < lengths[a]; t += piece) {
        const int64_t rows = std::min(piece, lengths[a] - t), visible = t + 1;
        const int64_t range[2] = {0, rows};
        const float* row = x.data() + (offsets[a] + t) * stride;
        cache_append(stream, row + C, row + 2 * C, stride, cache, range, &slots[a], &t, 1);
        cached_attention_forward(stream, row, stride, cache, pieces.data() + (offsets[a] + t) * C, range,
                                 &slots[a], &visible, 1, H, D, scale, true);
      }
    }
    EXPECT_LT(largest_difference(pieces.values(), whole.values()), 1e-5);
  }
}

TEST(AttentionFull, CrossAttentionSeesTheGivenPositionsOnly) {
  const int64_t H = 1, D = 5, capacity = 32, n = 19;
  const auto kv = random_floats(n * 2 * D, 13), q = random_floats(3 * D, 14);
  Stream stream;
  DeviceBuffer<float> memory(key_value_slot_size(D, capacity), "a test cache");
  zero_on_device(stream, memory.data(), key_value_slot_size(D, capacity) * 4);
  const KeyValueCache cache{memory.data(), D, capacity};
  const int64_t rows[2] = {0, n}, slot = 0, start = 0;
  Guarded kvd(kv), qd(q), y(3 * D);
  cache_append(stream, kvd.data(), kvd.data() + D, 2 * D, cache, rows, &slot, &start, 1);
  for (const int64_t visible : {int64_t{1}, int64_t{16}, n}) {
    std::vector<double> expected(static_cast<size_t>(3 * D));
    for (int64_t i = 0; i < 3; ++i) {
      attend(q.data() + i * D, kv.data(), kv.data() + D, visible, 2 * D, D, 0.5, expected.data() + i * D);
    }
    const int64_t together[2] = {0, 3};
    cached_attention_forward(stream, qd.data(), D, cache, y.data(), together, &slot, &visible, 1, H, D, 0.5f,
                             false);
    EXPECT_LT(largest_difference(y.values(), expected), 1e-5);
    const int64_t each[4] = {0, 1, 2, 3}, slots[3] = {0, 0, 0}, seen[3] = {visible, visible, visible};
    cached_attention_forward(stream, qd.data(), D, cache, y.data(), each, slots, seen, 3, H, D, 0.5f, false);
    EXPECT_LT(largest_difference(y.values(), expected), 1e-5);
  }
}

// A cache in bf16 holds rounded keys and values, and computes with them as one in f32 that was given these.
TEST(AttentionFull, ACacheInBf16ComputesWithRoundedKeysAndValues) {
  const int64_t H = 2, D = 7, C = H * D, n = 37, rows = 5;
  const auto kv = random_floats(n * 2 * C, 15), q = random_floats(rows * C, 16);
  const auto rounded = rounded_bf16(kv);
  const int64_t capacity = key_value_capacity(n), elements = key_value_slot_size(C, capacity);
  const int64_t range[2] = {0, n}, slot = 0, start = 0, visible = n;
  const auto run = [&](const std::vector<float>& given, DType dtype, bool together) {
    Stream stream;
    DeviceBuffer<float> memory(elements, "a test cache");
    zero_on_device(stream, memory.data(), elements * 4);
    const KeyValueCache cache{memory.data(), C, capacity, dtype};
    Guarded kvd(given), qd(q), y(rows * C);
    cache_append(stream, kvd.data(), kvd.data() + C, 2 * C, cache, range, &slot, &start, 1);
    const int64_t whole[2] = {0, rows};
    const std::vector<int64_t> each{0, 1, 2, 3, 4, 5}, slots(5, 0), seen(5, n);
    cached_attention_forward(stream, qd.data(), C, cache, y.data(), together ? whole : each.data(),
                             together ? &slot : slots.data(), together ? &visible : seen.data(),
                             together ? 1 : rows, H, D, 0.4f, false);
    return y.values();
  };
  for (const bool together : {false, true}) {
    EXPECT_EQ(run(kv, DType::kBf16, together), run(rounded, DType::kF32, together));
    EXPECT_NE(run(kv, DType::kBf16, together), run(kv, DType::kF32, together)) << "nothing was rounded";
  }
}

// In bf16 y is the f32 result rounded, of every kernel there is for it.
TEST_P(AttentionFullOnEach, ResultsInBf16AreThoseOfF32Rounded) {
  Stream stream;
  for (const auto& [H, D] : {std::pair<int64_t, int64_t>{3, 7}, {1, 32}, {2, 64}, {1, 100}, {1, 160}}) {
    const int64_t C = H * D, n = 40;
    const auto offsets = offsets_of({5, 1, 0, 34});
    Guarded x(random_floats(n * 3 * C, 19)), y(n * C);
    DeviceArray<Bf16> narrow(n * C);
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      for (const bool causal : {false, true}) {
        const auto attend_to = [&](ArrayView out) {
          attention_full_forward(stream, x.data(), x.data() + C, x.data() + 2 * C, out, offsets.data(), 4, H,
                                 D, 3 * C, 0.3f, causal, precision);
        };
        attend_to(y.data());
        attend_to(narrow.data());
        EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(y.values()))) << D << causal;
      }
    }
    const int64_t capacity = key_value_capacity(n), elements = key_value_slot_size(C, capacity);
    DeviceArray<float> memory(elements);
    const int64_t slot = 0, start = 0, visible = n, whole[2] = {0, n}, few[2] = {0, 9}, one[2] = {0, 1};
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const KeyValueCache cache{memory.data(), C, capacity, dtype};
      zero_on_device(stream, memory.data(), elements * 4);
      cache_append(stream, x.data() + C, x.data() + 2 * C, 3 * C, cache, whole, &slot, &start, 1);
      for (const int64_t* rows : {few, one}) {
        Guarded wide(rows[1] * C);
        DeviceArray<Bf16> rounded(rows[1] * C);
        for (const ArrayView out : {ArrayView(wide.data()), ArrayView(rounded.data())}) {
          cached_attention_forward(stream, x.data(), 3 * C, cache, out, rows, &slot, &visible, 1, H, D, 0.3f,
                                   false);
        }
        EXPECT_EQ(bits_of(rounded.values()), bits_of(stored_bf16(wide.values()))) << D << " " << rows[1];
      }
    }
  }
}

// Four rows of a decode loop, the last of which only fills the batch, in caches of noise.
struct DecodeLoop {
  // Heads in twos and one over: tasks of the CPU.
  static constexpr int64_t H = 11, D = 6, C = H * D, A = 4, slots = 5, capacity = 48;
  const std::vector<float> qkv = random_floats(A * 3 * C, 17);
  const std::vector<int64_t> slot{4, 0, 2}, position{0, 46, 17}, offsets{0, 1, 2, 3};
  DType dtype = DType::kF32;  // of the caches
  int64_t visible = 0;        // positions that all see; 0: their own

  struct Result {
    std::vector<float> y, caches;
    bool operator==(const Result&) const = default;
  };

  // on_device: keys stored by the pass that attends, to y of that type, else by the host's functions one after the
  // other, to f32.
  Result run(bool on_device, DType out) const {
    Stream stream;
    const int64_t elements = slots * key_value_slot_size(C, capacity);
    std::vector<float> noise = random_floats(elements, 18);
    if (dtype == DType::kBf16) {  // two halves that are finite
      for (float& x : noise) x = 1.0f;
    }
    DeviceArray<float> memory(noise);
    const KeyValueCache cache{memory.data(), C, capacity, dtype};
    Guarded x(qkv), y(A * C);
    DeviceArray<Bf16> narrow(A * C);
    const RowKeys own{x.data() + C, x.data() + 2 * C};
    if (on_device) {
      std::vector<DecodeRow> rows;
      for (size_t a = 0; a < slot.size(); ++a)
        rows.push_back({0, slot[a], 0, static_cast<int32_t>(position[a] + 1)});
      rows.push_back({0, -1, 0, 1});
      DeviceArray<DecodeRow> places(rows);
      const ArrayView to = out == DType::kBf16 ? ArrayView(narrow.data()) : ArrayView(y.data());
      cached_attention_rows(stream, x.data(), own, 3 * C, cache, to, places.data(), visible, A, H, D, 0.4f);
      // Once more, of what is stored now.
      const std::vector<float> first = out == DType::kBf16 ? widened(narrow.values()) : y.values();
      cached_attention_rows(stream, x.data(), {}, 3 * C, cache, to, places.data(), visible, A, H, D, 0.4f);
      const std::vector<float> again = out == DType::kBf16 ? widened(narrow.values()) : y.values();
      EXPECT_EQ(again, first);
      return {again, memory.values()};
    }
    std::vector<int64_t> seen = position;
    for (int64_t& v : seen) v = visible != 0 ? visible : v + 1;
    zero_on_device(stream, y.data(), A * C * static_cast<int64_t>(sizeof(float)));
    cache_append(stream, own.keys, own.values, 3 * C, cache, offsets.data(), slot.data(), position.data(), 3);
    cached_attention_forward(stream, x.data(), 3 * C, cache, y.data(), offsets.data(), slot.data(),
                             seen.data(), 3, H, D, 0.4f, false);
    return {y.values(), memory.values()};
  }
};

// A row of a decode loop gives the bits of the same row with its place from the host, appended and attended to one
// after the other; a row that only fills the batch leaves the caches alone.
TEST_P(AttentionFullOnEach, RowsOfADecodeLoopAreThoseOfTheHost) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const int64_t visible : {int64_t{0}, int64_t{40}}) {
      DecodeLoop loop;
      loop.dtype = dtype;
      loop.visible = visible;
      const DecodeLoop::Result host = loop.run(false, DType::kF32);
      EXPECT_EQ(loop.run(true, DType::kF32), host) << visible;
      const DecodeLoop::Result rounded = loop.run(true, DType::kBf16);
      EXPECT_EQ(rounded.y, rounded_bf16(host.y)) << visible;
      EXPECT_EQ(rounded.caches, host.caches) << visible;
      expect_same_for_any_thread_count([&] { return loop.run(true, DType::kF32).y; });
    }
  }
}

}  // namespace
