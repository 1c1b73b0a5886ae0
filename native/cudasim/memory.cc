#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "devices.h"
#include "fault.h"
#include "state.h"

#if defined(__SANITIZE_ADDRESS__)  // only where it checks the kernels, too, in the hooks' place
#include <sanitizer/asan_interface.h>
#define LLASA_CUDASIM_SEES_WRITES 0
#else
#define LLASA_CUDASIM_SEES_WRITES 1
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

namespace cudasim {

namespace {

constexpr size_t kPerDevice = size_t{1} << 37;  // addresses, not memory
constexpr size_t kReserve = kMaximumDevices * kPerDevice;
constexpr size_t kAlignment = 256;  // as cudaMalloc
constexpr size_t kRedZone = 512;

size_t round_up(size_t bytes, size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

void* reserve(size_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("cudasim: reserving addresses for device memory");
    std::abort();
  }
  return memory;
}

struct Memory {
  Memory()
      : whole{reinterpret_cast<uintptr_t>(reserve(kReserve, PROT_NONE)), kReserve},
        shadow(static_cast<uint8_t*>(reserve(kReserve, PROT_READ | PROT_WRITE))) {
    state.arena = {whole.begin, kPerDevice};
    state.shadow = shadow;
  }
  // The addresses of all devices, one after the other; state has those of the device whose kernel runs.
  const Range whole;
  uint8_t* const shadow;
  std::mutex mutex;
  std::map<uintptr_t, size_t> live;   // address -> bytes
  std::map<uintptr_t, size_t> freed;  // the latest ones, for messages
  std::map<uintptr_t, size_t> pinned;
  std::map<uintptr_t, size_t> reserved;  // addresses that memory is mapped at
  size_t next[kMaximumDevices] = {kRedZone, kRedZone, kRedZone, kRedZone};
  size_t live_bytes[kMaximumDevices] = {};
  size_t device_bytes = static_cast<size_t>(setting("LLASA_CUDASIM_MEMORY", int64_t{16} << 30));
  bool visible = false;
  int64_t hidings = 0;
};

Memory& memory() {
  static auto* instance = new Memory();  // never destroyed: models may be, at exit
  return *instance;
}

uint8_t* shadow_of(uintptr_t address) {
  return memory().shadow + (address - memory().whole.begin);
}

int device_at(uintptr_t address) {
  return static_cast<int>((address - memory().whole.begin) / kPerDevice);
}

// The allocation that holds address, or the last one before it.
std::map<uintptr_t, size_t>::const_iterator at_or_before(const std::map<uintptr_t, size_t>& all,
                                                         uintptr_t address) {
  auto it = all.upper_bound(address);
  return it == all.begin() ? all.end() : --it;
}

void protect(int protection) {
  for (size_t device = 0; device < kMaximumDevices; ++device) {
    const size_t used = memory().next[device];
    if (device > 0 && used == kRedZone) continue;
    if (mprotect(reinterpret_cast<void*>(memory().whole.begin + device * kPerDevice),
                 round_up(used + kRedZone, 4096), protection) != 0) {
      std::perror("cudasim: mprotect");
      std::abort();
    }
  }
}

// Pages that lie wholly inside the range go back to the system and read as zero.
void drop_pages(uintptr_t begin, size_t bytes) {
  const uintptr_t first = round_up(begin, 4096), last = (begin + bytes) / 4096 * 4096;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

// An array that nothing is written to yet. Without hooks nobody sees what a kernel writes.
void begin_array(Memory& m, uintptr_t address, size_t bytes, size_t red_zone) {
  show_device_memory();
  std::memset(shadow_of(address), LLASA_CUDASIM_SEES_WRITES ? kAllocated : kWritten, bytes);
  ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(address), bytes);
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(address + bytes), red_zone);
  // NaN for a build without hooks, that a forgotten initialisation shows.
  std::memset(reinterpret_cast<void*>(address), 0xff, bytes);
  m.freed.erase(m.freed.lower_bound(address), m.freed.lower_bound(address + bytes));
  m.live.emplace(address, bytes);
}

void end_array(Memory& m, std::map<uintptr_t, size_t>::iterator array) {
  const auto [address, bytes] = *array;
  std::memset(shadow_of(address), 0, bytes);
  drop_pages(reinterpret_cast<uintptr_t>(shadow_of(address)), bytes);
  drop_pages(address, bytes);
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(address), bytes);
  if (m.freed.size() >= 256) m.freed.erase(m.freed.begin());
  m.freed.emplace(address, bytes);
  m.live.erase(array);
}

}  // namespace

void* allocate_device(size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto device = static_cast<size_t>(current_device());
  if (m.live_bytes[device] + bytes > m.device_bytes) return nullptr;
  const size_t span = round_up(bytes, kAlignment) + kRedZone;
  if (m.next[device] + span > kPerDevice) {
    std::fprintf(stderr, "cudasim: more than %zu bytes allocated over the life of the process\n", kPerDevice);
    std::abort();
  }
  const uintptr_t address = m.whole.begin + device * kPerDevice + m.next[device];
  m.next[device] += span;
  m.visible = false;
  begin_array(m, address, bytes, span - bytes);
  m.live_bytes[device] += bytes;
  return reinterpret_cast<void*>(address);
}

bool free_device(void* pointer) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const auto it = m.live.find(address);
  if (it == m.live.end()) return false;
  m.live_bytes[device_at(address)] -= it->second;
  end_array(m, it);
  return true;
}

