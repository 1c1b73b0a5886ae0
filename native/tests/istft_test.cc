// The folded inverse STFT against irfft, window and overlap-add written out in double precision. Tolerance:
// spectrum lines are at most 100 and there are n_fft of them with weight 1/n_fft: 100 x 64 eps covers exp,
// sin and the sum.
#include "ops/istft.h"

#include <algorithm>
#include <numbers>

#include "op_test_util.h"

using namespace llasa;
using namespace llasa::test;

namespace {

std::vector<double> reference(const std::vector<float>& prediction, int64_t hop,
                              const std::vector<int64_t>& offsets) {
  const int64_t n_fft = 4 * hop, lines = 2 * hop + 1, trim = (n_fft - hop) / 2;
  std::vector<double> y;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    const int64_t frames = offsets[b + 1] - offsets[b];
    if (frames == 0) continue;
    std::vector<double> sum(static_cast<size_t>((frames + 3) * hop), 0.0), envelope = sum;
    for (int64_t f = 0; f < frames; ++f) {
      const float* row = prediction.data() + (offsets[b] + f) * 2 * lines;
      for (int64_t n = 0; n < n_fft; ++n) {
        double x = 0.0;
        for (int64_t k = 0; k < lines; ++k) {
          const double magnitude = std::min(std::exp(static_cast<double>(row[k])), 100.0);
          const double angle =
              2.0 * std::numbers::pi * static_cast<double>(k * n % n_fft) / static_cast<double>(n_fft);
          const double c = k == 0 || k == 2 * hop ? 1.0 : 2.0;
          const double phase = row[lines + k];
          x += c * magnitude *
               (std::cos(phase) * std::cos(angle) - (c > 1.5 ? std::sin(phase) * std::sin(angle) : 0.0));
        }
        const double w = 0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(n) /
                                              static_cast<double>(n_fft));
        sum[static_cast<size_t>(f * hop + n)] += w * x / static_cast<double>(n_fft);
        envelope[static_cast<size_t>(f * hop + n)] += w * w;
      }
    }
    for (int64_t s = 0; s < frames * hop; ++s) {
      y.push_back(sum[static_cast<size_t>(s + trim)] / envelope[static_cast<size_t>(s + trim)]);
    }
  }
  return y;
}

TEST(Istft, MatchesIrfftWithOverlapAdd) {
  for (const int64_t hop : {2, 3, 16, 24, 35}) {
    const auto offsets = offsets_of({5, 1, 0, 40, 2});
    auto prediction = random_floats(offsets.back() * (4 * hop + 2), 7, 2.0f);
    prediction[3] = 30.0f;                                  // clipped magnitude
    prediction[static_cast<size_t>(2 * hop + 1)] = 300.0f;  // a phase of many turns
    std::vector<float> basis(static_cast<size_t>(istft_basis_size(hop))),
        window(static_cast<size_t>(4 * hop));
    istft_tables(hop, basis.data(), window.data());
    const auto run = [&] {
      Stream stream;
      const int64_t scratch = istft_scratch_size(hop, offsets.back());
      Guarded pd(prediction), bd(basis), wd(window), s(scratch), q(scratch), y(offsets.back() * hop);
      istft_forward(stream, pd.data(), bd.data(), wd.data(), s.data(), q.data(), y.data(), offsets.data(), 5,
                    hop);
      return y.values();
    };
    EXPECT_LT(largest_difference(run(), reference(prediction, hop, offsets)), 100.0 * 64 * 6e-8)
        << "hop " << hop;
    expect_same_for_any_thread_count(run);
  }
}

}  // namespace
