// Ends of the text decoder and the quantiser's digits, against direct evaluation.
#include "ops/transcript.h"

#include "bf16_arrays.h"
#include "op_test_util.h"
#include "ops/fsq.h"

using namespace llasa;
using namespace llasa::test;

namespace {

template <typename T>
std::vector<T> on_device(const std::vector<T>& values, auto&& use) {
  Stream stream;
  DeviceBuffer<T> buffer;
  buffer.upload(stream, values, "a test array");
  use(stream, buffer.data());
  return buffer.download(stream, static_cast<int64_t>(values.size()));
}

TEST(Transcript, GreedyChoiceTakesTheFirstLargestAllowedId) {
  const int64_t V = 37;
  auto logits = random_floats(3 * V, 1);
  logits[5] = logits[9] = 50.0f;               // a tie: the first
  logits[static_cast<size_t>(V + 7)] = 60.0f;  // banned below
  logits[static_cast<size_t>(2 * V + 3)] = NAN;
  std::vector<uint8_t> banned(static_cast<size_t>(V), 0);
  banned[7] = 1;
  Guarded l(logits), logprobs(3);
  const DeviceArray<uint8_t> mask(banned);
  const auto ids = on_device<int32_t>({0, 0, 0}, [&](Stream& s, int32_t* out) {
    greedy_choice(s, l.data(), mask.data(), out, logprobs.data(), 3, V);
  });
  int32_t best = 0;
  double total = 0.0;
  for (int32_t v = 0; v < V; ++v) {
    if (v == 7) continue;
    const float* row = logits.data() + V;
    if (row[v] > row[best]) best = v;
    total += std::exp(static_cast<double>(row[v]));
  }
  EXPECT_EQ(ids, (std::vector<int32_t>{5, best, -1}));
  EXPECT_NEAR(logprobs.values()[0], -std::log(2.0), 1e-6);
  EXPECT_NEAR(logprobs.values()[1],
              static_cast<double>(logits[static_cast<size_t>(V + best)]) - std::log(total), 1e-5);
}

TEST(Transcript, NllAndProbabilityAreOfTheSoftmax) {
  for (const int64_t V : {1, 15, 16, 17, 1859}) {
    const auto logits = random_floats(4 * V, 2, 3.0f);
    const std::vector<int32_t> targets{0, static_cast<int32_t>(V - 1), static_cast<int32_t>(V / 2), 0};
    Guarded l(logits), nll(4), p(4);
    on_device(targets, [&](Stream& s, int32_t* ids) {
      token_nll_forward(s, l.data(), ids, nll.data(), 4, V);
      id_probability(s, l.data(), V - 1, p.data(), 4, V);
    });
    for (size_t n = 0; n < 4; ++n) {
      double total = 0.0;
      for (int64_t v = 0; v < V; ++v)
        total += std::exp(static_cast<double>(logits[n * static_cast<size_t>(V) + static_cast<size_t>(v)]));
      const double target = logits[n * static_cast<size_t>(V) + static_cast<size_t>(targets[n])];
      EXPECT_NEAR(nll.values()[n], std::log(total) - target, 1e-5);
      const double last = logits[(n + 1) * static_cast<size_t>(V) - 1];
      EXPECT_NEAR(p.values()[n], std::exp(last) / total, 1e-6);
    }
  }
}

TEST(Transcript, EmbeddingsAndRowsAreGathered) {
  const auto table = random_floats(10 * 3, 3), positions = random_floats(6 * 3, 4);
  Stream stream;
  Guarded t(table), p(positions), y(2 * 3);
  DeviceBuffer<int32_t> ids, at;
  DeviceBuffer<int64_t> rows;
  ids.upload(stream, std::vector<int32_t>{9, 0}, "ids");
  at.upload(stream, std::vector<int32_t>{5, 1}, "positions");
  rows.upload(stream, std::vector<int64_t>{9, 2}, "rows");
  text_embedding_forward(stream, t.data(), p.data(), ids.data(), at.data(), y.data(), 2, 3, 2.0f);
  EXPECT_FLOAT_EQ(y.values()[1], 2.0f * table[28] + positions[16]);
  EXPECT_FLOAT_EQ(y.values()[5], 2.0f * table[2] + positions[5]);
  gather_rows(stream, t.data(), rows.data(), y.data(), 2, 3);
  EXPECT_EQ(y.values(), (std::vector<float>{table[27], table[28], table[29], table[6], table[7], table[8]}));
  const std::vector<Bf16> stored = stored_bf16(table);
  const DeviceArray<Bf16> narrow(stored);
  DeviceArray<Bf16> gathered(2 * 3);
  gather_rows(stream, narrow.data(), rows.data(), gathered.data(), 2, 3);
  EXPECT_EQ(bits_of(gathered.values()),
            bits_of({stored[27], stored[28], stored[29], stored[6], stored[7], stored[8]}));
}

TEST(Fsq, DigitsRunFromTheLeastSignificantAndCodesComeBack) {
  const std::vector<int32_t> levels{8, 5, 5, 5};
  std::vector<int32_t> codes(1000);
  for (int32_t i = 0; i < 1000; ++i) codes[static_cast<size_t>(i)] = i;
  Guarded values(4000);
  on_device(codes,
            [&](Stream& s, int32_t* ids) { fsq_dequantize(s, ids, levels.data(), values.data(), 1000, 4); });
  // code 8 * 5 * 3 + 8 * 4 + 1: digits 1, 4, 3, 0
  const auto digits = values.values();
  const size_t row = 153 * 4;
  EXPECT_FLOAT_EQ(digits[row], (1 - 4) / 4.0f);
  EXPECT_FLOAT_EQ(digits[row + 1], (4 - 2) / 2.0f);
  EXPECT_FLOAT_EQ(digits[row + 2], (3 - 2) / 2.0f);
  EXPECT_FLOAT_EQ(digits[row + 3], (0 - 2) / 2.0f);
  std::vector<float> scaled = digits;
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= static_cast<float>(levels[i % 4] / 2);
  Guarded s(scaled);
  const auto back = on_device(std::vector<int32_t>(1000, -1), [&](Stream& stream, int32_t* out) {
    fsq_quantize(stream, s.data(), levels.data(), out, 1000, 4);
  });
  EXPECT_EQ(back, codes);
}

TEST(Fsq, BoundMatchesItsFormula) {
  const std::vector<int32_t> levels{4, 5};
  const std::vector<float> z{-3.0f, 0.0f, 0.4f, 2.0f, 0.0f, -0.7f};
  Guarded x(z);
  Stream stream;
  fsq_bound(stream, x.data(), levels.data(), x.data(), 3, 2);
  for (size_t i = 0; i < z.size(); ++i) {
    const double half = (levels[i % 2] - 1) * 1.001 / 2, offset = levels[i % 2] == 4 ? 0.5 : 0.0;
    EXPECT_NEAR(x.values()[i],
                std::tanh(static_cast<double>(z[i]) + std::atanh(offset / half)) * half - offset, 1e-6);
  }
}

}  // namespace
