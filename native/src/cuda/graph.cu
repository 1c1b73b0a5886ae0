// CUDA graphs by stream capture; contract in core/graph.h.
//
// The capture is thread-local: other threads may go on allocating and waiting on streams of their own
// (scoring runs beside decoding). A graph is launched on the stream it was captured from, so it is ordered
// with everything else there.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/graph.h"
#include "core/launch.h"
#include "cuda/devices.h"

namespace llasa {

namespace {

std::atomic<bool>& recording() {
  static std::atomic<bool> on{[] {
    const char* value = std::getenv("LLASA_GRAPHS");
    return value == nullptr || std::strcmp(value, "0") != 0;
  }()};
  return on;
}

// Whether a body that cannot be recorded is an error: to the simulator, which is there to find it. On a card the
// run goes on without the graph. Want of memory is no error of the body to either; where it lacks memory itself,
// the call in the graph's place says so again.
#if defined(LLASA_CUDASIM)
constexpr bool kReportsBodies = true;
#else
constexpr bool kReportsBodies = false;
#endif

// Ends a capture on every way out.
class Capture {
 public:
  explicit Capture(Stream& stream) : stream_(cuda::native(stream)) {
    cuda::check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a graph");
    cuda::recording_on_this_thread() = true;
  }
  ~Capture() {
    if (stream_ == nullptr) return;
    cuda::recording_on_this_thread() = false;
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) != cudaSuccess) cudaGetLastError();
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  cudaGraph_t end() {
    cudaGraph_t graph = nullptr;
    const cudaStream_t stream = stream_;
    stream_ = nullptr;
    cuda::recording_on_this_thread() = false;
    cuda::check(cudaStreamEndCapture(stream, &graph), "recording a graph");
    return graph;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

LaunchGraphs::~LaunchGraphs() {
  drop();
}

int64_t LaunchGraphs::bucket(int64_t rows, int64_t most) {
  return bucket_on_gpu(rows, most);
}

void LaunchGraphs::fix(std::vector<uint64_t> facts) {
  if (facts == facts_) return;
  drop();
  facts_ = std::move(facts);
}

// A graph may still be running when its owner goes, and must not be taken away then.
void LaunchGraphs::drop() noexcept {
  bool waited = false;
  for (auto& [key, entry] : entries_) {
    if (entry.executable == nullptr) continue;
    if (!waited && cudaStreamSynchronize(cuda::native(*stream_)) != cudaSuccess) cudaGetLastError();
    waited = true;
    if (cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(entry.executable)) != cudaSuccess)
      cudaGetLastError();
  }
  entries_.clear();
}

// NULL where there is none to be had. An error that is the body's own is thrown.
void* LaunchGraphs::record(Stream& stream, void (*body)(void*), void* context) {
  cudaGraph_t graph = nullptr;
  try {
    Capture capture(stream);
    body(context);
    graph = capture.end();
  } catch (const Error& error) {
    if (error.status() == Status::kOutOfMemory) return nullptr;
    if (kReportsBodies || error.status() != Status::kDevice) throw;
    return nullptr;
  }
  cudaGraphExec_t executable = nullptr;
  const cudaError_t made = cudaGraphInstantiateWithFlags(&executable, graph, 0);
  cudaGraphDestroy(graph);
  if (made != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  ++recordings_;
  return executable;
}

void LaunchGraphs::run(Stream& stream, int64_t key, void (*body)(void*), void* context) {
  if (!recording().load(std::memory_order_relaxed) || cuda::waits_for_launches() || planning()) {
    body(context);
    return;
  }
  cuda::use_device();
  stream_ = &stream;
  Entry& entry = entries_[key];
  if (entry.runs++ > 0 && entry.executable == nullptr && !entry.plain) {
    entry.executable = record(stream, body, context);
    entry.plain = entry.executable == nullptr;
  }
  if (entry.executable == nullptr) {
    body(context);
    return;
  }
  cuda::check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(entry.executable), cuda::native(stream)), what_);
  cuda::note_graph(what_);
  ++replays_;
}

void record_launches(bool on) {
  recording().store(on);
}

}  // namespace llasa
