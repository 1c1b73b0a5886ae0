#include "ops/activation.h"

#include <limits>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"
#include "reference/llama_ops.h"

namespace llasa::test {
namespace {

class ActivationTest : public IsaTest {};
LLASA_FOR_EACH_ISA(ActivationTest);

TEST_P(ActivationTest, SiluAndGeluMatchTheirFormulas) {
  Stream stream;
  for (int64_t n : kSizes) {
    const auto x = random_floats(n, 1, 3.0f);
    Guarded px(x), y(n);
    std::vector<double> silu, gelu;
    for (float v : x) {
      const double d = static_cast<double>(v);
      silu.push_back(d / (1.0 + std::exp(-d)));
      gelu.push_back(0.5 * d * (1.0 + std::erf(d / std::sqrt(2.0))));
    }
    silu_forward(stream, px.data(), y.data(), n);
    EXPECT_LE(largest_difference(y.values(), silu), 2e-6);
    // erf within 4e-7 absolute, times |x|/2 (12 at most here).
    gelu_forward(stream, px.data(), y.data(), n);
    EXPECT_LE(largest_difference(y.values(), gelu), 4e-6);
  }
}

// Of several tasks of the CPU, blocks of a device, and a rest of one to three elements; in f32 in place, too.
TEST_P(ActivationTest, SiluAndGeluInBf16AreThoseOfF32Rounded) {
  Stream stream;
  std::vector<int64_t> sizes = kSizes;
  sizes.insert(sizes.end(), {1024, 16384 + 7, 2 * 16384 + 2});
  for (int64_t n : sizes) {
    for (const auto activation : {silu_forward, gelu_forward}) {
      Guarded x(random_floats(n, 6, 3.0f)), y(n);
      DeviceArray<Bf16> narrow(n);
      activation(stream, x.data(), y.data(), n);
      activation(stream, x.data(), narrow.data(), n);
      EXPECT_EQ(bits_of(narrow.values()), bits_of(stored_bf16(y.values()))) << n;
      activation(stream, x.data(), x.data(), n);
      EXPECT_EQ(x.values(), y.values()) << n;
    }
  }
}

TEST_P(ActivationTest, ExtremesStayFiniteAndNanStaysNan) {
  Stream stream;
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {-1e30f, -200.0f, -90.0f, 0.0f, 90.0f, 1e30f, inf, std::nanf("")};
  Guarded px(x), y(8);
  silu_forward(stream, px.data(), y.data(), 8);
  const std::vector<float> got = y.values();
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], 0.0f, 1e-30f) << i;
  EXPECT_EQ(got[3], 0.0f);
  EXPECT_EQ(got[4], 90.0f);
  EXPECT_EQ(got[5], 1e30f);
  EXPECT_EQ(got[6], inf);
  EXPECT_TRUE(std::isnan(got[7]));
}

TEST_P(ActivationTest, SwigluBackwardIsTheDerivativeAndGivesTheForwardBack) {
  Stream stream;
  for (int64_t F : kSizes) {
    const int64_t T = 3;
    const auto gate_up = random_floats(T * 2 * F, 2), dy = random_floats(T * F, 3);
    Guarded pgu(gate_up), pdy(dy), y(T * F), dgu(T * 2 * F), again(T * F);
    swiglu_forward(stream, pgu.data(), y.data(), T, F);
    swiglu_backward(stream, pgu.data(), pdy.data(), dgu.data(), again.data(), T, F);
    std::vector<double> forward, backward(gate_up.size());
    for (size_t t = 0; t < static_cast<size_t>(T); ++t) {
      for (size_t f = 0; f < static_cast<size_t>(F); ++f) {
        const size_t g = t * 2 * static_cast<size_t>(F) + f, u = g + static_cast<size_t>(F);
        const double gate = static_cast<double>(gate_up[g]), up = static_cast<double>(gate_up[u]);
        const double d = static_cast<double>(dy[t * static_cast<size_t>(F) + f]);
        using Complex = std::complex<double>;
        forward.push_back(reference::swiglu(gate, up));
        backward[g] = d * std::imag(reference::swiglu(Complex(gate, 1e-30), Complex(up))) / 1e-30;
        backward[u] = d * std::imag(reference::swiglu(Complex(gate), Complex(up, 1e-30))) / 1e-30;
      }
    }
    EXPECT_LE(largest_difference(y.values(), forward), 4e-6) << F;
    EXPECT_LE(largest_difference(dgu.values(), backward), 8e-6) << F;
    EXPECT_EQ(again.values(), y.values());
    // In place: the gradient over its input, the forward output over dy.
    const std::vector<float> out_of_place = dgu.values();
    swiglu_backward(stream, pgu.data(), pdy.data(), pgu.data(), pdy.data(), T, F);
    EXPECT_EQ(pgu.values(), out_of_place);
    EXPECT_EQ(pdy.values(), y.values());
  }
}

// In bf16 the result is that of the same numbers in f32, rounded; in place, too.
TEST_P(ActivationTest, SwigluInBf16RoundsOnce) {
  Stream stream;
  const float inf = std::numeric_limits<float>::infinity();
  for (int64_t F : kSizes) {
    const int64_t T = 3;
    auto gate_up = random_floats(T * 2 * F, 4, 3.0f);
    gate_up[0] = inf;
    gate_up[static_cast<size_t>(2 * F)] = -inf;
    gate_up = rounded_bf16(gate_up);
    const auto dy = rounded_bf16(random_floats(T * F, 5));
    Guarded pgu(gate_up), pdy(dy), y(T * F), dgu(T * 2 * F);
    DeviceArray<Bf16> narrow(stored_bf16(gate_up)), ndy(stored_bf16(dy)), ny(T * F), again(T * F),
        ndgu(T * 2 * F);
    swiglu_forward(stream, pgu.data(), y.data(), T, F);
    swiglu_backward(stream, pgu.data(), pdy.data(), dgu.data(), nullptr, T, F);
    swiglu_forward(stream, narrow.data(), ny.data(), T, F);
    swiglu_backward(stream, narrow.data(), ndy.data(), ndgu.data(), again.data(), T, F);
    EXPECT_EQ(bits_of(ny.values()), bits_of(stored_bf16(y.values()))) << F;
    EXPECT_EQ(bits_of(ndgu.values()), bits_of(stored_bf16(dgu.values()))) << F;
    EXPECT_EQ(bits_of(again.values()), bits_of(ny.values())) << F;
    swiglu_backward(stream, narrow.data(), ndy.data(), narrow.data(), ndy.data(), T, F);
    EXPECT_EQ(bits_of(narrow.values()), bits_of(ndgu.values())) << F;
    EXPECT_EQ(bits_of(ndy.values()), bits_of(ny.values())) << F;
  }
}

TEST_P(ActivationTest, AddMayWriteOverAnOperand) {
  Stream stream;
  for (int64_t n : kSizes) {
    const auto a = random_floats(n, 1), b = random_floats(n, 2);
    Guarded pa(a), pb(b);
    add_forward(stream, pa.data(), pb.data(), pa.data(), n);
    const std::vector<float> got = pa.values();
    for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], a[i] + b[i]);
  }
}

}  // namespace
}  // namespace llasa::test
