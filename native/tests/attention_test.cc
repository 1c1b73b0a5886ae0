#include "ops/attention.h"

#include <algorithm>

#include "isa_test.h"
#include "op_test_util.h"
#include "packed_layout.h"
#include "reference/llama_ops.h"

namespace llasa::test {
namespace {

class AttentionTest : public IsaTest {};
LLASA_FOR_EACH_ISA(AttentionTest);

void check_forward(const Layout& layout, const AttentionShape& shape) {
  Stream stream;
  const int64_t T = layout.rows, out_row = shape.H * shape.D;
  const auto qkv = random_floats(T * shape.row(), 1);
  Guarded pqkv(qkv), out(T * out_row), lse(T * shape.H);
  zero_on_device(stream, out.data(), T * out_row * 4);
  zero_on_device(stream, lse.data(), T * shape.H * 4);
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape);
  reference::Array<double> want, want_lse;
  reference::attention(reference::Array<double>(qkv.begin(), qkv.end()), layout.groups, shape, T, want,
                       want_lse);
  // Scores are sums of D products over sqrt(D); their error moves a convex combination of values of size 3.
  const double tolerance = 2 * sum_tolerance(shape.D) + 4e-6;
  EXPECT_LE(largest_difference(out.values(), want), tolerance) << "D " << shape.D;
  EXPECT_LE(largest_difference(lse.values(), want_lse), tolerance) << "D " << shape.D;
}

TEST_P(AttentionTest, ForwardMatchesTheFormulaForEveryHeadSizeAndSharing) {
  for (int64_t D : {2, 6, 8, 12, 16, 24, 32, 64, 128, 256}) {
    check_forward(lay_out({{5, {3, 1, 7}}, {0, {4}}}), {4, 2, D});
  }
  // Lengths around the vector widths and the row blocks; one head per key, and many.
  for (int64_t length : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 64, 65}) {
    check_forward(lay_out({{length, {length}}, {0, {length + 1}}}), {3, 1, 10});
    check_forward(lay_out({{length, {3}}}), {2, 2, 16});
  }
  for (int64_t length : {1, 9, 70}) check_forward(lay_out({{0, {length}}}), {60, 1, 4});
  check_forward(lay_out({{0, {0, 3}}, {2, {}}, {4, {0, 1}}}), {2, 1, 96});  // empty parts, no parts
}

// dqkv against complex-step derivatives of sum(dout * attention(qkv)).
void check_backward(const Layout& layout, const AttentionShape& shape) {
  Stream stream;
  const int64_t T = layout.rows, out_row = shape.H * shape.D;
  const auto qkv = random_floats(T * shape.row(), 2);
  auto dout = random_floats(T * out_row, 3);
  if (!shape.prefix_queries) {  // their outputs do not exist
    for (const AttentionGroup& group : layout.groups) {
      std::fill(dout.begin() + group.prefix.begin * out_row, dout.begin() + group.prefix.end * out_row, 0.0f);
    }
  }
  Guarded pqkv(qkv), out(T * out_row), lse(T * shape.H), pdout(dout), dqkv(T * shape.row());
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape);
  attention_backward(stream, pqkv.data(), out.data(), lse.data(), pdout.data(), dqkv.data(), layout.groups,
                     shape);
  std::vector<double> expected;
  using Numbers = reference::Array<std::complex<double>>;
  for (size_t i = 0; i < qkv.size(); ++i) {
    expected.push_back(reference::complex_step(qkv, i, [&](const Numbers& p) {
      Numbers o, l;
      reference::attention(p, layout.groups, shape, T, o, l);
      std::complex<double> total{};
      for (size_t j = 0; j < o.size(); ++j) total += o[j] * static_cast<double>(dout[j]);
      return total;
    }));
  }
  // Sums over up to T rows and R heads of terms of size about 3.
  EXPECT_LE(largest_difference(dqkv.values(), expected), 1e-5 * std::sqrt(static_cast<double>(T * shape.H)))
      << "D " << shape.D << " T " << T;
}

TEST_P(AttentionTest, BackwardIsTheDerivative) {
  check_backward(lay_out({{3, {2, 3}}, {0, {2}}}), {4, 2, 6});
  check_backward(lay_out({{3, {2, 3}}, {2, {1}}}), {4, 2, 6, false});
  check_backward(lay_out({{0, {11}}}), {2, 1, 4});
  check_backward(lay_out({{9, {8, 1}}}), {3, 3, 2});
  check_backward(lay_out({{2, {2}}}), {1, 1, 18});
  check_backward(lay_out({{17, {4}}}), {5, 1, 2});
}

