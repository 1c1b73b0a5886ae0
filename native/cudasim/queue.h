// Streams, events and graphs: work waits in its stream's queue until somebody synchronises, so that a missing
// synchronisation shows. Every function needs the engine's lock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cudasim/runtime_api.h"

namespace cudasim {

// One thread at a time is inside the simulator.
std::recursive_mutex& engine();

// Where an event was recorded last: `recorded` counts, `done` says how many of them have been reached.
struct EventState {
  cudaStream_t stream = nullptr;
  uint64_t recorded = 0;
  uint64_t done = 0;
  bool captured = false;  // recorded into a graph: nobody can wait for it
};

// What became of a piece of work: false is a fault, and the rest of the queue is dropped.
struct Outcome {
  enum Value { kFault, kDone, kWaits };  // kWaits: for another process; it runs again

  Outcome(bool done) : value(done ? kDone : kFault) {}
  Outcome(Value what) : value(what) {}

  Value value;
};
using Work = std::function<Outcome()>;

}  // namespace cudasim

struct cudasim_event {
  int device = 0;
  std::shared_ptr<cudasim::EventState> state = std::make_shared<cudasim::EventState>();
};

struct cudasim_graph {
  std::vector<cudasim::Work> work;
};

struct cudasim_stream {
  int device = 0;
  std::deque<cudasim::Work> queue;
  std::unique_ptr<cudasim_graph> capture;
  std::thread::id capturing;  // the thread that began it
  cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
  std::string broken_by;  // the call that invalidated it
};

namespace cudasim {

void push(cudaStream_t stream, Work work);
// Runs everything queued so far, and waits for what waits.
void drain(cudaStream_t stream);
void drain_all();
bool is_stream(cudaStream_t stream);
// The stream that a handle stands for: cudaStreamLegacy for one that the calling thread's device has from the start.
cudaStream_t resolve(cudaStream_t stream);
// Invalidates a capture and returns the error of the call that must not be made while it goes on.
cudaError_t break_capture(cudaStream_t stream, const char* call, cudaError_t error);
// For calls that are forbidden while the calling thread captures (or any thread in global mode): allocating,
// freeing. cudaSuccess if nobody does.
cudaError_t refuse_while_capturing(const char* call);
// For calls that wait for all streams or use the legacy one: forbidden while anything is captured.
cudaError_t refuse_beside_captures(const char* call, cudaError_t error);

}  // namespace cudasim
