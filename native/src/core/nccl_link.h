// The devices of all ranks, joined by NCCL: what Collective does with arrays on them, on the device's own stream.
// NCCL has no time-out of its own that would name a rank. So no call of it may block: each is followed by looking,
// again and again, whether it is done, whether NCCL met an error, and whether MPI's signs of life tell of a rank that
// is gone; on either of the latter the communicator is aborted, which frees the device of kernels that wait for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/device.h"
#include "core/nccl_library.h"

namespace llasa {

class Collective;

// Every rank makes the same calls in the same order. After one that threw, every further one says what it was.
class NcclLink {
 public:
  // With the other ranks. id: made by one of them. world: outlives this but for its destructor.
  NcclLink(const NcclLibrary& nccl, const NcclId& id, const Collective& world, Stream& stream);
  // Without finish it waits for nobody, and calls of the other ranks fail.
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  const std::string& library() const { return nccl_.name; }
  // As Collective's; what was queued on the stream comes before.
  void reduce_scatter(Stream& stream, float* values, int64_t count);
  void all_gather(Stream& stream, void* values, int64_t count, int64_t element_bytes);
  // Takes leave of the other ranks; nothing may follow.
  void finish();

 private:
  template <typename Body>
  void guarded(const char* what, const Body& body);
  void call(int result, const char* name);
  void await(const char* name, Stream* stream);

  NcclLibrary nccl_;
  const Collective& world_;
  void* comm_ = nullptr;
  std::string failure_;
};

// NULL, and why in `refusal`, where the ranks have no NCCL, or not the same, or one device for two of them; the same
// on every rank. The environment: LLASA_NCCL=0 refuses it, LLASA_NCCL_LIBRARY names another file than is found,
// and then it throws Status::kWorld where that cannot be had.
std::unique_ptr<NcclLink> join_devices(Collective& world, Stream& stream, std::string& refusal);

}  // namespace llasa
