// Matrix products by OpenBLAS. OpenBLAS itself stays on one thread; C is cut into tiles by its shape alone and
// the tiles run on our pool, so a product does not depend on the number of threads and nothing oversubscribes.
#include "ops/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <mutex>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace llasa {

namespace {

void use_one_blas_thread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

// Work below this many multiply-adds is not worth waking a second thread (about 10 us of one core).
constexpr int64_t kMinimumTile = int64_t{1} << 19;
constexpr int64_t kMaximumTiles = 8;

struct Tiles {
  int64_t count;
  int64_t size;  // rows or columns per tile
  bool by_rows;
};

Tiles cut(int64_t M, int64_t N, int64_t K) {
  const bool by_rows = M >= N;
  const int64_t extent = by_rows ? M : N;
  const int64_t wanted = std::clamp<int64_t>(M * N * K / kMinimumTile, 1, kMaximumTiles);
  // Multiples of 48 rows and columns keep OpenBLAS's register tiles (16x4, 8x12, ...) whole.
  const int64_t size = std::max<int64_t>((extent + wanted - 1) / wanted, 1);
  const int64_t rounded = wanted == 1 ? extent : (size + 47) / 48 * 48;
  return {(extent + rounded - 1) / rounded, rounded, by_rows};
}

}  // namespace

void gemm(Stream&, bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
          const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C, int64_t ldc) {
  if (M <= 0 || N <= 0) return;
  use_one_blas_thread();
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
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                static_cast<blasint>(m), static_cast<blasint>(n), static_cast<blasint>(K), alpha, a,
                static_cast<blasint>(lda), b, static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
  });
}

void linear_forward(Stream& stream, const float* x, const float* weight, const float* bias, float* y, int64_t T,
                    int64_t K, int64_t N, bool accumulate) {
  float beta = accumulate ? 1.0f : 0.0f;
  if (bias != nullptr) {
    const auto& add = *cpu::kernels().activation;
    parallel_ranges(T, std::max<int64_t>(1, 65536 / N), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        if (accumulate) {
          add.add(y + t * N, bias, y + t * N, N);
        } else {
          std::copy(bias, bias + N, y + t * N);
        }
      }
    });
    beta = 1.0f;
  }
  gemm(stream, false, true, T, N, K, 1.0f, x, K, weight, K, beta, y, N);
}

void linear_backward(Stream& stream, const float* x, const float* weight, const float* dy, float* dx,
                     float* dweight, int64_t T, int64_t K, int64_t N, bool accumulate_dx) {
  if (dx != nullptr) {
    gemm(stream, false, false, T, K, N, 1.0f, dy, N, weight, K, accumulate_dx ? 1.0f : 0.0f, dx, K);
  }
  if (dweight != nullptr) {
    gemm(stream, true, false, N, K, T, 1.0f, dy, N, x, K, 1.0f, dweight, K);
  }
}

}  // namespace llasa
