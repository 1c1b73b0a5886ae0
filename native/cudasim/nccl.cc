// The twin of NCCL, for ranks that are processes of one machine with a pretended device each. It knows communicators
// that do not block, and sums of f32 in the order of a ring, which is not that of the ranks.
#include "nccl.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "devices.h"
#include "exchange.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "runtime.h"

using namespace cudasim;

namespace {

thread_local std::string last_error;

ncclResult_t refuse(ncclResult_t result, const std::string& why) {
  last_error = why;
  return result;
}

struct Collective {
  CollectiveCall call;
  const void* send;
  void* receive;
  size_t send_count, receive_count;  // 0: of a rank that gives or gets nothing
  cudaStream_t stream;
  size_t element = sizeof(float);
  uint64_t number = 0;
  bool begun = false, posted = false, stuck = false;

  bool is(const char* name) const { return std::strcmp(call.name, name) == 0; }
  bool adds() const { return is("ncclReduceScatter") || is("ncclReduce"); }
  size_t send_bytes() const { return send_count * element; }
  size_t receive_bytes() const { return receive_count * element; }
};

// What the ranks' work on streams and the host's calls share.
struct Communicator {
  Communicator(const std::string& path, int ranks, int rank) : exchange(path, ranks, rank) {}

  Exchange exchange;
  int device = current_device();
  ncclResult_t error = ncclInProgress;  // until all have joined
  bool connected = false, aborted = false, leaving = false;
  std::vector<Collective> connecting;  // the first ones, which no stream has yet
  uint64_t queued = 0, finished = 0;   // collectives
};

// The sum of element i at offset `from` of every box, as a ring forms it that ends at `last`.
float ring_sum(const Exchange& exchange, int last, size_t i) {
  float sum = 0;
  for (int step = 1; step <= exchange.ranks(); ++step) {
    const int r = (last + step) % exchange.ranks();
    const float value = reinterpret_cast<const float*>(exchange.box(r))[i];
    sum = step == 1 ? value : sum + value;
  }
  return sum;
}

bool is_array(const Communicator& communicator, const Collective& work, const void* memory, size_t bytes,
              const char* role) {
  const bool on_device = is_device_pointer(memory) && device_of(memory) == communicator.device;
  const bool sends = std::strcmp(role, "send") == 0;
  const bool allocated = on_device && range_is_allocated(memory, bytes);
  if (allocated && (!sends || range_is_written(memory, bytes))) return true;
  set_device_fault(cudaErrorIllegalAddress,
                   text("%s: the %s buffer's %zu bytes are %s, %s", work.call.name, role, bytes,
                        !on_device   ? text("not memory of device %d", communicator.device).c_str()
                        : !allocated ? "not all its own"
                                     : "not all written",
                        describe_address(reinterpret_cast<uintptr_t>(memory)).c_str()));
  return false;
}

// Every rank finds the same two that differ, so that the message does not hang on who looks first.
bool calls_agree(const Exchange& exchange) {
  const CollectiveCall& first = exchange.call(0);
  for (int r = 1; r < exchange.ranks(); ++r) {
    const CollectiveCall& other = exchange.call(r);
    if (other == first) continue;
    set_device_fault(cudaErrorLaunchFailure,
                     text("rank 0 calls %s of %llu elements with root %d, rank %d %s of %llu with root %d",
                          first.name, static_cast<unsigned long long>(first.count), first.root, r, other.name,
                          static_cast<unsigned long long>(other.count), other.root));
    return false;
  }
  return true;
}

void take(const Exchange& exchange, const Collective& work) {
  const int rank = exchange.rank();
  auto* sums = static_cast<float*>(work.receive);
  if (work.is("ncclReduceScatter")) {
    const size_t begin = work.receive_count * static_cast<size_t>(rank);
    for (size_t i = 0; i < work.receive_count; ++i) sums[i] = ring_sum(exchange, rank, begin + i);
  } else if (work.is("ncclReduce")) {
    for (size_t i = 0; i < work.receive_count; ++i) sums[i] = ring_sum(exchange, work.call.root, i);
  } else if (work.is("ncclAllGather")) {
    for (int r = 0; r < exchange.ranks(); ++r)
      std::memcpy(static_cast<char*>(work.receive) + static_cast<size_t>(r) * work.send_bytes(),
                  exchange.box(r), work.send_bytes());
  } else {
    std::memcpy(work.receive, exchange.box(work.call.root), work.receive_bytes());
  }
  if (work.receive_count > 0) mark_written(work.receive, work.receive_bytes());
}

// One look at a collective: gives what this rank has, takes what all have, or waits for the others.
Outcome advance(Communicator& communicator, Collective& work) {
  Exchange& exchange = communicator.exchange;
  if (communicator.aborted) return true;
  if (work.stuck) return Outcome::kWaits;
  if (!work.posted) {
    if (!std::exchange(work.begun, true) && collective_faults_now()) {
      work.stuck = true;
      communicator.error = ncclRemoteError;
      last_error = "planted";
      return Outcome::kWaits;
    }
    if (!exchange.all_reached(Exchange::kRead, work.number - 1)) return Outcome::kWaits;
    if (work.send_count > 0) {
      if (!is_array(communicator, work, work.send, work.send_bytes(), "send")) return false;
      std::memcpy(exchange.box(exchange.rank()), work.send, work.send_bytes());
    }
    exchange.call(exchange.rank()) = work.call;
    exchange.reach(Exchange::kPosted, work.number);
    work.posted = true;
  }
  if (!exchange.all_reached(Exchange::kPosted, work.number)) return Outcome::kWaits;
  if (!calls_agree(exchange)) return false;
  if (work.receive_count > 0 && !is_array(communicator, work, work.receive, work.receive_bytes(), "receive"))
    return false;
  take(exchange, work);
  exchange.reach(Exchange::kRead, work.number);
  ++communicator.finished;
  return true;
}

}  // namespace

