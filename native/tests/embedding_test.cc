#include "ops/embedding.h"

#include "op_test_util.h"

namespace llasa::test {
namespace {

TEST(Embedding, ForwardCopiesRowsAndBackwardAddsThem) {
  Stream stream;
  for (int64_t C : {1, 7, 64, 130}) {
    const std::vector<int32_t> ids = {4, 0, 4, 2, 4};
    const auto weight = random_floats(5 * C, 1), dy = random_floats(5 * C, 2),
               start = random_floats(5 * C, 3);
    Guarded w(weight), y(5 * C), pdy(dy), dw(start);
    const DeviceArray<int32_t> device_ids(ids);
    embedding_forward(stream, w.data(), device_ids.data(), y.data(), 5, C);
    embedding_backward(stream, device_ids.data(), pdy.data(), dw.data(), 5, C);
    const auto rows = y.values(), gradient = dw.values();
    std::vector<float> expected = start;
    for (size_t t = 0; t < ids.size(); ++t) {
      for (size_t c = 0; c < static_cast<size_t>(C); ++c) {
        const size_t at = static_cast<size_t>(ids[t]) * static_cast<size_t>(C) + c;
        EXPECT_EQ(rows[t * static_cast<size_t>(C) + c], weight[at]);
        expected[at] += dy[t * static_cast<size_t>(C) + c];
      }
    }
    EXPECT_EQ(gradient, expected);  // the order of t, to the bit
  }
}

// One id for many tokens, many ids, and more tokens than a block has threads: the order of t, to the bit.
TEST(Embedding, BackwardAddsInTheOrderOfTokensAtEveryLength) {
  Stream stream;
  const int64_t V = 37, C = 3;
  for (int64_t T : {1, 31, 127, 128, 129, 300}) {
    std::vector<int32_t> ids;
    for (int32_t t = 0; t < T; ++t)
      ids.push_back(t % 3 == 0 ? 11 : (t * 17 + t / 5) % static_cast<int32_t>(V));
    const auto dy = random_floats(T * C, 4), start = random_floats(V * C, 5);
    Guarded pdy(dy), dw(start);
    embedding_backward(stream, DeviceArray<int32_t>(ids).data(), pdy.data(), dw.data(), T, C);
    std::vector<float> expected = start;
    for (size_t t = 0; t < ids.size(); ++t) {
      for (size_t c = 0; c < 3; ++c) expected[static_cast<size_t>(ids[t]) * 3 + c] += dy[t * 3 + c];
    }
    EXPECT_EQ(dw.values(), expected) << T;
  }
}

}  // namespace
}  // namespace llasa::test
