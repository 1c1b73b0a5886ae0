// Products with a matrix in 8 bits, task by task; see cpu/gemm_q8.h. Rows of A become whole numbers once per
// call, and a task multiplies all of them with some groups of rows of B, which are read as they are stored.
#include "cpu/gemm_q8.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/status.h"
#include "cpu/isa.h"
#include "cpu/product_tasks.h"
#include "cpu/scratch.h"

namespace llasa::cpu {

namespace {

struct WholeRows;

constexpr int64_t kPassRows = 512;                // of A that are kept as whole numbers
constexpr int64_t kTaskBytes = int64_t{1} << 19;  // of B that stay in the second cache beside rows of A
constexpr int64_t kSharedRows = Q8Tile::kRows;    // with more, a task comes back to its part of B

// Groups of B's rows of a task.
int64_t groups_of_task(int64_t M, int64_t K) {
  const int64_t enough = few_rows_task(M, K) / Q8Group::kRows;
  const int64_t cached = kTaskBytes / (K / Q8Group::kColumns * static_cast<int64_t>(sizeof(Q8Group)));
  return M <= kSharedRows ? enough : std::clamp<int64_t>(cached, 1, 16);
}

}  // namespace

void gemm_q8(int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda, WeightView B,
             float beta, float* C, int64_t ldc) {
  LLASA_CHECK(fits_groups(K) && B.first % K == 0, Status::kInternal,
              "a product of 8-bit weights over %lld columns from element %lld on", static_cast<long long>(K),
              static_cast<long long>(B.first));
  if (planning()) return;
  const Q8Kernels& kernel = *kernels().q8;
  const int64_t first = B.first / K, blocks = K / Q8Group::kColumns;
  const int64_t first_group = first / Q8Group::kRows;
  const int64_t groups = (first + N - 1) / Q8Group::kRows - first_group + 1;
  for (int64_t begin = 0; begin < M; begin += kPassRows) {
    const int64_t count = std::min(kPassRows, M - begin);
    Q8Rows rows;
    rows.count = count;
    rows.blocks = blocks;
    const int64_t tiles = (count + Q8Tile::kRows - 1) / Q8Tile::kRows;
    rows.data = reinterpret_cast<Q8Tile*>(aligned_task_scratch<WholeRows>(
        tiles * blocks * static_cast<int64_t>(sizeof(Q8Tile) / sizeof(float))));
    parallel_ranges(tiles, std::max<int64_t>(1, 2048 / K), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t t = i * Q8Tile::kRows;
        kernel.pack(A + (begin + t) * lda, lda, std::min(Q8Tile::kRows, count - t), blocks,
                    rows.data + i * blocks);
      }
    });
    const int64_t width = groups_of_task(count, K);
    parallel_for((groups + width - 1) / width, [&](int64_t index) {
      Q8Task task;
      task.w = B.q8() + (first_group + index * width) * blocks;
      task.groups = std::min(width, groups - index * width);
      // The first and the last group may have rows of others.
      const int64_t row = (first_group + index * width) * Q8Group::kRows - first;
      task.skip = std::max<int64_t>(0, -row);
      task.N = std::min(task.groups * Q8Group::kRows - task.skip, N - std::max<int64_t>(0, row));
      task.x = rows;
      task.y = C + begin * ldc + std::max<int64_t>(0, row);
      task.ldy = ldc;
      task.alpha = alpha;
      task.beta = beta;
      kernel.product(task);
    });
  }
}

}  // namespace llasa::cpu
