// Parameters that are larger than what is converted at a time: an embedding comes in and goes out in pieces.
#include "core/tensor_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/half.h"
#include "core/status.h"

namespace llasa {
namespace {

constexpr int64_t kRows = 1025, kColumns = 1056;  // a little more than a million
constexpr int64_t kShape[] = {kRows, kColumns};

class LargeTensor : public testing::TestWithParam<Storage> {
 protected:
  LargeTensor() {
    table_.declare("before", {3});
    table_.declare("large", {kRows, kColumns});
    table_.allocate(stream_, "a test's weights", GetParam());
    for (size_t i = 0; i < values_.size(); ++i)
      values_[i] = bf16_to_float(static_cast<uint16_t>(0x3f80 + i % 509));
  }
  void set(const std::vector<float>& values) {
    table_.set(stream_, "large", DType::kF32, kShape, 2, values.data());
  }
  std::vector<float> get() {
    std::vector<float> values(values_.size());
    table_.get(stream_, "large", DType::kF32, values.data(), static_cast<int64_t>(values.size()) * 4);
    return values;
  }

  Stream stream_;
  TensorTable table_;
  std::vector<float> values_ = std::vector<float>(static_cast<size_t>(kRows * kColumns));
};
INSTANTIATE_TEST_SUITE_P(Storages, LargeTensor,
                         testing::Values(Storage::kF32, Storage::kF32AndBf16, Storage::kBf16,
                                         Storage::kBf16Groups));

TEST_P(LargeTensor, ComesOutAsItWentIn) {
  set(values_);
  EXPECT_EQ(get(), values_);
  std::vector<uint16_t> halves(values_.size());
  table_.get(stream_, "large", DType::kBf16, halves.data(), static_cast<int64_t>(halves.size()) * 2);
  for (const size_t i : {size_t{0}, (size_t{1} << 20) - 1, size_t{1} << 20, halves.size() - 1})
    EXPECT_EQ(bf16_to_float(halves[i]), values_[i]) << i;
}

TEST_P(LargeTensor, ARefusedOneLeavesTheOneBefore) {
  set(values_);
  std::vector<float> bad(values_.size(), 2.0f);
  bad.back() = std::numeric_limits<float>::infinity();
  EXPECT_THROW(set(bad), Error);
  EXPECT_EQ(get(), values_) << "the first million was good";
}

}  // namespace
}  // namespace llasa
