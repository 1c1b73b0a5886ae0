// Log-mel on the CPU: blocks of 32 frames are windowed, folded, multiplied and pooled in cache; see
// ops/mel.h.
#include "ops/mel.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

constexpr int64_t kQ = kMelQuarter;
constexpr int64_t kP = kMelFft / 4 + 1;  // 101
constexpr int64_t kBlockFrames = 32;
constexpr float kFloor = 1e-10f;
constexpr float kLogFloor = -10.0f;
struct MelScratch {};

// One clip as the transform sees it: `length` samples, zeros up to `padded`, mirrored at both ends.
struct Signal {
  const float* samples;
  int64_t length;
  int64_t padded;

  float at(int64_t i) const {
    if (i < 0) i = -i;
    if (i >= padded) i = 2 * padded - 2 - i;
    return i < length ? samples[i] : 0.0f;
  }
};

void read_frame(const Signal& signal, int64_t start, float* frame) {
  if (start >= 0 && start + kMelFft <= signal.length) {
    std::memcpy(frame, signal.samples + start, kMelFft * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < kMelFft; ++i) frame[i] = signal.at(start + i);
}

// Windowed samples to the four folded rows, each [kQ]; f is overwritten.
void fold(float* f, const float* window, float* folded) {
  float even[kMelLines], odd[kMelLines];  // x[j] + x[400-j], x[j] - x[400-j]
  for (int64_t j = 0; j < kMelFft; ++j) f[j] *= window[j];
  even[0] = f[0];
  odd[0] = 0.0f;
  for (int64_t j = 1; j < 200; ++j) {
    even[j] = f[j] + f[kMelFft - j];
    odd[j] = f[j] - f[kMelFft - j];
  }
  even[200] = f[200];
  odd[200] = 0.0f;
  for (int64_t j = 0; j < 100; ++j) {
    folded[j] = even[j] + even[200 - j];
    folded[kQ + j] = even[j] - even[200 - j];
    folded[2 * kQ + j] = odd[j] - odd[200 - j];
    folded[3 * kQ + j] = odd[j] + odd[200 - j];
  }
  folded[100] = even[100];
  folded[kQ + 100] = 0.0f;
  folded[2 * kQ + 100] = 0.0f;
  folded[3 * kQ + 100] = odd[100];
}

// First and one past last line where a filter is not zero.
struct Band {
  int64_t begin, end;
};
std::vector<Band> bands_of(const float* filters, int64_t num_mels) {
  std::vector<Band> bands(static_cast<size_t>(num_mels));
  for (int64_t m = 0; m < num_mels; ++m) {
    const float* row = filters + m * kMelLines;
    int64_t begin = 0, end = kMelLines;
    while (begin < end && row[begin] == 0.0f) ++begin;
    while (end > begin && row[end - 1] == 0.0f) --end;
    bands[static_cast<size_t>(m)] = {begin, end};
  }
  return bands;
}

// Log powers of `count` frames from frame `first` on, unfloored by the maximum; returns the largest.
float block_log_powers(const Signal& signal, int64_t first, int64_t count, const float* basis,
                       const float* window, const float* filters, const std::vector<Band>& bands, float* y) {
  const auto& kernel = *cpu::kernels().speech;
  const auto num_mels = static_cast<int64_t>(bands.size());
  float* folded = cpu::task_scratch<MelScratch>(2 * kBlockFrames * 4 * kQ);
  float* lines = folded + kBlockFrames * 4 * kQ;
  float frame[kMelFft], power[kMelLines + 1];
  for (int64_t t = 0; t < count; ++t) {
    read_frame(signal, (first + t) * kMelHop - kMelFft / 2, frame);
    fold(frame, window, folded + t * 4 * kQ);
  }
  // Always whole blocks: BLAS treats leftover rows by another kernel, and a frame must not depend on how many
  // follow.
  std::fill(folded + count * 4 * kQ, folded + kBlockFrames * 4 * kQ, 0.0f);
  for (int64_t part = 0; part < 4; ++part) {
    cpu::task_gemm(true, kBlockFrames, kP, kP, 1.0f, folded + part * kQ, 4 * kQ, basis + part * kQ * kQ, kQ,
                   0.0f, lines + part * kQ, 4 * kQ);
  }
  float largest = kLogFloor;
  for (int64_t t = 0; t < count; ++t) {
    const float* l = lines + t * 4 * kQ;
    for (int64_t j = 0; j < kP; ++j) {
      power[2 * j] = l[j] * l[j] + l[2 * kQ + j] * l[2 * kQ + j];
      power[2 * j + 1] = l[kQ + j] * l[kQ + j] + l[3 * kQ + j] * l[3 * kQ + j];
    }
    float* out = y + t * num_mels;
    for (int64_t m = 0; m < num_mels; ++m) {
      const float* filter = filters + m * kMelLines;
      float sum = 0.0f;
      for (int64_t k = bands[static_cast<size_t>(m)].begin; k < bands[static_cast<size_t>(m)].end; ++k) {
        sum += filter[k] * power[k];
      }
      out[m] = sum;
    }
    largest = std::max(largest, kernel.log10_floored(out, out, kFloor, kLogFloor, num_mels));
  }
  return largest;
}

}  // namespace

void log_mel_forward(Stream& stream, const float* samples, const int64_t* begin, const int64_t* end,
                     const float* basis, const float* window, const float* filters, float* y, int64_t B,
                     int64_t frames, int64_t num_mels) {
  if (planning_for_gpu()) gpu::log_mel_forward(stream, B, frames, num_mels);
  if (planning()) return;  // the filters are read here, outside of any task
  const std::vector<Band> bands = bands_of(filters, num_mels);
  const int64_t padded = frames * kMelHop;
  struct Block {
    int64_t clip, first, count;
    float largest;
  };
  std::vector<Block> blocks;
  std::vector<int64_t> heard(static_cast<size_t>(B));  // frames that reach into the clip
  for (int64_t b = 0; b < B; ++b) {
    const int64_t length = std::min(padded, end[b] - begin[b]);
    const int64_t reach = (length + kMelFft / 2 + kMelHop - 1) / kMelHop;
    heard[static_cast<size_t>(b)] = length == 0 ? 0 : std::min(frames, std::max<int64_t>(reach, 2));
    for (int64_t f = 0; f < heard[static_cast<size_t>(b)]; f += kBlockFrames) {
      blocks.push_back({b, f, std::min(kBlockFrames, heard[static_cast<size_t>(b)] - f), kLogFloor});
    }
  }
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    Block& block = blocks[static_cast<size_t>(task)];
    const int64_t first = begin[block.clip];
    const Signal signal{samples + first, std::min(padded, end[block.clip] - first), padded};
    block.largest = block_log_powers(signal, block.first, block.count, basis, window, filters, bands,
                                     y + (block.clip * frames + block.first) * num_mels);
  });
  std::vector<float> largest(static_cast<size_t>(B), kLogFloor);
  for (const Block& block : blocks) {
    float& m = largest[static_cast<size_t>(block.clip)];
    m = std::max(m, block.largest);
  }
  parallel_for(B, [&](int64_t b) {
    float* out = y + b * frames * num_mels;
    const float floor = largest[static_cast<size_t>(b)] - 8.0f;
    const int64_t computed = heard[static_cast<size_t>(b)] * num_mels;
    for (int64_t i = 0; i < computed; ++i) out[i] = (std::max(out[i], floor) + 4.0f) * 0.25f;
    std::fill(out + computed, out + frames * num_mels, (std::max(kLogFloor, floor) + 4.0f) * 0.25f);
  });
}

}  // namespace llasa
