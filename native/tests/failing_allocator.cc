// Replaces operator new of the test program by one that can be told to fail; see failing_allocator.h.
#include "failing_allocator.h"

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(LLASA_TESTS_ON_CUDASIM)
#include "cudasim/launch.h"
#endif

namespace llasa::test {

namespace {
std::atomic<int64_t> before_failure{-1};

// The simulator stands for a driver, whose own memory is not ours to let fail.
bool is_ours() {
#if defined(LLASA_TESTS_ON_CUDASIM)
  return !cudasim::inside_runtime();
#else
  return true;
#endif
}

void* allocate(std::size_t size) {
  if (before_failure.load(std::memory_order_relaxed) >= 0 && is_ours() && before_failure.fetch_sub(1) == 0)
    throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void fail_host_allocation_after(int64_t count) {
  before_failure.store(count);
}

}  // namespace llasa::test

void* operator new(std::size_t size) {
  return llasa::test::allocate(size);
}
void* operator new[](std::size_t size) {
  return llasa::test::allocate(size);
}
// Without throwing, for std::stable_sort's buffer: the pair of the operator delete below, also under
// sanitizers, which bring their own otherwise.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
