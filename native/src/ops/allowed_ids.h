// The ids that a response may consist of, and their order as columns of logits: ascending, in sampling and in
// training alike, so that "the lower column" and "the lower id" are the same thing.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace llasa {

// [start, end) and possibly one more.
struct AllowedIds {
  int32_t start = 0;
  int32_t end = 0;
  int32_t extra = -1;  // outside [start, end), or -1 for none

  // extra inside the range is no extra.
  static AllowedIds of(int32_t start, int32_t end, int32_t extra) {
    return {start, end, extra >= start && extra < end ? -1 : extra};
  }
  LLASA_HOST_DEVICE int32_t count() const { return end - start + (extra >= 0 ? 1 : 0); }
  // Column of the first id of the range, and of the extra id (-1 if there is none).
  LLASA_HOST_DEVICE int32_t range_column() const { return extra >= 0 && extra < start ? 1 : 0; }
  LLASA_HOST_DEVICE int32_t extra_column() const { return extra < 0 ? -1 : extra < start ? 0 : end - start; }
  LLASA_HOST_DEVICE int32_t id_of(int32_t column) const {
    return column == extra_column() ? extra : start + column - range_column();
  }
  // -1 if id is not allowed.
  LLASA_HOST_DEVICE int32_t column_of(int32_t id) const {
    if (id >= start && id < end) return id - start + range_column();
    return id >= 0 && id == extra ? extra_column() : -1;
  }
};

// Where rows of logits lie, so that products of the range meet rows of 32 bytes whatever id stands beside it.
struct LogitRows {
  int64_t lead = 0;    // floats before a row's first column
  int64_t stride = 0;  // from row to row

  static LogitRows of(const AllowedIds& allowed) {
    constexpr int64_t kAlign = 8;
    const int64_t lead = allowed.range_column() == 0 ? 0 : kAlign - allowed.range_column();
    return {lead, (lead + allowed.count() + kAlign - 1) / kAlign * kAlign};
  }
};

}  // namespace llasa
