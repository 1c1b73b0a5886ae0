#include "queue.h"

#include <algorithm>

#include "fault.h"
#include "memory.h"
#include "runtime.h"

namespace cudasim {

namespace {

std::vector<cudaStream_t>& streams() {
  static auto* all = new std::vector<cudaStream_t>();
  return *all;
}

}  // namespace

std::recursive_mutex& engine() {
  static auto* mutex = new std::recursive_mutex();
  return *mutex;
}

bool is_stream(cudaStream_t stream) {
  return std::find(streams().begin(), streams().end(), stream) != streams().end();
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
  while (!stream->queue.empty()) {
    const Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (!work()) stream->queue.clear();
  }
}

void drain_all() {
  const auto all = streams();
  for (cudaStream_t stream : all) drain(stream);
}

bool any_capture() {
  return std::any_of(streams().begin(), streams().end(),
                     [](cudaStream_t s) { return s->capture != nullptr; });
}

}  // namespace cudasim

using namespace cudasim;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const ApiCall call("cudaStreamCreateWithFlags");
  if (call.failed()) return call.error();
  *stream = new cudasim_stream();
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
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture_broken = true;
    return call.fail(cudaErrorStreamCaptureUnsupported);
  }
  drain(stream);
  hide_device_memory();
  return call.fail(take_device_fault());
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const ApiCall call("cudaStreamQuery");
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  return stream->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  const ApiCall call("cudaDeviceSynchronize");
  if (any_capture()) return call.fail(cudaErrorStreamCaptureUnsupported);
  drain_all();
  hide_device_memory();
  return call.fail(take_device_fault());
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const ApiCall call("cudaEventCreateWithFlags");
  *event = new cudasim_event();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const ApiCall call("cudaEventDestroy");
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const ApiCall call("cudaEventRecord");
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  auto& recorded = event->state;
  recorded->stream = stream;
  const uint64_t ticket = ++recorded->recorded;
  push(stream, [recorded, ticket] {
    recorded->done = std::max(recorded->done, ticket);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const ApiCall call("cudaStreamWaitEvent");
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
  const auto awaited = event->state;
  push(stream, [awaited, ticket = awaited->recorded] {
    while (awaited->done < ticket && is_stream(awaited->stream) && !awaited->stream->queue.empty()) {
      const Work work = std::move(awaited->stream->queue.front());
      awaited->stream->queue.pop_front();
      if (!work()) awaited->stream->queue.clear();
    }
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const ApiCall call("cudaEventSynchronize");
  if (event->state->done < event->state->recorded && is_stream(event->state->stream)) {
    drain(event->state->stream);
    hide_device_memory();
  }
  return call.fail(take_device_fault());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const ApiCall call("cudaEventQuery");
  return event->state->done < event->state->recorded ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const ApiCall call("cudaStreamBeginCapture");
  if (!is_stream(stream) || stream->capture != nullptr) return call.fail(cudaErrorInvalidResourceHandle);
  stream->capture = std::make_unique<cudasim_graph>();
  stream->capture_broken = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const ApiCall call("cudaStreamEndCapture");
  *graph = nullptr;
  if (!is_stream(stream) || stream->capture == nullptr) return call.fail(cudaErrorInvalidResourceHandle);
  const auto captured = std::move(stream->capture);
  if (stream->capture_broken) return call.fail(cudaErrorStreamCaptureInvalidated);
  *graph = new cudasim_graph(*captured);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const ApiCall call("cudaGraphInstantiate");
  *executable = new cudasim_graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const ApiCall call("cudaGraphLaunch");
  if (!is_stream(stream)) return call.fail(cudaErrorInvalidResourceHandle);
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
