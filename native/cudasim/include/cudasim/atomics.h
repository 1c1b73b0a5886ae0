// Atomics. Only one thread runs at a time, so they are plain code; the access is checked like any other and
// noted as atomic. There is no atomicAdd of floats on purpose: its result depends on the order of threads,
// and no kernel of this project may.
#pragma once

#include <cstdint>

namespace cudasim {

void check_atomic(const void* address, int bytes);

template <typename T, typename Update>
[[gnu::no_sanitize("thread")]] inline T atomic_update(T* address, Update update) {
  check_atomic(address, sizeof(T));
  const T old = *address;
  *address = update(old);
  return old;
}

}  // namespace cudasim

#define LLASA_ATOMIC(name, T, expression)                                                                  \
  inline T name(T* address, T value) {                                                                     \
    return cudasim::atomic_update(address, [value]([[maybe_unused]] T old) -> T { return (expression); }); \
  }
#define LLASA_ATOMICS(T)                                                                               \
  LLASA_ATOMIC(atomicAdd, T, old + value)                                                              \
  LLASA_ATOMIC(atomicMax, T, old > value ? old : value)                                                \
  LLASA_ATOMIC(atomicMin, T, old < value ? old : value)                                                \
  LLASA_ATOMIC(atomicExch, T, value)                                                                   \
  LLASA_ATOMIC(atomicAnd, T, old& value)                                                               \
  LLASA_ATOMIC(atomicOr, T, old | value)                                                               \
  LLASA_ATOMIC(atomicXor, T, old ^ value)                                                              \
  inline T atomicCAS(T* address, T expected, T value) {                                                \
    return cudasim::atomic_update(address, [=](T old) -> T { return old == expected ? value : old; }); \
  }
LLASA_ATOMICS(int)
LLASA_ATOMICS(unsigned int)
LLASA_ATOMICS(unsigned long long)
LLASA_ATOMIC(atomicSub, int, old - value)
LLASA_ATOMIC(atomicSub, unsigned int, old - value)
LLASA_ATOMIC(atomicInc, unsigned int, old >= value ? 0u : old + 1u)
LLASA_ATOMIC(atomicExch, float, value)
#undef LLASA_ATOMICS
#undef LLASA_ATOMIC
