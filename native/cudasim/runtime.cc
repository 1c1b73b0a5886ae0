#include "runtime.h"

#include <link.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "block.h"
#include "counts.h"
#include "devices.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "shared_memory.h"
#include "state.h"

// The linker's marks around the sections of block.cc and of the __constant__ variables, if there are any.
extern "C" {
extern char __start_llasa_builtin[] __attribute__((weak, visibility("hidden")));
extern char __stop_llasa_builtin[] __attribute__((weak, visibility("hidden")));
extern char __start_llasa_constant[] __attribute__((weak, visibility("hidden")));
extern char __stop_llasa_constant[] __attribute__((weak, visibility("hidden")));
}

namespace cudasim {

namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local const char* unchecked_launch = nullptr;
thread_local int runtime_depth = 0;

Range between(const char* begin, const char* end) {
  return {reinterpret_cast<uintptr_t>(begin), static_cast<uintptr_t>(end - begin)};
}

// Finds this module's writable data and what lies before it.
int find_segments(dl_phdr_info* info, size_t, void*) {
  const auto here = reinterpret_cast<uintptr_t>(&state);
  uintptr_t low = ~uintptr_t{0}, data = 0, data_end = 0, relro_end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr, end = begin + segment.p_memsz;
    if (segment.p_type == PT_LOAD) {
      low = begin < low ? begin : low;
      if ((segment.p_flags & PF_W) != 0 && here - begin < segment.p_memsz) {
        data = begin;
        data_end = end;
      }
    } else if (segment.p_type == PT_GNU_RELRO) {
      relro_end = end;
    }
  }
  if (data == 0) return 0;
  const uintptr_t first = relro_end > data && relro_end < data_end ? relro_end : data;
  state.statics = {first, data_end - first};
  state.read_only = {low, first - low};
  return 1;
}

void prepare_state() {
  static const bool once = [] {
    dl_iterate_phdr(find_segments, nullptr);
    state.builtins = between(__start_llasa_builtin, __stop_llasa_builtin);
    state.constants = between(__start_llasa_constant, __stop_llasa_constant);
    const StackRange stacks = stack_range();
    state.stacks = {stacks.begin, stacks.bytes};
    return true;
  }();
  (void)once;
}

// Counts of launches by kernel, appended to $LLASA_CUDASIM_REPORT, one line each: a kernel's first launch at
// once, so that a process that dies leaves the names, the others when the process ends.
class Report {
 public:
  ~Report() {
    for (const auto& [kernel, launches] : completed_) {
      if (launches > 1) append(kernel, launches - 1);
    }
  }
  void add(const std::string& kernel) {
    if (++completed_[kernel] == 1) append(kernel, 1);
  }

 private:
  static void append(const std::string& kernel, long long launches) {
    const char* path = std::getenv("LLASA_CUDASIM_REPORT");
    std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "a");
    if (file == nullptr) return;
    std::fprintf(file, "%s %lld\n", kernel.c_str(), launches);
    std::fclose(file);
  }
  std::map<std::string, long long> completed_;
};
Report& report() {
  static auto* instance = new Report();  // never destroyed: models may be, at exit
  return *instance;
}

cudaError_t check_configuration(const char* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  const auto too_large = [](dim3 d, unsigned x, unsigned y, unsigned z) {
    return d.x == 0 || d.y == 0 || d.z == 0 || d.x > x || d.y > y || d.z > z;
  };
  if (too_large(grid, 0x7fffffffu, 65535, 65535) || too_large(block, 1024, 1024, 64) ||
      block.x * block.y * block.z > kMaximumThreads || shared_bytes > kMaximumShared) {
    std::fprintf(stderr,
                 "cudasim: `%s` cannot be launched with grid (%u,%u,%u), block (%u,%u,%u), %zu bytes of "
                 "shared memory\n",
                 kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    return cudaErrorInvalidConfiguration;
  }
  return cudaSuccess;
}

}  // namespace

ApiCall::ApiCall(const char* name) : lock_(engine()) {
  if (unchecked_launch != nullptr) {
    set_device_fault(cudaErrorUnknown,
                     text("the launch of kernel `%s` was not checked before %s", unchecked_launch, name));
    unchecked_launch = nullptr;
  }
  error_ = lost_device_error();
}

cudaError_t ApiCall::fail(cudaError_t error) const {
  if (error != cudaSuccess) last_error = error;
  return error;
}

RuntimeScope::RuntimeScope() {
  ++runtime_depth;
}
RuntimeScope::~RuntimeScope() {
  --runtime_depth;
}
bool inside_runtime() {
  return runtime_depth > 0;
}

void note_launch(const char* kernel, bool completed) {
  if (!completed) return;
  ++counts().kernels;
  // "(my_kernel<float, 4>)" counts as my_kernel.
  std::string name = kernel;
  name.erase(0, name.find_first_not_of("( "));
  name = name.substr(0, name.find_first_of("<) "));
  name = name.substr(name.rfind(':') == std::string::npos ? 0 : name.rfind(':') + 1);
  report().add(name);
}

