// The program: registers what fits this machine, runs it, reports.
#include "kernel_bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/parallel.h"
#include "roofline.h"
#include "timer.h"

namespace llasa::bench {

namespace {

struct Case {
  std::string name;
  Work work;
  std::function<void(Kernel&)> body;
};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

int& failed_cases() {
  static int count = 0;
  return count;
}

void fail(benchmark::State& state, const char* message) {
  ++failed_cases();
  state.SkipWithError(message);
}

bool runs_on(const char* backend) {
  return std::strcmp(describe_device().backend, backend) == 0;
}
bool simulated() {
  return runs_on("cudasim");
}

// GFLOP/s of dense bf16 products with f32 sums by the data sheet; 0 for other devices, whose roof is
// measured.
double tensor_gflops() {
  const std::string name = describe_device().name;
  const std::pair<const char*, double> cards[] = {
      {"H200", 989e3}, {"H100", 989e3}, {"A100", 312e3}, {"L40S", 362e3}, {"RTX 4090", 165e3}};
  for (const auto& [card, gflops] : cards) {
    if (name.find(card) != std::string::npos) return gflops;
  }
  return 0;
}

double compute_roof(const Work& work) {
  if (!work.tensor_cores) return peaks().gemm_gflops;
  const double tensor = tensor_gflops();
  return tensor > 0 ? tensor : peaks().gemm_bf16_gflops;
}

double least_seconds(const Work& work) {
  return std::max(work.bytes * 1e-9 / peaks().bandwidth_gb_per_s, work.flops * 1e-9 / compute_roof(work));
}

double limit_seconds() {
  const char* text = std::getenv("LLASA_BENCH_SECONDS");
  const double seconds = text == nullptr ? 0.25 : std::atof(text);
  return seconds > 0 ? seconds : 0.25;
}

double memory_bytes() {
  const int64_t device = describe_device().memory_bytes;
  if (device > 0) return static_cast<double>(device);
  double kilobytes = 8e6;
  if (std::FILE* file = std::fopen("/proc/meminfo", "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %lf", &kilobytes) == 1) break;
    }
    std::fclose(file);
  }
  return kilobytes * 1024.0;
}

// Empty if the case can run here, else why not.
std::string reason_against(const Case& c) {
  if (simulated()) return c.name.find("/tiny") == std::string::npos ? "the simulator runs tiny shapes" : "";
  if (c.work.tensor_cores && runs_on("cpu")) return "the CPU computes it in f32: the case without bf16";
  char text[160] = "";
  const double seconds = least_seconds(c.work);
  if (seconds > limit_seconds()) {
    std::snprintf(text, sizeof text, "%.2g s per call at this machine's roofs, limit %.2g s", seconds,
                  limit_seconds());
  } else if (c.work.memory > memory_bytes() / 2) {
    std::snprintf(text, sizeof text, "%.3g GB of arrays, limit %.3g GB", c.work.memory * 1e-9,
                  memory_bytes() * 0.5e-9);
  }
  return text;
}

void run_case(benchmark::State& state, const Case& c) {
  try {
    Kernel kernel(state, c.work);
    c.body(kernel);
  } catch (const std::exception& error) {
    fail(state, error.what());
  }
}

int register_cases() {
  std::sort(cases().begin(), cases().end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  int left_out = 0;
  for (const Case& c : cases()) {
    const std::string reason = reason_against(c);
    if (!reason.empty()) {
      std::fprintf(stderr, "left out: %s (%s)\n", c.name.c_str(), reason.c_str());
      ++left_out;
      continue;
    }
    auto* registered =
        benchmark::RegisterBenchmark(c.name.c_str(), [&c](benchmark::State& state) { run_case(state, c); });
    // One iteration, which takes its own samples: a body's arrays and checks are made once.
    registered->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(1);
  }
  return left_out;
}

void describe_run() {
  const DeviceDescription device = describe_device();
  char text[64];
  benchmark::AddCustomContext("backend", device.backend);
  benchmark::AddCustomContext("device", device.name);
  benchmark::AddCustomContext("isa", device.isa);
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("threads", std::to_string(num_threads()));
  if (const char* commit = std::getenv("LLASA_COMMIT")) benchmark::AddCustomContext("commit", commit);
  if (simulated()) return;
  if (tensor_gflops() > 0) {
    std::snprintf(text, sizeof text, "%.0f", tensor_gflops());
    benchmark::AddCustomContext("tensor_gflops_of_the_data_sheet", text);
  }
  std::snprintf(text, sizeof text, "%.1f", peaks().gemm_gflops);
  benchmark::AddCustomContext("gemm_gflops", text);
  std::snprintf(text, sizeof text, "%.1f", peaks().gemm_bf16_gflops);
  benchmark::AddCustomContext("gemm_bf16_gflops", text);
  std::snprintf(text, sizeof text, "%.1f", peaks().bandwidth_gb_per_s);
  benchmark::AddCustomContext("bandwidth_gb_per_s", text);
}

}  // namespace

