// Attention of packed clips and over caches on the CPU; see ops/attention_full.h. A task is a block of
// queries of one clip and head: scores by one small product, softmax in place, values by another.
#include "ops/attention_full.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/half.h"
#include "core/memory_plan.h"
#include "core/parallel.h"
#include "cpu/blas.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

struct ScoreScratch {};
struct AttendScratch {};
constexpr int64_t kBlockQueries = 192;
constexpr int64_t kBlockSequences = 4;
constexpr int64_t kHeadTasks = 16;  // a step of a decode loop is cut into, as long as there are heads

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

std::vector<QueryBlock> cut_queries(const int64_t* offsets, int64_t B, int64_t H, int64_t size) {
  std::vector<QueryBlock> blocks;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t frames = offsets[b + 1] - offsets[b];
    for (int64_t first = 0; first < frames; first += size) {
      for (int64_t h = 0; h < H; ++h) blocks.push_back({b, h, first, std::min(size, frames - first)});
    }
  }
  return blocks;
}

// In tiles keys and transposed values of a clip's head are packed once; a block of queries, and then
// its weights, are rows of a panel.
struct PackedHeads {};
struct TileScratch {};
constexpr int64_t kTileQueries = 64;                 // of a block: scores that stay in the second cache
constexpr int64_t kPackedFloats = int64_t{1} << 23;  // of clips that are packed at a time

struct Clips {
  const float *q, *k, *v;
  float* y;
  const int64_t* offsets;
  int64_t B, H, D, row_stride;
  float scale;
  bool causal;
};

cpu::ProductTask packed_task(int64_t T, int64_t K, const float* packed) {
  cpu::ProductTask task;
  task.T = T;
  task.K = K;
  task.packed = packed;
  return task;
}

void pack_rows(const cpu::TileProducts& tiles, const float* x, int64_t ldx, int64_t T, int64_t K,
               float* packed) {
  for (int64_t block = 0; 16 * block < T; ++block) tiles.pack(x, ldx, T, K, block, packed);
}

// Values [frames,D]: what is summed over runs down.
void pack_values(const cpu::TileProducts& tiles, const float* v, int64_t row_stride, int64_t frames,
                 int64_t D, float* packed) {
  for (int64_t block = 0; 16 * block < D; ++block) {
    tiles.pack_columns(v, row_stride, D, frames, block, packed);
  }
}

// y [rows of w, T] of a packed task, on one thread.
void multiply_rows(const cpu::TileProducts& tiles, cpu::ProductTask task, const float* w, int64_t ldw,
                   int64_t rows, float* y, int64_t ldy) {
  task.w = w;
  task.ldw = ldw;
  task.N = rows;
  task.y = y;
  task.ldy = ldy;
  task.beta = 0.0f;
  task.scratch = cpu::aligned_task_scratch<TileScratch>(tiles.scratch_floats(task.T, rows, task.K));
  tiles.transposed(task);
}

// Clips [first, last), packed together.
void attend_on_tiles(const cpu::TileProducts& tiles, const Clips& c, int64_t first, int64_t last) {
  const auto& softmax = *cpu::kernels().softmax;
  const int64_t* offsets = c.offsets + first;
  const int64_t B = last - first;
  std::vector<int64_t> places{0};  // of clip b's heads: each its keys and its values
  const auto key_floats = [&](int64_t b) { return tiles.packed_floats(offsets[b + 1] - offsets[b], c.D); };
  const auto head_floats = [&](int64_t b) {
    return key_floats(b) + tiles.packed_floats(c.D, offsets[b + 1] - offsets[b]);
  };
  for (int64_t b = 0; b < B; ++b) places.push_back(places.back() + c.H * head_floats(b));
  float* packed = cpu::aligned_task_scratch<PackedHeads>(places.back());
  const auto head = [&](int64_t b, int64_t h) {
    return packed + places[static_cast<size_t>(b)] + h * head_floats(b);
  };
  parallel_for(2 * B * c.H, [&](int64_t task) {
    const int64_t b = task / 2 / c.H, h = task / 2 % c.H, frames = offsets[b + 1] - offsets[b];
    const int64_t place = offsets[b] * c.row_stride + h * c.D;
    if (task % 2 == 0) {
      pack_rows(tiles, c.k + place, c.row_stride, frames, c.D, head(b, h));
    } else {
      pack_values(tiles, c.v + place, c.row_stride, frames, c.D, head(b, h) + key_floats(b));
    }
  });
  const std::vector<QueryBlock> blocks = cut_queries(offsets, B, c.H, kTileQueries);
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    const QueryBlock block = blocks[static_cast<size_t>(task)];
    const int64_t begin = offsets[block.sequence] + block.first, column = block.head * c.D;
    const int64_t n = offsets[block.sequence + 1] - offsets[block.sequence];
    float* scores = cpu::task_scratch<ScoreScratch>(block.count * n);
    const float* keys = head(block.sequence, block.head);
    multiply_rows(tiles, packed_task(n, c.D, keys), c.q + begin * c.row_stride + column, c.row_stride,
                  block.count, scores, n);
    for (int64_t i = 0; i < block.count; ++i) {
      softmax_row(softmax, scores + i * n, c.causal ? block.first + i + 1 : n, n, c.scale);
    }
    multiply_rows(tiles, packed_task(c.D, n, keys + key_floats(block.sequence)), scores, n, block.count,
                  c.y + begin * c.H * c.D + column, c.H * c.D);
  });
}

