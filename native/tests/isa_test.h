// Runs a test once for each instruction set this processor has; on a device once.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#if !defined(LLASA_TESTS_ON_DEVICE)
#include "cpu/isa.h"
#endif

namespace llasa::test {

#if defined(LLASA_TESTS_ON_DEVICE)

class IsaTest : public testing::TestWithParam<const char*> {};
#define LLASA_FOR_EACH_ISA(suite)                                 \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::Values("device"), \
                           [](const auto& test) { return std::string(test.param); })

#else

class IsaTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!cpu::use_kernels(GetParam())) GTEST_SKIP() << "not on this processor";
  }
  void TearDown() override { cpu::use_kernels(nullptr); }
};

#define LLASA_FOR_EACH_ISA(suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::Values("scalar", "avx2", "avx512", "vnni", "amx"), \
                           [](const auto& test) { return std::string(test.param); })

#endif

// Sizes around every vector width, odd and prime ones among them.
inline const std::vector<int64_t> kSizes = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 61, 192};

// Rounding error allowed to a sum of n products of numbers about 1 in size.
inline double sum_tolerance(int64_t n) {
  return 4e-7 * static_cast<double>(n < 16 ? 16 : n);
}

}  // namespace llasa::test
