// The machine's roofs, measured once per process with the library's own code, and counters that relate to
// them.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

#include "llasa_native.h"

namespace llasa::bench {

inline const llasa_machine_peaks& peaks() {
  static const llasa_machine_peaks measured = [] {
    llasa_machine_peaks p{};
    p.struct_size = sizeof p;
    if (llasa_measure_machine_peaks(&p) != LLASA_OK)
      p.gemm_gflops = p.gemm_bf16_gflops = p.bandwidth_gb_per_s = 1;
    return p;
  }();
  return measured;
}

// Reports GFLOP/s and the share of the GEMM peak, for `flops` per iteration.
inline void report_flops(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] =
      benchmark::Counter(flops * 1e-9 / peaks().gemm_gflops, benchmark::Counter::kIsIterationInvariantRate);
}

// Reports GB/s and the share of the memory bandwidth, for `bytes` per iteration.
inline void report_bytes(benchmark::State& state, double bytes) {
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_bandwidth"] = benchmark::Counter(bytes * 1e-9 / peaks().bandwidth_gb_per_s,
                                                      benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace llasa::bench
