#include "core/nccl_link.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/collective.h"
#include "core/launch_environment.h"

namespace llasa {

NcclLink::NcclLink(const NcclLibrary& nccl, const NcclId& id, const Collective& world, Stream& stream)
    : nccl_(nccl), world_(world) {
  stream.synchronize();  // makes its device the one that the communicator is of
  guarded("joining the ranks' devices", [&] {
    NcclConfig config;
    call(nccl_.comm_init_rank_config(&comm_, world_.size(), id, world_.rank(), &config),
         "ncclCommInitRankConfig");
    await("ncclCommInitRankConfig", nullptr);
  });
}

NcclLink::~NcclLink() {
  if (comm_ != nullptr) nccl_.comm_abort(comm_);
}

void NcclLink::reduce_scatter(Stream& stream, float* values, int64_t count) {
  const int last = world_.size() - 1;
  const int64_t each = Shard::even(count, world_.size()), even = each * world_.size();
  guarded("adding up arrays of the ranks' devices", [&] {
    call(nccl_.group_start(), "ncclGroupStart");
    if (each > 0)
      call(nccl_.reduce_scatter(values, values + each * world_.rank(), static_cast<size_t>(each),
                                kNcclFloat32, kNcclSum, comm_, stream.native()),
           "ncclReduceScatter");
    if (even < count)
      call(nccl_.reduce(values + even, values + even, static_cast<size_t>(count - even), kNcclFloat32,
                        kNcclSum, last, comm_, stream.native()),
           "ncclReduce");
    call(nccl_.group_end(), "ncclGroupEnd");
    await("ncclReduceScatter", &stream);
  });
}

// Bytes, whatever they are: nothing is computed with them.
void NcclLink::all_gather(Stream& stream, void* values, int64_t count, int64_t element_bytes) {
  const int last = world_.size() - 1;
  const int64_t each = Shard::even(count, world_.size()) * element_bytes, even = each * world_.size();
  const int64_t all = count * element_bytes;
  char* bytes = static_cast<char*>(values);
  guarded("sharing arrays of the ranks' devices", [&] {
    call(nccl_.group_start(), "ncclGroupStart");
    if (each > 0)
      call(nccl_.all_gather(bytes + each * world_.rank(), bytes, static_cast<size_t>(each), kNcclInt8, comm_,
                            stream.native()),
           "ncclAllGather");
    if (even < all)
      call(nccl_.broadcast(bytes + even, bytes + even, static_cast<size_t>(all - even), kNcclInt8, last,
                           comm_, stream.native()),
           "ncclBroadcast");
    call(nccl_.group_end(), "ncclGroupEnd");
    await("ncclAllGather", &stream);
  });
}

void NcclLink::finish() {
  guarded("taking leave of the ranks' devices", [&] {
    call(nccl_.comm_finalize(comm_), "ncclCommFinalize");
    await("ncclCommFinalize", nullptr);
    void* comm = std::exchange(comm_, nullptr);
    call(nccl_.comm_destroy(comm), "ncclCommDestroy");
  });
}

template <typename Body>
void NcclLink::guarded(const char* what, const Body& body) {
  LLASA_CHECK(failure_.empty(), Status::kWorld, "%s: NCCL has failed before: %s", what, failure_.c_str());
  try {
    body();
  } catch (const Error& error) {
    failure_ = error.what();
    // Or whoever waits for this device next, as freeing its memory does, would wait for ever.
    if (comm_ != nullptr) nccl_.comm_abort(std::exchange(comm_, nullptr));
    throw Error(error.status(), format("%s: %s", what, failure_.c_str()));
  }
}

void NcclLink::call(int result, const char* name) {
  if (result == kNcclSuccess || result == kNcclInProgress) return;
  const char* detail = nccl_.get_last_error(comm_);
  const bool more = detail != nullptr && detail[0] != '\0';
  fail(Status::kWorld, "%s of %s: error %d, %s%s%s%s", name, nccl_.name.c_str(), result,
       nccl_.get_error_string(result), more ? " (" : "", more ? detail : "", more ? ")" : "");
}

void NcclLink::await(const char* name, Stream* stream) {
  std::chrono::microseconds nap{0};
  const auto state = [&] {
    int result = kNcclSuccess;
    call(nccl_.comm_get_async_error(comm_, &result), "ncclCommGetAsyncError");
    call(result, name);
    return result;
  };
  for (;;) {
    // Only then the stream has all of it. And an error that ended the stream's work is known after that.
    if (state() == kNcclSuccess && (stream == nullptr || stream->done())) {
      state();
      return;
    }
    world_.check();
    if (nap.count() > 0) std::this_thread::sleep_for(nap);
    nap = std::min(nap + std::chrono::microseconds(nap / 8) + std::chrono::microseconds(1),
                   std::chrono::microseconds(500));
  }
}

namespace {

// What a rank brings.
struct Offer {
  int version;  // 0: none, `refusal` says why
  char host[256], device[64], refusal[256];
};

template <size_t N>
void put(char (&text)[N], const std::string& value) {
  std::snprintf(text, N, "%s", value.c_str());
}

std::vector<Offer> exchange_offers(Collective& world, const Offer& mine) {
  std::vector<Offer> all(static_cast<size_t>(world.size()));
  world.all_gather(&mine, std::vector<int64_t>(all.size(), sizeof(Offer)), all.data());
  return all;
}

// Why they cannot be joined; "" = they can.
std::string judge(const std::vector<Offer>& offers) {
  for (size_t r = 0; r < offers.size(); ++r) {
    if (offers[r].version == 0) return format("rank %zu: %s", r, offers[r].refusal);
  }
  for (size_t r = 1; r < offers.size(); ++r) {
    if (offers[r].version != offers[0].version)
      return format("rank 0 has %s, rank %zu %s", nccl_name(offers[0].version).c_str(), r,
                    nccl_name(offers[r].version).c_str());
    for (size_t other = 0; other < r; ++other) {
      if (std::strcmp(offers[r].host, offers[other].host) == 0 &&
          std::strcmp(offers[r].device, offers[other].device) == 0)
        return format("ranks %zu and %zu share the device %s of %s", other, r, offers[r].device,
                      offers[r].host);
    }
  }
  return "";
}

}  // namespace

std::unique_ptr<NcclLink> join_devices(Collective& world, Stream& stream, std::string& refusal) {
  const NcclEnvironment environment =
      read_nccl_environment([](const char* name) { return std::getenv(name); });
  Offer mine;
  std::memset(&mine, 0, sizeof mine);
  NcclLibrary nccl;
  if (environment.refused) {
    put(mine.refusal, "LLASA_NCCL is 0");
  } else {
    try {
      nccl = open_nccl_library(environment.library);
      mine.version = nccl.version;
    } catch (const Error& error) {
      if (environment.named) throw Error(error.status(), std::string("LLASA_NCCL_LIBRARY: ") + error.what());
      put(mine.refusal, error.what());
    }
  }
  gethostname(mine.host, sizeof mine.host - 1);
  put(mine.device, device_identity());
  refusal = judge(exchange_offers(world, mine));
  if (!refusal.empty()) return nullptr;
  NcclId id{};
  if (world.rank() == 0) {
    const int result = nccl.get_unique_id(&id);
    LLASA_CHECK(result == kNcclSuccess, Status::kWorld, "ncclGetUniqueId of %s: error %d, %s",
                nccl.name.c_str(), result, nccl.get_error_string(result));
  }
  world.broadcast(&id, sizeof id, 0);
  return std::make_unique<NcclLink>(nccl, id, world, stream);
}

}  // namespace llasa
