// Addresses of a GPU that memory is put behind: the driver's virtual memory management (CUDA driver API, "Virtual Memory
// Management"). Its functions are asked for at run time, so that nothing links against the driver.
//
// Memory comes in handles of one granule, whose handle is let go as soon as it is mapped: unmapping it frees it.
#include <cuda.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "core/address_range.h"
#include "core/device.h"
#include "core/launch.h"
#include "cuda/devices.h"
#if defined(LLASA_CUDASIM)
#include "virtual_memory.h"
#endif

namespace llasa {

namespace {

struct Driver {
  decltype(&cuMemAddressReserve) reserve = nullptr;
  decltype(&cuMemCreate) create = nullptr;
  decltype(&cuMemRelease) release = nullptr;
  decltype(&cuMemMap) map = nullptr;
  decltype(&cuMemUnmap) unmap = nullptr;
  decltype(&cuMemSetAccess) set_access = nullptr;
  bool complete = false;
};

template <typename Function>
bool find(const char* name, Function& function) {
  void* found = nullptr;
#if defined(CUDART_VERSION) && CUDART_VERSION >= 13000
  cudaDriverEntryPointQueryResult result;
  const cudaError_t error = cudaGetDriverEntryPointByVersion(name, &found, 11020, cudaEnableDefault, &result);
#else
  const cudaError_t error = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault);
#endif
  if (error != cudaSuccess) cudaGetLastError();
  function = reinterpret_cast<Function>(found);
  return error == cudaSuccess && found != nullptr;
}

const Driver& driver() {
  static const Driver found = [] {
    Driver d;
    d.complete = find("cuMemAddressReserve", d.reserve) && find("cuMemCreate", d.create) &&
                 find("cuMemRelease", d.release) && find("cuMemMap", d.map) && find("cuMemUnmap", d.unmap) &&
                 find("cuMemSetAccess", d.set_access);
    return d;
  }();
  return found;
}

CUdeviceptr address(const char* at) {
  return static_cast<CUdeviceptr>(reinterpret_cast<uintptr_t>(at));
}

void unmap(char* at, int64_t bytes) noexcept {
  for (int64_t done = 0; done < bytes; done += kGpuGranule) driver().unmap(address(at + done), kGpuGranule);
}

CUresult commit(int device, char* at, int64_t bytes) {
  CUmemAllocationProp what = {};
  what.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  what.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  what.location.id = device;
  CUmemAccessDesc access = {};
  access.location = what.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  CUresult result = CUDA_SUCCESS;
  int64_t done = 0;
  for (; done < bytes; done += kGpuGranule) {
    CUmemGenericAllocationHandle handle = 0;
    result = driver().create(&handle, kGpuGranule, &what, 0);
    if (result != CUDA_SUCCESS) break;
    result = driver().map(address(at + done), kGpuGranule, 0, handle, 0);
    driver().release(handle);
    if (result != CUDA_SUCCESS) break;
  }
  if (result == CUDA_SUCCESS)
    result = driver().set_access(address(at), static_cast<size_t>(bytes), &access, 1);
  if (result != CUDA_SUCCESS) unmap(at, done);
  return result;
}

// As many as the device has memory, if it takes part: one granule is tried.
AddressRange reserve_on(const cuda::Device& device) {
  const int64_t bytes = (device.memory_bytes + kGpuGranule - 1) / kGpuGranule * kGpuGranule;
  CUdeviceptr base = 0;
  if (driver().reserve(&base, static_cast<size_t>(bytes), 0, 0, 0) != CUDA_SUCCESS) return {};
  AddressRange range;
  range.base = reinterpret_cast<char*>(static_cast<uintptr_t>(base));
  range.bytes = bytes;
  return range;
}

// Whether a device takes part, by index: one granule is tried.
bool takes_part(const cuda::Device& device, char* at) {
  static std::mutex mutex;
  static auto* known = new std::map<int, bool>;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known->find(device.index);
  if (found != known->end()) return found->second;
  const CUresult tried = commit(device.index, at, kGpuGranule);
  if (tried == CUDA_SUCCESS) unmap(at, kGpuGranule);
  if (tried == CUDA_ERROR_OUT_OF_MEMORY) return true;  // which says nothing of it
  return (*known)[device.index] = tried == CUDA_SUCCESS;
}

}  // namespace

int current_device() {
  return cuda::use_device().index;
}

int64_t commit_granule() {
  return kGpuGranule;
}

AddressRange reserve_addresses() {
  const char* wanted = std::getenv("LLASA_ARENA");
  if (wanted != nullptr && std::strcmp(wanted, "0") == 0) return {};
  const cuda::Device& device = cuda::use_device();
  cuda::check(cudaFree(nullptr), "beginning work on the device");  // the driver's functions want its context
  if (!driver().complete) return {};
  const AddressRange range = reserve_on(device);
  return range.base != nullptr && takes_part(device, range.base) ? range : AddressRange();
}

void commit_memory(char* at, int64_t bytes, const char* what) {
  const cuda::Device& device = cuda::use_device();
  LLASA_CHECK(!cuda::recording_on_this_thread(), Status::kInternal, "memory for %s while a graph is recorded",
              what);
  if (cuda::fails_by_request()) cuda::out_of_memory("device", bytes, what);
  cuda::check(cudaFree(nullptr), what);  // this thread may be new to the device
  const CUresult result = commit(device.index, at, bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) cuda::out_of_memory("device", bytes, what);
  LLASA_CHECK(result == CUDA_SUCCESS, Status::kDevice, "mapping %lld bytes for %s: the driver's error %d",
              static_cast<long long>(bytes), what, static_cast<int>(result));
  cuda::count_allocated(bytes);
}

void decommit_memory(char* at, int64_t bytes) noexcept {
  unmap(at, bytes);
  cuda::count_allocated(-bytes);
}

#if defined(LLASA_CUDASIM)
void open_memory(void* at, int64_t bytes) {
  cudasim::open_array(at, static_cast<size_t>(bytes));
}
void close_memory(void* at, int64_t bytes) noexcept {
  cudasim::close_array(at, static_cast<size_t>(bytes));
}
#else
void open_memory(void*, int64_t) {}
void close_memory(void*, int64_t) noexcept {}
#endif

}  // namespace llasa
