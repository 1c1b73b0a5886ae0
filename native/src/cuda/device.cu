// Device memory and streams on the CUDA runtime.
//
// One device per process: LLASA_DEVICE in the environment, else 0. Memory comes from cudaMalloc: it is taken
// when models are made and when a buffer grows, not in the loops, and cudaFree waits for the device, so that
// a buffer may be destroyed while work that reads it is queued, on any thread.
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/device.h"
#include "core/launch.h"
#include "core/memory_plan.h"
#include "cuda/scratch.h"

namespace llasa {

namespace {

std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> allocations_before_failure{-1};
// The launch that an asynchronous error most likely belongs to.
std::atomic<const char*> last_kernel{nullptr};

bool fails_by_request() {
  return allocations_before_failure.load(std::memory_order_relaxed) >= 0 &&
         allocations_before_failure.fetch_sub(1) == 0;
}

// Scratch memory of the streams, by stream.
struct Arenas {
  std::mutex mutex;
  std::map<const void*, std::unique_ptr<cuda::ScratchArena>> of;
};
Arenas& arenas() {
  static auto* instance = new Arenas();  // outlives streams that are destroyed at exit
  return *instance;
}

[[noreturn]] void no_device(cudaError_t error) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  cudaGetLastError();
  if (driver == 0) {
    fail(LLASA_ERR_NO_DEVICE, "no CUDA device: no NVIDIA driver is installed (%s)",
         cudaGetErrorString(error));
  }
  LLASA_CHECK(error != cudaErrorInsufficientDriver, LLASA_ERR_NO_DEVICE,
              "no CUDA device: the driver supports CUDA %d.%d, this library needs %d.%d or later",
              driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  fail(LLASA_ERR_NO_DEVICE, "no CUDA device: the driver sees none (%s)", cudaGetErrorString(error));
}

struct Device {
  int index = 0;
  int multiprocessors = 0;
  int capability = 0;
  int shared_bytes = 0;
  int64_t memory_bytes = 0;
  std::string name;
  std::string isa;
};

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  cuda::check(cudaDeviceGetAttribute(&value, which, device), "reading a device attribute");
  return value;
}

Device find_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) no_device(error == cudaSuccess ? cudaErrorNoDevice : error);
  Device device;
  if (const char* wanted = std::getenv("LLASA_DEVICE"); wanted != nullptr && *wanted != '\0') {
    char* end = nullptr;
    const long index = std::strtol(wanted, &end, 10);
    LLASA_CHECK(*end == '\0' && index >= 0 && index < count, LLASA_ERR_NO_DEVICE,
                "LLASA_DEVICE: `%s`, expected 0..%d", wanted, count - 1);
    device.index = static_cast<int>(index);
  }
  cudaDeviceProp properties;
  cuda::check(cudaGetDeviceProperties(&properties, device.index), "describing the device");
  device.name = properties.name;
  device.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  device.capability = properties.major * 10 + properties.minor;
  device.isa = format("sm_%d", device.capability);
  LLASA_CHECK(device.capability >= 80, LLASA_ERR_NO_DEVICE,
              "device %d (%s) has compute capability %d.%d, expected 8.0 or later", device.index,
              properties.name, properties.major, properties.minor);
  device.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device.index);
  device.shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device.index);
  return device;
}

// Finding it throws until it succeeds.
const Device& the_device() {
  static const Device device = find_device();
  return device;
}

// The current device is the calling thread's: finalizers and pool threads come along, too.
void use_device() {
  thread_local bool done = false;
  if (done) return;
  cuda::check(cudaSetDevice(the_device().index), "choosing the device");
  done = true;
}

// Which option makes less of it necessary; `what` is the caller's name of the array.
const char* hint(const std::string& what) {
  const auto has = [&](const char* word) { return what.find(word) != std::string::npos; };
  if (has("cache") || has("rollout")) return "fewer rollout slots lower it";
  if (has("activation") || has("logit") || has("chunk") || has("gradient") || has("moment") || has("token")) {
    return "smaller micro-batches, a smaller head chunk or recomputation lower it";
  }
  return "a smaller model or batch lowers it";
}

[[noreturn]] void out_of_memory(const char* kind, int64_t bytes, const char* what) {
  cudaGetLastError();
  size_t available = 0, total = 0;
  if (cudaMemGetInfo(&available, &total) != cudaSuccess) cudaGetLastError();
  fail(LLASA_ERR_OUT_OF_MEMORY,
       "out of %s memory allocating %lld bytes for %s: %lld of %lld bytes are free on %s; %s", kind,
       static_cast<long long>(bytes), what, static_cast<long long>(available), static_cast<long long>(total),
       the_device().name.c_str(), hint(what));
}

bool is_pinned(const void* memory) {
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeHost;
}

}  // namespace

namespace cuda {

void check(cudaError_t error, const char* action) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  const char* kernel = last_kernel.load();
  fail(LLASA_ERR_DEVICE, "%s: %s%s%s%s", action, cudaGetErrorString(error),
       kernel == nullptr ? "" : " (the kernel launched last is `", kernel == nullptr ? "" : kernel,
       kernel == nullptr ? "" : "`)");
}

void prepare_launch(const char* kernel, const void* function, size_t shared_bytes) {
  use_device();
  if (shared_bytes <= size_t{48} << 10) return;
  LLASA_CHECK(shared_bytes <= static_cast<size_t>(the_device().shared_bytes), LLASA_ERR_DEVICE,
              "kernel `%s` needs %lld bytes of shared memory, %s has %d", kernel,
              static_cast<long long>(shared_bytes), the_device().name.c_str(), the_device().shared_bytes);
  check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes)),
        kernel);
}

