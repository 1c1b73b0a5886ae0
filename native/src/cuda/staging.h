// Uploads of pageable memory without a wait: the bytes are put into page-locked memory, from where the device
// takes them when the stream gets there.
#pragma once

#include <array>
#include <cstdint>

#include "core/device.h"
#include "core/launch.h"

namespace llasa::cuda {

// The page-locked buffers of one stream, filled one after another and used again when the device has read
// them: an event per buffer says when. Only an upload that finds all of them waiting waits itself.
class StagingRing {
 public:
  static constexpr int kBuffers = 4;
  static constexpr int64_t kBufferBytes = int64_t{1} << 20;

  StagingRing() = default;
  // The stream must be idle.
  ~StagingRing();
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  // Queues the copy; the source may go when this returns.
  void upload(Stream& stream, void* destination, const void* source, int64_t bytes);

 private:
  struct Buffer {
    char* memory = nullptr;
    cudaEvent_t read = nullptr;
    bool queued = false;  // `read` was recorded and not waited for
  };
  void next(Stream& stream);

  std::array<Buffer, kBuffers> buffers_;
  int current_ = 0;
  int64_t used_ = 0;
};

}  // namespace llasa::cuda
