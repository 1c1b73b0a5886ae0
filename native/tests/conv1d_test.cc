// Convolutions against a direct double-precision sum. Tolerance: 2 eps sqrt(K I) x the largest |w||x| sums,
// taken generously as 4e-6 sqrt(K I) for unit-variance inputs.
#include "ops/conv1d.h"

#include <algorithm>

#include "bf16_arrays.h"
#include "op_test_util.h"

using namespace llasa;
using namespace llasa::test;

namespace {

struct Case {
  Conv1dShape shape;
  std::vector<int64_t> lengths;
  bool bias, accumulate;
  bool bf16 = false;  // the weight
};

std::vector<double> reference(const std::vector<float>& x, const std::vector<float>& w, const float* bias,
                              std::vector<double> y, const std::vector<int64_t>& in,
                              const std::vector<int64_t>& out, const Conv1dShape& s) {
  for (size_t b = 0; b + 1 < in.size(); ++b) {
    for (int64_t t = 0; t < out[b + 1] - out[b]; ++t) {
      for (int64_t o = 0; o < s.out_channels; ++o) {
        double sum = bias != nullptr ? bias[o] : 0.0;
        for (int64_t k = 0; k < s.kernel; ++k) {
          const int64_t source = t * s.stride + k * s.dilation - s.pad_left;
          if (source < 0 || source >= in[b + 1] - in[b]) continue;
          for (int64_t i = 0; i < s.in_channels; ++i) {
            sum += static_cast<double>(w[static_cast<size_t>((o * s.in_channels + i) * s.kernel + k)]) *
                   static_cast<double>(x[static_cast<size_t>((in[b] + source) * s.in_channels + i)]);
          }
        }
        y[static_cast<size_t>((out[b] + t) * s.out_channels + o)] += sum;
      }
    }
  }
  return y;
}

class Conv1d : public testing::TestWithParam<Case> {};

TEST_P(Conv1d, MatchesTheDirectSum) {
  const auto& [s, lengths, with_bias, accumulate, bf16] = GetParam();
  const auto in = offsets_of(lengths);
  std::vector<int64_t> out_lengths;
  for (int64_t n : lengths) out_lengths.push_back(conv1d_frames(s, n));
  const auto out = offsets_of(out_lengths);
  const auto B = static_cast<int64_t>(lengths.size());
  const auto x = random_floats(in.back() * s.in_channels, 1);
  const auto w = random_floats(s.out_channels * s.in_channels * s.kernel, 2);
  const auto bias = random_floats(s.out_channels, 3);
  const auto before = random_floats(out.back() * s.out_channels, 4);
  std::vector<float> reordered(w.size());
  conv1d_reorder_weight(w.data(), reordered.data(), s.out_channels, s.in_channels, s.kernel);

  const auto run = [&] {
    Stream stream;
    Guarded xd(x), wd(reordered), bd(bias), yd(before);
    DeviceArray<Bf16> narrow(stored_bf16(reordered));
    const WeightView weight = bf16 ? WeightView(narrow.data()) : WeightView(wd.data());
    conv1d_forward(stream, xd.data(), weight, with_bias ? bd.data() : nullptr, yd.data(), in.data(),
                   out.data(), B, s, accumulate);
    return yd.values();
  };
  std::vector<double> start(before.begin(), before.end());
  if (!accumulate) std::fill(start.begin(), start.end(), 0.0);
  const auto expected = reference(bf16 ? operand_bf16(x) : x, bf16 ? rounded_bf16(w) : w,
                                  with_bias ? bias.data() : nullptr, start, in, out, s);
  EXPECT_LT(largest_difference(run(), expected),
            4e-6 * std::sqrt(static_cast<double>(s.kernel * s.in_channels)));
  expect_same_for_any_thread_count(run);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv1d,
    testing::Values(Case{{3, 5, 7, 1, 1, 3, 3}, {4, 1, 0, 9}, true, false},    // short clips, an empty one
                    Case{{16, 17, 3, 1, 1, 1, 1}, {200, 130, 1}, true, true},  // several blocks, accumulated
                    Case{{8, 4, 3, 2, 1, 1, 1}, {30, 7, 2, 1}, false, false},  // Whisper's stride 2
                    Case{{4, 4, 7, 1, 9, 27, 27}, {60, 3}, true, false},       // dilated residual unit
                    Case{{2, 4, 10, 5, 1, 3, 2}, {50, 25}, true, false},       // downsampling
                    Case{{300, 310, 3, 1, 1, 1, 1}, {70, 5}, true, true},      // a weight past the block path
                    Case{{1, 2, 7, 1, 1, 3, 3}, {700}, true, false},
                    Case{{16, 17, 3, 1, 1, 1, 1}, {200, 130, 1}, true, true, true},
                    Case{{8, 4, 3, 2, 1, 1, 1}, {30, 7, 2, 1}, false, false, true},
                    Case{{300, 310, 3, 1, 1, 1, 1}, {70, 5}, true, true, true}));

TEST(Conv1d, DepthwiseMatchesTheDirectSum) {
  const int64_t C = 19, K = 31;
  const std::vector<int64_t> lengths{40, 1, 0, 90};
  const auto offsets = offsets_of(lengths);
  const auto x = random_floats(offsets.back() * C, 1), w = random_floats(C * K, 2);
  for (const int64_t pad : {int64_t{15}, int64_t{30}}) {
    std::vector<double> expected(x.size(), 0.0);
    for (size_t b = 0; b < lengths.size(); ++b) {
      for (int64_t t = 0; t < lengths[b]; ++t) {
        for (int64_t c = 0; c < C; ++c) {
          for (int64_t k = 0; k < K; ++k) {
            const int64_t source = t + k - pad;
            if (source < 0 || source >= lengths[b]) continue;
            expected[static_cast<size_t>((offsets[b] + t) * C + c)] +=
                static_cast<double>(w[static_cast<size_t>(c * K + k)]) *
                static_cast<double>(x[static_cast<size_t>((offsets[b] + source) * C + c)]);
          }
        }
      }
    }
    Stream stream;
    Guarded xd(x), wd(w), yd(static_cast<int64_t>(x.size()));
    depthwise_conv1d_forward(stream, xd.data(), wd.data(), yd.data(), offsets.data(), 4, C, K, pad);
    EXPECT_LT(largest_difference(yd.values(), expected), 4e-6 * std::sqrt(31.0));
  }
}

}  // namespace