// out and dqkv, one after the other.
std::vector<float> gradient(const std::vector<float>& qkv, const std::vector<float>& dout,
                            const Layout& layout, const AttentionShape& shape) {
  Stream stream;
  Guarded pqkv(qkv), out(static_cast<int64_t>(dout.size())), lse(layout.rows * shape.H), pdout(dout),
      dqkv(static_cast<int64_t>(qkv.size()));
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape);
  attention_backward(stream, pqkv.data(), out.data(), lse.data(), pdout.data(), dqkv.data(), layout.groups,
                     shape);
  std::vector<float> both = dqkv.values();
  const std::vector<float> outputs = out.values();
  both.insert(both.end(), outputs.begin(), outputs.end());
  return both;
}

// Long enough for several row blocks: the gradient of the shared layout equals that of separate sequences.
TEST_P(AttentionTest, SharedPrefixGivesTheSumOfTheSeparateGradients) {
  const AttentionShape shape{4, 2, 8};
  const int64_t P = 37, n = 41, R = shape.row(), O = shape.H * shape.D;
  const Layout shared = lay_out({{P, {n, n}}});
  const auto qkv = random_floats(shared.rows * R, 4);
  auto dout = random_floats(shared.rows * O, 5);
  std::fill(dout.begin(), dout.begin() + P * O, 0.0f);
  const auto dqkv = gradient(qkv, dout, shared, shape);

  std::vector<double> sum(qkv.size(), 0.0);
  const Layout alone = lay_out({{0, {P + n}}});
  for (int64_t part = 0; part < 2; ++part) {
    const auto row = [&](int64_t t) { return t < P ? t : t + part * n; };
    std::vector<float> q(static_cast<size_t>((P + n) * R)), d(static_cast<size_t>((P + n) * O));
    for (int64_t t = 0; t < P + n; ++t) {
      std::copy_n(qkv.begin() + row(t) * R, R, q.begin() + t * R);
      std::copy_n(dout.begin() + row(t) * O, O, d.begin() + t * O);
    }
    const auto dq = gradient(q, d, alone, shape);
    for (int64_t t = 0; t < P + n; ++t) {
      for (int64_t j = 0; j < R; ++j) {
        sum[static_cast<size_t>(row(t) * R + j)] += static_cast<double>(dq[static_cast<size_t>(t * R + j)]);
      }
    }
  }
  EXPECT_LE(largest_difference({dqkv.begin(), dqkv.begin() + static_cast<ptrdiff_t>(sum.size())}, sum), 2e-5);
}

// More rows behind a prefix than one block of a kernel takes on: against the gradient of one part after the
// other, whose keys are the same.
TEST_P(AttentionTest, ManyPartsBehindAPrefixAddUp) {
  const AttentionShape shape{2, 1, 4, false};
  const int64_t P = 5, n = 150, R = shape.row(), O = shape.H * shape.D;
  const Layout together = lay_out({{P, {n, n, n, 7}}});
  const auto qkv = random_floats(together.rows * R, 9);
  auto dout = random_floats(together.rows * O, 10);
  std::fill(dout.begin(), dout.begin() + P * O, 0.0f);
  const auto dqkv = gradient(qkv, dout, together, shape);
  std::vector<double> sum(static_cast<size_t>(together.rows * R), 0.0);
  for (const RowRange& part : together.groups[0].parts) {
    Layout one = together;
    one.groups[0].parts = {part};
    auto own = dout;
    for (int64_t t = P; t < together.rows; ++t) {
      if (t < part.begin || t >= part.end) std::fill_n(own.begin() + t * O, O, 0.0f);
    }
    const auto alone = gradient(qkv, own, one, shape);
    const auto add = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * R; i < end * R; ++i) {
        sum[static_cast<size_t>(i)] += static_cast<double>(alone[static_cast<size_t>(i)]);
      }
    };
    add(0, P);
    add(part.begin, part.end);
  }
  // Sums over 457 rows and 2 heads of terms of size about 3, in two orders.
  EXPECT_LE(largest_difference({dqkv.begin(), dqkv.begin() + static_cast<ptrdiff_t>(sum.size())}, sum),
            1e-5 * std::sqrt(914.0));
}

TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  const AttentionShape shape{6, 2, 32};
  const Layout layout = lay_out({{20, {9, 30}}, {3, {50}}});
  const auto qkv = random_floats(layout.rows * shape.row(), 6), dout = random_floats(layout.rows * 192, 7);
  expect_same_for_any_thread_count([&] { return gradient(qkv, dout, layout, shape); });
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  Stream stream;
  const AttentionShape shape{1, 1, 4};
  const Layout layout = lay_out({{2, {3}}});
  const auto qkv = random_floats(layout.rows * shape.row(), 8, 100.0f);
  Guarded pqkv(qkv), out(layout.rows * 4), lse(layout.rows);
  attention_forward(stream, pqkv.data(), out.data(), lse.data(), layout.groups, shape);
  for (float v : out.values()) EXPECT_TRUE(std::isfinite(v));
}

}  // namespace
}  // namespace llasa::test
