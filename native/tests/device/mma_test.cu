// The tensor-core instructions of cuda/mma.cuh against the tables of the PTX ISA: on the simulator a test of
// the twins, on a card of the instructions themselves. All numbers are small integers, so results are exact.
#include <gtest/gtest.h>

#include <vector>

#include "core/launch.h"
#include "cuda/mma.cuh"
#include "op_test_util.h"

namespace llasa::test {
namespace {

// d = a b + c, one product per block, with the tables written out element by element ("Matrix Fragments for
// mma.m16n8k16 with floating point type").
__global__ void mma_probe_kernel(const float* a, const float* b, const float* c, float* d) {
  a += blockIdx.x * 256, b += blockIdx.x * 128, c += blockIdx.x * 128, d += blockIdx.x * 128;
  const int group = static_cast<int>(threadIdx.x) / 4, place = static_cast<int>(threadIdx.x) % 4;
  float of_a[8], of_b[4], of_d[4];
  for (int i = 0; i < 8; ++i) {
    const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
    const int column = place * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    of_a[i] = a[row * 16 + column];
  }
  for (int i = 0; i < 4; ++i) {
    const int row = place * 2 + (i & 1) + (i >= 2 ? 8 : 0);
    of_b[i] = b[row * 8 + group];
  }
  const auto place_of_d = [&](int i) { return (i < 2 ? group : group + 8) * 8 + place * 2 + (i & 1); };
  for (int i = 0; i < 4; ++i) of_d[i] = c[place_of_d(i)];
  const uint32_t registers[4] = {cuda::pack_bf16(of_a[0], of_a[1]), cuda::pack_bf16(of_a[2], of_a[3]),
                                 cuda::pack_bf16(of_a[4], of_a[5]), cuda::pack_bf16(of_a[6], of_a[7])};
  cuda::mma_m16n8k16_bf16(of_d, registers, cuda::pack_bf16(of_b[0], of_b[1]),
                          cuda::pack_bf16(of_b[2], of_b[3]));
  for (int i = 0; i < 4; ++i) d[place_of_d(i)] = of_d[i];
}

std::vector<float> products(const std::vector<float>& a, const std::vector<float>& b,
                            const std::vector<float>& c) {
  Stream stream;
  DeviceArray<float> pa(a), pb(b), pc(c);
  Guarded d(static_cast<int64_t>(c.size()));
  const auto blocks = static_cast<unsigned>(c.size() / 128);
  LLASA_LAUNCH(mma_probe_kernel, blocks, 32, 0, stream, pa.data(), pb.data(), pc.data(), d.data());
  stream.synchronize();
  return d.values();
}

// A one at each place of A in turn: row r of the product is then row k of B, whose elements all differ.
TEST(Mma, AOnePicksARowOfBFromEveryPlace) {
  std::vector<float> a(256 * 256), b(256 * 128), c(256 * 128), expected(256 * 128);
  for (size_t one = 0; one < 256; ++one) {
    const size_t r = one / 16, k = one % 16;
    a[one * 256 + one] = 1.0f;
    for (size_t i = 0; i < 128; ++i) {
      b[one * 128 + i] = static_cast<float>(i + 1);
      c[one * 128 + i] = static_cast<float>(1000 * (i + 1));
      expected[one * 128 + i] =
          c[one * 128 + i] + (i / 8 == r ? static_cast<float>(k * 8 + i % 8 + 1) : 0.0f);
    }
  }
  EXPECT_EQ(products(a, b, c), expected);
}

TEST(Mma, ProductsOfIntegersAreExact) {
  std::vector<float> a(8 * 256), b(8 * 128), c(8 * 128), expected(8 * 128);
  std::mt19937 generator(3);
  const auto integers = [&](std::vector<float>& values) {
    for (float& v : values) v = static_cast<float>(static_cast<int>(generator() % 257) - 128);
  };
  integers(a), integers(b), integers(c);
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t product = i / 128, row = i / 8 % 16, column = i % 8;
    expected[i] = c[i];  // at most 16 * 2^14 in all: exact
    for (size_t k = 0; k < 16; ++k) {
      expected[i] += a[product * 256 + row * 16 + k] * b[product * 128 + k * 8 + column];
    }
  }
  EXPECT_EQ(products(a, b, c), expected);
}

constexpr int kRowElements = 24;  // of shared memory per row: 16 bytes of matrix, 32 between

// Element (m, i, j) of four matrices is 64 m + 8 i + j; out[lane, m] and, transposed, out[32 + lane, m].
__global__ void ldmatrix_probe_kernel(uint32_t* out) {
  __shared__ __align__(16) uint16_t tile[32 * kRowElements];
  const int lane = static_cast<int>(threadIdx.x);
  for (int j = 0; j < 8; ++j) tile[lane * kRowElements + j] = static_cast<uint16_t>(8 * lane + j);
  __syncthreads();
  uint32_t r[4];
  cuda::ldmatrix_x4(r, tile + lane * kRowElements);
  for (int m = 0; m < 4; ++m) out[4 * lane + m] = r[m];
  cuda::ldmatrix_x4_transposed(r, tile + lane * kRowElements);
  for (int m = 0; m < 4; ++m) out[128 + 4 * lane + m] = r[m];
}

TEST(Mma, LdmatrixDealsRowsOfEachMatrix) {
  Stream stream;
  DeviceArray<uint32_t> out(256);
  LLASA_LAUNCH(ldmatrix_probe_kernel, 1, 32, 0, stream, out.data());
  stream.synchronize();
  const std::vector<uint32_t> values = out.values();
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t m = 0; m < 4; ++m) {
      const uint32_t group = lane / 4, pair = lane % 4 * 2, matrix = 64 * m;
      EXPECT_EQ(values[4 * lane + m], (matrix + 8 * group + pair) | (matrix + 8 * group + pair + 1) << 16)
          << lane << " " << m;
      EXPECT_EQ(values[128 + 4 * lane + m], (matrix + 8 * pair + group) | (matrix + 8 * (pair + 1) + group)
                                                                              << 16)
          << lane << " " << m;
    }
  }
}

__global__ void pack_probe_kernel(const float* in, uint32_t* out) {
  out[threadIdx.x] = cuda::pack_bf16(in[2 * threadIdx.x], in[2 * threadIdx.x + 1]);
}

TEST(Mma, PackRoundsToNearestEvenAndPutsTheFirstLow) {
  // 1 + 2^-8 and 1 + 3 2^-8 are half way between neighbours; the even one is below, then above.
  const std::vector<float> in{1.0f, -2.0f, 1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f, 1.0f + 0x1.01p-8f, INFINITY};
  Stream stream;
  DeviceArray<float> numbers(in);
  DeviceArray<uint32_t> out(3);
  LLASA_LAUNCH(pack_probe_kernel, 1, 3, 0, stream, numbers.data(), out.data());
  stream.synchronize();
  EXPECT_EQ(out.values(), (std::vector<uint32_t>{0xc0003f80u, 0x3f823f80u, 0x7f803f81u}));
}

}  // namespace
}  // namespace llasa::test