uintptr_t reserve_device_addresses(size_t bytes, size_t alignment) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto device = static_cast<size_t>(current_device());
  const uintptr_t first = m.whole.begin + device * kPerDevice;
  const uintptr_t address = round_up(first + m.next[device], alignment);
  const size_t end = address + bytes + kRedZone - first;
  if (end > kPerDevice / 2) return 0;  // the other half is for allocations
  m.next[device] = end;
  m.visible = false;  // to be shown again, with these
  m.reserved.emplace(address, bytes);
  return address;
}

bool is_reserved(uintptr_t address, size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  const auto range = at_or_before(memory().reserved, address);
  return range != memory().reserved.end() && address + bytes <= range->first + range->second;
}

bool take_device_bytes(int device, size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  if (memory().live_bytes[device] + bytes > memory().device_bytes) return false;
  memory().live_bytes[device] += bytes;
  return true;
}

void give_device_bytes(int device, size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  memory().live_bytes[device] -= bytes;
}

// The caller leaves a gap between two of them.
void open_device_array(void* pointer, size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  begin_array(memory(), reinterpret_cast<uintptr_t>(pointer), bytes, kAlignment);
}

void close_device_array(void* pointer) {
  const std::lock_guard lock(memory().mutex);
  const auto array = memory().live.find(reinterpret_cast<uintptr_t>(pointer));
  if (array != memory().live.end()) end_array(memory(), array);
}

void device_memory_info(size_t* free_bytes, size_t* total_bytes) {
  const std::lock_guard lock(memory().mutex);
  *total_bytes = memory().device_bytes;
  const size_t used = memory().live_bytes[current_device()];
  *free_bytes = memory().device_bytes > used ? memory().device_bytes - used : 0;
}

void set_device_memory(size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  memory().device_bytes = bytes;
}

bool is_device_pointer(const void* pointer) {
  return memory().whole.contains(reinterpret_cast<uintptr_t>(pointer));
}

int device_of(const void* pointer) {
  return device_at(reinterpret_cast<uintptr_t>(pointer));
}

void show_to_kernels(int device) {
  const size_t offset = static_cast<size_t>(device) * kPerDevice;
  state.arena = {memory().whole.begin + offset, kPerDevice};
  state.shadow = memory().shadow + offset;
}

std::string describe_address(uintptr_t address) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (!m.whole.contains(address)) return "in host memory";
  const auto freed = at_or_before(m.freed, address);
  if (freed != m.freed.end() && address < freed->first + freed->second) {
    return text("inside a freed device array of %zu bytes", freed->second);
  }
  const auto it = at_or_before(m.live, address);
  const auto after = m.live.upper_bound(address);
  if (it != m.live.end() && address < it->first + it->second) {
    return text("at byte %zu of a device array of %zu bytes", address - it->first, it->second);
  }
  if (it != m.live.end() &&
      (after == m.live.end() || address - it->first - it->second <= after->first - address)) {
    return text("%zu bytes past the end of a device array of %zu bytes", address - it->first - it->second,
                it->second);
  }
  if (after != m.live.end()) {
    return text("%zu bytes before a device array of %zu bytes", after->first - address, after->second);
  }
  return "in no device array";
}

bool range_is_allocated(const void* pointer, size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const auto it = at_or_before(m.live, address);
  return it != m.live.end() && address + bytes <= it->first + it->second;
}

bool range_is_written(const void* pointer, size_t bytes) {
  const uint8_t* shadow = shadow_of(reinterpret_cast<uintptr_t>(pointer));
  constexpr uint64_t kEightWritten = ~uint64_t{0} / 255 * kWritten;
  for (; bytes >= sizeof kEightWritten; bytes -= sizeof kEightWritten, shadow += sizeof kEightWritten) {
    if (std::memcmp(shadow, &kEightWritten, sizeof kEightWritten) != 0) return false;
  }
  return std::memcmp(shadow, &kEightWritten, bytes) == 0;
}

void mark_written(void* pointer, size_t bytes) {
  std::memset(shadow_of(reinterpret_cast<uintptr_t>(pointer)), kWritten, bytes);
}

void copy_shadow(void* destination, const void* source, size_t bytes) {
  std::memmove(shadow_of(reinterpret_cast<uintptr_t>(destination)),
               shadow_of(reinterpret_cast<uintptr_t>(source)), bytes);
}

void show_device_memory() {
  if (memory().visible) return;
  protect(PROT_READ | PROT_WRITE);
  memory().visible = true;
}

void hide_device_memory() {
  Memory& m = memory();
  if (!m.visible) return;
  // Changing many pages costs; after the first times every eighth one catches what there is to catch.
  if (++m.hidings > 256 && m.hidings % 8 != 0) return;
  protect(PROT_NONE);
  m.visible = false;
}

void* allocate_pinned(size_t bytes) {
  void* pointer = std::aligned_alloc(64, round_up(bytes, 64));
  if (pointer != nullptr) {
    const std::lock_guard lock(memory().mutex);
    memory().pinned.emplace(reinterpret_cast<uintptr_t>(pointer), bytes);
  }
  return pointer;
}

bool free_pinned(void* pointer) {
  const std::lock_guard lock(memory().mutex);
  if (memory().pinned.erase(reinterpret_cast<uintptr_t>(pointer)) == 0) return false;
  std::free(pointer);
  return true;
}

bool is_pinned_pointer(const void* pointer) {
  const std::lock_guard lock(memory().mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const auto it = at_or_before(memory().pinned, address);
  return it != memory().pinned.end() && address < it->first + it->second;
}

}  // namespace cudasim
