// Convolutions on the CPU: the taps of a block of output frames are gathered into rows (im2col, in cache) and
// multiplied by the weight; see ops/conv1d.h.
#include "ops/conv1d.h"

#include <algorithm>
#include <cstring>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/gemm.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

struct ConvScratch {};

// Clip of output row `row`: the last b with out_offsets[b] <= row (clips without frames are passed over).
int64_t clip_of(const int64_t* offsets, int64_t B, int64_t row) {
  return std::upper_bound(offsets, offsets + B + 1, row) - offsets - 1;
}

// Writes the taps of output rows [begin, end) to columns [end - begin, kernel * I].
void gather_taps(const float* x, const int64_t* in_offsets, const int64_t* out_offsets, int64_t B,
                 const Conv1dShape& s, int64_t begin, int64_t end, float* columns) {
  const int64_t I = s.in_channels;
  const auto tap_bytes = static_cast<size_t>(I) * sizeof(float);
  int64_t b = clip_of(out_offsets, B, begin);
  for (int64_t row = begin; row < end; ++row) {
    while (row >= out_offsets[b + 1]) ++b;
    const int64_t frames = in_offsets[b + 1] - in_offsets[b];
    const float* clip = x + in_offsets[b] * I;
    const int64_t first = (row - out_offsets[b]) * s.stride - s.pad_left;
    float* taps = columns + (row - begin) * s.kernel * I;
    if (s.dilation == 1 && first >= 0 && first + s.kernel <= frames) {
      std::memcpy(taps, clip + first * I, static_cast<size_t>(s.kernel) * tap_bytes);
      continue;
    }
    for (int64_t k = 0; k < s.kernel; ++k) {
      const int64_t t = first + k * s.dilation;
      if (t >= 0 && t < frames) {
        std::memcpy(taps + k * I, clip + t * I, tap_bytes);
      } else {
        std::memset(taps + k * I, 0, tap_bytes);
      }
    }
  }
}

void start_rows(const float* bias, float* y, int64_t rows, int64_t O, bool accumulate) {
  if (bias == nullptr) return;
  const auto& add = *cpu::kernels().activation;
  for (int64_t r = 0; r < rows; ++r) {
    if (accumulate) {
      add.add(y + r * O, bias, y + r * O, O);
    } else {
      std::copy(bias, bias + O, y + r * O);
    }
  }
}

// A weight that fits a core's cache is multiplied block by block; a larger one once per chunk of many rows,
// because every product reads all of it.
constexpr int64_t kBlockWeight = 256 * 1024;
constexpr int64_t kChunkRows = 2048;

}  // namespace

void conv1d_forward(Stream& stream, const float* x, WeightView weight, const float* bias, float* y,
                    const int64_t* in_offsets, const int64_t* out_offsets, int64_t B,
                    const Conv1dShape& shape, bool accumulate) {
  if (planning_for_gpu()) {
    gpu::conv1d_forward(stream, weight, out_offsets, B, shape);
    return;
  }
  const int64_t rows = out_offsets[B];
  const int64_t O = shape.out_channels, K = shape.kernel * shape.in_channels;
  const float beta = bias != nullptr || accumulate ? 1.0f : 0.0f;
  if (O * K <= kBlockWeight && weight.is_f32()) {
    const int64_t block = std::clamp<int64_t>(64 * 1024 / K / 48 * 48, 48, 192);
    parallel_ranges(rows, block, [&](int64_t begin, int64_t end) {
      float* columns = cpu::task_scratch<ConvScratch>(block * K);
      gather_taps(x, in_offsets, out_offsets, B, shape, begin, end, columns);
      float* out = y + begin * O;
      start_rows(bias, out, end - begin, O, accumulate);
      cpu::task_gemm(true, end - begin, O, K, 1.0f, columns, K, weight.f32(), K, beta, out, O);
    });
    return;
  }
  DeviceBuffer<float> columns(std::min(rows, kChunkRows) * K, "the taps of a convolution");
  for (int64_t chunk = 0; chunk < rows; chunk += kChunkRows) {
    const int64_t count = std::min(kChunkRows, rows - chunk);
    parallel_ranges(count, 64, [&](int64_t begin, int64_t end) {
      gather_taps(x, in_offsets, out_offsets, B, shape, chunk + begin, chunk + end,
                  columns.data() + begin * K);
      start_rows(bias, y + (chunk + begin) * O, end - begin, O, accumulate);
    });
    gemm(stream, false, true, count, O, K, 1.0f, columns.data(), K, weight, K, beta, y + chunk * O, O);
  }
}

void depthwise_conv1d_forward(Stream&, const float* x, const float* weight, float* y, const int64_t* offsets,
                              int64_t B, int64_t C, int64_t K, int64_t pad_left) {
  parallel_ranges(offsets[B], 64, [&](int64_t begin, int64_t end) {
    int64_t b = clip_of(offsets, B, begin);
    for (int64_t row = begin; row < end; ++row) {
      while (row >= offsets[b + 1]) ++b;
      float* out = y + row * C;
      std::fill(out, out + C, 0.0f);
      const int64_t low = std::max<int64_t>(0, pad_left - (row - offsets[b]));
      const int64_t high = std::min<int64_t>(K, offsets[b + 1] - row + pad_left);
      for (int64_t k = low; k < high; ++k) {
        const float* in = x + (row + k - pad_left) * C;
        for (int64_t c = 0; c < C; ++c) out[c] += weight[c * K + k] * in[c];
      }
    }
  });
}

}  // namespace llasa
