// Large matrix products by OpenBLAS. OpenBLAS itself stays on one thread; the product is cut by its shape
// alone and the pieces run on our pool, so it does not depend on the number of threads and nothing
// oversubscribes. C is cut into tiles, unless it is small and K is long (weight gradients): then every tile
// would pack the other operand again, a quarter of the time, and K is cut instead, its parts summed in order.
//
// A bf16 operand is widened panel by panel, columns of C at a time, and each panel is an f32 product. Where the
// processor multiplies bf16 a product in bf16 rounds what is f32, in every shape; elsewhere it would gain nothing.
//
// Few rows times the rows of a weight, what decoding does, are a product of our own (cpu/simd/product.cc):
// bound by reading the weight, it reads it once, as it is stored, in one parallel region. Other large products in bf16
// run in tiles where the processor multiplies bf16, those in f32, too, where it has a tile unit (cpu/gemm_tiles.cc).
// With weights in 8 bits all do in whole numbers (cpu/gemm_q8.cc), with bf16 in groups in tiles.
#include "ops/gemm.h"

#include <algorithm>

#include "core/memory_plan.h"
#include "core/parallel.h"
#include "core/status.h"
#include "cpu/blas.h"
#include "cpu/gemm_q8.h"
#include "cpu/gemm_tiles.h"
#include "cpu/isa.h"
#include "cpu/product_tasks.h"
#include "cpu/scratch.h"
#include "ops/gpu_scratch.h"

namespace llasa {

namespace {

constexpr int64_t kMaximumTiles = 8;

struct Tiles {
  int64_t count;
  int64_t size;  // rows or columns per tile
  bool by_rows;
};

Tiles cut(int64_t M, int64_t N, int64_t K) {
  const bool by_rows = M >= N;
  const int64_t extent = by_rows ? M : N;
  const int64_t wanted = std::clamp<int64_t>(M * N * K / cpu::kMinimumTask, 1, kMaximumTiles);
  // Multiples of 48 rows and columns keep OpenBLAS's register tiles (16x4, 8x12, ...) whole.
  const int64_t size = std::max<int64_t>((extent + wanted - 1) / wanted, 1);
  const int64_t rounded = wanted == 1 ? extent : (size + 47) / 48 * 48;
  return {(extent + rounded - 1) / rounded, rounded, by_rows};
}

constexpr int64_t kLongK = 384;                // multiply-adds of a part of K
constexpr int64_t kSmallC = int64_t{1} << 18;  // elements of C of which a few copies fit a cache

int64_t parts_of_k(int64_t M, int64_t N, int64_t K) {
  if (M * N > kSmallC || K < 4 * std::min(M, N) || M * N * K < 2 * cpu::kMinimumTask) return 1;
  return std::clamp<int64_t>(K / kLongK, 1, kMaximumTiles);
}

struct SplitKSums;

// Part 0 goes to C, the others to scratch and from there to C, in order.
template <typename Part>
void split_k(int64_t M, int64_t N, int64_t K, int64_t parts, float* C, int64_t ldc, Part&& part) {
  float* sums = cpu::task_scratch<SplitKSums>((parts - 1) * M * N);
  const int64_t length = (K + parts - 1) / parts;
  parallel_for(parts, [&](int64_t i) {
    const int64_t begin = std::min(K, i * length), end = std::min(K, begin + length);
    if (i == 0) {
      part(begin, end, C, ldc, true);
    } else {
      part(begin, end, sums + (i - 1) * M * N, N, false);
    }
  });
  const auto& add = *cpu::kernels().activation;
  parallel_ranges(M, std::max<int64_t>(1, 16384 / N), [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i + 1 < parts; ++i) {
      for (int64_t m = begin; m < end; ++m) add.add(C + m * ldc, sums + (i * M + m) * N, C + m * ldc, N);
    }
  });
}

void gemm_f32(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
              const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  if (M <= 0 || N <= 0) return;
  cpu::prepare_blas();
  if (const int64_t parts = parts_of_k(M, N, K); parts > 1) {
    split_k(M, N, K, parts, C, ldc, [&](int64_t begin, int64_t end, float* c, int64_t row, bool first) {
      cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                  transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(M), static_cast<blasint>(N),
                  static_cast<blasint>(end - begin), alpha, A + begin * (transpose_a ? lda : 1),
                  static_cast<blasint>(lda), B + begin * (transpose_b ? 1 : ldb), static_cast<blasint>(ldb),
                  first ? beta : 0.0f, c, static_cast<blasint>(row));
    });
    return;
  }
  const Tiles tiles = cut(M, N, std::max<int64_t>(K, 1));
  parallel_for(tiles.count, [&](int64_t tile) {
    const int64_t begin = tile * tiles.size;
    const int64_t end = std::min(begin + tiles.size, tiles.by_rows ? M : N);
    const float* a = A;
    const float* b = B;
    float* c = C;
    int64_t m = M, n = N;
    if (tiles.by_rows) {
      m = end - begin;
      a += transpose_a ? begin : begin * lda;
      c += begin * ldc;
    } else {
      n = end - begin;
      b += transpose_b ? begin * ldb : begin;
      c += begin;
    }
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(m), static_cast<blasint>(n),
                static_cast<blasint>(K), alpha, a, static_cast<blasint>(lda), b, static_cast<blasint>(ldb),
                beta, c, static_cast<blasint>(ldc));
  });
}

