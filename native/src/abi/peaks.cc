// The machine's roofs, measured with the same code paths that training uses.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "abi/guard.h"
#include "core/device.h"
#include "ops/activation.h"
#include "ops/cast.h"
#include "ops/gemm.h"
#include "ops/optimizer.h"

namespace {

template <typename Work>
double best_seconds(int repeats, llasa::Stream& stream, Work&& work) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    stream.synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

llasa_status llasa_measure_machine_peaks(llasa_machine_peaks* out_peaks) {
  return llasa::abi::guarded(__func__, [&] {
    llasa::abi::required(out_peaks, "out_peaks");
    llasa::Stream stream;
    llasa_machine_peaks peaks{};
    {
      // A card takes that much before it is busy.
      const int64_t n = std::strcmp(llasa::describe_device().backend, "cuda") == 0 ? 8192 : 1536;
      const std::vector<float> ones(static_cast<size_t>(n * n), 1.0f);
      llasa::DeviceBuffer<float> a, b, c(n * n, "a benchmark matrix");
      a.upload(stream, ones, "a benchmark matrix");
      b.upload(stream, ones, "a benchmark matrix");
      llasa::DeviceBuffer<llasa::Bf16> narrow(n * n, "a benchmark matrix");
      llasa::narrow_to_bf16(stream, b.data(), n, narrow.data(), n, n);
      const auto gflops = [&](llasa::WeightView weight) {
        const double seconds = best_seconds(6, stream, [&] {
          llasa::gemm(stream, false, true, n, n, n, 1.0f, a.data(), n, weight, n, 0.0f, c.data(), n);
        });
        return 2.0 * static_cast<double>(n * n * n) / seconds * 1e-9;
      };
      peaks.gemm_gflops = gflops(b.data());
      peaks.gemm_bf16_gflops = gflops(narrow.data());
    }
    {
      constexpr int64_t count = int64_t{1} << 25;  // 128 MiB per array, past any cache
      llasa::DeviceBuffer<float> x(count, "a benchmark array"), y(count, "a benchmark array");
      llasa::zero_on_device(stream, x.data(), count * 4);
      llasa::zero_on_device(stream, y.data(), count * 4);
      const double seconds =
          best_seconds(5, stream, [&] { llasa::add_forward(stream, x.data(), x.data(), y.data(), count); });
      peaks.bandwidth_gb_per_s = 2.0 * 4.0 * static_cast<double>(count) / seconds * 1e-9;
    }
    {
      // Two ways to read: one array in order, and the rows of a matrix side by side, as decoding does. Which one memory
      // serves faster is the machine's business.
      constexpr int64_t rows = 32768, columns = 4096;  // 512 MiB
      llasa::DeviceBuffer<float> x(rows * columns, "a benchmark matrix"),
          vector(columns, "a benchmark vector"), product(rows, "a benchmark vector");
      llasa::zero_on_device(stream, x.data(), rows * columns * 4);
      llasa::zero_on_device(stream, vector.data(), columns * 4);
      const double in_order =
          best_seconds(5, stream, [&] { (void)llasa::squared_norm(stream, x.data(), rows * columns); });
      const double by_rows = best_seconds(5, stream, [&] {
        llasa::gemm(stream, false, true, 1, rows, columns, 1.0f, vector.data(), columns, x.data(), columns,
                    0.0f, product.data(), rows);
      });
      peaks.read_gb_per_s = 4.0 * static_cast<double>(rows * columns) / std::min(in_order, by_rows) * 1e-9;
    }
    llasa::abi::write_struct(out_peaks, peaks, "out_peaks");
  });
}
