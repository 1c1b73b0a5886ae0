// The checks of kernel code. The .cu files are compiled with -fsanitize=thread and linked without its
// runtime: these functions take its place, so that every load and store of a kernel is seen, without a change
// to the source.
#include <cstring>

#include "counts.h"
#include "fault.h"
#include "memory.h"
#include "shared_memory.h"
#include "state.h"

namespace cudasim {

namespace {

const char* verb(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic update";
}

[[noreturn]] void device_fault(uintptr_t address, uintptr_t bytes, Access access, const void* site) {
  const bool allocated = range_is_allocated(reinterpret_cast<const void*>(address), bytes);
  kernel_fault(text("%s %s of %zu bytes %s", allocated ? "uninitialised" : "out-of-bounds", verb(access),
                    static_cast<size_t>(bytes), describe_address(address).c_str()),
               site);
}

void check_device(uintptr_t address, uintptr_t bytes, Access access, const void* site) {
  if (bytes > 1 && bytes <= 16 && (address & (bytes - 1)) != 0) {
    kernel_fault(text("misaligned %s of %zu bytes %s", verb(access), static_cast<size_t>(bytes),
                      describe_address(address).c_str()),
                 site);
  }
  uint8_t* shadow = state.shadow + (address - state.arena.begin);
  for (uintptr_t i = 0; i < bytes; ++i) {
    const bool good = access == Access::kWrite ? (shadow[i] & kAllocated) != 0 : shadow[i] == kWritten;
    if (!good) device_fault(address, bytes, access, site);
    shadow[i] = kWritten;
  }
}

// The common sizes, whose shadow is one word.
template <typename Word>
bool is_good_device_word(uintptr_t address, Access access) {
  constexpr Word kOnes = static_cast<Word>(~Word{0}) / 255;
  Word shadow;
  uint8_t* at = state.shadow + (address - state.arena.begin);
  std::memcpy(&shadow, at, sizeof shadow);
  if (address % sizeof(Word) != 0) return false;
  if (access == Access::kRead) return shadow == static_cast<Word>(kOnes * kWritten);
  if ((shadow & kOnes) != kOnes || access == Access::kAtomic) return false;
  shadow = static_cast<Word>(kOnes * kWritten);
  std::memcpy(at, &shadow, sizeof shadow);
  return true;
}

// Notes a read of a word that was written before the last barrier: the first since it, or one that adds
// nothing to what is known of its readers.
[[gnu::always_inline]] inline bool is_plain_shared_read(WordHistory& word) {
  if (word.write_epoch < state.block_epoch || word.write_epoch == state.epoch) return false;
  const auto thread = static_cast<uint16_t>(state.thread);
  const uint32_t sync = state.warp_sync[thread / 32];
  if (word.read_epoch == state.epoch) {
    if (word.reader == kSeveralWarps) return true;
    if (word.reader == (kSeveralLanes | thread / 32)) return word.read_sync == sync;
    if (word.reader != thread) return false;
  }
  word.read_epoch = state.epoch;
  word.read_sync = sync;
  word.reader = thread;
  return true;
}

// Most accesses are of one of these kinds; the others go through check_access, which also says what is wrong.
template <uintptr_t kBytes, Access kAccess>
inline bool is_good_access(uintptr_t address) {
  if (!state.in_kernel || state.stacks.contains(address)) return true;
  if (state.arena.contains(address)) {
    if constexpr (kBytes == 4) return is_good_device_word<uint32_t>(address, kAccess);
    if constexpr (kBytes == 8) return is_good_device_word<uint64_t>(address, kAccess);
    if constexpr (kBytes == 16) {
      return address % 16 == 0 && is_good_device_word<uint64_t>(address, kAccess) &&
             is_good_device_word<uint64_t>(address + 8, kAccess);
    }
    return false;
  }
  if constexpr (kAccess == Access::kRead && kBytes % 4 == 0) {
    const bool dynamic = state.dynamic.contains(address);
    if (!dynamic && !state.statics.contains(address)) return false;
    const uintptr_t offset = address - (dynamic ? state.dynamic.begin : state.statics.begin);
    if (offset % 4 != 0 || (dynamic && offset + kBytes > state.dynamic.bytes)) return false;
    WordHistory* words = (dynamic ? state.dynamic_words : state.static_words) + offset / 4;
    for (uintptr_t i = 0; i < kBytes / 4; ++i) {
      if (!is_plain_shared_read(words[i])) return false;
    }
    return true;
  }
  return false;
}

inline void watch(uintptr_t address, uintptr_t bytes, Access access) {
  if (access == Access::kRead && state.watched.contains(address) && state.in_kernel)
    state.watched_bytes += static_cast<int64_t>(bytes);
}

}  // namespace

void watch_reads(const void* begin, int64_t bytes) {
  state.watched = {reinterpret_cast<uintptr_t>(begin), static_cast<uintptr_t>(bytes)};
  state.watched_bytes = 0;
}

int64_t watched_reads() {
  return state.watched_bytes;
}

void check_access(uintptr_t address, uintptr_t bytes, Access access, const void* site) {
  if (!state.in_kernel || state.stacks.contains(address)) return;
  if (state.arena.contains(address)) {
    check_device(address, bytes, access, site);
    return;
  }
  if (state.builtins.contains(address)) return;
  if (state.dynamic_reserve.contains(address)) {
    check_shared(address, bytes, access, site);
    return;
  }
  if (state.constants.contains(address) || state.read_only.contains(address)) {
    if (access != Access::kRead) kernel_fault("writes constant memory", site);
    return;
  }
  if (state.statics.contains(address)) {
    check_shared(address, bytes, access, site);
    return;
  }
  if (state.parameters.contains(address) && access == Access::kRead) return;
  if (const auto* pointer = reinterpret_cast<const void*>(address); is_device_pointer(pointer)) {
    kernel_fault(text("%s of %zu bytes of another device, number %d", verb(access),
                      static_cast<size_t>(bytes), device_of(pointer)),
                 site);
  }
  kernel_fault(text("%s of %zu bytes of host memory at 0x%zx", verb(access), static_cast<size_t>(bytes),
                    static_cast<size_t>(address)),
               site);
}

void check_atomic([[maybe_unused]] const void* address, [[maybe_unused]] int bytes) {
#if !defined(__SANITIZE_ADDRESS__)  // which has checked it itself
  check_access(reinterpret_cast<uintptr_t>(address), static_cast<uintptr_t>(bytes), Access::kAtomic,
               __builtin_return_address(0));
#endif
}

}  // namespace cudasim

