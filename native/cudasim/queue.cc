#include "queue.h"

#include <algorithm>
#include <chrono>

#include "counts.h"
#include "devices.h"
#include "fault.h"
#include "memory.h"
#include "runtime.h"

namespace cudasim {

namespace {

std::vector<cudaStream_t>& streams() {
  static auto* all = new std::vector<cudaStream_t>();
  return *all;
}

// Runs the first piece of work; false where it waits for another process, and stays the first.
bool run_next(cudaStream_t stream) {
  Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  const Outcome outcome = work();
  if (outcome.value == Outcome::kFault) stream->queue.clear();
  if (outcome.value == Outcome::kWaits) stream->queue.push_front(std::move(work));
  return outcome.value != Outcome::kWaits;
}

// Runs what can be run; false where work waits. A lost device drops everything.
bool advance(cudaStream_t stream) {
  while (!stream->queue.empty()) {
    if (lost_device_error() != cudaSuccess) {
      stream->queue.clear();
    } else if (!run_next(stream)) {
      return false;
    }
  }
  return true;
}

void nap() {
  std::this_thread::sleep_for(std::chrono::microseconds(100));
}

}  // namespace

std::recursive_mutex& engine() {
  static auto* mutex = new std::recursive_mutex();
  return *mutex;
}

bool is_stream(cudaStream_t stream) {
  return std::find(streams().begin(), streams().end(), stream) != streams().end();
}

cudaStream_t resolve(cudaStream_t stream) {
  if (stream != cudaStreamLegacy) return stream;
  static cudaStream_t legacy[kMaximumDevices] = {};
  cudaStream_t& own = legacy[current_device()];
  if (own == nullptr) {
    own = new cudasim_stream();
    own->device = current_device();
    streams().push_back(own);
  }
  return own;
}

void push(cudaStream_t stream, Work work) {
  if (stream->capture != nullptr) {
    stream->capture->work.push_back(std::move(work));
  } else {
    stream->queue.push_back(std::move(work));
  }
}

void drain(cudaStream_t stream) {
  show_device_memory();
  while (!advance(stream)) nap();
}

Counts& counts() {
  static Counts instance;
  return instance;
}

void note_call(cudaStream_t stream) {
  if (stream->capture == nullptr) ++counts().calls;
}

void drain_all() {
  const auto all = streams();
  for (cudaStream_t stream : all) drain(stream);
}

cudaError_t break_capture(cudaStream_t stream, const char* call, cudaError_t error) {
  if (stream->broken_by.empty()) stream->broken_by = call;
  note_fault_text(text("%s while a graph is recorded", call));
  return error;
}

cudaError_t refuse_while_capturing(const char* call) {
  cudaError_t error = cudaSuccess;
  for (cudaStream_t s : streams()) {
    if (s->capture == nullptr || s->capture_mode == cudaStreamCaptureModeRelaxed) continue;
    if (s->capture_mode == cudaStreamCaptureModeGlobal || s->capturing == std::this_thread::get_id())
      error = break_capture(s, call, cudaErrorStreamCaptureUnsupported);
  }
  return error;
}

cudaError_t refuse_beside_captures(const char* call, cudaError_t error) {
  cudaError_t result = cudaSuccess;
  for (cudaStream_t s : streams()) {
    if (s->capture != nullptr) result = break_capture(s, call, error);
  }
  return result;
}

}  // namespace cudasim

using namespace cudasim;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const ApiCall call("cudaStreamCreateWithFlags");
  if (call.failed()) return call.fail(call.error());
  *stream = new cudasim_stream();
  (*stream)->device = current_device();
  streams().push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const ApiCall call("cudaStreamDestroy");
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  drain(stream);
  hide_device_memory();
  streams().erase(std::find(streams().begin(), streams().end(), stream));
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const ApiCall call("cudaStreamSynchronize");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr)
    return call.fail(break_capture(stream, "cudaStreamSynchronize", cudaErrorStreamCaptureUnsupported));
  ++counts().waits;
  drain(stream);
  hide_device_memory();
  return call.fail(take_device_fault());
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const ApiCall call("cudaStreamQuery");
  if (call.failed()) return call.fail(call.error());
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr)
    return call.fail(break_capture(stream, "cudaStreamQuery", cudaErrorStreamCaptureUnsupported));
  if (stream->queue.empty()) return cudaSuccess;
  // A device goes on beside the host; this one does when it is asked, and answers as it stood before.
  show_device_memory();
  advance(stream);
  hide_device_memory();
  const cudaError_t fault = take_device_fault();
  return call.fail(fault != cudaSuccess ? fault : cudaErrorNotReady);
}

