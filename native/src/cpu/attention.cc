// Attention family on the CPU: a task is one key/value head of one group, so that gradients of shared keys
// are summed by one thread in one order; see ops/attention.h and cpu/simd/attention.cc.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace llasa {

namespace {

// Scratch of the calling thread, 64-byte aligned, kept between calls.
float* scratch(int64_t floats) {
  thread_local std::vector<float> memory;
  if (memory.size() < static_cast<size_t>(floats) + 16) memory.resize(static_cast<size_t>(floats) + 16);
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  return memory.data() + ((64 - address % 64) % 64) / sizeof(float);
}

cpu::AttentionTask make_task(const float* qkv, const AttentionGroup& group, const AttentionShape& shape,
                             int64_t g) {
  const int64_t rep = shape.H / shape.G;
  cpu::AttentionTask task;
  task.row = shape.row();
  task.q = g * rep * shape.D;
  task.k = (shape.H + g) * shape.D;
  task.v = (shape.H + shape.G + g) * shape.D;
  task.qkv = qkv;
  task.out_row = shape.H * shape.D;
  task.lse_row = shape.H;
  task.head = g * rep;
  task.rep = rep;
  task.D = shape.D;
  task.scale = 1.0f / std::sqrt(static_cast<float>(shape.D));
  task.prefix_begin = group.prefix.begin;
  task.prefix_count = group.prefix.count();
  task.prefix_queries = shape.prefix_queries;
  task.num_parts = static_cast<int64_t>(group.parts.size());
  task.parts = group.parts.empty() ? nullptr : &group.parts[0].begin;
  for (const RowRange& part : group.parts) task.longest_part = std::max(task.longest_part, part.count());
  return task;
}

static_assert(sizeof(RowRange) == 2 * sizeof(int64_t), "AttentionTask::parts reads begin, end pairs");

}  // namespace

void attention_forward(Stream&, const float* qkv, float* out, float* lse,
                       const std::vector<AttentionGroup>& groups, const AttentionShape& shape, Precision) {
  const auto& k = *cpu::kernels().attention;
  parallel_for(static_cast<int64_t>(groups.size()) * shape.G, [&](int64_t i) {
    cpu::AttentionTask task = make_task(qkv, groups[static_cast<size_t>(i / shape.G)], shape, i % shape.G);
    task.out = out;
    task.lse = lse;
    k.forward(task, scratch(k.scratch(task, false)));
  });
}

void attention_backward(Stream&, const float* qkv, const float* out, const float* lse, const float* dout,
                        float* dqkv, const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                        Precision) {
  const auto& k = *cpu::kernels().attention;
  parallel_for(static_cast<int64_t>(groups.size()) * shape.G, [&](int64_t i) {
    cpu::AttentionTask task = make_task(qkv, groups[static_cast<size_t>(i / shape.G)], shape, i % shape.G);
    task.saved_out = out;
    task.saved_lse = lse;
    task.dout = dout;
    task.dqkv = dqkv;
    k.backward(task, scratch(k.scratch(task, true)));
  });
}

}  // namespace llasa
