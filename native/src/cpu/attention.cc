// Attention family on the CPU: a task is one key/value head of one group, so that gradients of shared keys
// are summed by one thread in one order; see ops/attention.h and cpu/simd/attention.cc.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "ops/gpu_scratch.h"

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

void forward(const float* qkv, float* out, float* lse, const std::vector<AttentionGroup>& groups,
             const AttentionShape& shape) {
  const auto& k = *cpu::kernels().attention;
  parallel_for(static_cast<int64_t>(groups.size()) * shape.G, [&](int64_t i) {
    cpu::AttentionTask task = make_task(qkv, groups[static_cast<size_t>(i / shape.G)], shape, i % shape.G);
    task.out = out;
    task.lse = lse;
    k.forward(task, scratch(k.scratch(task, false)));
  });
}

void backward(const float* qkv, const float* out, const float* lse, const float* dout, float* dqkv,
              const std::vector<AttentionGroup>& groups, const AttentionShape& shape) {
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

// Rows up to the last of any group, in f32.
std::vector<float> widened(const Bf16* values, const std::vector<AttentionGroup>& groups, int64_t columns) {
  int64_t rows = 0;
  for (const AttentionGroup& group : groups) {
    rows = std::max(rows, group.prefix.end);
    for (const RowRange& part : group.parts) rows = std::max(rows, part.end);
  }
  std::vector<float> wide(static_cast<size_t>(rows * columns));
  cpu::kernels().cast->widen(values, wide.data(), rows * columns);
  return wide;
}

}  // namespace

void attention_forward(Stream& stream, WeightView qkv, ArrayView out, float* lse,
                       const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                       Precision precision) {
  if (planning_for_gpu()) gpu::attention_forward(stream, out.is_bf16(), groups, shape, precision);
  if (planning()) return;
  if (!out.is_bf16()) {
    forward(qkv.f32(), out.f32(), lse, groups, shape);
    return;
  }
  // Rows that are left alone come back as they were.
  std::vector<float> result = widened(out.bf16(), groups, shape.H * shape.D);
  forward(widened(qkv.bf16(), groups, shape.row()).data(), result.data(), lse, groups, shape);
  cpu::kernels().cast->narrow(result.data(), out.bf16(), static_cast<int64_t>(result.size()));
}

void attention_backward(Stream& stream, WeightView qkv, WeightView out, const float* lse, WeightView dout,
                        float* dqkv, const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                        Precision precision) {
  if (planning_for_gpu()) gpu::attention_backward(stream, qkv.is_bf16(), groups, shape, precision);
  if (planning()) return;
  if (!qkv.is_bf16()) {
    backward(qkv.f32(), out.f32(), lse, dout.f32(), dqkv, groups, shape);
    return;
  }
  const int64_t columns = shape.H * shape.D;
  backward(widened(qkv.bf16(), groups, shape.row()).data(), widened(out.bf16(), groups, columns).data(), lse,
           widened(dout.bf16(), groups, columns).data(), dqkv, groups, shape);
}

}  // namespace llasa