struct cudasim_communicator {
  std::shared_ptr<Communicator> shared;
};

namespace {

struct Group {
  int depth = 0;
  std::vector<std::pair<std::shared_ptr<Communicator>, Collective>> calls;
};
thread_local Group group;

void queue(const std::shared_ptr<Communicator>& communicator, const Collective& call) {
  auto work = std::make_shared<Collective>(call);
  work->number = ++communicator->queued;
  push(call.stream, [communicator, work] { return advance(*communicator, *work); });
}

ncclResult_t collective(const char* name, ncclComm_t handle, cudaStream_t stream, ncclDataType_t type,
                        ncclRedOp_t operation, uint64_t count, int root, Collective call) {
  const ApiCall api(name);
  if (api.failed()) return refuse(ncclUnhandledCudaError, cudaGetErrorName(api.error()));
  if (handle == nullptr) return refuse(ncclInvalidArgument, "no communicator");
  Communicator& communicator = *handle->shared;
  if (communicator.error != ncclSuccess || communicator.leaving)
    return refuse(ncclInvalidUsage, "the communicator is not ready: ask ncclCommGetAsyncError before");
  if (!is_stream(stream) || stream->device != communicator.device)
    return refuse(ncclInvalidUsage,
                  text("the stream is not of the communicator's device %d", communicator.device));
  std::snprintf(call.call.name, sizeof call.call.name, "%s", name);
  call.element = type == ncclInt8 ? 1 : sizeof(float);
  if ((type != ncclFloat32 && (type != ncclInt8 || call.adds())) || operation != ncclSum)
    return refuse(ncclInvalidArgument,
                  "only sums of ncclFloat32, and copies of that and ncclInt8, are simulated");
  if (root < 0 || root >= communicator.exchange.ranks()) return refuse(ncclInvalidArgument, "no such root");
  if (call.send_bytes() > Exchange::kBoxBytes)
    return refuse(ncclInternalError, "more than the simulator's exchange holds");
  call.call.count = count;
  call.call.root = root;
  call.stream = stream;
  if (group.depth > 0) {
    group.calls.emplace_back(handle->shared, call);
  } else {
    queue(handle->shared, call);
  }
  return ncclSuccess;
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = nccl_version();
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string path = Exchange::make();
  if (path.empty() || path.size() >= sizeof id->internal)
    return refuse(ncclSystemError, "no file in the folder of temporary ones");
  std::memset(id, 0, sizeof *id);
  std::memcpy(id->internal, path.data(), path.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  *handle = nullptr;
  if (config == nullptr || config->size < sizeof(ncclConfig_t) || config->magic != 0xcafebeef)
    return refuse(ncclInvalidArgument, "ncclConfig_t argument not initialized");
  if (static_cast<int>(config->version) < 21400 || config->blocking != 0)
    return refuse(ncclInvalidArgument, "only communicators that do not block are simulated");
  if (rank < 0 || rank >= ranks) return refuse(ncclInvalidArgument, "no such rank");
  auto shared = std::make_shared<Communicator>(id.internal, ranks, rank);
  if (!shared->exchange.ok()) return refuse(ncclSystemError, "the exchange of the ranks cannot be mapped");
  shared->exchange.reach(Exchange::kJoined, 1);
  *handle = new cudasim_communicator{shared};
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  const std::lock_guard<std::recursive_mutex> lock(engine());
  Communicator& communicator = *handle->shared;
  if (communicator.error == ncclInProgress) {
    const auto stage = communicator.leaving ? Exchange::kLeft : Exchange::kJoined;
    if (communicator.exchange.all_reached(stage, 1)) {
      communicator.exchange.unlink_file();
      for (const Collective& call : communicator.connecting) queue(handle->shared, call);
      communicator.connected |= !communicator.connecting.empty();
      communicator.connecting.clear();
      communicator.error = ncclSuccess;
    }
  }
  *error = communicator.error;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  Communicator& communicator = *handle->shared;
  if (communicator.error != ncclSuccess || communicator.finished != communicator.queued)
    return refuse(ncclInvalidUsage, "the communicator has work");
  communicator.leaving = true;
  communicator.error = ncclInProgress;
  communicator.exchange.reach(Exchange::kLeft, 1);
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  if (!handle->shared->leaving || handle->shared->error != ncclSuccess)
    return refuse(ncclInvalidUsage, "a communicator that is not finalized is destroyed by ncclCommAbort");
  delete handle;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const std::lock_guard<std::recursive_mutex> lock(engine());
  handle->shared->aborted = true;
  delete handle;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t) {
  return last_error.c_str();
}

ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t receive_count, ncclDataType_t type,
                               ncclRedOp_t operation, ncclComm_t handle, cudaStream_t stream) {
  const size_t ranks = handle == nullptr ? 0 : static_cast<size_t>(handle->shared->exchange.ranks());
  return collective("ncclReduceScatter", handle, stream, type, operation, receive_count, 0,
                    {{}, send, receive, receive_count * ranks, receive_count, stream});
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t send_count, ncclDataType_t type,
                           ncclComm_t handle, cudaStream_t stream) {
  const size_t ranks = handle == nullptr ? 0 : static_cast<size_t>(handle->shared->exchange.ranks());
  return collective("ncclAllGather", handle, stream, type, ncclSum, send_count, 0,
                    {{}, send, receive, send_count, send_count * ranks, stream});
}

ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, int root, ncclComm_t handle, cudaStream_t stream) {
  const bool receives = handle != nullptr && handle->shared->exchange.rank() == root;
  return collective("ncclReduce", handle, stream, type, operation, count, root,
                    {{}, send, receive, count, receives ? count : 0, stream});
}

ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t handle, cudaStream_t stream) {
  const bool sends = handle != nullptr && handle->shared->exchange.rank() == root;
  return collective("ncclBroadcast", handle, stream, type, ncclSum, count, root,
                    {{}, send, receive, sends ? count : 0, count, stream});
}

ncclResult_t ncclGroupStart() {
  ++group.depth;
  return ncclSuccess;
}

// The first time the ranks connect, which the caller is not to wait for in here: the streams get the work later.
ncclResult_t ncclGroupEnd() {
  const ApiCall api("ncclGroupEnd");
  if (group.depth == 0) return refuse(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
  if (--group.depth > 0) return ncclSuccess;
  ncclResult_t result = ncclSuccess;
  for (const auto& [communicator, call] : group.calls) {
    if (communicator->connected) {
      queue(communicator, call);
    } else {
      communicator->connecting.push_back(call);
      result = communicator->error = ncclInProgress;
    }
  }
  group.calls.clear();
  return result;
}
