// Products in tiles, task by task; see cpu/gemm_tiles.h.
//
// A task's product is a block of C: one operand is packed before, once per call, the other becomes the task's
// own panel in the second cache. Few rows of x are packed, and the weight makes panels. Many rows make panels
// beside a weight that is packed, if it stays in the second cache: packed rows would not. Backward, dy makes
// panels, and the weight (for the gradient of x) or x (for that of the weight) is packed. A weight in groups is
// panels already.
#include "cpu/gemm_tiles.h"

#include <algorithm>

#include "core/bf16_groups.h"
#include "core/memory_plan.h"
#include "core/parallel.h"
#include "core/status.h"
#include "cpu/isa.h"
#include "cpu/product_tasks.h"
#include "cpu/scratch.h"

namespace llasa::cpu {

namespace {

struct PackedRows;
struct TileScratch;
struct TaskRows;

// A panel should stay in the second cache and pay for itself in many packed rows; those pass through.
constexpr int64_t kTaskRows = 512;
constexpr int64_t kPanelColumns = 512;                     // columns of a panel
constexpr int64_t kFewForPanels = 32, kShortColumns = 64;  // rows of C, and of K, that do not pay for panels
constexpr int64_t kManyRows = 256;
constexpr int64_t kSmallFloats = int64_t{1} << 19;   // that stay in the second cache beside a panel
constexpr int64_t kPackedFloats = int64_t{1} << 22;  // of rows of A that are packed at a time

// At most so many columns of a task, of which there are `down` below each other. Of few tasks one that is left over or
// shorter is waited for: there shall be an even number of one size.
int64_t even_width(const ProductShape& shape, int64_t down, int64_t most) {
  const auto [M, N, K] = shape;
  int64_t across = (N + most - 1) / most;
  if (M * N * K >= 2 * kMinimumTask) across += across * down % 2;
  return ((N + across - 1) / across + 15) / 16 * 16;
}

// C = alpha A B^T + beta C.
void rows_by_rows(const TileProducts& tiles, ProductShape shape, float alpha, const float* A, int64_t lda,
                  WeightView B, int64_t ldb, float beta, float* C, int64_t ldc) {
  const auto [M, N, K] = shape;
  const int64_t task_floats = tiles.packed_floats(kTaskRows, K);
  const int64_t pass = kTaskRows * std::max<int64_t>(1, kPackedFloats / std::max<int64_t>(task_floats, 1));
  for (int64_t first = 0; first < M && !planning(); first += pass) {
    const int64_t count = std::min(pass, M - first);
    const ProductTask rows = row_task(A + first * lda, lda, count, K);
    float* packed = aligned_task_scratch<PackedRows>(tiles.packed_floats(count, K));
    const int64_t blocks = (count + 15) / 16;
    parallel_ranges(blocks, std::max<int64_t>(1, 8192 / std::max<int64_t>(K, 1)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t block = begin; block < end; ++block) {
                        tiles.pack(rows.x, lda, count, K, block, packed);
                      }
                    });
    const int64_t down = (count + kTaskRows - 1) / kTaskRows;
    const int64_t width = count <= 64           ? few_rows_task(count, K)
                          : N * down < 16 * 256 ? even_width(shape, down, 128)
                                                : 256;
    const int64_t across = (N + width - 1) / width;
    parallel_for(across * down, [&](int64_t index) {
      const int64_t begin = index % across * width, end = std::min(N, begin + width);
      const int64_t row = index / across * kTaskRows;
      ProductTask task = columns_of(rows, begin, end, alpha, B, ldb, beta, C + (first + row) * ldc, ldc);
      task.x += row * lda;
      task.T = std::min(kTaskRows, count - row);
      task.packed = packed + tiles.packed_floats(row, K);
      task.scratch = aligned_task_scratch<TileScratch>(tiles.scratch_floats(task.T, task.N, K));
      tiles.product(task);
    });
  }
}

// What C's blocks are made of where B is packed whole, or `depth` of K at a time, and A makes panels.
struct PackedB {
  const TileProducts& tiles;
  void (*product)(const ProductTask&);
  bool columns_of_a, columns_of_b;  // K runs down
  int64_t floats;                   // of B that are packed at a time
};

// C = alpha op(A) op(B) + beta C.
void panels_of_a(const PackedB& how, ProductShape shape, float alpha, const float* A, int64_t lda,
                 WeightView B, int64_t ldb, float beta, float* C, int64_t ldc) {
  const auto [M, N, K] = shape;
  const TileProducts& tiles = how.tiles;
  const auto pack = how.columns_of_b ? tiles.pack_columns : tiles.pack;
  const int64_t depth =
      std::max<int64_t>(1, how.floats / tiles.packed_floats(N, kPanelColumns)) * kPanelColumns;
  const int64_t across = (N + kTaskRows - 1) / kTaskRows;
  // Sixteen tasks at least, if they are not smaller than pays for their panel.
  const int64_t height = std::clamp<int64_t>((M * across / 16 + 31) / 32 * 32, 32,
                                             N >= kTaskRows && K >= 2 * kPanelColumns ? 256 : 64);
  const int64_t down = (M + height - 1) / height, blocks = (N + 15) / 16;
  for (int64_t first = 0; first < K && !planning(); first += depth) {
    const int64_t count = std::min(depth, K - first);
    float* packed = aligned_task_scratch<PackedRows>(tiles.packed_floats(N, count));
    const WeightView from = B + first * (how.columns_of_b ? ldb : 1);
    parallel_ranges(blocks, std::max<int64_t>(1, 8192 / count), [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) pack(from, ldb, N, count, block, packed);
    });
    parallel_for(across * down, [&](int64_t index) {
      const int64_t row = index / across * height, column = index % across * kTaskRows;
      ProductTask task;
      task.w = how.columns_of_a ? A + first * lda + row : A + row * lda + first;
      task.ldw = lda;
      task.N = std::min(height, M - row);
      task.T = std::min(kTaskRows, N - column);
      task.K = count;
      task.packed = packed + tiles.packed_floats(column, count);
      task.y = C + row * ldc + column;
      task.ldy = ldc;
      task.alpha = alpha;
      task.beta = first == 0 ? beta : 1.0f;
      task.scratch = aligned_task_scratch<TileScratch>(tiles.scratch_floats(task.T, task.N, count));
      how.product(task);
    });
  }
}

}  // namespace

