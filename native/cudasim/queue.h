// Streams, events and graphs: work waits in its stream's queue until somebody synchronises, so that a missing
// synchronisation shows. Every function needs the engine's lock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
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
};

using Work = std::function<bool()>;  // false: a fault, the rest of the queue is dropped

}  // namespace cudasim

struct cudasim_event {
  std::shared_ptr<cudasim::EventState> state = std::make_shared<cudasim::EventState>();
};

struct cudasim_graph {
  std::vector<cudasim::Work> work;
};

struct cudasim_stream {
  std::deque<cudasim::Work> queue;
  std::unique_ptr<cudasim_graph> capture;
  bool capture_broken = false;
};

namespace cudasim {

void push(cudaStream_t stream, Work work);
// Runs everything queued so far.
void drain(cudaStream_t stream);
void drain_all();
bool is_stream(cudaStream_t stream);
bool any_capture();

}  // namespace cudasim
