// What the processes of a run do together. Every rank makes the same calls in the same order with arrays of
// the same shapes; sums are formed in the order of ranks, so that results are bit-equal from run to run for
// one number of ranks. Everything is made of one virtual call, an exchange of messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"

namespace llasa {

// The contiguous part of a flat array that a rank owns: parts differ by at most kUnit elements, the first
// ones may be empty.
struct Shard {
  static constexpr int64_t kUnit = 64;  // elements: parts begin at cache lines

  int64_t begin = 0, end = 0;

  int64_t count() const { return end - begin; }
  static Shard of(int64_t count, int rank, int size);
};

class Collective {
 public:
  virtual ~Collective() = default;
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

  // The same for an array on the device, [count]. reduce_scatter: this rank's shard becomes the sum over ranks,
  // the rest is undefined. all_gather: each rank's shard becomes everybody's.
  void reduce_scatter(Stream& stream, float* values, int64_t count);
  void all_gather(Stream& stream, float* values, int64_t count);
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

  Collective() = default;
  // Sends and receives at once; returns when all is done. Between two ranks messages arrive in the order they
  // were given in.
  virtual void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives);
  // Who shares this machine and its processors; when rank and size are known.
  void meet_neighbours();

  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1, threads_ = 1;
  std::string library_;

 private:
  std::vector<float> staging_, received_;
};

// The world this process was started in: by MPI, if its environment says so, else of this process alone. Throws
// Status::kWorld naming what is missing. A process joins one world of several ranks in its life.
std::unique_ptr<Collective> join_world();
// Of this process alone.
std::unique_ptr<Collective> single_world();

}  // namespace llasa
