// Optimizer family on the CPU; see ops/optimizer.h.
#include "ops/optimizer.h"

#include <vector>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/isa.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {
constexpr int64_t kBlock = 65536;
}

double squared_norm(Stream& stream, const float* x, int64_t count) {
  if (planning_for_gpu()) gpu::squared_norm(stream, count);
  const auto& k = *cpu::kernels().optimizer;
  std::vector<double> partial(static_cast<size_t>((count + kBlock - 1) / kBlock));
  parallel_ranges(count, kBlock, [&](int64_t begin, int64_t end) {
    partial[static_cast<size_t>(begin / kBlock)] = k.squared_sum(x + begin, end - begin);
  });
  double total = 0.0;
  for (double p : partial) total += p;
  return total;
}

void adamw_step(Stream&, float* weights, const float* gradients, float* moment1, float* moment2,
                int64_t count, const AdamW& o) {
  const auto& k = *cpu::kernels().optimizer;
  const AdamWFactors f = adamw_factors(o);
  parallel_ranges(count, kBlock, [&](int64_t begin, int64_t end) {
    k.adamw(weights + begin, gradients + begin, moment1 + begin, moment2 + begin, end - begin, f);
  });
}

}  // namespace llasa