bool waits_for_launches() {
  static const bool synchronous = [] {
    const char* value = std::getenv("LLASA_SYNC");
    return value != nullptr && std::string(value) == "1";
  }();
  return synchronous;
}

void note_graph(const char* what) {
  last_kernel.store(what);
}

void check_launch(const char* kernel, cudaStream_t stream) {
  cudaError_t error = cudaGetLastError();
  LLASA_CHECK(error == cudaSuccess, LLASA_ERR_DEVICE, "launching kernel `%s`: %s", kernel,
              cudaGetErrorString(error));
  last_kernel.store(kernel);
  if (!waits_for_launches()) return;
  error = cudaStreamSynchronize(stream);
  LLASA_CHECK(error == cudaSuccess, LLASA_ERR_DEVICE, "kernel `%s`: %s", kernel, cudaGetErrorString(error));
}

ScratchArena& scratch_arena(Stream& stream) {
  Arenas& all = arenas();
  const std::lock_guard<std::mutex> lock(all.mutex);
  // A stream of a memory plan has none behind it.
  auto& own = all.of[stream.native() != nullptr ? stream.native() : &stream];
  if (own == nullptr) own = std::make_unique<ScratchArena>();
  return *own;
}

int multiprocessors() {
  return the_device().multiprocessors;
}
int compute_capability() {
  return the_device().capability;
}

}  // namespace cuda

Stream::Stream() {
  if (planning()) return;  // needs no device then
  use_device();
  cudaStream_t stream = nullptr;
  cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  native_ = stream;
}
Stream::~Stream() {
  if (native_ == nullptr) {
    Arenas& all = arenas();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.of.erase(this);
    return;
  }
  // Nothing can be reported here; on a dead device there is nothing to free either.
  if (cudaStreamSynchronize(cuda::native(*this)) != cudaSuccess) cudaGetLastError();
  {
    Arenas& all = arenas();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.of.erase(native_);
  }
  if (cudaStreamDestroy(cuda::native(*this)) != cudaSuccess) cudaGetLastError();
}
void Stream::synchronize() {
  if (planning()) return;
  use_device();
  cuda::check(cudaStreamSynchronize(cuda::native(*this)), "waiting for the device");
}

bool device_works_behind() {
  return true;
}

void synchronize_device() {
  if (planning()) return;
  use_device();
  cuda::check(cudaDeviceSynchronize(), "waiting for the device");
}

void* device_allocate(int64_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  if (MemoryPlan* plan = MemoryPlan::current()) return plan->allocate(bytes, what);
  use_device();
  void* memory = nullptr;
  const cudaError_t error = bytes < 0 || fails_by_request() ? cudaErrorMemoryAllocation
                                                            : cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) out_of_memory("device", bytes, what);
  cuda::check(error, what);
  live_bytes += bytes;
  return memory;
}

void device_free(void* memory, int64_t bytes) noexcept {
  if (memory == nullptr) return;
  if (MemoryPlan::gave(memory)) {
    if (MemoryPlan* plan = MemoryPlan::current()) plan->release(memory);
    return;
  }
  // The address says which device it is on.
  if (cudaFree(memory) != cudaSuccess) cudaGetLastError();
  live_bytes -= bytes;
}

void* pinned_allocate(int64_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  if (MemoryPlan* plan = MemoryPlan::current()) return plan->allocate(bytes, what);
  use_device();
  void* memory = nullptr;
  const cudaError_t error = bytes < 0 || fails_by_request()
                                ? cudaErrorMemoryAllocation
                                : cudaMallocHost(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) out_of_memory("page-locked host", bytes, what);
  cuda::check(error, what);
  live_bytes += bytes;
  return memory;
}

void pinned_free(void* memory, int64_t bytes) noexcept {
  if (memory == nullptr) return;
  if (MemoryPlan::gave(memory)) {
    if (MemoryPlan* plan = MemoryPlan::current()) plan->release(memory);
    return;
  }
  if (cudaFreeHost(memory) != cudaSuccess) cudaGetLastError();
  live_bytes -= bytes;
}

int64_t allocated_bytes() {
  return live_bytes.load();
}
void fail_allocation_after(int64_t count) {
  allocations_before_failure.store(count);
}

void copy_to_device(Stream& stream, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0 || planning()) return;
  use_device();
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                              cuda::native(stream)),
              "copying to the device");
  // The runtime has read pageable memory when it returns, page-locked memory it has not.
  if (is_pinned(source)) stream.synchronize();
}

void copy_to_host(Stream& stream, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0) return;
  if (planning()) {
    std::memset(destination, 0, static_cast<size_t>(bytes));
    return;
  }
  use_device();
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                              cuda::native(stream)),
              "copying to the host");
  cuda::check(cudaStreamSynchronize(cuda::native(stream)), "copying to the host");
}

void copy_on_device(Stream& stream, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0 || planning()) return;
  use_device();
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                              cuda::native(stream)),
              "copying on the device");
}

void zero_on_device(Stream& stream, void* destination, int64_t bytes) {
  if (bytes <= 0 || planning()) return;
  use_device();
  cuda::check(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), cuda::native(stream)),
              "clearing device memory");
}

DeviceDescription describe_device() {
  const Device& device = the_device();
#if defined(LLASA_CUDASIM)
  return {"cudasim", device.isa.c_str(), device.name.c_str(), device.memory_bytes};
#else
  return {"cuda", device.isa.c_str(), device.name.c_str(), device.memory_bytes};
#endif
}

}  // namespace llasa
