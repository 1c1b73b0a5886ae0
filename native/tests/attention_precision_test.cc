// Attention with Precision::kBf16, by the criterion of low precision: against double, at most twice the error
// of a plain bf16 version (reference/attention_rounded.h). What is added, sum_tolerance, is what f32 costs:
// where the plain version happens to be exact, sums in f32 are not.
#include <algorithm>

#include "bf16_arrays.h"
#include "core/half.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "ops/attention.h"
#include "ops/attention_full.h"
#include "packed_layout.h"
#include "reference/attention_rounded.h"
#include "reference/llama_ops.h"
#include "simulated.h"

namespace llasa::test {
namespace {

// Whether the backend has bf16 products for this head size; elsewhere kBf16 computes in f32.
bool rounds(int64_t D) {
  return on_device() && D <= 128;
}

void expect_twice_plain(const char* what, const std::vector<float>& actual, const std::vector<double>& exact,
                        const std::vector<double>& plain, double f32, const std::string& where) {
  const double error = largest_difference(actual, exact);
  double allowed = 0.0;
  for (size_t i = 0; i < exact.size(); ++i) allowed = std::max(allowed, std::abs(plain[i] - exact[i]));
  EXPECT_LE(error, 2 * allowed + f32) << what << ", " << where << ": plain bf16 " << allowed;
}

// The same of the norm of the errors. Of arrays in bf16 the results' own roundings stand beside those of delta, and which
// of few numbers has the largest sum of both is chance.
void expect_twice_plain_norm(const std::string& what, const std::vector<float>& actual,
                             const std::vector<double>& exact, const std::vector<double>& plain, double f32,
                             const std::string& where) {
  ASSERT_EQ(actual.size(), exact.size());
  double error = 0.0, allowed = 0.0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(static_cast<double>(actual[i]) - exact[i], 2);
    allowed += std::pow(plain[i] - exact[i], 2);
  }
  EXPECT_LE(std::sqrt(error), 2 * std::sqrt(allowed) + f32 * std::sqrt(static_cast<double>(exact.size())))
      << what << ", " << where << ": plain bf16 " << std::sqrt(allowed);
}

std::string describe(const Layout& layout, const AttentionShape& shape) {
  return "T " + std::to_string(layout.rows) + " H " + std::to_string(shape.H) + " G " +
         std::to_string(shape.G) + " D " + std::to_string(shape.D);
}

void check(const Layout& layout, const AttentionShape& shape) {
  Stream stream;
  const int64_t T = layout.rows, R = shape.row(), O = shape.H * shape.D;
  const auto qkv = random_floats(T * R, 21);
  auto dout = random_floats(T * O, 22);
  if (!shape.prefix_queries) {
    for (const AttentionGroup& group : layout.groups) {
      std::fill(dout.begin() + group.prefix.begin * O, dout.begin() + group.prefix.end * O, 0.0f);
    }
  }
  const auto visible = reference::visible_rows(layout.groups, T, shape.prefix_queries);
  const double scale = 1.0 / std::sqrt(static_cast<double>(shape.D));
  const auto exact = reference::attention(qkv, dout, visible, shape, scale, reference::Exact{});
  const auto plain = reference::attention(qkv, dout, visible, shape, scale, reference::RoundToBf16{});
  Guarded pqkv(qkv), out(T * O), lse(T * shape.H);
  zero_on_device(stream, out.data(), T * O * 4);
  zero_on_device(stream, lse.data(), T * shape.H * 4);
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape, Precision::kBf16);
  const std::string where = describe(layout, shape);
  const double f32 = 2 * sum_tolerance(shape.D) + 4e-6;  // as attention_test.cc
  expect_twice_plain("out", out.values(), exact.out, plain.out, f32, where);
  expect_twice_plain("lse", lse.values(), exact.lse, plain.lse, f32, where);
  Guarded pdout(dout), dqkv(T * R);
  attention_backward(stream, pqkv.data(), out.data(), lse.data(), pdout.data(), dqkv.data(), layout.groups,
                     shape, Precision::kBf16);
  // The same of arrays in bf16. delta = dout out then has the rounding of out, in the plain version, too.
  const auto stored_plain =
      reference::attention(qkv, dout, visible, shape, scale, reference::RoundToBf16{}, true);
  const DeviceArray<Bf16> stored(stored_bf16(qkv)), stored_dout(stored_bf16(dout));
  DeviceArray<Bf16> narrow(T * O);
  Guarded narrow_lse(T * shape.H), narrow_dqkv(T * R);
  zero_on_device(stream, narrow_lse.data(), T * shape.H * 4);
  attention_forward(stream, stored.data(), narrow.data(), narrow_lse.data(), layout.groups, shape,
                    Precision::kBf16);
  expect_twice_plain("out in bf16", widened(narrow.values()), exact.out, plain.out, f32, where);
  expect_twice_plain("lse of bf16", narrow_lse.values(), exact.lse, plain.lse, f32, where);
  if (rounds(shape.D)) {
    if (shape.D % 8 != 0) {  // the tiles are the same
      EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(out.values()))) << where;
      EXPECT_EQ(narrow_lse.values(), lse.values()) << where;
    }
    // Of one rounding of q and k, whatever the tiles: f32's part alone, once for each.
    EXPECT_LE(largest_difference(narrow_lse.values(), lse.values()), 2 * f32) << where;
  }
  attention_backward(stream, stored.data(), narrow.data(), narrow_lse.data(), stored_dout.data(),
                     narrow_dqkv.data(), layout.groups, shape, Precision::kBf16);
  // dq, dk and dv have scales of their own.
  const auto part = [&](const auto& values, int64_t begin, int64_t end) {
    std::decay_t<decltype(values)> columns;
    for (int64_t t = 0; t < T; ++t) {
      columns.insert(columns.end(), values.begin() + t * R + begin * shape.D,
                     values.begin() + t * R + end * shape.D);
    }
    return columns;
  };
  const std::vector<float> gradient = dqkv.values(), narrow_gradient = narrow_dqkv.values();
  const int64_t ends[] = {0, shape.H, shape.H + shape.G, shape.H + 2 * shape.G};
  const char* names[] = {"dq", "dk", "dv"};
  for (int i = 0; i < 3; ++i) {
    const double f32_sums = 1e-5 * std::sqrt(static_cast<double>(T * shape.H));
    const auto of = [&](const auto& values) { return part(values, ends[i], ends[i + 1]); };
    expect_twice_plain(names[i], of(gradient), of(exact.dqkv), of(plain.dqkv), f32_sums, where);
    expect_twice_plain_norm(names[i] + std::string(" of bf16"), of(narrow_gradient), of(exact.dqkv),
                            of(stored_plain.dqkv), f32_sums, where);
  }
}

