// The one way to launch a kernel: LLASA_LAUNCH((my_kernel<float>), grid, block, shared_bytes, stream,
// args...). It is <<<>>> for nvcc and a call into the simulator elsewhere, checks the launch, names the
// kernel in every error and, with LLASA_SYNC=1 in the environment, waits for it, so that a fault is reported
// where it was made. Under a memory plan nothing is launched.
#pragma once

#include <cuda_runtime.h>

#include "core/device.h"
#include "core/memory_plan.h"

namespace llasa::cuda {

// The CUDA stream behind ours.
inline cudaStream_t native(Stream& stream) {
  return static_cast<cudaStream_t>(stream.native());
}
inline cudaStream_t native(cudaStream_t stream) {
  return stream;
}

// Throws Error for anything but cudaSuccess: `action` is what was attempted ("copying 16 bytes to the
// device").
void check(cudaError_t error, const char* action);
// Before a launch: makes our device current and raises the kernel's limit of dynamic shared memory.
void prepare_launch(const char* kernel, const void* function, size_t shared_bytes);
// After it.
void check_launch(const char* kernel, cudaStream_t stream);
// Whether every launch is waited for (LLASA_SYNC=1).
bool waits_for_launches();
// After the launch of a recorded graph, for the message of what fails in it.
void note_graph(const char* what);
// Properties of the calling thread's device.
int multiprocessors();
int compute_capability();  // 80, 86, ...
int device_number();

}  // namespace llasa::cuda

#if defined(__CUDACC__)

#define LLASA_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                               \
  do {                                                                                             \
    if (::llasa::planning()) break;                                                                \
    ::llasa::cuda::prepare_launch(#kernel, reinterpret_cast<const void*>(kernel), (shared_bytes)); \
    kernel<<<(grid), (block), (shared_bytes), ::llasa::cuda::native(stream)>>>(__VA_ARGS__);       \
    ::llasa::cuda::check_launch(#kernel, ::llasa::cuda::native(stream));                           \
  } while (0)

#define LLASA_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char llasa_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(llasa_dynamic_shared)

#else

#define LLASA_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                               \
  do {                                                                                             \
    if (::llasa::planning()) break;                                                                \
    ::llasa::cuda::prepare_launch(#kernel, reinterpret_cast<const void*>(kernel), (shared_bytes)); \
    ::cudasim::launch(#kernel, kernel, (grid), (block), (shared_bytes),                            \
                      ::llasa::cuda::native(stream) __VA_OPT__(, ) __VA_ARGS__);                   \
    ::llasa::cuda::check_launch(#kernel, ::llasa::cuda::native(stream));                           \
  } while (0)

#define LLASA_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(::cudasim::dynamic_shared())

#endif
