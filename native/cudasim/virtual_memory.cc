#include "virtual_memory.h"

#include <cstring>
#include <map>
#include <mutex>

#include "counts.h"
#include "cuda.h"
#include "devices.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "runtime.h"

namespace cudasim {

// As ApiCall, for functions that have no state of the runtime's.
struct Inside {
  RuntimeScope scope;
  std::lock_guard<std::recursive_mutex> lock{engine()};
};

namespace {

constexpr size_t kGranularity = size_t{2} << 20;

struct Handle {
  int device;
  size_t bytes;
  bool held;    // by the caller
  bool mapped;  // somewhere, at most once
};
struct Mapping {
  size_t bytes;
  unsigned long long handle;
  bool accessible;
};

// All with the engine's lock, and never destroyed: models may be, at exit.
std::map<unsigned long long, Handle>& handles() {
  static auto* all = new std::map<unsigned long long, Handle>;
  return *all;
}
std::map<CUdeviceptr, Mapping>& mappings() {
  static auto* all = new std::map<CUdeviceptr, Mapping>;
  return *all;
}

void free_if_unused(std::map<unsigned long long, Handle>::iterator handle) {
  if (handle->second.held || handle->second.mapped) return;
  give_device_bytes(handle->second.device, handle->second.bytes);
  handles().erase(handle);
}

// Whether mappings cover the range without a gap, each accessible if that is asked for.
bool is_covered(CUdeviceptr begin, size_t bytes, bool accessible) {
  for (CUdeviceptr at = begin; at < begin + bytes;) {
    auto mapping = mappings().upper_bound(at);
    if (mapping == mappings().begin()) return false;
    --mapping;
    if (at >= mapping->first + mapping->second.bytes) return false;
    if (accessible && !mapping->second.accessible) return false;
    at = mapping->first + mapping->second.bytes;
  }
  return true;
}

}  // namespace

void open_array(void* memory, size_t bytes) {
  const Inside inside;
  if (!is_covered(reinterpret_cast<uintptr_t>(memory), bytes, true))
    set_device_fault(cudaErrorIllegalAddress, text("an array of %zu bytes where no memory is mapped", bytes));
  else
    open_device_array(memory, bytes);
}

void close_array(void* memory, size_t) noexcept {
  const Inside inside;
  close_device_array(memory);
}

}  // namespace cudasim

using cudasim::handles;
using cudasim::mappings;

CUresult cuMemAddressReserve(CUdeviceptr* pointer, size_t bytes, size_t, CUdeviceptr, unsigned long long) {
  const cudasim::Inside inside;
  if (bytes == 0 || bytes % cudasim::kGranularity != 0) return CUDA_ERROR_INVALID_VALUE;
  *pointer = cudasim::reserve_device_addresses(bytes, cudasim::kGranularity);
  return *pointer == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t bytes, const CUmemAllocationProp* what,
                     unsigned long long) {
  const cudasim::Inside inside;
  if (bytes == 0 || bytes % cudasim::kGranularity != 0 || what->type != CU_MEM_ALLOCATION_TYPE_PINNED)
    return CUDA_ERROR_INVALID_VALUE;
  if (cudasim::setting("LLASA_CUDASIM_VIRTUAL_MEMORY", 1) == 0) return CUDA_ERROR_NOT_SUPPORTED;
  if (what->location.id < 0 || what->location.id >= cudasim::device_count()) return CUDA_ERROR_INVALID_DEVICE;
  if (!cudasim::take_device_bytes(what->location.id, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  static unsigned long long last = 0;
  handles()[*handle = ++last] = {what->location.id, bytes, true, false};
  ++cudasim::counts().allocations;
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  const cudasim::Inside inside;
  const auto found = handles().find(handle);
  if (found == handles().end() || !found->second.held) return CUDA_ERROR_INVALID_VALUE;
  found->second.held = false;
  cudasim::free_if_unused(found);
  return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long) {
  const cudasim::Inside inside;
  const auto found = handles().find(handle);
  if (found == handles().end() || !found->second.held || found->second.mapped || offset != 0 ||
      bytes != found->second.bytes || !cudasim::is_reserved(pointer, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  const auto after = mappings().lower_bound(pointer + bytes);
  if (after != mappings().begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second.bytes > pointer)
      return CUDA_ERROR_INVALID_VALUE;  // something is there
  }
  mappings()[pointer] = {bytes, handle, false};
  found->second.mapped = true;
  return CUDA_SUCCESS;
}

// A mapping goes as a whole.
CUresult cuMemUnmap(CUdeviceptr pointer, size_t bytes) {
  const cudasim::Inside inside;
  const auto found = mappings().find(pointer);
  if (found == mappings().end() || found->second.bytes != bytes) return CUDA_ERROR_INVALID_VALUE;
  const auto handle = handles().find(found->second.handle);
  mappings().erase(found);
  handle->second.mapped = false;
  cudasim::free_if_unused(handle);
  return CUDA_SUCCESS;
}

CUresult cuMemSetAccess(CUdeviceptr pointer, size_t bytes, const CUmemAccessDesc* access, size_t count) {
  const cudasim::Inside inside;
  if (count != 1 || !cudasim::is_covered(pointer, bytes, false)) return CUDA_ERROR_INVALID_VALUE;
  for (auto m = mappings().lower_bound(pointer); m != mappings().end() && m->first < pointer + bytes; ++m) {
    if (handles().at(m->second.handle).device != access->location.id) return CUDA_ERROR_INVALID_DEVICE;
    m->second.accessible = access->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  }
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPoint(const char* name, void** function, unsigned long long) {
  const cudasim::ApiCall call("cudaGetDriverEntryPoint");
  if (call.failed()) return call.fail(call.error());
  const struct {
    const char* name;
    void* function;
  } known[] = {{"cuMemAddressReserve", reinterpret_cast<void*>(&cuMemAddressReserve)},
               {"cuMemCreate", reinterpret_cast<void*>(&cuMemCreate)},
               {"cuMemRelease", reinterpret_cast<void*>(&cuMemRelease)},
               {"cuMemMap", reinterpret_cast<void*>(&cuMemMap)},
               {"cuMemUnmap", reinterpret_cast<void*>(&cuMemUnmap)},
               {"cuMemSetAccess", reinterpret_cast<void*>(&cuMemSetAccess)}};
  for (const auto& one : known) {
    if (std::strcmp(one.name, name) != 0) continue;
    *function = one.function;
    return cudaSuccess;
  }
  return call.fail(cudaErrorInvalidValue);
}
