// What the device was given to do since the process began, and how often the host waited for it: what a card
// would pay for by the piece. Read between tests, with nothing queued.
#pragma once

#include <cstdint>

#include "cudasim/runtime_api.h"

namespace cudasim {

struct Counts {
  // Done by the device, those of replayed graphs included.
  int64_t kernels = 0;
  int64_t products = 0;       // of cuBLASLt
  int64_t product_flops = 0;  // a multiply-add as two
  int64_t uploads = 0, upload_bytes = 0;
  int64_t readbacks = 0, readback_bytes = 0;
  int64_t copies = 0;  // on the device
  int64_t clears = 0;
  // Done by the host.
  int64_t calls = 0;        // that queued the above: a replayed graph is one
  int64_t waits = 0;        // until a stream, an event or the device was done
  int64_t allocations = 0;  // of memory of the device, outside streams

  Counts operator-(const Counts& before) const {
    return {kernels - before.kernels,
            products - before.products,
            product_flops - before.product_flops,
            uploads - before.uploads,
            upload_bytes - before.upload_bytes,
            readbacks - before.readbacks,
            readback_bytes - before.readback_bytes,
            copies - before.copies,
            clears - before.clears,
            calls - before.calls,
            waits - before.waits,
            allocations - before.allocations};
  }
  bool operator==(const Counts&) const = default;
};

// Counts, from now on and from 0, the bytes of this range of device memory that threads of kernels read: a byte that two
// threads read counts twice. NULL, 0: no range. Those that copies and products
// read do not count.
void watch_reads(const void* begin, int64_t bytes);
int64_t watched_reads();

// Every function needs the engine's lock, reading included where another thread may be inside.
Counts& counts();
// A call that queues work on the stream, unless it is being recorded.
void note_call(cudaStream_t stream);

}  // namespace cudasim