// C = alpha A B^T + beta C with few rows of A.
void gemm_few_rows(int64_t M, int64_t N, int64_t K, float alpha, const float* A, int64_t lda, WeightView B,
                   int64_t ldb, float beta, float* C, int64_t ldc) {
  const auto product = B.is_bf16() ? cpu::kernels().product->bf16 : cpu::kernels().product->f32;
  const cpu::ProductTask rows = cpu::row_task(A, lda, M, K);
  parallel_ranges(N, cpu::few_rows_task(M, K), [&](int64_t begin, int64_t end) {
    product(cpu::columns_of(rows, begin, end, alpha, B, ldb, beta, C, ldc));
  });
}

struct WidenedPanel;
struct RoundedRows;
struct WidenedRows;
struct WidenedResult;
struct RoundedColumns;

// Floats of a widened panel: with few rows it is read once and should still be in the second cache, with many
// rows it should be wide enough that packing A again for every panel does not count.
int64_t panel_floats(int64_t M) {
  return M <= 32 ? int64_t{1} << 18 : int64_t{1} << 20;
}

// Calls convert(from, to) for all rows of the stored matrix A; the result is dense.
template <typename T, typename Convert>
const T* converted_rows(const float* A, int64_t lda, int64_t rows, int64_t columns, T* to,
                        Convert&& convert) {
  parallel_ranges(rows, std::max<int64_t>(1, 65536 / std::max<int64_t>(columns, 1)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t r = begin; r < end; ++r) convert(A + r * lda, to + r * columns);
                  });
  return to;
}

// C = alpha op(A) op(B) + beta C without tiles.
void gemm_widened(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                  const float* A, int64_t lda, WeightView B, int64_t ldb, float beta, float* C, int64_t ldc) {
  if (!transpose_a && transpose_b && M <= cpu::kFewRows) {
    gemm_few_rows(M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
    return;
  }
  if (!B.is_bf16()) {
    gemm_f32(transpose_a, transpose_b, M, N, K, alpha, A, lda, B.f32(), ldb, beta, C, ldc);
    return;
  }
  const auto& cast = *cpu::kernels().cast;
  const int64_t width = std::max<int64_t>(48, panel_floats(M) / std::max<int64_t>(K, 1) / 48 * 48);
  for (int64_t first = 0; first < N; first += width) {
    const int64_t count = std::min(width, N - first);
    // The panel as it is stored: rows of K where B is transposed, else K rows of `count`.
    const int64_t rows = transpose_b ? count : K, columns = transpose_b ? K : count;
    const Bf16* stored = B.bf16() + (transpose_b ? first * ldb : first);
    float* panel = cpu::task_scratch<WidenedPanel>(rows * columns);
    parallel_ranges(rows, std::max<int64_t>(1, 65536 / std::max<int64_t>(columns, 1)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t r = begin; r < end; ++r) {
                        cast.widen(stored + r * ldb, panel + r * columns, columns);
                      }
                    });
    gemm_f32(transpose_a, transpose_b, M, count, K, alpha, A, lda, panel, columns, beta, C + first, ldc);
  }
}

// A in f32 and C in f32.
void multiply(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
              const float* A, int64_t lda, WeightView B, int64_t ldb, float beta, float* C, int64_t ldc,
              Precision precision) {
  if (B.is_q8()) {
    LLASA_CHECK(!transpose_a && transpose_b && ldb == K, Status::kInternal,
                "8-bit weights are multiplied by rows alone");
    cpu::gemm_q8(M, N, K, alpha, A, lda, B, beta, C, ldc);
    return;
  }
  if (B.is_bf16_groups()) {
    LLASA_CHECK(!transpose_a && transpose_b && ldb == K, Status::kInternal,
                "weights in groups are multiplied by rows alone");
    cpu::gemm_groups(M, N, K, alpha, A, lda, B, beta, C, ldc);
    return;
  }
  if (B.is_bf16()) precision = Precision::kBf16;
  const auto& cast = *cpu::kernels().cast;
  const bool rounds = precision == Precision::kBf16 && rounds_to_bf16() && !planning();
  if (rounds && transpose_b && !B.is_bf16()) {
    B = converted_rows(B.f32(), ldb, N, K,
                       reinterpret_cast<Bf16*>(cpu::task_scratch<RoundedColumns>((N * K + 1) / 2)),
                       [&](const float* from, Bf16* to) { cast.narrow(from, to, K); });
    ldb = K;
  }
  if (cpu::gemm_tiles(transpose_a, transpose_b, {M, N, K}, alpha, A, lda, B, ldb, beta, C, ldc, precision)) {
    return;
  }
  if (rounds) {
    const auto rounded = [&](const float* x, int64_t ld, int64_t rows, int64_t columns, float* to) {
      return converted_rows(x, ld, rows, columns, to, [&](const float* from, float* row) {
        std::copy(from, from + columns, row);
        cast.round(row, columns);
      });
    };
    A = rounded(A, lda, transpose_a ? K : M, transpose_a ? M : K, cpu::task_scratch<RoundedRows>(M * K));
    lda = transpose_a ? M : K;
    if (!B.is_bf16()) {
      B = rounded(B.f32(), ldb, K, N, cpu::task_scratch<RoundedColumns>(K * N));
      ldb = N;
    }
  }
  gemm_widened(transpose_a, transpose_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
}

}  // namespace

