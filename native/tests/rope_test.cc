#include "ops/rope.h"

#include <algorithm>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"

namespace llasa::test {
namespace {

class RopeTest : public IsaTest {};
LLASA_FOR_EACH_ISA(RopeTest);

TEST_P(RopeTest, TurnsTheFirstHeadsAndBackwardTurnsBack) {
  Stream stream;
  for (int64_t D : {2, 6, 12, 16, 30, 32, 64, 66}) {
    const int64_t T = 4, heads = 3, stride = 4 * D + 1, P = 9;
    const std::vector<int32_t> positions = {0, 8, 3, 8};
    std::vector<float> table(static_cast<size_t>(P * D));
    for (int64_t p = 0; p < P; ++p) {
      for (int64_t i = 0; i < D / 2; ++i) {
        const double angle = static_cast<double>(p) / static_cast<double>(i + 1);
        table[static_cast<size_t>(p * D + i)] = static_cast<float>(std::cos(angle));
        table[static_cast<size_t>(p * D + D / 2 + i)] = static_cast<float>(std::sin(angle));
      }
    }
    const auto x = random_floats(T * stride, 1);
    Guarded px(x), turns(table);
    const DeviceArray<int32_t> at_position(positions);
    rope_forward(stream, px.data(), at_position.data(), turns.data(), T, heads, D, stride);
    const auto y = px.values();
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t j = 0; j < stride; ++j) {
        const auto at = [&](int64_t index) {
          return static_cast<double>(x[static_cast<size_t>(t * stride + index)]);
        };
        double expected = at(j);
        if (j < heads * D) {
          const int64_t d = j % D, i = d % (D / 2);
          const double angle =
              static_cast<double>(positions[static_cast<size_t>(t)]) / static_cast<double>(i + 1);
          const double other = d < D / 2 ? -at(j + D / 2) : at(j - D / 2);
          expected = at(j) * std::cos(angle) + other * std::sin(angle);
        }
        EXPECT_NEAR(y[static_cast<size_t>(t * stride + j)], expected, 2e-6);
      }
    }
    rope_backward(stream, px.data(), at_position.data(), turns.data(), T, heads, D, stride);
    EXPECT_LE(largest_difference(px.values(), x), 2e-6);
  }
}

// A row of nothing but turned heads, aligned: what a fused q, k, v row is made of.
TEST_P(RopeTest, TurnsWholeRowsAsItTurnsTheirPieces) {
  Stream stream;
  for (int64_t D : {8, 64, 128}) {
    const int64_t T = 3, heads = 5;
    const auto x = random_floats(T * heads * D, 2), table = random_floats(4 * D, 3);
    const DeviceArray<int32_t> positions(std::vector<int32_t>{3, 0, 1});
    Guarded turns(table), whole(x);
    rope_forward(stream, whole.data(), positions.data(), turns.data(), T, heads, D, heads * D);
    const auto got = whole.values();
    // The same heads one by one, in rows of an odd stride.
    std::vector<float> spread(static_cast<size_t>(T * heads * (D + 1)));
    std::vector<int32_t> repeated;
    for (int64_t i = 0; i < T * heads; ++i) {
      std::copy_n(x.begin() + i * D, D, spread.begin() + i * (D + 1));
      repeated.push_back(std::vector<int32_t>{3, 0, 1}[static_cast<size_t>(i / heads)]);
    }
    Guarded pieces(spread);
    rope_forward(stream, pieces.data(), DeviceArray<int32_t>(repeated).data(), turns.data(), T * heads, 1, D,
                 D + 1);
    const auto expected = pieces.values();
    for (int64_t i = 0; i < T * heads; ++i) {
      for (int64_t d = 0; d < D; ++d) {
        ASSERT_EQ(got[static_cast<size_t>(i * D + d)], expected[static_cast<size_t>(i * (D + 1) + d)]);
      }
    }
  }
}

// Rows into bf16, the columns behind the turned heads with them: the f32 result rounded, and nothing done to the source.
TEST_P(RopeTest, IntoBf16ItRoundsWholeRows) {
  Stream stream;
  for (const auto& [D, rest] : {std::pair<int64_t, int64_t>{6, 5}, {8, 16}, {64, 64}, {64, 3}, {16, 0}}) {
    const int64_t T = 3, heads = 5, stride = heads * D + rest;
    const auto x = random_floats(T * stride, 2), table = random_floats(4 * D, 3);
    const DeviceArray<int32_t> positions(std::vector<int32_t>{3, 0, 1});
    Guarded turns(table), source(x), in_place(x);
    DeviceArray<Bf16> narrow(T * stride);
    rope_forward(stream, source.data(), narrow.data(), positions.data(), turns.data(), T, heads, D, stride);
    rope_forward(stream, in_place.data(), positions.data(), turns.data(), T, heads, D, stride);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(in_place.values()))) << D << " " << rest;
    EXPECT_EQ(source.values(), x);
    rope_backward(stream, in_place.data(), narrow.data(), positions.data(), turns.data(), T, heads, D,
                  stride);
    rope_backward(stream, in_place.data(), positions.data(), turns.data(), T, heads, D, stride);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(in_place.values()))) << D << " " << rest;
  }
}

}  // namespace
}  // namespace llasa::test
