#include "cudasim/async_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "block.h"
#include "fault.h"
#include "shared_memory.h"
#include "state.h"

namespace cudasim {

namespace {

constexpr int kCopyBytes = 16;

void expect_aligned(const char* what, uintptr_t address) {
  if (address % kCopyBytes == 0) return;
  kernel_fault(
      text("cp.async: the %s at 0x%zx is not on a multiple of 16 bytes", what, static_cast<size_t>(address)));
}

void arrive(const AsyncCopy& copy) {
#if !defined(__SANITIZE_ADDRESS__)  // under which nobody keeps account of shared memory
  const auto address = reinterpret_cast<uintptr_t>(copy.to);
  note_arrival(address, kCopyBytes);
  check_access(address, kCopyBytes, Access::kWrite, copy.site);
#endif
  std::memset(copy.to, 0, kCopyBytes);
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
}

}  // namespace

void copy_async(void* shared, const void* global, int bytes) {
  const void* site = __builtin_return_address(0);
  const auto to = reinterpret_cast<uintptr_t>(shared), from = reinterpret_cast<uintptr_t>(global);
  if (!state.dynamic_reserve.contains(to) && !state.statics.contains(to)) {
    kernel_fault(text("cp.async: the destination at 0x%zx is not in shared memory", static_cast<size_t>(to)),
                 site);
  }
  if (bytes < 0 || bytes > kCopyBytes) kernel_fault(text("cp.async: %d bytes of 16", bytes), site);
  if (bytes > 0 && !state.arena.contains(from)) {
    kernel_fault(text("cp.async: the source at 0x%zx is not in global memory", static_cast<size_t>(from)),
                 site);
  }
  expect_aligned("destination", to);
  expect_aligned("source", from);
#if !defined(__SANITIZE_ADDRESS__)
  if (bytes > 0) check_access(from, static_cast<uintptr_t>(bytes), Access::kRead, site);
  check_access(to, kCopyBytes, Access::kWrite, site);
  note_departure(to, kCopyBytes);
#endif
  std::memset(shared, 0xff, kCopyBytes);
  Thread& self = current_thread();
  self.copies.push_back({shared, global, bytes, self.copy_groups, site});
}

void commit_async_copies() {
  ++current_thread().copy_groups;
}

void wait_for_async_copies(int pending) {
  Thread& self = current_thread();
  const auto end = std::find_if(self.copies.begin(), self.copies.end(), [&](const AsyncCopy& copy) {
    return copy.group >= self.copy_groups - pending;
  });
  std::for_each(self.copies.begin(), end, arrive);
  self.copies.erase(self.copies.begin(), end);
}

}  // namespace cudasim
