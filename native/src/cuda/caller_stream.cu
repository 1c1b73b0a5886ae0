// Streams and arrays of the library's caller: other users of the device in this process, such as torch, whose CUDA
// runtime may be another copy. Both stand on the device's primary context, so that handles and addresses are the same.
#include "core/device.h"
#include "core/launch.h"
#include "cuda/devices.h"

namespace llasa {

namespace {

// Of the calling thread's device.
cudaEvent_t make_event() {
  cudaEvent_t event = nullptr;
  cuda::check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  return event;
}

// Memory of which device the address is; -1 for the host's.
int device_of(const void* memory) {
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();
    return -1;
  }
  const bool on_device = attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return on_device ? attributes.device : -1;
}

}  // namespace

CallersDevice::CallersDevice() noexcept {
  if (cudaGetDevice(&before_) == cudaSuccess) return;
  cudaGetLastError();
  before_ = -1;
}
CallersDevice::~CallersDevice() {
  int now = -1;
  cudaError_t error = before_ < 0 ? cudaSuccess : cudaGetDevice(&now);
  if (error == cudaSuccess && now != before_) error = cudaSetDevice(before_);
  if (error != cudaSuccess) cudaGetLastError();
}

Stream::Stream(CallerStream caller)
    : native_(caller.native != nullptr ? caller.native : static_cast<void*>(cudaStreamLegacy)),
      is_callers_(true) {
  const int device = cuda::use_device().index;
  const auto check_is_stream = [&](cudaError_t error) {
    if (error != cudaErrorInvalidResourceHandle) return cuda::check(error, "asking for the caller's stream");
    cudaGetLastError();
    fail(Status::kArgument, "`stream`: %p, expected a stream of device %d", caller.native, device);
  };
  cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
  check_is_stream(cudaStreamIsCapturing(cuda::native(*this), &recording));
  LLASA_CHECK(recording == cudaStreamCaptureStatusNone, Status::kState,
              "`stream` is recorded into a graph, expected one that is not");
  // An event is recorded on streams of its own device alone.
  cudaEvent_t probe = make_event();
  const cudaError_t error = cudaEventRecord(probe, cuda::native(*this));
  cudaEventDestroy(probe);
  check_is_stream(error);
}

StreamJoin::StreamJoin(Stream& own, Stream& callers) : own_(own), callers_(callers) {
  cuda::use_device();
  cudaEvent_t event = make_event();
  cudaError_t error = cudaEventRecord(event, cuda::native(callers));
  if (error == cudaSuccess) error = cudaStreamWaitEvent(cuda::native(own), event, 0);
  if (error != cudaSuccess) cudaEventDestroy(event);
  cuda::check(error, "waiting for the caller's stream");
  event_ = event;
}

// Where the caller's stream cannot be told to wait, this thread does; where that fails too, the device is lost, and
// whoever next waits for it is told.
StreamJoin::~StreamJoin() {
  auto* event = static_cast<cudaEvent_t>(event_);
  cudaError_t error = cudaEventRecord(event, cuda::native(own_));
  if (error == cudaSuccess) error = cudaStreamWaitEvent(cuda::native(callers_), event, 0);
  if (error != cudaSuccess) cudaStreamSynchronize(cuda::native(own_));
  cudaEventDestroy(event);
  if (error != cudaSuccess) cudaGetLastError();
}

void check_device_array(const void* memory, int64_t bytes, int64_t alignment, const char* name) {
  if (bytes == 0) return;
  LLASA_CHECK(memory != nullptr, Status::kArgument, "`%s` is NULL", name);
  LLASA_CHECK(reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(alignment) == 0, Status::kArgument,
              "`%s`: %p, expected a multiple of %lld", name, memory, static_cast<long long>(alignment));
  const int expected = cuda::use_device().index;
  const int first = device_of(memory);
  LLASA_CHECK(first >= 0, Status::kArgument, "`%s`: host memory, expected memory of device %d", name,
              expected);
  LLASA_CHECK(first == expected, Status::kArgument, "`%s`: memory of device %d, expected device %d", name,
              first, expected);
  LLASA_CHECK(device_of(static_cast<const char*>(memory) + bytes - 1) == expected, Status::kArgument,
              "`%s`: expected %lld bytes of device %d, but the memory ends before", name,
              static_cast<long long>(bytes), expected);
}

}  // namespace llasa