TEST(AttentionPrecision, ErrsAtMostTwiceAsMuchAsPlainBf16ForEveryHeadSize) {
  for (int64_t D : {2, 5, 6, 16, 24, 32, 34, 48, 64, 66, 80, 128, 130}) {
    check(lay_out({{25, {13, 1, 17}}, {0, {24}}}), {4, 2, D});
    check(lay_out({{0, {70}}}), {1, 1, D});
  }
}

// Lengths around the steps of 32 keys, the warps of 32 and the tiles of 128 queries; shared prefixes.
TEST(AttentionPrecision, ErrsAtMostTwiceAsMuchAsPlainBf16AtEveryLength) {
  for (int64_t length : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97}) {
    check(lay_out({{length, {length, 3}}, {0, {length + 1}}}), {3, 1, 16});
    check(lay_out({{length, {5, length}}}), {2, 2, 64, false});
  }
  for (int64_t length : {127, 128, 129, 300}) check(lay_out({{0, {length}}}), {1, 1, 32});
  check(lay_out({{0, {1}}}), {2, 1, 64});
  check(lay_out({{0, {0, 3}}, {2, {}}, {4, {0, 1}}}), {2, 1, 96});
}

// More rows behind the prefix than one block of keys takes on: the gradients of its keys pass through slots.
TEST(AttentionPrecision, ErrsAtMostTwiceAsMuchAsPlainBf16BehindManyParts) {
  check(lay_out({{37, {150, 150, 150, 7}}}), {2, 1, 32, false});
  check(lay_out({{70, {130, 140}}, {1, {300}}}), {2, 2, 128});
}

