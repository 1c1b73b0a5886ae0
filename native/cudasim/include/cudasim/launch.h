// The simulated kernel<<<grid, block, shared, stream>>>(args...).
#pragma once

#include <memory>
#include <tuple>
#include <utility>

#include "cudasim/runtime_api.h"

namespace cudasim {

// While one lives, the calling thread works for the runtime: what it takes from the heap then, a driver would
// take elsewhere, and tests that let the program's allocations fail leave it alone.
class RuntimeScope {
 public:
  RuntimeScope();
  ~RuntimeScope();
  RuntimeScope(const RuntimeScope&) = delete;
  RuntimeScope& operator=(const RuntimeScope&) = delete;
};
bool inside_runtime();

// What a launch calls once per thread, with its arguments already converted to the kernel's parameters.
struct Call {
  const void* kernel = nullptr;
  void (*invoke)(const void* kernel, const void* parameters) = nullptr;
  std::shared_ptr<const void> parameters;
  size_t parameter_bytes = 0;
};

// Queues the launch. As after <<<>>>, an error of the configuration waits in cudaGetLastError, and someone
// must ask for it before the next call: a launch that nobody checked is a fault.
void enqueue_launch(const char* kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                    Call call);

template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, Arguments&&... arguments) {
  const RuntimeScope scope;
  using Values = std::tuple<Parameters...>;
  Call call;
  call.kernel = reinterpret_cast<const void*>(kernel);
  call.parameters = std::make_shared<const Values>(std::forward<Arguments>(arguments)...);
  call.parameter_bytes = sizeof(Values);
  call.invoke = [](const void* function, const void* parameters) {
    std::apply(reinterpret_cast<void (*)(Parameters...)>(reinterpret_cast<uintptr_t>(function)),
               *static_cast<const Values*>(parameters));
  };
  enqueue_launch(name, grid, block, shared_bytes, stream, std::move(call));
}

// The block's dynamic shared memory, 16-byte aligned.
void* dynamic_shared();

}  // namespace cudasim
