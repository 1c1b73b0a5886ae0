// Copies and fills. The direction must be what the pointers say; a pageable source is read when the call is
// made, a pinned one when its turn comes, as on a device.
#include <cstdint>
#include <cstring>
#include <vector>

#include "counts.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "runtime.h"

using namespace cudasim;

namespace {

// Whether the pointer is what the direction promises; otherwise the fault is noted.
bool is_array(const char* role, const void* pointer, size_t bytes, bool device, cudaStream_t stream) {
  if (is_device_pointer(pointer) != device) {
    set_device_fault(cudaErrorIllegalAddress,
                     text("cudaMemcpyAsync: the %s is %s pointer, expected %s pointer", role,
                          device ? "a host" : "a device", device ? "a device" : "a host"));
    return false;
  }
  if (device && device_of(pointer) != stream->device) {
    set_device_fault(cudaErrorIllegalAddress,
                     text("cudaMemcpyAsync: the %s is memory of device %d, the stream is device %d's", role,
                          device_of(pointer), stream->device));
    return false;
  }
  if (device && !range_is_allocated(pointer, bytes)) {
    set_device_fault(cudaErrorIllegalAddress,
                     text("cudaMemcpyAsync: the %s's %zu bytes begin %s", role, bytes,
                          describe_address(reinterpret_cast<uintptr_t>(pointer)).c_str()));
    return false;
  }
  return true;
}

void note_copy(cudaMemcpyKind kind, size_t bytes) {
  Counts& c = counts();
  if (kind == cudaMemcpyHostToDevice) {
    ++c.uploads;
    c.upload_bytes += static_cast<int64_t>(bytes);
  } else if (kind == cudaMemcpyDeviceToHost) {
    ++c.readbacks;
    c.readback_bytes += static_cast<int64_t>(bytes);
  } else {
    ++c.copies;
  }
}

}  // namespace

cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const ApiCall call("cudaMemcpyAsync");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (!is_array("destination", destination, bytes, to_device, stream) ||
      !is_array("source", source, bytes, from_device, stream)) {
    return call.fail(take_device_fault());
  }
  if (stream->capture != nullptr &&
      ((!from_device && !is_pinned_pointer(source)) || (!to_device && !is_pinned_pointer(destination)))) {
    // A graph would read or write it at every replay, when it may be gone.
    return call.fail(
        break_capture(stream, "a copy from or to pageable host memory", cudaErrorStreamCaptureUnsupported));
  }
  note_call(stream);
  if (!from_device && !is_pinned_pointer(source)) {
    const auto* begin = static_cast<const unsigned char*>(source);
    push(stream, [destination, staged = std::vector<unsigned char>(begin, begin + bytes), to_device] {
      std::memcpy(destination, staged.data(), staged.size());
      if (to_device) mark_written(destination, staged.size());
      note_copy(cudaMemcpyHostToDevice, staged.size());
      return true;
    });
    return cudaSuccess;
  }
  push(stream, [=] {
    if (kind == cudaMemcpyDeviceToHost && !range_is_written(source, bytes)) {
      set_device_fault(cudaErrorIllegalAddress,
                       text("cudaMemcpyAsync: uninitialised bytes among %zu copied to the host, %s", bytes,
                            describe_address(reinterpret_cast<uintptr_t>(source)).c_str()));
      return false;
    }
    std::memmove(destination, source, bytes);
    if (kind == cudaMemcpyDeviceToDevice) copy_shadow(destination, source, bytes);
    if (kind == cudaMemcpyHostToDevice) mark_written(destination, bytes);
    note_copy(kind, bytes);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* destination, int value, size_t bytes, cudaStream_t stream) {
  const ApiCall call("cudaMemsetAsync");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  if (!is_array("destination", destination, bytes, true, stream)) return call.fail(take_device_fault());
  note_call(stream);
  push(stream, [=] {
    std::memset(destination, value, bytes);
    mark_written(destination, bytes);
    ++counts().clears;
    return true;
  });
  return cudaSuccess;
}