bool add(const std::string& name, const Work& work, std::function<void(Kernel&)> body) {
  cases().push_back({name, work, std::move(body)});
  return true;
}

float* Kernel::random(int64_t count, uint64_t seed, float scale, float offset) {
  std::vector<float> values(static_cast<size_t>(count));
  parallel_ranges(count, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] = offset + scale * noise(seed, i);
  });
  return upload(values);
}

float* Kernel::zeros(int64_t count) {
  const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
  arrays_.push_back(std::make_unique<DeviceBuffer<char>>(bytes, "a benchmark array"));
  zero_on_device(stream_, arrays_.back()->data(), bytes);
  return reinterpret_cast<float*>(arrays_.back()->data());
}

void* Kernel::copy_in(const void* values, int64_t bytes) {
  arrays_.push_back(std::make_unique<DeviceBuffer<char>>(bytes, "a benchmark array"));
  copy_to_device(stream_, arrays_.back()->data(), values, bytes);
  return arrays_.back()->data();
}

void Kernel::copy_out(void* values, const void* device, int64_t bytes) {
  copy_to_host(stream_, values, device, bytes);
}

void Kernel::near(const char* what, double actual, double expected, double tolerance) {
  if (std::abs(actual - expected) <= tolerance || !failure_.empty()) return;
  char text[160];
  std::snprintf(text, sizeof text, "%s: %.9g, expected %.9g within %.2g", what, actual, expected, tolerance);
  failure_ = text;
}

void Kernel::ensure(bool holds, const char* what) {
  if (!holds && failure_.empty()) failure_ = what;
}

double Kernel::seconds(const std::function<void()>& run, int64_t calls) {
  Timer timer;
  timer.start(stream_);
  for (int64_t i = 0; i < calls; ++i) run();
  return timer.stop(stream_);
}

void Kernel::time(const std::function<void()>& run) {
  if (!failure_.empty()) {
    fail(state_, failure_.c_str());
    return;
  }
  // A sample is enough calls that the clock's resolution and a launch's latency don't count.
  const double once = seconds(run, 1);
  const auto wanted = static_cast<int64_t>(3e-3 / std::max(once, 1e-7));
  const int64_t calls = simulated() ? 1 : std::clamp<int64_t>(wanted, 1, 1000);
  std::vector<double> samples;
  double total = 0;
  for (auto _ : state_) {
    while (samples.size() < 3 || (total < 0.05 && samples.size() < 15)) {
      const double elapsed = seconds(run, calls);
      samples.push_back(elapsed / static_cast<double>(calls));
      total += elapsed;
      if (simulated()) break;
    }
    std::sort(samples.begin(), samples.end());
    state_.SetIterationTime(samples[samples.size() / 2]);
  }
  if (simulated() || samples.empty()) return;
  const double median = samples[samples.size() / 2];
  state_.counters["min_us"] = samples.front() * 1e6;
  state_.counters["samples"] = static_cast<double>(samples.size());
  state_.counters["bytes"] = work_.bytes;
  state_.counters["flops"] = work_.flops;
  if (work_.bytes > 0) state_.counters["GB/s"] = work_.bytes * 1e-9 / median;
  if (work_.flops > 0) state_.counters["GFLOP/s"] = work_.flops * 1e-9 / median;
  state_.counters["of_roof"] = least_seconds(work_) / median;
  const double memory = work_.bytes / peaks().bandwidth_gb_per_s, compute = work_.flops / compute_roof(work_);
  state_.SetLabel(memory > compute ? "memory" : "compute");
}

}  // namespace llasa::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const int left_out = llasa::bench::register_cases();
  llasa::bench::describe_run();
  const size_t run = benchmark::RunSpecifiedBenchmarks();
  std::fprintf(stderr, "%zu benchmarks run, %d left out, %d runs failed\n", run, left_out,
               llasa::bench::failed_cases());
  benchmark::Shutdown();
  return run == 0 || llasa::bench::failed_cases() > 0 ? 1 : 0;
}