cudaError_t cudaDeviceSynchronize() {
  const ApiCall call("cudaDeviceSynchronize");
  if (call.failed()) return call.fail(call.error());
  if (const cudaError_t error =
          refuse_beside_captures("cudaDeviceSynchronize", cudaErrorStreamCaptureUnsupported);
      error != cudaSuccess)
    return call.fail(error);
  ++counts().waits;
  drain_all();
  hide_device_memory();
  return call.fail(take_device_fault());
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const ApiCall call("cudaEventCreateWithFlags");
  if (call.failed()) return call.fail(call.error());
  *event = new cudasim_event();
  (*event)->device = current_device();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const ApiCall call("cudaEventDestroy");
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const ApiCall call("cudaEventRecord");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (event->device != stream->device) return call.fail(cudaErrorInvalidResourceHandle);
  auto& recorded = event->state;
  recorded->stream = stream;
  recorded->captured = stream->capture != nullptr;
  const uint64_t ticket = ++recorded->recorded;
  push(stream, [recorded, ticket] {
    recorded->done = std::max(recorded->done, ticket);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const ApiCall call("cudaStreamWaitEvent");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  const auto awaited = event->state;
  // A capture that spans streams is not simulated: every event belongs to its own side.
  if (awaited->captured != (stream->capture != nullptr)) {
    if (stream->capture != nullptr)
      return call.fail(break_capture(stream, "cudaStreamWaitEvent", cudaErrorStreamCaptureIsolation));
    return call.fail(cudaErrorCapturedEvent);
  }
  push(stream, [awaited, ticket = awaited->recorded] {
    while (awaited->done < ticket && is_stream(awaited->stream) && !awaited->stream->queue.empty()) {
      if (!run_next(awaited->stream)) nap();
    }
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const ApiCall call("cudaEventSynchronize");
  if (call.failed()) return call.fail(call.error());
  if (event->state->captured) return call.fail(cudaErrorCapturedEvent);
  if (event->state->done < event->state->recorded && is_stream(event->state->stream)) {
    ++counts().waits;
    drain(event->state->stream);
    hide_device_memory();
  }
  return call.fail(take_device_fault());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const ApiCall call("cudaEventQuery");
  if (call.failed()) return call.fail(call.error());
  if (event->state->captured) return call.fail(cudaErrorCapturedEvent);
  return event->state->done < event->state->recorded ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const ApiCall call("cudaStreamBeginCapture");
  if (call.failed()) return call.fail(call.error());
  if (!is_stream(stream) || stream->capture != nullptr) return call.fail(cudaErrorInvalidResourceHandle);
  if (graphs() == kNotBegun) return call.fail(cudaErrorMemoryAllocation);
  stream->capture = std::make_unique<cudasim_graph>();
  stream->capturing = std::this_thread::get_id();
  stream->capture_mode = mode;
  stream->broken_by.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const ApiCall call("cudaStreamIsCapturing");
  if (call.failed()) return call.fail(call.error());
  stream = resolve(stream);
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  *status = stream->capture == nullptr  ? cudaStreamCaptureStatusNone
            : stream->broken_by.empty() ? cudaStreamCaptureStatusActive
                                        : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const ApiCall call("cudaStreamEndCapture");
  *graph = nullptr;
  if (!is_stream(stream) || stream->capture == nullptr) return call.fail(cudaErrorInvalidResourceHandle);
  if (stream->capture_mode != cudaStreamCaptureModeRelaxed && stream->capturing != std::this_thread::get_id())
    return call.fail(cudaErrorStreamCaptureWrongThread);
  const auto captured = std::move(stream->capture);
  if (!stream->broken_by.empty()) {
    note_fault_text(text("the capture was invalidated by %s", stream->broken_by.c_str()));
    return call.fail(cudaErrorStreamCaptureInvalidated);
  }
  if (graphs() == kNotEnded) return call.fail(cudaErrorMemoryAllocation);
  *graph = new cudasim_graph(*captured);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  const ApiCall call("cudaGraphInstantiateWithFlags");
  if (call.failed()) return call.fail(call.error());
  if (graphs() == kNotMade) return call.fail(cudaErrorMemoryAllocation);
  *executable = new cudasim_graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const ApiCall call("cudaGraphLaunch");
  if (call.failed()) return call.fail(call.error());
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  note_call(stream);
  for (const Work& work : executable->work) push(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const ApiCall call("cudaGraphDestroy");
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const ApiCall call("cudaGraphExecDestroy");
  delete executable;
  return cudaSuccess;
}