bool gemm_tiles(bool transpose_a, bool transpose_b, ProductShape shape, float alpha, const float* A,
                int64_t lda, WeightView B, int64_t ldb, float beta, float* C, int64_t ldc,
                Precision precision) {
  const TileProductKernels* kernel = kernels().tile_product;
  const auto [M, N, K] = shape;
  if (kernel == nullptr || M <= 0 || N <= 0) return false;
  const bool bf16 = precision == Precision::kBf16;
  const TileProducts& tiles = bf16 ? kernel->bf16 : kernel->f32;
  if (tiles.product == nullptr) return false;
  PackedB how{tiles, tiles.swapped, transpose_a, !transpose_b, kPackedFloats};
  if (transpose_b) {
    if (transpose_a || (bf16 ? !B.is_bf16() : M <= kFewRows)) return false;
    if (M < kManyRows || tiles.packed_floats(N, K) > kSmallFloats || K == 0) {
      rows_by_rows(tiles, shape, alpha, A, lda, B, ldb, beta, C, ldc);
      return true;
    }
  } else {
    if (M < kFewForPanels || K < (transpose_a ? kShortColumns : kFewForPanels)) return false;
    how.product = transpose_a ? tiles.columns_transposed : tiles.transposed;
    if (transpose_a && M * N <= kSmallFloats) how.floats = kSmallFloats / 2;
  }
  panels_of_a(how, shape, alpha, A, lda, B, ldb, beta, C, ldc);
  return true;
}