void gemm(Stream& stream, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          WeightView A, int64_t lda, WeightView B, int64_t ldb, float beta, ArrayView C, int64_t ldc,
          Precision precision) {
  if (planning_for_gpu()) {
    gpu::gemm(stream, transpose_a, transpose_b, M, N, K, alpha, A, B, C, precision);
    return;
  }
  if (!A.is_bf16() && !C.is_bf16()) {
    multiply(transpose_a, transpose_b, M, N, K, alpha, A.f32(), lda, B, ldb, beta, C.f32(), ldc, precision);
    return;
  }
  LLASA_CHECK(!B.is_q8(), Status::kInternal, "8-bit weights are multiplied by rows in f32 alone");
  if (planning() || M <= 0 || N <= 0) return;
  const auto& cast = *cpu::kernels().cast;
  const auto for_rows = [](int64_t rows, int64_t columns, auto&& row) {
    parallel_ranges(rows, std::max<int64_t>(1, 65536 / columns), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r);
    });
  };
  if (A.is_bf16()) {
    const int64_t rows = transpose_a ? K : M, columns = transpose_a ? M : K;
    float* wide = cpu::task_scratch<WidenedRows>(rows * columns);
    if (columns > 0) {
      for_rows(rows, columns,
               [&](int64_t r) { cast.widen(A.bf16() + r * lda, wide + r * columns, columns); });
    }
    A = wide;
    lda = columns;
  }
  if (!C.is_bf16()) {
    multiply(transpose_a, transpose_b, M, N, K, alpha, A.f32(), lda, B, ldb, beta, C.f32(), ldc,
             Precision::kBf16);
    return;
  }
  float* sums = cpu::task_scratch<WidenedResult>(M * N);
  if (beta != 0.0f) for_rows(M, N, [&](int64_t m) { cast.widen(C.bf16() + m * ldc, sums + m * N, N); });
  multiply(transpose_a, transpose_b, M, N, K, alpha, A.f32(), lda, B, ldb, beta, sums, N, Precision::kBf16);
  for_rows(M, N, [&](int64_t m) { cast.narrow(sums + m * N, C.bf16() + m * ldc, N); });
}

bool rounds_to_bf16() {
  return cpu::kernels().tile_product != nullptr;
}

bool keeps_bf16() {
  return planning_for_gpu();
}

bool multiplies_q8() {
  return !planning_for_gpu();
}

bool multiplies_bf16_groups() {
  const cpu::TileProductKernels* kernel = cpu::kernels().tile_product;
  return !planning_for_gpu() && kernel != nullptr && kernel->groups.few != nullptr;
}

void linear_forward(Stream& stream, WeightView x, WeightView weight, const float* bias, ArrayView y,
                    int64_t T, int64_t K, int64_t N, bool accumulate) {
  if (planning_for_gpu()) {
    gpu::linear_forward(stream, x, weight, y, T, K, N);
    return;
  }
  float beta = accumulate ? 1.0f : 0.0f;
  if (bias != nullptr) {
    LLASA_CHECK(!y.is_bf16(), Status::kInternal, "a bias is added in f32");
    float* rows = y.f32();
    const auto& add = *cpu::kernels().activation;
    parallel_ranges(T, std::max<int64_t>(1, 65536 / N), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        if (accumulate) {
          add.add(rows + t * N, bias, rows + t * N, N);
        } else {
          std::copy(bias, bias + N, rows + t * N);
        }
      }
    });
    beta = 1.0f;
  }
  gemm(stream, false, true, T, N, K, 1.0f, x, K, weight, K, beta, y, N);
}

void linear_backward(Stream& stream, WeightView x, WeightView weight, WeightView dy, ArrayView dx,
                     float* dweight, int64_t T, int64_t K, int64_t N, bool accumulate_dx) {
  if (planning_for_gpu()) {
    gpu::linear_backward(stream, x, weight, dy, dx, dweight, T, K, N);
    return;
  }
  if (dx.data != nullptr) {
    gemm(stream, false, false, T, K, N, 1.0f, dy, N, weight, K, accumulate_dx ? 1.0f : 0.0f, dx, K);
  }
  if (dweight != nullptr) {
    gemm(stream, true, false, N, K, T, 1.0f, dy, N, x, K, 1.0f, dweight, K,
         weight.is_bf16() ? Precision::kBf16 : Precision::kF32);
  }
}

}  // namespace llasa
