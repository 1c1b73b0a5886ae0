// The library's one thread pool. Work is cut into tasks by shape alone, never by thread count, so results are
// the same for any number of threads; which thread runs a task is free.
#pragma once

#include <cstdint>
#include <functional>

#include "core/memory_plan.h"

namespace llasa {

// Threads that compute, the calling one included.
int num_threads();
// 0 = as many as the process may use. Not while work is running.
void set_num_threads(int count);

namespace detail {
void run_tasks(int64_t tasks, void (*body)(void*, int64_t), void* context);
}

// Calls body(task) for task in [0, tasks), in parallel (not at all under a memory plan: this is where the
// CPU's operations do their work); returns when all are done. The first exception is rethrown here. A nested
// call runs its tasks inline.
template <typename Body>
void parallel_for(int64_t tasks, Body&& body) {
  if (tasks <= 0 || planning()) return;
  if (tasks == 1) {
    body(int64_t{0});
    return;
  }
  auto* context = const_cast<void*>(static_cast<const void*>(&body));
  detail::run_tasks(
      tasks, [](void* c, int64_t task) { (*static_cast<std::remove_reference_t<Body>*>(c))(task); }, context);
}

// Cuts [0, count) into blocks of `grain` (the last one shorter) and calls body(begin, end) for each.
template <typename Body>
void parallel_ranges(int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  parallel_for((count + grain - 1) / grain, [&](int64_t task) {
    const int64_t begin = task * grain;
    body(begin, begin + grain < count ? begin + grain : count);
  });
}

}  // namespace llasa
