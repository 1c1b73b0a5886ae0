// Attention of packed clips and over caches on the CPU; see ops/attention_full.h. A task is a block of
// queries of one clip and head: scores by one small product, softmax in place, values by another.
#include "ops/attention_full.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace llasa {

namespace {

struct ScoreScratch {};
struct AttendScratch {};
constexpr int64_t kBlockQueries = 192;
constexpr int64_t kBlockSequences = 4;

// Softmax over the first `visible` scores of a row, zeros after them.
void softmax_row(const cpu::SoftmaxKernels& k, float* row, int64_t visible, int64_t n, float scale) {
  const float shift = k.max(row, visible) * scale;
  const float sum = k.exp_sum(row, row, scale, shift, visible);
  k.scale(row, 1.0f / sum, visible);
  std::fill(row + visible, row + n, 0.0f);
}

struct QueryBlock {
  int64_t sequence, head, first, count;
};

std::vector<QueryBlock> cut_queries(const int64_t* offsets, int64_t B, int64_t H) {
  std::vector<QueryBlock> blocks;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t frames = offsets[b + 1] - offsets[b];
    for (int64_t first = 0; first < frames; first += kBlockQueries) {
      for (int64_t h = 0; h < H; ++h)
        blocks.push_back({b, h, first, std::min(kBlockQueries, frames - first)});
    }
  }
  return blocks;
}

}  // namespace

void attention_full_forward(Stream&, const float* q, const float* k, const float* v, float* y,
                            const int64_t* offsets, int64_t B, int64_t H, int64_t D, int64_t row_stride,
                            float scale, bool causal, Precision) {
  const auto& softmax = *cpu::kernels().softmax;
  const std::vector<QueryBlock> blocks = cut_queries(offsets, B, H);
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    const QueryBlock block = blocks[static_cast<size_t>(task)];
    const int64_t begin = offsets[block.sequence], frames = offsets[block.sequence + 1] - begin;
    const int64_t n = causal ? std::min(frames, block.first + block.count) : frames;
    const int64_t column = block.head * D;
    float* scores = cpu::task_scratch<ScoreScratch>(block.count * n);
    cpu::task_gemm(true, block.count, n, D, 1.0f, q + (begin + block.first) * row_stride + column, row_stride,
                   k + begin * row_stride + column, row_stride, 0.0f, scores, n);
    for (int64_t i = 0; i < block.count; ++i) {
      softmax_row(softmax, scores + i * n, causal ? block.first + i + 1 : n, n, scale);
    }
    cpu::task_gemm(false, block.count, D, n, 1.0f, scores, n, v + begin * row_stride + column, row_stride,
                   0.0f, y + (begin + block.first) * H * D + column, H * D);
  });
}

void cache_append(Stream&, const float* keys, const float* values, int64_t row_stride,
                  const KeyValueCache& cache, const int64_t* offsets, const int64_t* slots,
                  const int64_t* start, int64_t A) {
  const int64_t C = cache.channels, capacity = cache.capacity;
  parallel_ranges(A, kBlockSequences, [&](int64_t first, int64_t last) {
    for (int64_t a = first; a < last; ++a) {
      float* slot = cache.data + slots[a] * key_value_slot_size(C, capacity) + start[a];
      const int64_t begin = offsets[a], rows = offsets[a + 1] - begin;
      const float* k = keys + begin * row_stride;
      const float* v = values + begin * row_stride;
      constexpr int64_t kTile = 16;  // rows at a time: whole cache lines are written
      for (int64_t r = 0; r < rows; r += kTile) {
        const int64_t end = std::min(rows, r + kTile);
        for (int64_t c = 0; c < C; ++c) {
          for (int64_t i = r; i < end; ++i) slot[c * capacity + i] = k[i * row_stride + c];
        }
        for (int64_t c = 0; c < C; ++c) {
          for (int64_t i = r; i < end; ++i) slot[(C + c) * capacity + i] = v[i * row_stride + c];
        }
      }
    }
  });
}

void cached_attention_forward(Stream&, const float* q, int64_t row_stride, const KeyValueCache& cache,
                              float* y, const int64_t* offsets, const int64_t* slots, const int64_t* visible,
                              int64_t A, int64_t H, int64_t D, float scale, bool causal) {
  const auto& kernels = cpu::kernels();
  const int64_t C = cache.channels, capacity = cache.capacity;
  parallel_ranges(A, kBlockSequences, [&](int64_t first, int64_t last) {
    for (int64_t a = first; a < last; ++a) {
      const float* keys = cache.data + slots[a] * key_value_slot_size(C, capacity);
      const float* values = keys + C * capacity;
      const int64_t begin = offsets[a], rows = offsets[a + 1] - begin;
      const int64_t n = causal ? visible[a] + rows - 1 : visible[a];
      if (rows == 1) {
        float* scores = cpu::task_scratch<AttendScratch>(capacity);
        for (int64_t h = 0; h < H; ++h) {
          kernels.speech->attend(q + begin * row_stride + h * D, keys + h * D * capacity,
                                 values + h * D * capacity, scores, y + begin * C + h * D, D, n, capacity,
                                 scale);
        }
        continue;
      }
      float* scores = cpu::task_scratch<ScoreScratch>(rows * n);
      for (int64_t h = 0; h < H; ++h) {
        cpu::task_gemm(false, rows, n, D, 1.0f, q + begin * row_stride + h * D, row_stride,
                       keys + h * D * capacity, capacity, 0.0f, scores, n);
        for (int64_t i = 0; i < rows; ++i) {
          softmax_row(*kernels.softmax, scores + i * n, causal ? visible[a] + i : n, n, scale);
        }
        cpu::task_gemm(true, rows, D, n, 1.0f, scores, n, values + h * D * capacity, capacity, 0.0f,
                       y + begin * C + h * D, C);
      }
    }
  });
}

}  // namespace llasa
