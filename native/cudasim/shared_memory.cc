#include "shared_memory.h"

#include <cstring>
#include <memory>
#include <vector>

#include "block.h"
#include "fault.h"

namespace cudasim {

namespace {

struct Event {
  uint32_t epoch = 0;  // counts barriers over all blocks; 0 = never
  uint32_t sync = 0;   // memory collectives its warp had passed
  uint16_t thread = 0;
  Access access = Access::kRead;
};

// The history of one place: the last write; and of the reads since the barrier the last one, the last by
// another lane of that one's warp, and the last by another warp. Enough to find a racing read, if not all.
struct Cell {
  Event write;
  Event read[3];
  uint32_t written_epoch = 0;  // of the block that wrote it
};

// Cells of words; and of single bytes, for words that are accessed in parts.
struct Area {
  Range range;
  std::vector<Cell> words;
  std::vector<Cell> bytes;
  std::vector<uint32_t> split;  // epoch of the block in which the word was accessed in parts

  void cover(Range wanted) {
    range = wanted;
    words.resize((wanted.bytes + 3) / 4);
    bytes.resize(wanted.bytes + 4);
    split.resize((wanted.bytes + 3) / 4);
  }
};

struct Shared {
  Shared() : dynamic(static_cast<char*>(::operator new (kMaximumShared + kGuard, std::align_val_t{1024}))) {}
  static constexpr uintptr_t kGuard = 4096;
  char* dynamic;
  Area dynamic_area, static_area;
  uint32_t epoch = 1;
  uint32_t block_epoch = 1;  // the first of the current block
  struct Warp {
    uint32_t sync = 0;        // memory collectives so far
    uint32_t whole_sync = 0;  // the last one of all lanes
    bool partial = false;
    uint32_t pair[kWarp][kWarp];  // the last one that two lanes had in common
  };
  std::vector<Warp> warps{static_cast<size_t>(kMaximumThreads / kWarp)};
};

Shared& shared() {
  static auto* instance = new Shared();  // never destroyed: kernels may run at exit
  return *instance;
}

bool ordered(const Shared& s, const Event& before, int thread) {
  if (before.epoch != s.epoch || before.thread == thread) return true;
  if (before.thread / kWarp != thread / kWarp) return false;
  const auto& warp = s.warps[static_cast<size_t>(thread / kWarp)];
  if (warp.whole_sync > before.sync) return true;
  return warp.partial && warp.pair[before.thread % kWarp][thread % kWarp] > before.sync;
}

const char* verb(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic update";
}

[[noreturn]] void race(const Event& before, Access access, uintptr_t address, const char* what,
                       const void* site) {
  kernel_fault(text("shared-memory race: %s of %s at 0x%zx after a %s by thread %d, no barrier between",
                    verb(access), what, static_cast<size_t>(address), verb(before.access), before.thread),
               site);
}

void access_cell(Shared& s, Cell& cell, int thread, Access access, uintptr_t address, const char* what,
                 const void* site) {
  if (cell.written_epoch < s.block_epoch && access != Access::kWrite) {
    kernel_fault(text("%s of uninitialised shared memory at 0x%zx (%s)", verb(access),
                      static_cast<size_t>(address), what),
                 site);
  }
  const bool both_atomic = access == Access::kAtomic && cell.write.access == Access::kAtomic;
  if (!both_atomic && !ordered(s, cell.write, thread)) race(cell.write, access, address, what, site);
  Event now;
  now.epoch = s.epoch;
  now.sync = s.warps[static_cast<size_t>(thread / kWarp)].sync;
  now.thread = static_cast<uint16_t>(thread);
  now.access = access;
  if (access == Access::kRead) {
    Event* read = cell.read;
    if (read[0].epoch == s.epoch && read[0].thread != thread) {
      if (read[0].thread / kWarp == thread / kWarp) {
        read[1] = read[0];
      } else {
        read[2] = read[0];
      }
    }
    read[0] = now;
    return;
  }
  for (const Event& read : cell.read) {
    if (!ordered(s, read, thread)) race(read, access, address, what, site);
  }
  cell.write = now;
  cell.written_epoch = s.epoch;
}

// Most accesses are reads of a word that was written before the last barrier.
bool is_plain_read(Shared& s, Area& area, uintptr_t offset, uintptr_t bytes, int thread) {
  const uintptr_t word = offset / 4;
  if (bytes != 4 || offset % 4 != 0 || area.split[word] >= s.block_epoch) return false;
  Cell& cell = area.words[word];
  if (cell.written_epoch < s.block_epoch || cell.write.epoch == s.epoch) return false;
  Event& last = cell.read[0];
  if (last.epoch == s.epoch) {
    if (last.thread == thread) {
      last.sync = s.warps[static_cast<size_t>(thread / kWarp)].sync;
      return true;
    }
    cell.read[last.thread / kWarp == thread / kWarp ? 1 : 2] = last;
  }
  last = {s.epoch, s.warps[static_cast<size_t>(thread / kWarp)].sync, static_cast<uint16_t>(thread),
          Access::kRead};
  return true;
}

void access_area(Shared& s, Area& area, uintptr_t address, uintptr_t bytes, Access access, const char* what,
                 const void* site) {
  const int thread = state.thread;
  uintptr_t offset = address - area.range.begin;
  if (access == Access::kRead && is_plain_read(s, area, offset, bytes, thread)) return;
  const uintptr_t end = offset + bytes;
  while (offset < end) {
    const uintptr_t word = offset / 4;
    const bool whole = offset % 4 == 0 && end - offset >= 4;
    const bool split = area.split[word] >= s.block_epoch;
    if (whole && !split) {
      access_cell(s, area.words[word], thread, access, area.range.begin + offset, what, site);
      offset += 4;
      continue;
    }
    if (!split) {  // from now on by bytes, which inherit the word's history
      area.split[word] = s.block_epoch;
      for (uintptr_t i = 0; i < 4; ++i) area.bytes[word * 4 + i] = area.words[word];
    }
    access_cell(s, area.bytes[offset], thread, access, area.range.begin + offset, what, site);
    ++offset;
  }
}

}  // namespace

void* dynamic_shared_memory() {
  return shared().dynamic;
}
void* dynamic_shared() {
  return shared().dynamic;
}

void begin_block(uintptr_t dynamic_bytes) {
  Shared& s = shared();
  const auto base = reinterpret_cast<uintptr_t>(s.dynamic);
  state.dynamic = {base, dynamic_bytes};
  state.dynamic_reserve = {base, kMaximumShared + Shared::kGuard};
  if (s.dynamic_area.range.bytes < dynamic_bytes) s.dynamic_area.cover({base, dynamic_bytes});
  if (s.static_area.range.bytes != state.statics.bytes) s.static_area.cover(state.statics);
  s.block_epoch = ++s.epoch;
  for (auto& warp : s.warps) {
    warp.sync = warp.whole_sync = 0;
    if (warp.partial) std::memset(warp.pair, 0, sizeof warp.pair);
    warp.partial = false;
  }
}

void note_block_barrier() {
  ++shared().epoch;
}

void note_warp_sync(int index, uint32_t mask, bool whole_warp) {
  auto& warp = shared().warps[static_cast<size_t>(index)];
  ++warp.sync;
  if (whole_warp) {
    warp.whole_sync = warp.sync;
    return;
  }
  if (!warp.partial) std::memset(warp.pair, 0, sizeof warp.pair);
  warp.partial = true;
  for (int a = 0; a < kWarp; ++a) {
    for (int b = 0; b < kWarp; ++b) {
      if ((mask >> a & 1u) != 0 && (mask >> b & 1u) != 0) warp.pair[a][b] = warp.sync;
    }
  }
}

void check_shared(uintptr_t address, uintptr_t bytes, Access access, const void* site) {
  Shared& s = shared();
  if (state.dynamic_reserve.contains(address)) {
    const uintptr_t offset = address - state.dynamic.begin;
    if (offset + bytes > state.dynamic.bytes) {
      kernel_fault(
          text("out-of-bounds %s of %zu bytes at byte %zu of dynamic shared memory, the launch asked for "
               "%zu bytes",
               verb(access), static_cast<size_t>(bytes), static_cast<size_t>(offset),
               static_cast<size_t>(state.dynamic.bytes)),
          site);
    }
    access_area(s, s.dynamic_area, address, bytes, access, "dynamic shared memory", site);
  } else {
    access_area(s, s.static_area, address, bytes, access, "a __shared__ variable", site);
  }
}

}  // namespace cudasim
