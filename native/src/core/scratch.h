// Device memory that an op needs on a GPU while it runs: partial sums, task lists, small arrays that came from the
// host. The CPU has it under a plan for a GPU alone (core/memory_plan.h).
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"

namespace llasa {

// The scratch of one stream: a stack of blocks, grown on demand and kept until the stream goes, so that
// pointers in a captured graph stay good. Work of a stream runs in order: the next op may reuse memory that
// queued kernels of the last one still read, and no op waits for another.
class ScratchArena {
 public:
  ScratchArena() = default;
  // The stream must be idle.
  ~ScratchArena();
  ScratchArena(const ScratchArena&) = delete;
  ScratchArena& operator=(const ScratchArena&) = delete;

  int64_t bytes() const;                    // held
  int64_t taken() const { return taken_; }  // in all its life, for tests

 private:
  friend class Scratch;
  struct Mark {
    size_t block;
    int64_t used;
  };
  struct Block {
    char* memory;
    int64_t bytes;
  };
  void* take(int64_t bytes);

  std::vector<Block> blocks_;
  Mark top_{0, 0};
  int64_t taken_ = 0;
};

// The arena that belongs to a stream.
ScratchArena& scratch_arena(Stream& stream);

// One op's share of its stream's arena; ops that call ops nest. Memory is uninitialised and 256-byte aligned.
class Scratch {
 public:
  explicit Scratch(Stream& stream) : stream_(stream), arena_(scratch_arena(stream)), mark_(arena_.top_) {}
  ~Scratch() { arena_.top_ = mark_; }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <typename T>
  T* take(int64_t count) {
    return static_cast<T*>(arena_.take(count * static_cast<int64_t>(sizeof(T))));
  }
  // A copy of host values on the device; they may go when the call returns.
  template <typename T>
  const T* upload(const T* values, int64_t count) {
    T* device = take<T>(count);
    copy_to_device(stream_, device, values, count * static_cast<int64_t>(sizeof(T)));
    return device;
  }
  template <typename T>
  const T* upload(const std::vector<T>& values) {
    return upload(values.data(), static_cast<int64_t>(values.size()));
  }

 private:
  Stream& stream_;
  ScratchArena& arena_;
  ScratchArena::Mark mark_;
};

}  // namespace llasa
