// Device memory on the CPU backend: aligned host memory, counted.
#include "core/device.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/address_range.h"
#include "core/memory_plan.h"
#include "core/scratch.h"
#include "cpu/isa.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

namespace llasa {

namespace {

std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> allocations_before_failure{-1};

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = kCpuGranule;
constexpr int64_t kHugeArray = 2 * kHugePage;
#if defined(__SANITIZE_THREAD__)
constexpr int64_t kAddresses = int64_t{1} << 34;  // ThreadSanitizer keeps most addresses to itself
#else
constexpr int64_t kAddresses = int64_t{1} << 38;  // of a segment: 256 GiB of 128 TiB
#endif

bool fails_by_request() {
  return allocations_before_failure.load(std::memory_order_relaxed) >= 0 &&
         allocations_before_failure.fetch_sub(1) == 0;
}

// Asks for pages of 2 MiB in place of 4 KiB, where the system gives them to those who ask: a product goes through many
// rows at a time, each in pages of its own, and a walk through the tables for each costs, in a virtual machine twice.
void prefer_huge_pages(void* at, int64_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
  madvise(at, static_cast<size_t>(bytes / kHugePage * kHugePage), MADV_HUGEPAGE);
#else
  (void)at, (void)bytes;
#endif
}

std::string processor_name() {
  std::string name = "unknown processor";
  if (std::FILE* file = std::fopen("/proc/cpuinfo", "re")) {
    char line[512];
    while (std::fgets(line, sizeof line, file)) {
      const std::string text = line;
      if (text.rfind("model name", 0) == 0) {
        const size_t colon = text.find(": ");
        if (colon != std::string::npos) name = text.substr(colon + 2, text.size() - colon - 3);
        break;
      }
    }
    std::fclose(file);
  }
  return name;
}

}  // namespace

DeviceScope::DeviceScope(int device) noexcept : before_(device) {}
DeviceScope::~DeviceScope() = default;
CallersDevice::CallersDevice() noexcept = default;
CallersDevice::~CallersDevice() = default;

int resolve_device(int device, const char* option) {
  LLASA_CHECK(device == -1 || device == 0, Status::kNoDevice,
              "%s: device %d, but the CPU backend has one device, 0", option, device);
  return 0;
}

Stream::Stream() {
  if (planning_for_gpu()) native_ = new ScratchArena;
}
Stream::Stream(CallerStream caller) : is_callers_(true) {
  LLASA_CHECK(caller.native == nullptr, Status::kArgument,
              "`stream`: %p, expected NULL: the CPU has no streams", caller.native);
}
Stream::~Stream() {
  delete static_cast<ScratchArena*>(native_);
}
ScratchArena& scratch_arena(Stream& stream) {
  LLASA_CHECK(stream.native() != nullptr, Status::kInternal,
              "scratch memory of a GPU outside of a plan for one");
  return *static_cast<ScratchArena*>(stream.native());
}
void Stream::synchronize() {}
bool Stream::done() {
  return true;
}
std::string device_identity() {
  return "";
}
StreamJoin::StreamJoin(Stream& own, Stream& callers) : own_(own), callers_(callers) {}
StreamJoin::~StreamJoin() = default;
void synchronize_device() {}
bool device_works_behind() {
  return planning_for_gpu();
}

void* device_allocate(int64_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  if (MemoryPlan* plan = MemoryPlan::current()) return plan->allocate(bytes, what);
  const bool huge = bytes >= kHugeArray;
  const int64_t alignment = huge ? kHugePage : kAlignment;
  const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  // Unlike aligned_alloc it takes a size that is no multiple of the alignment.
  void* memory = nullptr;
  const bool done = bytes > 0 && !fails_by_request() &&
                    posix_memalign(&memory, static_cast<size_t>(alignment), static_cast<size_t>(rounded)) == 0;
  LLASA_CHECK(done, Status::kOutOfMemory, "out of memory allocating %lld bytes for %s",
              static_cast<long long>(bytes), what);
  if (huge) prefer_huge_pages(memory, bytes);
  live_bytes += bytes;
  return memory;
}

void device_free(void* memory, int64_t bytes) noexcept {
  if (memory == nullptr) return;
  if (MemoryPlan::gave(memory)) {
    if (MemoryPlan* plan = MemoryPlan::current()) plan->release(memory);
    return;
  }
  std::free(memory);
  live_bytes -= bytes;
}

int current_device() {
  return 0;
}
int64_t commit_granule() {
  return kCpuGranule;
}

AddressRange reserve_addresses() {
  if (const char* wanted = std::getenv("LLASA_ARENA"); wanted != nullptr && std::strcmp(wanted, "0") == 0)
    return {};
  void* found = mmap(nullptr, static_cast<size_t>(kAddresses + kCpuGranule), PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return {};
  const uintptr_t aligned =
      (reinterpret_cast<uintptr_t>(found) + kCpuGranule - 1) / kCpuGranule * kCpuGranule;
  return {reinterpret_cast<char*>(aligned), kAddresses};
}

void commit_memory(char* at, int64_t bytes, const char* what) {
  LLASA_CHECK(!fails_by_request() && mprotect(at, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE) == 0,
              Status::kOutOfMemory, "out of memory allocating %lld bytes for %s",
              static_cast<long long>(bytes), what);
  prefer_huge_pages(at, bytes);
  ASAN_POISON_MEMORY_REGION(at, static_cast<size_t>(bytes));
  live_bytes += bytes;
}

void decommit_memory(char* at, int64_t bytes) noexcept {
  ASAN_UNPOISON_MEMORY_REGION(at, static_cast<size_t>(bytes));
  // A fresh mapping in place of the old one, whose pages go back to the system. Where there may be no more mappings, the
  // pages alone go.
  if (mmap(at, static_cast<size_t>(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
           -1, 0) == MAP_FAILED)
    madvise(at, static_cast<size_t>(bytes), MADV_DONTNEED);
  live_bytes -= bytes;
}

void open_memory(void* at, int64_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(at, static_cast<size_t>(bytes));
}
void close_memory(void* at, int64_t bytes) noexcept {
  ASAN_POISON_MEMORY_REGION(at, static_cast<size_t>(bytes));
}

void* pinned_allocate(int64_t bytes, const char* what) {
  if (MemoryPlan* plan = MemoryPlan::current(); plan != nullptr && bytes != 0)
    return plan->allocate(bytes, what, true);
  return device_allocate(bytes, what);
}
void pinned_free(void* memory, int64_t bytes) noexcept {
  device_free(memory, bytes);
}
void* stream_allocate(Stream&, int64_t bytes, const char* what) {
  return device_allocate(bytes, what);
}
void stream_free(Stream&, void* memory, int64_t bytes) noexcept {
  device_free(memory, bytes);
}
int64_t allocated_bytes() {
  return live_bytes.load();
}
void fail_allocation_after(int64_t count) {
  allocations_before_failure.store(count);
}

void check_device_array(const void* memory, int64_t bytes, int64_t alignment, const char* name) {
  if (bytes == 0) return;
  LLASA_CHECK(memory != nullptr, Status::kArgument, "`%s` is NULL", name);
  LLASA_CHECK(reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(alignment) == 0, Status::kArgument,
              "`%s`: %p, expected a multiple of %lld", name, memory, static_cast<long long>(alignment));
}

void copy_to_device(Stream&, void* destination, const void* source, int64_t bytes) {
  if (bytes > 0 && !planning()) std::memcpy(destination, source, static_cast<size_t>(bytes));
}
void copy_to_host(Stream&, void* destination, const void* source, int64_t bytes) {
  if (bytes <= 0) return;
  if (planning()) {
    std::memset(destination, 0, static_cast<size_t>(bytes));
  } else {
    std::memcpy(destination, source, static_cast<size_t>(bytes));
  }
}
void copy_on_device(Stream&, void* destination, const void* source, int64_t bytes) {
  if (bytes > 0 && !planning()) std::memmove(destination, source, static_cast<size_t>(bytes));
}
void zero_on_device(Stream&, void* destination, int64_t bytes) {
  if (bytes > 0 && !planning()) std::memset(destination, 0, static_cast<size_t>(bytes));
}

DeviceDescription describe_device() {
  static const std::string name = processor_name();
  return {"cpu", cpu::kernels().isa, name.c_str(), 0};
}

}  // namespace llasa
