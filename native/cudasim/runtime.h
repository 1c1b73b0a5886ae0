// The frame of every simulated runtime call: the engine's lock, and the check that the launch before was
// checked.
#pragma once

#include <mutex>

#include "cudasim/launch.h"
#include "cudasim/runtime_api.h"

namespace cudasim {

class ApiCall {
 public:
  explicit ApiCall(const char* name);
  // The device was lost: the call fails as the one before it did.
  bool failed() const { return error_ != cudaSuccess; }
  cudaError_t error() const { return error_; }
  // Remembers the error for cudaGetLastError and returns it.
  cudaError_t fail(cudaError_t error) const;

 private:
  RuntimeScope scope_;
  std::lock_guard<std::recursive_mutex> lock_;
  cudaError_t error_ = cudaSuccess;
};

// Name of each kernel (without template arguments) and its launches that ran to their end.
void note_launch(const char* kernel, bool completed);

}  // namespace cudasim
