// Which banks of shared memory the tensor-core attention's accesses meet: by the pieces' own address
// functions, since neither a result nor the simulator would show a conflict.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "cuda/attention_decode_prefix_mma.cuh"
#include "cuda/attention_mma.cuh"

namespace llasa::test {
namespace {

constexpr int kBankGroups = 8;  // of 16 bytes

// Lanes 8 m .. 8 m + 7 bring the rows of one matrix, which ldmatrix reads together.
template <typename Offset>
void expect_no_conflict(Offset offset, int kD) {
  const int stride = cuda::mma_stride(kD);
  for (int column = 0; column < kD; column += 16) {
    for (int m = 0; m < 4; ++m) {
      std::set<int> groups;
      for (int lane = 8 * m; lane < 8 * m + 8; ++lane) {
        const int bytes = 2 * (offset(lane, stride) + column);
        EXPECT_EQ(bytes % 16, 0);
        groups.insert(bytes / 16 % kBankGroups);
      }
      EXPECT_EQ(groups.size(), 8u) << "D " << kD << " column " << column << " matrix " << m;
    }
  }
}

TEST(AttentionMma, RowsOfAMatrixLieInDifferentBanks) {
  for (int kD : {32, 64, 128}) {
    expect_no_conflict(cuda::down_first, kD);
    expect_no_conflict(cuda::right_first, kD);
  }
}

// Keys of a shared prefix in decoding, whose rows are dimensions.
template <int kPer>
void expect_no_conflict_of_prefix_keys() {
  const int stride = cuda::MmaPrefixQueries<kPer>::kKeyStride;
  for (int m = 0; m < 4; ++m) {
    std::set<int> groups;
    for (int lane = 8 * m; lane < 8 * m + 8; ++lane) {
      const int bytes = 2 * cuda::down_first(lane, stride);
      EXPECT_EQ(bytes % 16, 0);
      groups.insert(bytes / 16 % kBankGroups);
    }
    EXPECT_EQ(groups.size(), 8u) << "D " << 32 * kPer << " matrix " << m;
  }
}

TEST(AttentionMma, KeysOfAPrefixLieInDifferentBanks) {
  expect_no_conflict_of_prefix_keys<1>();
  expect_no_conflict_of_prefix_keys<2>();
  expect_no_conflict_of_prefix_keys<4>();
}

// Half a warp stores 8 bytes per lane at a time: the most lanes that meet in one bank.
template <int kD>
int worst_store() {
  int worst = 0;
  for (int half = 0; half < 2 * cuda::kMmaWarps; ++half) {
    int lanes[32] = {};
    for (int thread = 16 * half; thread < 16 * half + 16; ++thread) {
      using Staged = cuda::Staged<32, kD, Bf16>;
      const int word = (Staged::row(thread) * cuda::mma_stride(kD) + Staged::column(thread)) / 2;
      worst = std::max({worst, ++lanes[word % 32], ++lanes[(word + 1) % 32]});
    }
  }
  return worst;
}

TEST(AttentionMma, StoresOfStagedRowsMeetFewBanksTwice) {
  EXPECT_EQ(worst_store<128>(), 1);
  EXPECT_EQ(worst_store<64>(), 1);
  EXPECT_EQ(worst_store<32>(), 2);
}

// A quarter of a warp writes 16 bytes per lane at a time where they are copied.
template <int kD>
int worst_copy() {
  int worst = 0;
  for (int quarter = 0; quarter < 4 * cuda::kMmaWarps; ++quarter) {
    int lanes[kBankGroups] = {};
    for (int thread = 8 * quarter; thread < 8 * quarter + 8; ++thread) {
      using Copied = cuda::Copied<64, kD>;
      const int bytes = 2 * (Copied::row(thread) * cuda::mma_stride(kD) + Copied::column(thread));
      EXPECT_EQ(bytes % 16, 0);
      worst = std::max(worst, ++lanes[bytes / 16 % kBankGroups]);
    }
  }
  return worst;
}

TEST(AttentionMma, CopiedRowsMeetFewBanksTwice) {
  EXPECT_EQ(worst_copy<128>(), 1);
  EXPECT_EQ(worst_copy<64>(), 1);
  EXPECT_EQ(worst_copy<32>(), 2);
}

// Each element of a tile by one thread.
template <int kRows, int kD>
void expect_whole_tile() {
  using Copied = cuda::Copied<kRows, kD>;
  std::vector<int> times(static_cast<size_t>(kRows * kD / 8));
  for (int thread = 0; thread < cuda::kMmaThreads; ++thread) {
    for (int i = 0; i < Copied::kCount; ++i)
      ++times[static_cast<size_t>((Copied::row(thread) + i * Copied::kStep) * kD / 8 +
                                  Copied::column(thread) / 8)];
  }
  for (int count : times) EXPECT_EQ(count, 1);
}

TEST(AttentionMma, CopiesCoverATileOnce) {
  expect_whole_tile<64, 32>(), expect_whole_tile<64, 64>(), expect_whole_tile<64, 128>();
  expect_whole_tile<128, 32>(), expect_whole_tile<128, 64>(), expect_whole_tile<128, 128>();
}

}  // namespace
}  // namespace llasa::test