void enqueue_launch(const char* kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                    Call call) {
  const ApiCall api("another launch");
  prepare_state();
  unchecked_launch = kernel;
  last_error = api.failed() ? api.error() : check_configuration(kernel, grid, block, shared_bytes);
  if (last_error != cudaSuccess) return;
  stream = resolve(stream);
  if (!is_stream(stream)) {
    // By NULL the legacy stream, which waits for all others, captured ones included.
    const cudaError_t error =
        refuse_beside_captures("a launch on the legacy stream", cudaErrorStreamCaptureImplicit);
    last_error = error != cudaSuccess ? error : cudaErrorInvalidResourceHandle;
    return;
  }
  if (stream->device != current_device()) {
    last_error = cudaErrorInvalidResourceHandle;
    return;
  }
  note_call(stream);
  push(stream,
       [launch = Launch{kernel, grid, block, shared_bytes, std::move(call)}, device = stream->device] {
         if (faults_now()) {
           set_sticky_faults(true);
           set_device_fault(cudaErrorLaunchFailure,
                            text("kernel `%s`: unspecified launch failure, planted", launch.kernel.c_str()));
           return false;
         }
         show_to_kernels(device);
         const bool completed = run(launch);
         note_launch(launch.kernel.c_str(), completed);
         return completed;
       });
}

}  // namespace cudasim

using namespace cudasim;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchOutOfResources:
      return "cudaErrorLaunchOutOfResources";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureIsolation:
      return "cudaErrorStreamCaptureIsolation";
    case cudaErrorStreamCaptureImplicit:
      return "cudaErrorStreamCaptureImplicit";
    case cudaErrorCapturedEvent:
      return "cudaErrorCapturedEvent";
    case cudaErrorStreamCaptureWrongThread:
      return "cudaErrorStreamCaptureWrongThread";
    default:
      return "cudaErrorUnknown";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  const bool faulted = error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure ||
                       error == cudaErrorUnknown || error == cudaErrorStreamCaptureUnsupported ||
                       error == cudaErrorStreamCaptureInvalidated ||
                       error == cudaErrorStreamCaptureIsolation || error == cudaErrorStreamCaptureImplicit;
  return faulted && fault_text()[0] != '\0' ? fault_text() : cudaGetErrorName(error);
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = lost_device_error() != cudaSuccess ? lost_device_error() : last_error;
  last_error = cudaSuccess;
  unchecked_launch = nullptr;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  unchecked_launch = nullptr;
  return last_error;
}

// Static arrays are variables of the whole module here, so that a kernel's own cannot be told.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  const ApiCall call("cudaFuncGetAttributes");
  if (call.failed()) return call.fail(call.error());
  attributes->sharedSizeBytes = static_cast<size_t>(static_shared_bytes());
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int value) {
  const ApiCall call("cudaFuncSetAttribute");
  if (call.failed()) return call.fail(call.error());
  return call.fail(value < 0 || static_cast<uintptr_t>(value) > kMaximumShared ? cudaErrorInvalidValue
                                                                               : cudaSuccess);
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const ApiCall call("cudaMalloc");
  if (call.failed()) return call.fail(call.error());
  if (const cudaError_t error = refuse_while_capturing("cudaMalloc"); error != cudaSuccess)
    return call.fail(error);
  *pointer = allocate_device(bytes);
  if (*pointer != nullptr) ++counts().allocations;
  return call.fail(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFree(void* pointer) {
  const ApiCall call("cudaFree");
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t error = refuse_while_capturing("cudaFree"); error != cudaSuccess)
    return call.fail(error);
  drain_all();  // as the real one waits for the device
  hide_device_memory();
  const bool freed = free_device(pointer);
  return call.fail(call.failed() ? call.error() : freed ? cudaSuccess : cudaErrorInvalidValue);
}
// The memory is there at once and goes when the stream comes to it: what is used in between on that stream is good.
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream) {
  const ApiCall call("cudaMallocAsync");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream) || stream->device != current_device())
    return call.fail(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr)  // it can be recorded; nothing here does
    return call.fail(break_capture(stream, "cudaMallocAsync", cudaErrorStreamCaptureUnsupported));
  *pointer = allocate_device(bytes);
  return call.fail(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const ApiCall call("cudaFreeAsync");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (!is_device_pointer(pointer) || device_of(pointer) != stream->device)
    return call.fail(cudaErrorInvalidValue);
  push(stream, [pointer] {
    if (free_device(pointer)) return true;
    set_device_fault(cudaErrorIllegalAddress, text("cudaFreeAsync: memory freed twice"));
    return false;
  });
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  const ApiCall call("cudaMallocHost");
  if (call.failed()) return call.fail(call.error());
  if (const cudaError_t error = refuse_while_capturing("cudaMallocHost"); error != cudaSuccess)
    return call.fail(error);
  *pointer = allocate_pinned(bytes);
  return call.fail(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFreeHost(void* pointer) {
  const ApiCall call("cudaFreeHost");
  if (pointer == nullptr) return cudaSuccess;
  if (const cudaError_t error = refuse_while_capturing("cudaFreeHost"); error != cudaSuccess)
    return call.fail(error);
  drain_all();
  hide_device_memory();
  const bool freed = free_pinned(pointer);
  return call.fail(call.failed() ? call.error() : freed ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const ApiCall call("cudaMemGetInfo");
  if (call.failed()) return call.fail(call.error());
  device_memory_info(free_bytes, total_bytes);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const ApiCall call("cudaPointerGetAttributes");
  if (call.failed()) return call.fail(call.error());
  *attributes = {};
  attributes->type = is_device_pointer(pointer)   ? cudaMemoryTypeDevice
                     : is_pinned_pointer(pointer) ? cudaMemoryTypeHost
                                                  : cudaMemoryTypeUnregistered;
  attributes->device = is_device_pointer(pointer) ? device_of(pointer) : 0;
  return cudaSuccess;
}