// One key: its weight is 1 and the output its value, as the products see it.
TEST(AttentionPrecision, RoundsValuesWhereTheBackendHasBf16Products) {
  for (int64_t D : {32, 128, 160}) {
    const AttentionShape shape{1, 1, D};
    const Layout layout = lay_out({{0, {1}}});
    const auto qkv = random_floats(shape.row(), 23);
    Stream stream;
    Guarded pqkv(qkv), out(D);
    attention_forward(stream, pqkv.data(), out.data(), nullptr, layout.groups, shape, Precision::kBf16);
    std::vector<float> expected(qkv.end() - D, qkv.end());
    if (rounds(D)) {
      for (float& x : expected) x = bf16_to_float(float_to_bf16(x));
    }
    // Where weights are rounded, so is the only one: weight times value is exact in f32, but the reciprocal
    // of the sum of weights and the product with it are rounded, half an ulp each.
    const std::vector<float> actual = out.values();
    for (size_t d = 0; d < expected.size(); ++d) {
      EXPECT_NEAR(actual[d], expected[d], rounds(D) ? std::abs(expected[d]) * 0x1p-22f : 0.0f) << D;
    }
  }
}

// The same of bf16, whose keys pass in tiles of 64 where D is a multiple of 8 and rows begin on multiples of 16 bytes:
// lengths around the tile, prefixes around it, several key/value heads; and rows that begin elsewhere.
TEST(AttentionPrecision, EveryVisibleKeyOfBf16CountsOnce) {
  struct Case {
    AttentionShape shape;
    Layout layout;
    int64_t offset;  // elements before the first row
  };
  std::vector<Case> cases;
  for (const int64_t length : {1, 63, 64, 65, 127, 128, 129, 191, 193}) {
    cases.push_back({{4, 2, 64}, lay_out({{length, {length, 3}}, {0, {length + 1}}}), 0});
    cases.push_back({{2, 1, 128}, lay_out({{0, {length}}, {length, {2}}}), 0});
  }
  for (const int64_t D : {8, 16, 24, 32, 40, 72, 96, 104})
    cases.push_back({{4, 2, D}, lay_out({{37, {50, 131}}, {0, {66}}}), 0});
  for (const int64_t offset : {1, 2, 4, 8})
    cases.push_back({{4, 2, 64}, lay_out({{37, {50, 131}}, {0, {66}}}), offset});
  for (const Case& c : cases) {
    const AttentionShape& shape = c.shape;
    const Layout& layout = c.layout;
    const int64_t T = layout.rows, H = shape.H, D = shape.D;
    std::vector<float> qkv(static_cast<size_t>(c.offset + T * shape.row()), 0.0f);
    const auto value = [&](int64_t t, int64_t g, int64_t d) -> float& {
      return qkv[static_cast<size_t>(c.offset + t * shape.row() + (shape.H + shape.G + g) * shape.D + d)];
    };
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t i = 0; i < shape.G * D; ++i)
        value(t, i / D, i % D) = static_cast<float>((t * 31 + i * 17) % 201 - 100);
    }
    Stream stream;
    const DeviceArray<Bf16> stored(stored_bf16(qkv));
    DeviceArray<Bf16> out(T * H * D);
    Guarded lse(T * H);
    attention_forward(stream, stored.data() + c.offset, out.data(), lse.data(), layout.groups, shape,
                      Precision::kBf16);
    const auto visible = reference::visible_rows(layout.groups, T, true);
    const std::vector<float> actual = widened(out.values()), logs = lse.values();
    const std::string where = describe(layout, shape) + " offset " + std::to_string(c.offset);
    size_t wrong = 0;
    for (int64_t i = 0; i < T * H * D; ++i) {
      const auto& rows = visible[static_cast<size_t>(i / (H * D))];
      double mean = 0;
      for (int64_t u : rows)
        mean += static_cast<double>(value(u, i % (H * D) / D / (H / shape.G), i % D)) /
                static_cast<double>(rows.size());
      // One rounding to bf16; before it the division, by way of a reciprocal, of means up to 100, as above.
      const double tolerance = std::abs(mean) * kBf16Rounding + 100 * 0x1p-22;
      wrong += std::abs(static_cast<double>(actual[static_cast<size_t>(i)]) - mean) > tolerance;
    }
    EXPECT_EQ(wrong, 0u) << where;
    std::vector<double> expected_lse;
    for (const auto& rows : visible)
      expected_lse.insert(expected_lse.end(), static_cast<size_t>(H),
                          std::log(static_cast<double>(rows.size())));
    EXPECT_LE(largest_difference(logs, expected_lse), 6 * 0x1p-22) << where;
  }
}

