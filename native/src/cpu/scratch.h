// Working memory of a task: grows to what the thread has needed so far and is kept, so that a loop of short
// tasks does not go through the allocator. One live use per thread and Tag.
#pragma once

#include <cstdint>
#include <vector>

namespace llasa::cpu {

template <typename Tag>
float* task_scratch(int64_t floats) {
  thread_local std::vector<float> memory;
  if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
  return memory.data();
}

// The same at the start of a cache line.
template <typename Tag>
float* aligned_task_scratch(int64_t floats) {
  constexpr uintptr_t kLine = 64;
  float* memory = task_scratch<Tag>(floats + static_cast<int64_t>(kLine / sizeof(float)));
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory) + kLine - 1) / kLine * kLine);
}

}  // namespace llasa::cpu
