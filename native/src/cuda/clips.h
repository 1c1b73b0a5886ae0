// Borders of packed clips in a kernel's arguments: ops get them as host arrays, and an argument is copied by
// the launch itself, so there is nothing to upload, to wait for or to keep alive.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/host_device.h"
#include "ops/gpu_scratch.h"

namespace llasa::cuda {

using gpu::kClipsPerLaunch;

struct ClipTable {
  int32_t count;
  int64_t first;                     // clip of the table's first entry
  int64_t in[kClipsPerLaunch + 1];   // clip b: rows in[b] .. in[b+1] of the input
  int64_t out[kClipsPerLaunch + 1];  // and out[b] .. out[b+1] of the output

  // Clip of an output row: the last b with out[b] <= row (clips without rows are passed over).
  LLASA_HOST_DEVICE int32_t clip_of(int64_t row) const {
    int32_t low = 0, high = count;
    while (high - low > 1) {
      const int32_t middle = (low + high) / 2;
      if (out[middle] <= row) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

// Calls launch(table, rows) for B clips, a table of them at a time; tables without output rows are left out.
template <typename Launch>
void for_clips(const int64_t* in, const int64_t* out, int64_t B, Launch&& launch) {
  for (int64_t first = 0; first < B; first += kClipsPerLaunch) {
    ClipTable table{};
    table.count = static_cast<int32_t>(std::min(kClipsPerLaunch, B - first));
    table.first = first;
    std::copy(in + first, in + first + table.count + 1, table.in);
    std::copy(out + first, out + first + table.count + 1, table.out);
    const int64_t rows = table.out[table.count] - table.out[0];
    if (rows > 0) launch(table, rows);
  }
}

}  // namespace llasa::cuda
