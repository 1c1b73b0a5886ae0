// Barriers and warp collectives (CUDA C++ Programming Guide, "Warp vote / shuffle / match / reduce
// functions"). All lanes named by a mask must make the same call with the same mask; what CUDA leaves
// undefined is reported as a fault.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cudasim {

constexpr int kWarp = 32;

// One collective call: lane l brings input[l] and is given output[l]; NULL where mask has no lane.
struct Lanes {
  uint32_t mask;
  const void* input[kWarp];
  void* output[kWarp];
};
using Complete = void (*)(const Lanes&);

// Waits for the lanes of mask; the last one runs complete for all of them. name is for messages. memory:
// orders the lanes' accesses to memory as __syncwarp does.
void warp_collective(const char* name, uint32_t mask, const void* input, void* output, Complete complete,
                     bool memory = false);
void block_barrier(const char* name);
// All threads bring a value and receive the sum, conjunction and disjunction of all predicates.
struct BarrierVotes {
  int count, all, any;
};
BarrierVotes block_barrier_votes(const char* name, int predicate);
[[noreturn]] void fault(const char* what);

uint64_t shuffle(const char* name, uint32_t mask, uint64_t bits, int source_lane);
int current_lane();

template <typename T>
uint64_t to_bits(T value) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8 && sizeof(T) >= 4, "CUDA shuffles 4 and 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <typename T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t ballot(const char* name, uint32_t mask, bool predicate);
uint32_t match_any(uint32_t mask, uint64_t bits);
uint32_t reduce(const char* name, uint32_t mask, uint32_t value, int operation);

}  // namespace cudasim

inline void __syncthreads() {
  cudasim::block_barrier("__syncthreads");
}
inline int __syncthreads_count(int predicate) {
  return cudasim::block_barrier_votes("__syncthreads_count", predicate).count;
}
inline int __syncthreads_and(int predicate) {
  return cudasim::block_barrier_votes("__syncthreads_and", predicate).all;
}
inline int __syncthreads_or(int predicate) {
  return cudasim::block_barrier_votes("__syncthreads_or", predicate).any;
}
inline void __syncwarp(uint32_t mask = 0xffffffffu) {
  cudasim::warp_collective("__syncwarp", mask, nullptr, nullptr, nullptr, true);
}

template <typename T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
  const int lane = cudasim::current_lane();
  const int from = (lane & ~(width - 1)) | (source & (width - 1));
  return cudasim::from_bits<T>(cudasim::shuffle("__shfl_sync", mask, cudasim::to_bits(value), from));
}
template <typename T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  const int lane = cudasim::current_lane();
  const int from = (lane & (width - 1)) < static_cast<int>(delta) ? lane : lane - static_cast<int>(delta);
  return cudasim::from_bits<T>(cudasim::shuffle("__shfl_up_sync", mask, cudasim::to_bits(value), from));
}
template <typename T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  const int lane = cudasim::current_lane();
  const int from =
      (lane & (width - 1)) + static_cast<int>(delta) >= width ? lane : lane + static_cast<int>(delta);
  return cudasim::from_bits<T>(cudasim::shuffle("__shfl_down_sync", mask, cudasim::to_bits(value), from));
}
template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int lane_mask, int width = 32) {
  const int lane = cudasim::current_lane();
  const int wanted = lane ^ lane_mask;
  // A lane of an earlier segment may be read, one of a later segment not.
  const int from = wanted >= (lane & ~(width - 1)) + width ? lane : wanted;
  return cudasim::from_bits<T>(cudasim::shuffle("__shfl_xor_sync", mask, cudasim::to_bits(value), from));
}

inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  return cudasim::ballot("__ballot_sync", mask, predicate != 0);
}
inline int __any_sync(uint32_t mask, int predicate) {
  return cudasim::ballot("__any_sync", mask, predicate != 0) != 0;
}
inline int __all_sync(uint32_t mask, int predicate) {
  return cudasim::ballot("__all_sync", mask, predicate != 0) == mask;
}
template <typename T>
uint32_t __match_any_sync(uint32_t mask, T value) {
  return cudasim::match_any(mask, cudasim::to_bits(value));
}

inline unsigned __reduce_add_sync(uint32_t mask, unsigned value) {
  return cudasim::reduce("__reduce_add_sync", mask, value, 0);
}
inline int __reduce_add_sync(uint32_t mask, int value) {
  return static_cast<int>(cudasim::reduce("__reduce_add_sync", mask, static_cast<unsigned>(value), 0));
}
inline unsigned __reduce_min_sync(uint32_t mask, unsigned value) {
  return cudasim::reduce("__reduce_min_sync", mask, value, 1);
}
inline unsigned __reduce_max_sync(uint32_t mask, unsigned value) {
  return cudasim::reduce("__reduce_max_sync", mask, value, 2);
}
// Flipping the sign bit keeps the order.
inline int __reduce_min_sync(uint32_t mask, int value) {
  return static_cast<int>(
      cudasim::reduce("__reduce_min_sync", mask, static_cast<unsigned>(value) ^ 0x80000000u, 1) ^
      0x80000000u);
}
inline int __reduce_max_sync(uint32_t mask, int value) {
  return static_cast<int>(
      cudasim::reduce("__reduce_max_sync", mask, static_cast<unsigned>(value) ^ 0x80000000u, 2) ^
      0x80000000u);
}
inline unsigned __reduce_and_sync(uint32_t mask, unsigned value) {
  return cudasim::reduce("__reduce_and_sync", mask, value, 3);
}
inline unsigned __reduce_or_sync(uint32_t mask, unsigned value) {
  return cudasim::reduce("__reduce_or_sync", mask, value, 4);
}