// In panels, with vectors of 16 lanes and no tiles for f32, where all frames see each other: OpenBLAS would pack a head's keys
// and values again for every block of queries, and its blocks' scores would leave the second cache. (Texts, whose
// attention is causal, are too short to matter.)
constexpr int64_t kPanelQueries = 48;

int64_t whole_panels(int64_t n) {
  constexpr int64_t kColumns = cpu::PanelProducts::kColumns;
  return (n + kColumns - 1) / kColumns * kColumns;
}

// Of a head of a clip: transposed keys [D, whole panels of frames], values [frames, whole panels of D].
int64_t panel_floats(int64_t frames, int64_t D) {
  return whole_panels(frames) * D + frames * whole_panels(D);
}

// Clips [first, last), packed together.
void attend_in_panels(const cpu::PanelProducts& product, const Clips& c, int64_t first, int64_t last) {
  const auto& softmax = *cpu::kernels().softmax;
  const int64_t* offsets = c.offsets + first;
  const int64_t width = whole_panels(c.D), B = last - first;
  std::vector<int64_t> places{0};
  for (int64_t b = 0; b < B; ++b)
    places.push_back(places.back() + c.H * panel_floats(offsets[b + 1] - offsets[b], c.D));
  float* packed = cpu::aligned_task_scratch<PackedHeads>(places.back());
  const auto head = [&](int64_t b, int64_t h) {
    return packed + places[static_cast<size_t>(b)] + h * panel_floats(offsets[b + 1] - offsets[b], c.D);
  };
  parallel_for(2 * B * c.H, [&](int64_t task) {
    const int64_t b = task / 2 / c.H, h = task / 2 % c.H, frames = offsets[b + 1] - offsets[b];
    const int64_t place = offsets[b] * c.row_stride + h * c.D;
    if (task % 2 == 0) {
      product.pack_transposed(c.k + place, c.row_stride, frames, c.D, head(b, h));
    } else {
      product.pack(c.v + place, c.row_stride, frames, c.D, head(b, h) + whole_panels(frames) * c.D);
    }
  });
  const std::vector<QueryBlock> blocks = cut_queries(offsets, B, c.H, kPanelQueries);
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    const QueryBlock block = blocks[static_cast<size_t>(task)];
    const int64_t begin = offsets[block.sequence] + block.first, column = block.head * c.D;
    const int64_t n = offsets[block.sequence + 1] - offsets[block.sequence], ld = whole_panels(n);
    float* scores = cpu::aligned_task_scratch<ScoreScratch>(block.count * (ld + width));
    float* sums = scores + block.count * ld;
    const float* keys = head(block.sequence, block.head);
    product.multiply(block.count, ld / cpu::PanelProducts::kColumns, c.D, c.q + begin * c.row_stride + column,
                     c.row_stride, keys, c.D, scores, ld);
    for (int64_t i = 0; i < block.count; ++i) {
      softmax_row(softmax, scores + i * ld, n, n, c.scale);
    }
    const float* values = keys + ld * c.D;
    product.multiply(block.count, width / cpu::PanelProducts::kColumns, n, scores, ld, values, n, sums,
                     width);
    for (int64_t i = 0; i < block.count; ++i)
      std::copy_n(sums + i * width, c.D, c.y + (begin + i) * c.H * c.D + column);
  });
}

