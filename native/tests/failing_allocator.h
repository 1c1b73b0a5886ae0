// Makes a chosen allocation of the process fail, to show that no error path leaks or aborts.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "core/device.h"
#include "llasa_native.h"

namespace llasa::test {

// The operator new after the next `count` ones throws std::bad_alloc, once. -1 disarms.
void fail_host_allocation_after(int64_t count);

// Calls body with the k-th host allocation failing, k = 0, 1, ..., until it needs fewer than k; then the same
// with device allocations. body returns a status and must leave nothing behind; each failure must be
// LLASA_ERR_OUT_OF_MEMORY. Returns the number of failures that were forced, or -1 - k if one came out
// otherwise.
template <typename Body>
int64_t fail_every_allocation(Body&& body) {
  int64_t forced = 0;
  for (const auto arm : {&fail_host_allocation_after, &fail_allocation_after}) {
    for (int64_t k = 0;; ++k) {
      arm(k);
      const llasa_status status = body();
      arm(-1);
      if (status == LLASA_OK) break;
      EXPECT_EQ(status, LLASA_ERR_OUT_OF_MEMORY) << "allocation " << k << ": " << llasa_last_error();
      if (status != LLASA_ERR_OUT_OF_MEMORY) return -1 - k;
      ++forced;
    }
  }
  return forced;
}

}  // namespace llasa::test
