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
    embedding_forward(stream, w.data(), ids.data(), y.data(), 5, C);
    embedding_backward(stream, ids.data(), pdy.data(), dw.data(), 5, C);
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

}  // namespace
}  // namespace llasa::test
