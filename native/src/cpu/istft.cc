// Inverse STFT on the CPU; see ops/istft.h.
#include "ops/istft.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace llasa {

namespace {
struct PolarScratch {};
struct HopScratch {};
constexpr int64_t kBlockFrames = 96;
constexpr int64_t kBlockHops = 32;
}  // namespace

void istft_forward(Stream&, const float* prediction, const float* basis, const float* window, float* spectrum,
                   float* quarters, float* y, const int64_t* offsets, int64_t B, int64_t hop) {
  const auto& kernel = *cpu::kernels().speech;
  const int64_t h = hop, Q = istft_quarter(h), P = h + 1, lines = 2 * h + 1, T = offsets[B];
  parallel_ranges(T, kBlockFrames, [&](int64_t begin, int64_t end) {
    float* re = cpu::task_scratch<PolarScratch>(2 * (lines + 1));
    float* im = re + lines + 1;
    for (int64_t t = begin; t < end; ++t) {
      const float* row = prediction + t * 2 * lines;
      kernel.polar(row, row + lines, re, im, lines);
      re[lines] = im[lines] = 0.0f;  // the odd lines are one fewer
      float* s = spectrum + t * 4 * Q;
      for (int64_t j = 0; j < P; ++j) {
        s[j] = re[2 * j];
        s[Q + j] = re[2 * j + 1];
        s[2 * Q + j] = im[2 * j];
        s[3 * Q + j] = im[2 * j + 1];
      }
    }
    for (int64_t part = 0; part < 4; ++part) {
      cpu::task_gemm(true, end - begin, P, P, 1.0f, spectrum + begin * 4 * Q + part * Q, 4 * Q,
                     basis + part * Q * Q, Q, 0.0f, quarters + begin * 4 * Q + part * Q, 4 * Q);
    }
  });
  // Tasks are blocks of hops of one clip: output hop q overlaps frames q-3 .. q.
  struct Block {
    int64_t clip, first;
  };
  std::vector<Block> blocks;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t frames = offsets[b + 1] - offsets[b];
    if (frames == 0) continue;
    for (int64_t q = 0; q < frames + 3; q += kBlockHops) blocks.push_back({b, q});
  }
  const int64_t trim = (4 * h - h) / 2;
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    const Block block = blocks[static_cast<size_t>(task)];
    const int64_t frames = offsets[block.clip + 1] - offsets[block.clip], samples = frames * h;
    float* hop_samples = cpu::task_scratch<HopScratch>(h);
    float* out = y + offsets[block.clip] * h;
    for (int64_t q = block.first; q < std::min(block.first + kBlockHops, frames + 3); ++q) {
      const int64_t low = std::max<int64_t>(0, q * h - trim), high = std::min(samples, (q + 1) * h - trim);
      if (low >= high) continue;
      const float* overlapping[4];
      for (int64_t j = 0; j < 4; ++j) {
        const int64_t frame = q - j;
        overlapping[j] =
            frame >= 0 && frame < frames ? quarters + (offsets[block.clip] + frame) * 4 * Q : nullptr;
      }
      kernel.istft_hop(overlapping, window, hop_samples, h, Q);
      std::memcpy(out + low, hop_samples + (low + trim - q * h),
                  static_cast<size_t>(high - low) * sizeof(float));
    }
  });
}

}  // namespace llasa
