#include <cstdlib>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/device.h"
#include "core/launch_environment.h"
#include "cuda/cublaslt.h"
#include "cuda/devices.h"

namespace llasa {

namespace {

thread_local int wanted_device = -1;
thread_local const cuda::Device* current = nullptr;  // the one that this thread works on
// The launch that an asynchronous error of this thread's work most likely belongs to.
thread_local const char* last_launch = nullptr;

[[noreturn]] void no_device(cudaError_t error) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  cudaGetLastError();
  if (driver == 0) {
    fail(Status::kNoDevice, "no CUDA device: no NVIDIA driver is installed (%s)", cudaGetErrorString(error));
  }
  LLASA_CHECK(error != cudaErrorInsufficientDriver, Status::kNoDevice,
              "no CUDA device: the driver supports CUDA %d.%d, this library needs %d.%d or later",
              driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  fail(Status::kNoDevice, "no CUDA device: the driver sees none (%s)", cudaGetErrorString(error));
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  cuda::check(cudaDeviceGetAttribute(&value, which, device), "reading a device attribute");
  return value;
}

struct Devices {
  std::mutex mutex;
  std::vector<std::unique_ptr<cuda::Device>> known;  // by index; empty before it is asked for
  int count = 0;
  int first = -1;  // the one that is meant by -1
};
Devices& devices() {
  static auto* all = new Devices();  // outlives what is destroyed at exit
  return *all;
}

void count_devices(Devices& all) {
  if (all.first >= 0) return;
  const cudaError_t error = cudaGetDeviceCount(&all.count);
  if (error != cudaSuccess || all.count == 0) no_device(error == cudaSuccess ? cudaErrorNoDevice : error);
  int first = 0;
  if (const char* wanted = std::getenv("LLASA_DEVICE"); wanted != nullptr && *wanted != '\0') {
    char* end = nullptr;
    const long index = std::strtol(wanted, &end, 10);
    LLASA_CHECK(*end == '\0' && index >= 0 && index < all.count, Status::kNoDevice,
                "LLASA_DEVICE: `%s`, expected 0..%d", wanted, all.count - 1);
    first = static_cast<int>(index);
  } else if (const int rank = read_local_rank([](const char* name) { return std::getenv(name); });
             rank > 0 && all.count > 1) {
    LLASA_CHECK(
        rank < all.count, Status::kNoDevice,
        "rank %d of this machine has no device of its own: there are %d; LLASA_DEVICE names one to share",
        rank, all.count);
    first = rank;
  }
  all.known.resize(static_cast<size_t>(all.count));
  all.first = first;
}

std::unique_ptr<cuda::Device> find_device(int index) {
  auto device = std::make_unique<cuda::Device>();
  device->index = index;
  cudaDeviceProp properties;
  cuda::check(cudaGetDeviceProperties(&properties, index), "describing the device");
  device->name = properties.name;
  device->memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  device->capability = properties.major * 10 + properties.minor;
  device->isa = format("sm_%d", device->capability);
  LLASA_CHECK(device->capability >= 80, Status::kNoDevice,
              "device %d (%s) has compute capability %d.%d, expected 8.0 or later", index, properties.name,
              properties.major, properties.minor);
  device->multiprocessors = attribute(cudaDevAttrMultiProcessorCount, index);
  device->shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
  return device;
}

// Whether an error may have ended the device; those of arguments, memory and recording do not.
bool may_be_fatal(cudaError_t error) {
  if (error >= cudaErrorStreamCaptureUnsupported && error <= cudaErrorStreamCaptureWrongThread) return false;
  switch (error) {
    case cudaSuccess:
    case cudaErrorInvalidValue:
    case cudaErrorMemoryAllocation:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorNotReady:
    case cudaErrorLaunchOutOfResources:
    case cudaErrorNotSupported:
      return false;
    default:
      return true;
  }
}

// Notes that the calling thread's device is gone if it still fails when it is asked again.
void note_if_lost(cudaError_t error, const std::string& message) {
  if (current == nullptr || !may_be_fatal(error)) return;
  if (cudaDeviceSynchronize() == cudaSuccess) return;
  cudaGetLastError();
  Devices& all = devices();
  const std::lock_guard<std::mutex> lock(all.mutex);
  cuda::Device& device = *all.known[static_cast<size_t>(current->index)];
  if (device.lost.load()) return;
  device.why_lost = message;
  device.lost.store(true);
}

}  // namespace

namespace cuda {

const Device& describe(int index) {
  Devices& all = devices();
  const std::lock_guard<std::mutex> lock(all.mutex);
  count_devices(all);
  if (index < 0) index = all.first;
  LLASA_CHECK(index < all.count, Status::kNoDevice, "device %d does not exist, expected 0..%d", index,
              all.count - 1);
  auto& device = all.known[static_cast<size_t>(index)];
  if (device == nullptr) device = find_device(index);
  return *device;
}

const Device& use_device() {
  if (current == nullptr || (wanted_device >= 0 ? wanted_device : devices().first) != current->index) {
    const Device& device = describe(wanted_device);
    LLASA_CHECK(!device.lost.load(), Status::kDevice, "device %d was lost: %s", device.index,
                device.why_lost.c_str());
    current = &device;
  }
  LLASA_CHECK(!current->lost.load(std::memory_order_acquire), Status::kDevice, "device %d was lost: %s",
              current->index, current->why_lost.c_str());
  // Not from memory: another library may have chosen another device for this thread.
  int chosen = -1;
  const bool known = cudaGetDevice(&chosen) == cudaSuccess;
  if (!known) cudaGetLastError();  // or it would be taken for the next launch's
  if (!known || chosen != current->index) check(cudaSetDevice(current->index), "choosing the device");
  return *current;
}

void out_of_memory(const char* kind, int64_t bytes, const char* what) {
  cudaGetLastError();
  size_t available = 0, total = 0;
  if (cudaMemGetInfo(&available, &total) != cudaSuccess) cudaGetLastError();
  const Device& device = use_device();
  fail(Status::kOutOfMemory,
       "out of %s memory allocating %lld bytes for %s: %lld of %lld bytes are free on device %d (%s)", kind,
       static_cast<long long>(bytes), what, static_cast<long long>(available), static_cast<long long>(total),
       device.index, device.name.c_str());
}

bool& recording_on_this_thread() {
  thread_local bool recording = false;
  return recording;
}

void check(cudaError_t error, const char* action) {
  if (error == cudaSuccess) return;
  const std::string reason = cudaGetErrorString(error);
  cudaGetLastError();
  std::string message = std::string(action) + ": " + reason;
  if (last_launch != nullptr)
    message += format(" (launched last: `%s`; LLASA_SYNC=1 waits for each kernel)", last_launch);
  note_if_lost(error, message);
  throw Error(error == cudaErrorMemoryAllocation ? Status::kOutOfMemory : Status::kDevice, message);
}

namespace {

// Of the kernel's own arrays, which count towards every limit.
size_t static_shared_bytes(const char* kernel, const void* function) {
  thread_local std::unordered_map<const void*, size_t> known;
  const auto found = known.find(function);
  if (found != known.end()) return found->second;
  cudaFuncAttributes attributes;
  check(cudaFuncGetAttributes(&attributes, function), kernel);
  return known[function] = attributes.sharedSizeBytes;
}

}  // namespace

void prepare_launch(const char* kernel, const void* function, size_t shared_bytes) {
  const Device& device = use_device();
  if (shared_bytes == 0) return;
  const size_t all = shared_bytes + static_shared_bytes(kernel, function);
  if (all <= size_t{48} << 10) return;
  LLASA_CHECK(all <= static_cast<size_t>(device.shared_bytes), Status::kDevice,
              "kernel `%s` needs %lld bytes of shared memory, %s has %d", kernel, static_cast<long long>(all),
              device.name.c_str(), device.shared_bytes);
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
  last_launch = what;
}

void check_launch(const char* kernel, cudaStream_t stream) {
  cudaError_t error = cudaGetLastError();
  // A fault of earlier work shows here, too, and is not this kernel's.
  if (may_be_fatal(error)) check(error, "work launched before");
  LLASA_CHECK(error == cudaSuccess, Status::kDevice, "launching kernel `%s`: %s", kernel,
              cudaGetErrorString(error));
  last_launch = kernel;
  if (!waits_for_launches()) return;
  error = cudaStreamSynchronize(stream);
  if (error == cudaSuccess) return;
  const std::string message = format("kernel `%s`: %s", kernel, cudaGetErrorString(error));
  cudaGetLastError();
  note_if_lost(error, message);
  throw Error(Status::kDevice, message);
}

int multiprocessors() {
  return use_device().multiprocessors;
}
int compute_capability() {
  return use_device().capability;
}
int device_number() {
  return use_device().index;
}

}  // namespace cuda

DeviceScope::DeviceScope(int device) noexcept : before_(wanted_device) {
  wanted_device = device;
}
DeviceScope::~DeviceScope() {
  wanted_device = before_;
}

int resolve_device(int device, const char* option) {
  cuda::describe(-1);
  const int count = devices().count;
  LLASA_CHECK(device >= -1 && device < count, Status::kNoDevice, "%s: device %d, expected -1 or 0..%d",
              option, device, count - 1);
  return cuda::describe(device).index;
}

DeviceDescription describe_device() {
  const cuda::Device& device = cuda::describe(-1);
  cuda::cublaslt();  // or it would be missed by the first product
#if defined(LLASA_CUDASIM)
  return {"cudasim", device.isa.c_str(), device.name.c_str(), device.memory_bytes};
#else
  return {"cuda", device.isa.c_str(), device.name.c_str(), device.memory_bytes};
#endif
}

}  // namespace llasa
