// Runs a test once for each instruction set this processor has; on a device once.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace llasa::test {

// The backend's answers, in instruction_sets.cc: tests of operations are compiled once for all backends.
std::vector<const char*> instruction_sets();
// nullptr: the best there is. False: this processor has not got it.
bool use_instruction_set(const char* name);

class IsaTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!use_instruction_set(GetParam())) GTEST_SKIP() << "not on this processor";
  }
  void TearDown() override { use_instruction_set(nullptr); }
};

#define LLASA_FOR_EACH_ISA(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::ValuesIn(instruction_sets()), \
                           [](const auto& test) { return std::string(test.param); })

// Sizes around every vector width, odd and prime ones among them.
inline const std::vector<int64_t> kSizes = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 61, 192};

// Rounding error allowed to a sum of n products of numbers about 1 in size.
inline double sum_tolerance(int64_t n) {
  return 4e-7 * static_cast<double>(n < 16 ? 16 : n);
}

}  // namespace llasa::test
