#include <algorithm>
#include <cstring>

#include "cuda/devices.h"
#include "cuda/staging.h"

namespace llasa::cuda {

StagingRing::~StagingRing() {
  for (const Buffer& buffer : buffers_) {
    if (buffer.read != nullptr && cudaEventDestroy(buffer.read) != cudaSuccess) cudaGetLastError();
    if (buffer.memory != nullptr && cudaFreeHost(buffer.memory) != cudaSuccess) cudaGetLastError();
  }
}

// The buffer in use is given to the device, the one it read longest ago comes back.
void StagingRing::next(Stream& stream) {
  Buffer& full = buffers_[static_cast<size_t>(current_)];
  check(cudaEventRecord(full.read, native(stream)), "uploading");
  full.queued = true;
  current_ = (current_ + 1) % kBuffers;
  used_ = 0;
  Buffer& oldest = buffers_[static_cast<size_t>(current_)];
  if (!oldest.queued) return;
  check(cudaEventSynchronize(oldest.read), "uploading");
  oldest.queued = false;
}

void StagingRing::upload(Stream& stream, void* destination, const void* source, int64_t bytes) {
  constexpr int64_t kAlignment = 64;
  auto* to = static_cast<char*>(destination);
  const auto* from = static_cast<const char*>(source);
  while (bytes > 0) {
    if (used_ == kBufferBytes) next(stream);
    Buffer& buffer = buffers_[static_cast<size_t>(current_)];
    if (buffer.memory == nullptr) {  // no tensor memory: neither counted nor planned
      void* memory = nullptr;
      const cudaError_t error = cudaMallocHost(&memory, static_cast<size_t>(kBufferBytes));
      if (error == cudaErrorMemoryAllocation)
        out_of_memory("page-locked host", kBufferBytes, "the staging memory of uploads");
      check(error, "the staging memory of uploads");
      buffer.memory = static_cast<char*>(memory);
    }
    if (buffer.read == nullptr)
      check(cudaEventCreateWithFlags(&buffer.read, cudaEventDisableTiming), "making an event");
    const int64_t piece = std::min(bytes, kBufferBytes - used_);
    std::memcpy(buffer.memory + used_, from, static_cast<size_t>(piece));
    check(cudaMemcpyAsync(to, buffer.memory + used_, static_cast<size_t>(piece), cudaMemcpyHostToDevice,
                          native(stream)),
          "copying to the device");
    used_ = std::min(kBufferBytes, used_ + (piece + kAlignment - 1) / kAlignment * kAlignment);
    to += piece;
    from += piece;
    bytes -= piece;
  }
}

}  // namespace llasa::cuda