void gemm_groups(int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda, WeightView B,
                 float beta, float* C, int64_t ldc) {
  constexpr int64_t kWidth = 256;  // columns of C of a task
  // Rows of A that come back to some rows of B in the second cache, in place of panels (docs/performance.md).
  constexpr int64_t kFew = 64;
  const TileProductKernels* kernel = kernels().tile_product;
  LLASA_CHECK(kernel != nullptr && kernel->groups.few != nullptr && fits_groups(K) && B.first % K == 0,
              Status::kInternal, "a product of groups over %lld columns from element %lld on, of `%s`",
              static_cast<long long>(K), static_cast<long long>(B.first), kernels().isa);
  if (planning()) return;
  const int64_t first = B.first / K, skip = first % Bf16Group::kRows, blocks = K / Bf16Group::kColumns;
  const Bf16Group* groups = B.bf16_groups() + first / Bf16Group::kRows * blocks;
  const bool few = M <= kFew;
  const int64_t pass = kTaskRows * std::max<int64_t>(1, 2 * kPackedFloats / (kTaskRows * K));
  for (int64_t begin = 0; begin < M; begin += pass) {
    const int64_t count = std::min(pass, M - begin);
    const float* a = A + begin * lda;
    float* packed = aligned_task_scratch<PackedRows>(few ? count * K : kernel->bf16.packed_floats(count, K));
    if (few) {
      kernel->groups.pack_few(a, lda, count, K, packed);
    } else {
      parallel_ranges((count + 15) / 16, std::max<int64_t>(1, 8192 / K), [&](int64_t from, int64_t to) {
        for (int64_t block = from; block < to; ++block) {
          kernel->bf16.pack(a, lda, count, K, block, packed);
        }
      });
    }
    const int64_t width = few ? few_rows_task(count, K) : kWidth;
    const int64_t across = (skip + N + width - 1) / width, down = (count + kTaskRows - 1) / kTaskRows;
    parallel_for(across * down, [&](int64_t index) {
      // Columns of C from the first group's first row on, of which `skip` are not in C.
      const int64_t column = index % across * width, row = index / across * kTaskRows;
      ProductTask task;
      task.w = groups + column / Bf16Group::kRows * blocks;
      task.skip = column == 0 ? skip : 0;
      task.N = std::min(column + width, skip + N) - column - task.skip;
      task.T = std::min(kTaskRows, count - row);
      task.K = K;
      task.y = C + (begin + row) * ldc + column + task.skip - skip;
      task.ldy = ldc;
      task.alpha = alpha;
      task.beta = beta;
      task.packed = packed + (few ? 0 : kernel->bf16.packed_floats(row, K));
      if (!few) {
        task.scratch = aligned_task_scratch<TileScratch>(kernel->bf16.scratch_floats(task.T, width, K));
      }
      (few ? kernel->groups.few : kernel->groups.many)(task);
    });
  }
}

bool task_tiles(ProductShape shape, float alpha, const float* A, int64_t lda, const float* B, int64_t ldb,
                float beta, float* C, int64_t ldc) {
  constexpr int64_t kFewColumns = 64, kShortRows = 128, kWidth = 256;
  const auto [M, N, K] = shape;
  const TileProductKernels* kernel = kernels().tile_product;
  if (kernel == nullptr || kernel->f32.product == nullptr || N < kFewColumns || K < kShortRows) return false;
  const TileProducts& tiles = kernel->f32;
  ProductTask rows = row_task(A, lda, M, K);
  float* packed = aligned_task_scratch<TaskRows>(tiles.packed_floats(M, K));
  for (int64_t block = 0; block < (M + 15) / 16; ++block) tiles.pack(A, lda, M, K, block, packed);
  rows.packed = packed;
  rows.scratch = aligned_task_scratch<TileScratch>(tiles.scratch_floats(M, std::min(N, kWidth), K));
  for (int64_t n = 0; n < N; n += kWidth) {
    tiles.product(columns_of(rows, n, std::min(N, n + kWidth), alpha, B, ldb, beta, C, ldc));
  }
  return true;
}

}  // namespace llasa::cpu
