#include "shared_memory.h"

#include <cstring>
#include <memory>
#include <vector>

#include "block.h"
#include "fault.h"

namespace cudasim {

namespace {

// Who wrote a place last, and where it was read by several, two of them; WordHistory has the rest.
struct Details {
  uint32_t write_sync = 0;
  uint32_t arriving = 0;  // epoch of the block in which a copy to it began that has not arrived
  uint16_t writer = 0;
  uint16_t readers[2] = {0, 0};
  Access write = Access::kWrite;
};

struct Places {
  std::vector<WordHistory> history;
  std::vector<Details> details;
  void resize(size_t count) {
    history.assign(count, {});
    details.assign(count, {});
  }
};

// Words; and single bytes, for words that are accessed in parts.
struct Area {
  Range range;
  Places words, bytes;
  std::vector<uint32_t> split;  // epoch of the block in which the word was accessed in parts

  void cover(Range wanted) {
    range = wanted;
    words.resize((wanted.bytes + 3) / 4);
    bytes.resize(wanted.bytes + 4);
    split.assign((wanted.bytes + 3) / 4, 0);
  }
};

struct Shared {
  Shared() : dynamic(static_cast<char*>(::operator new (kMaximumShared + kGuard, std::align_val_t{1024}))) {}
  static constexpr uintptr_t kGuard = 4096;
  char* dynamic;
  Area dynamic_area, static_area;
  struct Warp {
    uint32_t whole_sync = 0;  // the last memory collective of all lanes
    bool partial = false;
    uint32_t pair[kWarp][kWarp];  // the last one that two lanes had in common
  };
  std::vector<Warp> warps{static_cast<size_t>(kMaximumThreads / kWarp)};
};

Shared& shared() {
  static auto* instance = new Shared();  // never destroyed: kernels may run at exit
  return *instance;
}

// Whether what `before` did in this epoch, its warp having passed `sync` collectives, precedes what `thread`
// does now.
bool ordered(const Shared& s, int before, uint32_t sync, int thread) {
  if (before == thread) return true;
  if (before / kWarp != thread / kWarp) return false;
  const auto& warp = s.warps[static_cast<size_t>(thread / kWarp)];
  if (warp.whole_sync > sync) return true;
  return warp.partial && warp.pair[before % kWarp][thread % kWarp] > sync;
}

const char* verb(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic update";
}

// An access under test.
struct Now {
  int thread;
  Access access;
  uintptr_t address;
  const char* what;
  const void* site;
};

[[noreturn]] void race(int before, Access by, const Now& now) {
  kernel_fault(text("shared-memory race: %s of %s at 0x%zx after a %s by thread %d, no barrier between",
                    verb(now.access), now.what, static_cast<size_t>(now.address), verb(by), before),
               now.site);
}

void note_read(WordHistory& h, Details& d, int thread, uint32_t sync) {
  const int warp = thread / kWarp;
  if (h.read_epoch == state.epoch && h.reader != thread) {
    if (h.reader == kSeveralWarps) return;
    const bool several = (h.reader & kSeveralLanes) != 0;
    const int before = several ? d.readers[0] : h.reader;
    if (before / kWarp != warp) {
      d.readers[0] = static_cast<uint16_t>(before);
      d.readers[1] = static_cast<uint16_t>(thread);
      h.reader = kSeveralWarps;
      return;
    }
    if (h.read_sync == sync) {
      if (!several) {
        d.readers[0] = static_cast<uint16_t>(before);
        d.readers[1] = static_cast<uint16_t>(thread);
        h.reader = static_cast<uint16_t>(kSeveralLanes | warp);
      }
      return;
    }
    // The warp has met since: what was read before is in the past of its lanes, and this read speaks for it
    // elsewhere.
  }
  h.read_epoch = state.epoch;
  h.read_sync = sync;
  h.reader = static_cast<uint16_t>(thread);
}

// A write now: must not follow a read by another thread unless a barrier lies between.
void check_readers(const Shared& s, const WordHistory& h, const Details& d, const Now& now) {
  if (h.read_epoch != state.epoch) return;
  const int thread = now.thread, warp = thread / kWarp;
  if (h.reader < kSeveralLanes) {
    if (!ordered(s, h.reader, h.read_sync, thread)) race(h.reader, Access::kRead, now);
    return;
  }
  if (h.reader == kSeveralWarps) race(d.readers[d.readers[0] / kWarp == warp ? 1 : 0], Access::kRead, now);
  const int other = d.readers[d.readers[0] == thread ? 1 : 0];
  if (!ordered(s, other, h.read_sync, thread)) race(other, Access::kRead, now);
}

void access_place(Shared& s, Places& places, size_t index, const Now& now) {
  WordHistory& h = places.history[index];
  Details& d = places.details[index];
  const int thread = now.thread;
  if (d.arriving == state.block_epoch) {
    kernel_fault(text("%s of %s at 0x%zx, where a cp.async of thread %d has not arrived", verb(now.access),
                      now.what, static_cast<size_t>(now.address), d.writer),
                 now.site);
  }
  if (h.write_epoch < state.block_epoch && now.access != Access::kWrite) {
    kernel_fault(text("%s of uninitialised shared memory at 0x%zx (%s)", verb(now.access),
                      static_cast<size_t>(now.address), now.what),
                 now.site);
  }
  const bool both_atomic = now.access == Access::kAtomic && d.write == Access::kAtomic;
  if (h.write_epoch == state.epoch && !both_atomic && !ordered(s, d.writer, d.write_sync, thread)) {
    race(d.writer, d.write, now);
  }
  const uint32_t sync = state.warp_sync[thread / kWarp];
  if (now.access == Access::kRead) {
    note_read(h, d, thread, sync);
    return;
  }
  check_readers(s, h, d, now);
  h.write_epoch = state.epoch;
  d.write_sync = sync;
  d.writer = static_cast<uint16_t>(thread);
  d.write = now.access;
}

void access_area(Shared& s, Area& area, uintptr_t address, uintptr_t bytes, Access access, const char* what,
                 const void* site) {
  Now now{state.thread, access, address, what, site};
  uintptr_t offset = address - area.range.begin;
  const uintptr_t end = offset + bytes;
  while (offset < end) {
    const uintptr_t word = offset / 4;
    const bool whole = offset % 4 == 0 && end - offset >= 4;
    const bool split = area.split[word] >= state.block_epoch;
    now.address = area.range.begin + offset;
    if (whole && !split) {
      access_place(s, area.words, word, now);
      offset += 4;
      continue;
    }
    if (!split) {  // from now on by bytes, which inherit the word's history
      area.split[word] = state.block_epoch;
      for (uintptr_t i = 0; i < 4; ++i) {
        area.bytes.history[word * 4 + i] = area.words.history[word];
        area.bytes.details[word * 4 + i] = area.words.details[word];
      }
      area.words.history[word].write_epoch = 0;
    }
    access_place(s, area.bytes, offset, now);
    ++offset;
  }
}

// The places of whole words, whoever follows them.
template <typename Body>
void each_place(uintptr_t address, uintptr_t bytes, Body&& body) {
  Shared& s = shared();
  Area& area = state.dynamic_reserve.contains(address) ? s.dynamic_area : s.static_area;
  const uintptr_t first = (address - area.range.begin) / 4;
  for (uintptr_t word = first; word < first + bytes / 4; ++word) {
    if (area.split[word] < state.block_epoch) {
      body(area.words.history[word], area.words.details[word]);
      continue;
    }
    for (uintptr_t i = word * 4; i < word * 4 + 4; ++i) body(area.bytes.history[i], area.bytes.details[i]);
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
  state.dynamic_words = s.dynamic_area.words.history.data();
  state.static_words = s.static_area.words.history.data();
  state.block_epoch = ++state.epoch;
  std::memset(state.warp_sync, 0, sizeof state.warp_sync);
  for (auto& warp : s.warps) {
    warp.whole_sync = 0;
    if (warp.partial) std::memset(warp.pair, 0, sizeof warp.pair);
    warp.partial = false;
  }
}

void note_block_barrier() {
  ++state.epoch;
}

void note_warp_sync(int index, uint32_t mask, bool whole_warp) {
  auto& warp = shared().warps[static_cast<size_t>(index)];
  const uint32_t sync = ++state.warp_sync[index];
  if (whole_warp) {
    warp.whole_sync = sync;
    return;
  }
  if (!warp.partial) std::memset(warp.pair, 0, sizeof warp.pair);
  warp.partial = true;
  for (int a = 0; a < kWarp; ++a) {
    for (int b = 0; b < kWarp; ++b) {
      if ((mask >> a & 1u) != 0 && (mask >> b & 1u) != 0) warp.pair[a][b] = sync;
    }
  }
}

void note_departure(uintptr_t address, uintptr_t bytes) {
  each_place(address, bytes, [](WordHistory& h, Details& d) {
    h.write_epoch = 0;  // so that no read is a plain one
    d.arriving = state.block_epoch;
  });
}

void note_arrival(uintptr_t address, uintptr_t bytes) {
  each_place(address, bytes, [](WordHistory&, Details& d) { d.arriving = 0; });
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