// Calls attend(first, last) for clips that are packed together; floats(frames) is what one takes.
template <typename Floats, typename Attend>
void for_packed_clips(const Clips& clips, Floats&& floats, Attend&& attend) {
  for (int64_t first = 0; first < clips.B;) {
    int64_t last = first, taken = 0;
    while (last < clips.B && (last == first || taken < kPackedFloats)) {
      taken += floats(clips.offsets[last + 1] - clips.offsets[last]);
      ++last;
    }
    attend(first, last);
    first = last;
  }
}

void attend_clips(const Clips& c, Precision precision) {
  if (const cpu::TileProductKernels* kernel = cpu::kernels().tile_product; kernel != nullptr) {
    const cpu::TileProducts& tiles = precision == Precision::kBf16 ? kernel->bf16 : kernel->f32;
    if (tiles.product != nullptr) {
      const auto floats = [&](int64_t frames) {
        return c.H * (tiles.packed_floats(frames, c.D) + tiles.packed_floats(c.D, frames));
      };
      for_packed_clips(c, floats,
                       [&](int64_t first, int64_t last) { attend_on_tiles(tiles, c, first, last); });
      return;
    }
  }
  if (const cpu::PanelProducts& panels = cpu::kernels().attention->panels;
      panels.multiply != nullptr && !c.causal) {
    for_packed_clips(
        c, [&](int64_t frames) { return c.H * panel_floats(frames, c.D); },
        [&](int64_t first, int64_t last) { attend_in_panels(panels, c, first, last); });
    return;
  }
  const auto& softmax = *cpu::kernels().softmax;
  const std::vector<QueryBlock> blocks = cut_queries(c.offsets, c.B, c.H, kBlockQueries);
  parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t task) {
    const QueryBlock block = blocks[static_cast<size_t>(task)];
    const int64_t begin = c.offsets[block.sequence], frames = c.offsets[block.sequence + 1] - begin;
    const int64_t n = c.causal ? std::min(frames, block.first + block.count) : frames;
    const int64_t column = block.head * c.D, stride = c.row_stride;
    float* scores = cpu::task_scratch<ScoreScratch>(block.count * n);
    cpu::task_gemm(true, block.count, n, c.D, 1.0f, c.q + (begin + block.first) * stride + column, stride,
                   c.k + begin * stride + column, stride, 0.0f, scores, n);
    for (int64_t i = 0; i < block.count; ++i) {
      softmax_row(softmax, scores + i * n, c.causal ? block.first + i + 1 : n, n, c.scale);
    }
    cpu::task_gemm(false, block.count, c.D, n, 1.0f, scores, n, c.v + begin * stride + column, stride, 0.0f,
                   c.y + (begin + block.first) * c.H * c.D + column, c.H * c.D);
  });
}

// Calls body with y, or, where that is bf16, with an f32 array whose elements [begin, end) are then rounded into it.
template <typename Body>
void in_f32(ArrayView y, int64_t begin, int64_t end, Body&& body) {
  if (!y.is_bf16()) {
    body(y.f32());
    return;
  }
  std::vector<float> wide(static_cast<size_t>(end));
  body(wide.data());
  cpu::kernels().cast->narrow(wide.data() + begin, y.bf16() + begin, end - begin);
}

}  // namespace

void attention_full_forward(Stream& stream, const float* q, const float* k, const float* v, ArrayView y,
                            const int64_t* offsets, int64_t B, int64_t H, int64_t D, int64_t row_stride,
                            float scale, bool causal, Precision precision) {
  if (planning_for_gpu()) gpu::attention_full_forward(stream, offsets, B, D, precision);
  if (planning()) return;
  in_f32(y, offsets[0] * H * D, offsets[B] * H * D, [&](float* out) {
    attend_clips({q, k, v, out, offsets, B, H, D, row_stride, scale, causal}, precision);
  });
}

