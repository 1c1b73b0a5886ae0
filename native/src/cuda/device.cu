// Device memory and streams on the CUDA runtime. Memory comes from cudaMalloc: it is taken when models are
// made and when a buffer grows, not in the loops, and cudaFree waits for the device, so that a buffer may be
// destroyed while work that reads it is queued, on any thread.
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "core/device.h"
#include "core/launch.h"
#include "core/memory_plan.h"
#include "core/phase_memory.h"
#include "core/scratch.h"
#include "cuda/devices.h"
#include "cuda/staging.h"

namespace llasa {

namespace {

std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> allocations_before_failure{-1};

// What belongs to a stream, by stream.
struct StreamMemory {
  ScratchArena scratch;
  cuda::StagingRing staging;
};
struct Memories {
  std::mutex mutex;
  std::map<const void*, std::unique_ptr<StreamMemory>> of;
};
Memories& memories() {
  static auto* instance = new Memories();  // outlives streams that are destroyed at exit
  return *instance;
}
StreamMemory& memory_of(Stream& stream) {
  LLASA_CHECK(!stream.is_callers(), Status::kInternal, "memory kept with a stream of the caller");
  Memories& all = memories();
  const std::lock_guard<std::mutex> lock(all.mutex);
  // A stream of a memory plan has none behind it.
  auto& own = all.of[stream.native() != nullptr ? stream.native() : &stream];
  if (own == nullptr) own = std::make_unique<StreamMemory>();
  return *own;
}

bool is_pinned(const void* memory) {
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeHost;
}

void refuse_while_recording(const char* action) {
  LLASA_CHECK(!cuda::recording_on_this_thread(), Status::kInternal, "%s while a graph is recorded", action);
}

}  // namespace

namespace cuda {

bool fails_by_request() {
  return allocations_before_failure.load(std::memory_order_relaxed) >= 0 &&
         allocations_before_failure.fetch_sub(1) == 0;
}

void count_allocated(int64_t bytes) noexcept {
  live_bytes += bytes;
}

}  // namespace cuda

ScratchArena& scratch_arena(Stream& stream) {
  return memory_of(stream).scratch;
}

Stream::Stream() {
  if (planning()) return;  // needs no device then
  cuda::use_device();
  cudaStream_t stream = nullptr;
  cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  native_ = stream;
}
Stream::~Stream() {
  if (is_callers_) return;
  // Nothing can be reported here; on a dead device there is nothing to free either.
  if (native_ != nullptr && cudaStreamSynchronize(cuda::native(*this)) != cudaSuccess) cudaGetLastError();
  std::unique_ptr<StreamMemory> own;
  {
    Memories& all = memories();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.of.find(native_ != nullptr ? native_ : this);
    if (found != all.of.end()) {
      own = std::move(found->second);
      all.of.erase(found);
    }
  }
  own.reset();
  if (native_ != nullptr && cudaStreamDestroy(cuda::native(*this)) != cudaSuccess) cudaGetLastError();
}
void Stream::synchronize() {
  if (planning()) return;
  cuda::use_device();
  cuda::check(cudaStreamSynchronize(cuda::native(*this)), "waiting for the device");
}

bool Stream::done() {
  if (planning()) return true;
  cuda::use_device();
  const cudaError_t state = cudaStreamQuery(cuda::native(*this));
  if (state == cudaErrorNotReady) {
    cudaGetLastError();  // or it would be taken for the next launch's
    return false;
  }
  cuda::check(state, "waiting for the device");
  return true;
}

std::string device_identity() {
  char bus[32] = "";  // domain:bus:device.function
  cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, cuda::use_device().index),
              "asking for the device's bus");
  return bus;
}

bool device_works_behind() {
  return true;
}

void synchronize_device() {
  if (planning()) return;
  cuda::use_device();
  cuda::check(cudaDeviceSynchronize(), "waiting for the device");
}

void* device_allocate(int64_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  if (MemoryPlan* plan = MemoryPlan::current()) return plan->allocate(bytes, what);
  cuda::use_device();
  void* memory = nullptr;
  const bool refused = bytes < 0 || cuda::fails_by_request();
  cudaError_t error = refused ? cudaErrorMemoryAllocation : cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation && !refused && trim_phases()) {
    cudaGetLastError();
    error = cudaMalloc(&memory, static_cast<size_t>(bytes));
  }
  if (error == cudaErrorMemoryAllocation) cuda::out_of_memory("device", bytes, what);
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
  if (MemoryPlan* plan = MemoryPlan::current()) return plan->allocate(bytes, what, true);
  cuda::use_device();
  void* memory = nullptr;
  const cudaError_t error = bytes < 0 || cuda::fails_by_request()
                                ? cudaErrorMemoryAllocation
                                : cudaMallocHost(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) cuda::out_of_memory("page-locked host", bytes, what);
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

void* stream_allocate(Stream& stream, int64_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  cuda::use_device();
  void* memory = nullptr;
  const cudaError_t error = bytes < 0 || cuda::fails_by_request()
                                ? cudaErrorMemoryAllocation
                                : cudaMallocAsync(&memory, static_cast<size_t>(bytes), cuda::native(stream));
  if (error == cudaErrorMemoryAllocation) cuda::out_of_memory("device", bytes, what);
  cuda::check(error, what);
  live_bytes += bytes;
  return memory;
}

void stream_free(Stream& stream, void* memory, int64_t bytes) noexcept {
  if (memory == nullptr) return;
  if (cudaFreeAsync(memory, cuda::native(stream)) != cudaSuccess) cudaGetLastError();
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
  cuda::use_device();
  refuse_while_recording("copying to the device");
  if (is_pinned(destination)) {  // it is the host's
    stream.synchronize();
    std::memcpy(destination, source, static_cast<size_t>(bytes));
    return;
  }
  // The device reads page-locked memory itself, which pays where there is much of it.
  if (bytes <= cuda::StagingRing::kBufferBytes || !is_pinned(source)) {
    memory_of(stream).staging.upload(stream, destination, source, bytes);
    return;
  }
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                              cuda::native(stream)),
              "copying to the device");
  stream.synchronize();
}

void copy_to_host(Stream& stream, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0) return;
  if (planning()) {
    std::memset(destination, 0, static_cast<size_t>(bytes));
    return;
  }
  cuda::use_device();
  refuse_while_recording("copying to the host");
  if (is_pinned(source)) {
    stream.synchronize();
    std::memcpy(destination, source, static_cast<size_t>(bytes));
    return;
  }
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                              cuda::native(stream)),
              "copying to the host");
  cuda::check(cudaStreamSynchronize(cuda::native(stream)), "copying to the host");
}

void copy_on_device(Stream& stream, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0 || planning()) return;
  cuda::use_device();
  cuda::check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                              cuda::native(stream)),
              "copying on the device");
}

void zero_on_device(Stream& stream, void* destination, int64_t bytes) {
  if (bytes <= 0 || planning()) return;
  cuda::use_device();
  cuda::check(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), cuda::native(stream)),
              "clearing device memory");
}

}  // namespace llasa
