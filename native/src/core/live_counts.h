// How many handles of each kind are alive: leak tests assert that all counts return to zero.
#pragma once

#include <atomic>
#include <cstdint>

namespace llasa {

enum class HandleKind { kPolicy, kRollout, kTrainer, kCodec, kWhisper, kBuffer, kCount };

inline std::atomic<int64_t> live_handles[static_cast<int>(HandleKind::kCount)];

inline int64_t live_count(HandleKind kind) {
  return live_handles[static_cast<int>(kind)].load();
}

// Member of every handle.
class LiveHandle {
 public:
  explicit LiveHandle(HandleKind kind) : kind_(kind) { ++live_handles[static_cast<int>(kind_)]; }
  ~LiveHandle() { --live_handles[static_cast<int>(kind_)]; }
  LiveHandle(const LiveHandle&) = delete;
  LiveHandle& operator=(const LiveHandle&) = delete;

 private:
  HandleKind kind_;
};

}  // namespace llasa