// The gradients of bf16 rows that are copied to shared memory and of rows that are not, because they begin off
// multiples of 16 bytes: the tiles are the same, and so are the sums.
TEST(AttentionPrecision, GradientsOfBf16DoNotDependOnWhereRowsBegin) {
  for (const int64_t D : {8, 24, 32, 64, 72, 128}) {
    const AttentionShape shape{4, 2, D, D != 24};
    const Layout layout = lay_out({{37, {70, 131}}, {0, {66, 1}}, {3, {}}});
    const int64_t T = layout.rows, R = shape.row(), O = shape.H * D;
    const auto qkv = random_floats(T * R, 28), dout = random_floats(T * O, 29);
    const auto gradients = [&](int64_t before_qkv, int64_t before_dout) {
      const auto shifted = [](const std::vector<float>& values, int64_t by) {
        std::vector<float> all(static_cast<size_t>(by), 0.0f);
        all.insert(all.end(), values.begin(), values.end());
        return stored_bf16(all);
      };
      Stream stream;
      const DeviceArray<Bf16> rows(shifted(qkv, before_qkv)), dy(shifted(dout, before_dout)),
          aligned(stored_bf16(qkv));
      DeviceArray<Bf16> out(T * O);
      Guarded lse(T * shape.H), dqkv(T * R);
      attention_forward(stream, aligned.data(), out.data(), lse.data(), layout.groups, shape,
                        Precision::kBf16);
      attention_backward(stream, rows.data() + before_qkv, out.data(), lse.data(), dy.data() + before_dout,
                         dqkv.data(), layout.groups, shape, Precision::kBf16);
      return dqkv.values();
    };
    const std::vector<float> expected = gradients(0, 0);
    EXPECT_EQ(gradients(1, 0), expected) << D;
    EXPECT_EQ(gradients(0, 4), expected) << D;
    EXPECT_EQ(gradients(8, 16), expected) << D;
  }
}

// Equal scores and integers for values: the mean is exact but for the division, if every key counts once.
TEST(AttentionPrecision, EveryVisibleKeyCountsOnce) {
  const AttentionShape shape{2, 1, 64};
  const Layout layout = lay_out({{37, {50, 131}}, {0, {66}}});
  std::vector<float> qkv(static_cast<size_t>(layout.rows * shape.row()), 0.0f);
  const auto value = [&](int64_t t, int64_t d) -> float& {
    return qkv[static_cast<size_t>(t * shape.row() + 3 * 64 + d)];
  };
  for (int64_t t = 0; t < layout.rows; ++t) {
    for (int64_t d = 0; d < 64; ++d) value(t, d) = static_cast<float>((t * 31 + d * 17) % 201 - 100);
  }
  Stream stream;
  Guarded pqkv(qkv), out(layout.rows * 128), lse(layout.rows * 2);
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape, Precision::kBf16);
  const auto visible = reference::visible_rows(layout.groups, layout.rows, true);
  std::vector<double> expected, expected_lse;
  for (const auto& rows : visible) {
    for (int64_t i = 0; i < 128; ++i) {
      double sum = 0;
      for (int64_t u : rows) sum += static_cast<double>(value(u, i % 64));
      expected.push_back(sum / static_cast<double>(rows.size()));
    }
    expected_lse.insert(expected_lse.end(), 2, std::log(static_cast<double>(rows.size())));
  }
  // The division, by way of a reciprocal, on means up to 100; the logarithm up to 5.2: 2 ulp each.
  EXPECT_LE(largest_difference(out.values(), expected), 100 * 0x1p-22);
  EXPECT_LE(largest_difference(lse.values(), expected_lse), 5.2 * 0x1p-22);
}

