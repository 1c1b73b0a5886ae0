// cuBLASLt, opened at run time: its functions and numbers are the same in CUDA 11, 12 and 13, so that one build runs
// with whichever of them is there.
#pragma once

#include <cublasLt.h>

#include <string>

namespace llasa::cuda {

struct CublasLt {
  decltype(&cublasLtGetStatusString) get_status_string = nullptr;
  decltype(&cublasLtGetVersion) get_version = nullptr;
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;

  size_t version = 0;  // as it counts: 10000 major + 100 minor + patch
  std::string file;
};

// The newest of libcublasLt.so.13, .12 and .11 that is there and that the driver is new enough for (`driver`: the CUDA
// version it supports as 1000 major + 10 minor), or `named` and no other unless that is empty. Throws
// Status::kNoDevice saying what is wrong with each. It stays open for the life of the process.
CublasLt open_cublaslt(const std::string& named, int driver);

// This process's, opened when it is first asked for; LLASA_CUBLASLT_LIBRARY names a file.
const CublasLt& cublaslt();

}  // namespace llasa::cuda
