// Which cuBLASLt is opened, and what is said where there is none.
#include "cuda/cublaslt.h"

#include <gtest/gtest.h>

#include "core/status.h"
#if defined(LLASA_TESTS_ON_CUDASIM)
#include "devices.h"
#endif

namespace llasa::test {
namespace {

std::string refusal(const std::string& named, int driver) {
  try {
    return "opened " + cuda::open_cublaslt(named, driver).file;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kNoDevice);
    return error.what();
  }
}

TEST(CublasLt, WhatIsNamedAndOfNoUseIsRefusedByName) {
  EXPECT_EQ(
      refusal("/nowhere/libcublasLt.so", 12020).rfind("LLASA_CUBLASLT_LIBRARY: /nowhere/libcublasLt.so: ", 0),
      0u)
      << refusal("/nowhere/libcublasLt.so", 12020);
  EXPECT_EQ(refusal("libm.so.6", 12020),
            "LLASA_CUBLASLT_LIBRARY: libm.so.6: no function cublasLtGetVersion in it");
}

#if defined(LLASA_TESTS_ON_CUDASIM)

struct Restore {
  int versions = cudasim::cublaslt_versions(), opened = cudasim::opened_cublaslt();
  ~Restore() {
    cudasim::set_cublaslt_versions(versions);
    cudasim::open_cublaslt_twin(opened);
  }
};

TEST(CublasLt, TheNewestThatTheDriverIsNewEnoughForIsOpened) {
  const Restore restore;
  const auto opened = [](int versions, int driver) {
    cudasim::set_cublaslt_versions(versions);
    const cuda::CublasLt lt = cuda::open_cublaslt("", driver);
    EXPECT_EQ(lt.file, "libcublasLt.so." + std::to_string(lt.version / 10000));
    return lt.version / 10000;
  };
  constexpr int k11 = 1, k12 = 2, k13 = 4;
  EXPECT_EQ(opened(k11, 13000), 11u);
  EXPECT_EQ(opened(k12, 13000), 12u);
  EXPECT_EQ(opened(k13, 13000), 13u);
  EXPECT_EQ(opened(k11 | k12 | k13, 13000), 13u);
  EXPECT_EQ(opened(k11 | k12 | k13, 12020), 12u);
  EXPECT_EQ(opened(k11 | k12 | k13, 11080), 11u);
}

TEST(CublasLt, WhereThereIsNoneEachIsNamedWithWhatIsWrongWithIt) {
  const Restore restore;
  cudasim::set_cublaslt_versions(4);
  const std::string why = refusal("", 12020);
  EXPECT_EQ(
      why.rfind("no cuBLASLt, which NVIDIA's CUDA toolkit brings (LLASA_CUBLASLT_LIBRARY names its file): "
                "libcublasLt.so.13: needs a driver for CUDA 13, this one supports 12.2; "
                "/nowhere/libcublasLt.so.12: cannot open",
                0),
      0u)
      << why;
  EXPECT_NE(why.find("; /nowhere/libcublasLt.so.11: cannot open"), std::string::npos) << why;
}

#endif

}  // namespace
}  // namespace llasa::test