// The oracle's gradient is the derivative.
TEST(AttentionPrecision, GradientOfTheReferenceIsTheDerivative) {
  const Layout layout = lay_out({{3, {2, 3}}, {0, {2}}});
  const AttentionShape shape{4, 2, 3};
  const auto qkv = random_floats(layout.rows * shape.row(), 26), dout = random_floats(layout.rows * 12, 27);
  const auto visible = reference::visible_rows(layout.groups, layout.rows, true);
  const auto exact =
      reference::attention(qkv, dout, visible, shape, 1.0 / std::sqrt(3.0), reference::Exact{});
  for (size_t i = 0; i < qkv.size(); ++i) {
    using Numbers = reference::Array<std::complex<double>>;
    const double derivative = reference::complex_step(qkv, i, [&](const Numbers& p) {
      Numbers out, lse;
      reference::attention(p, layout.groups, shape, layout.rows, out, lse);
      std::complex<double> total{};
      for (size_t j = 0; j < out.size(); ++j) total += out[j] * static_cast<double>(dout[j]);
      return total;
    });
    EXPECT_NEAR(exact.dqkv[i], derivative, 1e-13) << i;  // sums of about 30 terms of size 3: 400 eps
  }
}

TEST(AttentionPrecision, LargeScoresDoNotOverflow) {
  Stream stream;
  const AttentionShape shape{1, 1, 32};
  const Layout layout = lay_out({{2, {40}}});
  const auto qkv = random_floats(layout.rows * shape.row(), 24, 100.0f);
  Guarded pqkv(qkv), out(layout.rows * 32), lse(layout.rows);
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape, Precision::kBf16);
  for (float v : out.values()) EXPECT_TRUE(std::isfinite(v));
  for (float v : lse.values()) EXPECT_TRUE(std::isfinite(v));
}

TEST(AttentionPrecision, FullAttentionErrsAtMostTwiceAsMuchAsPlainBf16) {
  for (const auto& [H, D] : {std::pair<int64_t, int64_t>{3, 24}, {1, 64}, {1, 128}}) {
    const AttentionShape shape{H, H, D};
    const auto offsets = offsets_of({5, 1, 0, 150, 17});
    const int64_t T = offsets.back(), C = H * D;
    const auto qkv = random_floats(T * 3 * C, 25);
    const std::vector<float> no_gradient(static_cast<size_t>(T * C));
    const float scale = 0.3f;
    for (const bool causal : {false, true}) {
      std::vector<std::vector<int64_t>> visible(static_cast<size_t>(T));
      for (size_t b = 0; b + 1 < offsets.size(); ++b) {
        for (int64_t t = offsets[b]; t < offsets[b + 1]; ++t) {
          for (int64_t u = offsets[b]; u < (causal ? t + 1 : offsets[b + 1]); ++u) {
            visible[static_cast<size_t>(t)].push_back(u);
          }
        }
      }
      const double wide_scale = static_cast<double>(scale);
      const auto exact =
          reference::attention(qkv, no_gradient, visible, shape, wide_scale, reference::Exact{});
      const auto plain =
          reference::attention(qkv, no_gradient, visible, shape, wide_scale, reference::RoundToBf16{});
      Stream stream;
      Guarded x(qkv), y(T * C);
      attention_full_forward(stream, x.data(), x.data() + C, x.data() + 2 * C, y.data(), offsets.data(), 5, H,
                             D, 3 * C, scale, causal, Precision::kBf16);
      // 1e-5: as attention_full_test.cc.
      expect_twice_plain("y", y.values(), exact.out, plain.out, 1e-5, causal ? "causal" : "full");
    }
  }
}

}  // namespace
}  // namespace llasa::test