#define LLASA_ACCESS(name, bytes, kind)                                                        \
  extern "C" void name(void* pointer) {                                                        \
    const auto address = reinterpret_cast<uintptr_t>(pointer);                                 \
    cudasim::watch(address, bytes, cudasim::Access::kind);                                     \
    if (cudasim::is_good_access<bytes, cudasim::Access::kind>(address)) return;                \
    cudasim::check_access(address, bytes, cudasim::Access::kind, __builtin_return_address(0)); \
  }
#define LLASA_ACCESSES(bytes)                                \
  LLASA_ACCESS(__tsan_read##bytes, bytes, kRead)             \
  LLASA_ACCESS(__tsan_write##bytes, bytes, kWrite)           \
  LLASA_ACCESS(__tsan_unaligned_read##bytes, bytes, kRead)   \
  LLASA_ACCESS(__tsan_unaligned_write##bytes, bytes, kWrite) \
  LLASA_ACCESS(__tsan_volatile_read##bytes, bytes, kRead)    \
  LLASA_ACCESS(__tsan_volatile_write##bytes, bytes, kWrite)
LLASA_ACCESSES(1)
LLASA_ACCESSES(2)
LLASA_ACCESSES(4)
LLASA_ACCESSES(8)
LLASA_ACCESSES(16)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_read_range(void* address, unsigned long bytes) {
  cudasim::watch(reinterpret_cast<uintptr_t>(address), bytes, cudasim::Access::kRead);
  cudasim::check_access(reinterpret_cast<uintptr_t>(address), bytes, cudasim::Access::kRead,
                        __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes) {
  cudasim::check_access(reinterpret_cast<uintptr_t>(address), bytes, cudasim::Access::kWrite,
                        __builtin_return_address(0));
}
void __tsan_atomic_thread_fence(int order) {
  __atomic_thread_fence(order);
}

// std::atomic and the guards of function-local statics in launchers.
#define LLASA_ATOMICS(bits, T)                                                              \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                  \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                            \
  }                                                                                         \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) {                               \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                               \
  }                                                                                         \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                               \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                     \
  }                                                                                         \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) {                              \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                      \
  }                                                                                         \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) {                              \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                      \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) {   \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T v, int, int) {     \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }
LLASA_ATOMICS(8, unsigned char)
LLASA_ATOMICS(32, unsigned int)
LLASA_ATOMICS(64, unsigned long)
}