namespace {

// What depends on the type of a cache's elements.
template <typename T>
struct Elements {
  static void put(float x, float* y) { *y = x; }
  static void put(float x, Bf16* y) { y->bits = float_to_bf16(x); }
  // n elements as f32: themselves, or widened into scratch memory.
  static const float* widened(const float* x, int64_t, float*) { return x; }
  static const float* widened(const Bf16* x, int64_t n, float* scratch) {
    cpu::kernels().cast->widen(x, scratch, n);
    return scratch;
  }
  static void attend(const float* q, const float* keys, const float* values, float* scores, float* y,
                     int64_t D, int64_t n, int64_t capacity, float scale) {
    cpu::kernels().speech->attend(q, keys, values, scores, y, D, n, capacity, scale);
  }
  static void attend(const float* q, const Bf16* keys, const Bf16* values, float* scores, float* y, int64_t D,
                     int64_t n, int64_t capacity, float scale) {
    cpu::kernels().speech->attend_bf16(q, keys, values, scores, y, D, n, capacity, scale);
  }
};

struct WidenedHead {};

// Rows of x into the columns of C rows of a cache.
template <typename T>
void append_columns(const float* x, int64_t row_stride, int64_t rows, int64_t C, int64_t capacity,
                    T* columns) {
  constexpr int64_t kTile = 16;  // rows at a time: whole cache lines are written
  for (int64_t r = 0; r < rows; r += kTile) {
    const int64_t end = std::min(rows, r + kTile);
    for (int64_t c = 0; c < C; ++c) {
      for (int64_t i = r; i < end; ++i) Elements<T>::put(x[i * row_stride + c], columns + c * capacity + i);
    }
  }
}

template <typename T>
void append(const float* keys, const float* values, int64_t row_stride, const KeyValueCache& cache,
            const int64_t* offsets, const int64_t* slots, const int64_t* start, int64_t A) {
  const int64_t C = cache.channels, capacity = cache.capacity;
  parallel_ranges(A, kBlockSequences, [&](int64_t first, int64_t last) {
    for (int64_t a = first; a < last; ++a) {
      T* slot = static_cast<T*>(cache.data) + slots[a] * key_value_slot_size(C, capacity) + start[a];
      const int64_t begin = offsets[a] * row_stride, rows = offsets[a + 1] - offsets[a];
      append_columns(keys + begin, row_stride, rows, C, capacity, slot);
      append_columns(values + begin, row_stride, rows, C, capacity, slot + C * capacity);
    }
  });
}

struct CachedQueries {
  const float* q;
  int64_t row_stride;
  float* y;
  int64_t first, last;  // heads
  int64_t D;
  float scale;
  bool causal;
};

// `rows` queries of a sequence from row `begin` on, of which the first sees `visible` positions.
template <typename T>
void attend_cached(const CachedQueries& c, const KeyValueCache& cache, int64_t slot, int64_t begin,
                   int64_t rows, int64_t visible) {
  const int64_t C = cache.channels, capacity = cache.capacity, D = c.D;
  const T* keys = static_cast<const T*>(cache.data) + slot * key_value_slot_size(C, capacity);
  const T* values = keys + C * capacity;
  const int64_t n = c.causal ? visible + rows - 1 : visible;
  if (rows == 1) {
    float* scores = cpu::task_scratch<AttendScratch>(capacity);
    for (int64_t h = c.first; h < c.last; ++h) {
      Elements<T>::attend(c.q + begin * c.row_stride + h * D, keys + h * D * capacity,
                          values + h * D * capacity, scores, c.y + begin * C + h * D, D, n, capacity,
                          c.scale);
    }
    return;
  }
  const auto& softmax = *cpu::kernels().softmax;
  float* scores = cpu::task_scratch<ScoreScratch>(rows * n);
  float* widened = cpu::task_scratch<WidenedHead>(2 * D * capacity);
  for (int64_t h = c.first; h < c.last; ++h) {
    const float* k = Elements<T>::widened(keys + h * D * capacity, D * capacity, widened);
    const float* v = Elements<T>::widened(values + h * D * capacity, D * capacity, widened + D * capacity);
    cpu::task_gemm(false, rows, n, D, 1.0f, c.q + begin * c.row_stride + h * D, c.row_stride, k, capacity,
                   0.0f, scores, n);
    for (int64_t i = 0; i < rows; ++i) {
      softmax_row(softmax, scores + i * n, c.causal ? visible + i : n, n, c.scale);
    }
    cpu::task_gemm(true, rows, D, n, 1.0f, scores, n, v, capacity, 0.0f, c.y + begin * C + h * D, C);
  }
}

// Heads [first, last) of a row of a decode loop into its place.
template <typename T>
void append_heads(RowKeys own, const CachedQueries& c, const KeyValueCache& cache, const DecodeRow& row,
                  int64_t a) {
  const int64_t first = c.first * c.D, channels = (c.last - c.first) * c.D, capacity = cache.capacity;
  T* keys = static_cast<T*>(cache.data) + row.own_table * key_value_slot_size(cache.channels, capacity) +
            first * capacity + row.own_tokens - 1;
  append_columns(own.keys + a * c.row_stride + first, c.row_stride, 1, channels, capacity, keys);
  append_columns(own.values + a * c.row_stride + first, c.row_stride, 1, channels, capacity,
                 keys + cache.channels * capacity);
}

// All rows of a decode loop. A task has a few heads of a row, whose keys no other task reads or writes.
template <typename T>
void attend_rows(const CachedQueries& all, RowKeys own, const KeyValueCache& cache, const DecodeRow* rows,
                 int64_t visible, int64_t A) {
  const int64_t H = all.last, D = all.D;
  const int64_t heads = std::clamp<int64_t>(A * H / kHeadTasks, 1, H), parts = (H + heads - 1) / heads;
  parallel_for(A * parts, [&](int64_t task) {
    const int64_t a = task / parts;
    CachedQueries c = all;
    c.first = task % parts * heads;
    c.last = std::min(H, c.first + heads);
    if (rows[a].own_table < 0) {
      std::fill(c.y + (a * H + c.first) * D, c.y + (a * H + c.last) * D, 0.0f);
      return;
    }
    if (own.keys != nullptr) append_heads<T>(own, c, cache, rows[a], a);
    attend_cached<T>(c, cache, rows[a].own_table, a, 1, visible != 0 ? visible : rows[a].own_tokens);
  });
}

}  // namespace

