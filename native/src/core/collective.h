// What the processes of a run do together. Every rank makes the same calls in the same order with arrays of
// the same shapes. Everything is made of one virtual call, an exchange of messages; only arrays on devices go
// another way, by NCCL, where the ranks' devices are joined.
//
// Bits: by messages sums are formed in the order of ranks, so that results are bit-equal from run to run for one
// number of ranks. NCCL adds in an order of its own, which depends on how the cards are connected: a sum is the same
// up to rounding, and bit-equal from run to run only as far as NCCL is (docs/scaling.md). Either way a sum is formed
// once, by the rank that owns the shard, so that what all ranks hold after all_gather is bit-equal among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"

namespace llasa {

class NcclLink;

// The contiguous part of a flat array that a rank owns: as many whole units each, and what is left over, less than
// a unit for each rank, is the last one's. So the parts but for that lie as NCCL's collectives want them.
struct Shard {
  static constexpr int64_t kUnit = 64;  // elements: parts begin at cache lines

  int64_t begin = 0, end = 0;

  int64_t count() const { return end - begin; }
  static Shard of(int64_t count, int rank, int size);
  // Of every rank, without what is left over.
  static int64_t even(int64_t count, int size) { return count / kUnit / size * kUnit; }
};

class Collective {
 public:
  virtual ~Collective();
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Among the ranks of this machine.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  // Compute threads that are this rank's share of the processors it may use, at least 1.
  int threads() const { return threads_; }
  // What carries the messages; "" where there is one process.
  const std::string& library() const { return library_; }
  Shard shard(int64_t count) const { return Shard::of(count, rank_, size_); }

  // Returns when every rank has called it.
  void barrier();
  // bytes of `root` become everybody's.
  void broadcast(void* data, int64_t bytes, int root);
  // out [sum of sizes] receives the arrays of all ranks in order; sizes [size], the same everywhere, are their
  // bytes. `mine` may be this rank's place in `out`.
  void all_gather(const void* mine, std::span<const int64_t> sizes, void* out);
  // Sums over ranks, on the host.
  void all_reduce(double* values, int64_t count);

  // Joins the ranks' devices, so that arrays on them travel by NCCL; where that cannot be, they go on travelling
  // through the hosts' memory, and device_refusal() says why. `stream` is of this rank's device. Throws
  // Status::kWorld for a library that was named and cannot be had, and for what NCCL itself fails with. Every rank
  // calls it; on the CPU, for one rank and for the second time it does nothing.
  void connect_devices(Stream& stream);
  // NCCL's name and version; "" where devices are not joined.
  const std::string& device_library() const { return device_library_; }
  // The same words on every rank; "" where nobody asked, or nothing was refused.
  const std::string& device_refusal() const { return device_refusal_; }

  // The same for an array on the device, [count]. reduce_scatter: this rank's shard becomes the sum over ranks,
  // the rest is undefined. all_gather: each rank's shard becomes everybody's.
  void reduce_scatter(Stream& stream, float* values, int64_t count);
  void all_gather(Stream& stream, float* values, int64_t count) {
    all_gather(stream, values, count, sizeof(float));
  }
  // The same of elements of so many bytes; shards are those of `count` in any case.
  void all_gather(Stream& stream, void* values, int64_t count, int64_t element_bytes);
  void all_reduce(Stream& stream, float* values, int64_t count) {
    reduce_scatter(stream, values, count);
    all_gather(stream, values, count);
  }

  // Throws Status::kWorld once another rank is known to be gone. Threads: any.
  virtual void check() const {}
  // Waits for all ranks and takes leave of them; nothing may follow.
  virtual void finish() {}
  // Ends the processes of all ranks with an exit code.
  [[noreturn]] virtual void abort(int code);

 protected:
  struct Outgoing {
    const void* data;
    int64_t bytes;
    int to;
  };
  struct Incoming {
    void* data;
    int64_t bytes;
    int from;
  };

  Collective();
  // Sends and receives at once; returns when all is done. Between two ranks messages arrive in the order they
  // were given in.
  virtual void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives);
  // Who shares this machine and its processors; when rank and size are known.
  void meet_neighbours();
  // Ends the work of connect_devices, together with the other ranks.
  void leave_devices();

  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1, threads_ = 1;
  std::string library_;

 private:
  std::vector<float> staging_, received_;
  std::vector<char> gathered_;
  bool asked_for_devices_ = false;
  std::string device_library_, device_refusal_;
  std::unique_ptr<NcclLink> link_;
};

// The world this process was started in: by MPI, if its environment says so, else of this process alone. Throws
// Status::kWorld naming what is missing. A process joins one world of several ranks in its life.
std::unique_ptr<Collective> join_world();
// Of this process alone.
std::unique_ptr<Collective> single_world();

}  // namespace llasa
