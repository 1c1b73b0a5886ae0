// Device memory that the phases of a run take turns with: a rollout's cache, a training pass's activations and a
// recogniser's caches are never needed together, so that the most of a step is its largest phase and not their sum.
//
// A device has one arena. A phase leases a segment of it for as long as it runs, takes its arrays from the bottom up, and
// gives all of them back at once. The first phases that run alone all lease the first segment. Phases that overlap
// (samples are listened to while others are drawn; two recognisers) lease different ones, and a model that was given one
// gets it again where it is free. A segment keeps its addresses for good (core/address_range.h), so a graph recorded over
// them stays good, and it keeps its memory when a phase ends; where another segment grows it gives up what it does not use.
// So the arena never holds more than was in use at one time, up to granules.
//
// Where a device has no such addresses every array is allocated when it is taken and freed with its lease.
//
// What lives longer than a phase is in a DeviceBuffer: weights, moments, gradients, the waveforms between codec and recogniser.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/device.h"

namespace llasa {

class PhaseArena;
struct PhaseSegment;

// A model's right to lease; a member of it, and so of one thread at a time. Belongs to the device, or the memory plan, of
// the thread that makes it.
class Phase {
 public:
  Phase();
  ~Phase();
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

  // Memory for as long as the lease lasts, uninitialised, 256-byte aligned; NULL for none. Throws Status::kOutOfMemory
  // naming `what`, Status::kInternal without a lease.
  void* take(int64_t bytes, const char* what);
  // Of the lease there is, never that of another; 0 without one.
  uint64_t lease() const { return lease_; }
  // A number that changes when other memory comes behind those addresses, which a lease gave out.
  uint64_t backing(const void* memory, int64_t bytes) const;
  // Gives up memory of the arena that is in no use, for arrays that do not come from it.
  void trim();

 private:
  friend class PhaseLease;

  std::shared_ptr<PhaseArena> arena_;
  PhaseSegment* segment_ = nullptr;  // the last one leased
  uint64_t lease_ = 0;
  int depth_ = 0;
};

// The same of the calling thread's device; whether there was any.
bool trim_phases();

// Leases from construction to destruction; within another lease of the same phase it is that one. The stream is idle when
// the outermost ends.
class PhaseLease {
 public:
  PhaseLease(Phase& phase, Stream& stream);
  ~PhaseLease();
  PhaseLease(const PhaseLease&) = delete;
  PhaseLease& operator=(const PhaseLease&) = delete;

 private:
  Phase& phase_;
  Stream& stream_;
};

// An array of a phase: there from the first reserve of a lease to its end. It has room for the most that was ever asked
// for, so that repeated phases find it where it was.
template <typename T>
class PhaseBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit PhaseBuffer(Phase& phase) : phase_(phase) {}
  PhaseBuffer(const PhaseBuffer&) = delete;
  PhaseBuffer& operator=(const PhaseBuffer&) = delete;

  // Whether this lease has reserved so many.
  bool holds(int64_t count) const { return is_current() && count <= count_; }
  // Contents stay where holds(count), else they are undefined.
  T* reserve(int64_t count, const char* what) {
    if (holds(count)) return data_;
    const int64_t room = std::max(count, count_);
    data_ = static_cast<T*>(phase_.take(room * static_cast<int64_t>(sizeof(T)), what));
    count_ = room;
    lease_ = phase_.lease();
    return data_;
  }
  // The most that was ever asked for.
  int64_t room() const { return count_; }
  // NULL when its lease has ended.
  T* data() { return is_current() ? data_ : nullptr; }
  const T* data() const { return is_current() ? data_ : nullptr; }
  // What a recorded launch has baked in of it.
  void add_facts(std::vector<uint64_t>& facts) const {
    facts.push_back(reinterpret_cast<uintptr_t>(data()));
    facts.push_back(phase_.backing(data(), count_ * static_cast<int64_t>(sizeof(T))));
  }

 private:
  bool is_current() const { return lease_ != 0 && lease_ == phase_.lease(); }

  Phase& phase_;
  T* data_ = nullptr;
  int64_t count_ = 0;
  uint64_t lease_ = 0;
};

}  // namespace llasa