void cache_append(Stream& stream, const float* keys, const float* values, int64_t row_stride,
                  const KeyValueCache& cache, const int64_t* offsets, const int64_t* slots,
                  const int64_t* start, int64_t A) {
  if (planning_for_gpu()) gpu::cached_sequences(stream, offsets, A);
  if (cache.dtype == DType::kBf16) {
    append<Bf16>(keys, values, row_stride, cache, offsets, slots, start, A);
  } else {
    append<float>(keys, values, row_stride, cache, offsets, slots, start, A);
  }
}

void cached_attention_forward(Stream& stream, const float* q, int64_t row_stride, const KeyValueCache& cache,
                              ArrayView y, const int64_t* offsets, const int64_t* slots,
                              const int64_t* visible, int64_t A, int64_t H, int64_t D, float scale,
                              bool causal) {
  if (planning_for_gpu()) gpu::cached_sequences(stream, offsets, A);
  if (planning()) return;
  const auto attend = cache.dtype == DType::kBf16 ? attend_cached<Bf16> : attend_cached<float>;
  in_f32(y, offsets[0] * H * D, offsets[A] * H * D, [&](float* out) {
    const CachedQueries queries{q, row_stride, out, 0, H, D, scale, causal};
    parallel_ranges(A, kBlockSequences, [&](int64_t first, int64_t last) {
      for (int64_t a = first; a < last; ++a) {
        attend(queries, cache, slots[a], offsets[a], offsets[a + 1] - offsets[a], visible[a]);
      }
    });
  });
}

void cached_attention_rows(Stream&, const float* q, RowKeys own, int64_t row_stride,
                           const KeyValueCache& cache, ArrayView y, const DecodeRow* rows, int64_t visible,
                           int64_t A, int64_t H, int64_t D, float scale) {
  if (planning()) return;
  const auto run = cache.dtype == DType::kBf16 ? attend_rows<Bf16> : attend_rows<float>;
  in_f32(y, 0, A * H * D, [&](float* out) {
    run({q, row_stride, out, 0, H, D, scale, false}, own, cache, rows, visible, A);
  });
}

}  // namespace llasa
