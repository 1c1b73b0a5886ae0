// The fused sampling kernel at the demo's vocabulary (1,025 allowed ids, 128 rows) and at the public models'
// (193,800). The floor is one read of the logits.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <vector>

#include "core/device.h"
#include "ops/sampling.h"
#include "roofline.h"

namespace {

void sampling(benchmark::State& state) {
  const auto rows = state.range(0);
  const auto columns = static_cast<int32_t>(state.range(1));
  llasa::SamplingParameters parameters;
  parameters.temperature = 0.8f;
  parameters.top_k = state.range(2) != 0 ? 50 : 0;
  parameters.top_p = state.range(2) != 0 ? 0.9f : 1.0f;
  parameters.allowed = llasa::AllowedIds::of(0, columns, -1);
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(static_cast<size_t>(rows * columns));
  for (float& v : logits) v = normal(generator);
  std::vector<llasa::SampleRow> info(static_cast<size_t>(rows));
  std::vector<int32_t> ids(static_cast<size_t>(rows));
  std::vector<float> logprobs(static_cast<size_t>(rows));
  llasa::Stream stream;
  int64_t position = 0;
  for (auto _ : state) {
    for (auto& row : info) row.position = position;
    ++position;
    llasa::sampling_forward(stream, parameters, logits.data(), columns, rows, info.data(), nullptr,
                            ids.data(), logprobs.data());
  }
  for (size_t r = 0; r < ids.size(); ++r) {
    if (ids[r] < 0 || !(logprobs[r] <= 0)) state.SkipWithError("not a sample");
  }
  llasa::bench::report_bytes(state, static_cast<double>(rows) * columns * 4);
}

}  // namespace

BENCHMARK(sampling)
    ->ArgNames({"rows", "ids", "filters"})
    ->Args({128, 1025, 0})
    ->Args({128, 1025, 1})
    ->Args({8, 193800, 0})
    ->Args({8, 193800, 1})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
