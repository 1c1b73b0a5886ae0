// Tables of the CPU's kernels against the scalar one.
#if !defined(LLASA_TESTS_ON_DEVICE)
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "bf16_arrays.h"
#include "cpu/isa.h"
#include "op_test_util.h"
#include "ops/attention_decode.h"
#include "sampling_fixture.h"

namespace llasa::test {
namespace {

TEST(InstructionSets, SamplingAgreesWithTheScalarKernels) {
  const cpu::SamplingKernels& scalar = *cpu::kernels_for("scalar")->sampling;
  for (const char* isa : {"avx2", "avx512"}) {
    const cpu::Kernels* table = cpu::kernels_for(isa);
    if (table == nullptr) continue;
    for (int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256}) {
      std::vector<float> memory = random_logits(static_cast<size_t>(n) + 1, static_cast<uint32_t>(n));
      const float* x = memory.data() + 1;  // misaligned
      std::vector<float> a(static_cast<size_t>(n) + 2, 9.0f), b = a;
      int32_t bad_a = 5, bad_b = 5;
      const float max = scalar.scan(x, n, &bad_a);
      EXPECT_EQ(table->sampling->scan(x, n, &bad_b), max);
      EXPECT_EQ(bad_a, 0);
      EXPECT_EQ(bad_b, 0);
      scalar.weights(x, a.data() + 1, n, max, 1.25f, -1.0f);
      table->sampling->weights(x, b.data() + 1, n, max, 1.25f, -1.0f);
      for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6 * std::abs(a[i]));
      EXPECT_EQ(b.front(), 9.0f);
      EXPECT_EQ(b.back(), 9.0f);
      // n additions of positive numbers in two orders: n eps of the sum.
      EXPECT_NEAR(table->sampling->sum(b.data() + 1, n), scalar.sum(a.data() + 1, n),
                  1.2e-7 * static_cast<double>(n + 10) * scalar.sum(a.data() + 1, n));
      memory[1 + static_cast<size_t>(n) / 2] = std::numeric_limits<float>::quiet_NaN();
      table->sampling->scan(x, n, &bad_b);
      EXPECT_EQ(bad_b, 1);
    }
  }
}

// The order of a sum of lanes is part of a result: upper halves are added to lower ones.
TEST(InstructionSets, LanesAreAddedInOneTree) {
  for (const auto& [isa, width] : {std::pair{"avx2", 8}, std::pair{"avx512", 16}}) {
    const cpu::Kernels* table = cpu::kernels_for(isa);
    if (table == nullptr) continue;
    for (uint32_t seed = 0; seed < 100; ++seed) {
      const std::vector<float> x = random_floats(width, seed);
      std::vector<float> lanes = x;
      for (size_t half = lanes.size() / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      }
      EXPECT_EQ(table->sampling->sum(x.data(), width), lanes[0]);
      EXPECT_EQ(table->softmax->max(x.data(), width), *std::max_element(x.begin(), x.end()));
    }
  }
}

// Wherever the largest stands among the vectors that are looked at together, NaN or not.
TEST(InstructionSets, TheLargestIsFoundAnywhere) {
  for (const char* isa : {"scalar", "avx2", "avx512"}) {
    const cpu::Kernels* table = cpu::kernels_for(isa);
    if (table == nullptr) continue;
    for (int64_t n : {1, 15, 16, 17, 63, 64, 65, 130}) {
      for (int64_t at = 0; at < n; ++at) {
        std::vector<float> x(static_cast<size_t>(n), -3.0f);
        x[static_cast<size_t>(at)] = -2.0f;
        EXPECT_EQ(table->softmax->max(x.data(), n), -2.0f) << isa << " " << n << " " << at;
        x[static_cast<size_t>((at + 1) % n)] = std::numeric_limits<float>::quiet_NaN();
        EXPECT_EQ(table->softmax->max(x.data(), n), n == 1 ? -std::numeric_limits<float>::infinity() : -2.0f);
      }
    }
  }
}

// AVX-512 scales by a power of two in one instruction, AVX2 by two factors: the same bits, of every 997th float.
TEST(InstructionSets, ExponentialsAreTheSameBits) {
  const cpu::Kernels *a = cpu::kernels_for("avx2"), *b = cpu::kernels_for("avx512");
  if (a == nullptr || b == nullptr) GTEST_SKIP() << "a processor without AVX-512";
  constexpr size_t kCount = 4096;
  std::vector<float> x(kCount), y(kCount), z(kCount);
  for (uint64_t first = 0; first >> 32 == 0; first += 997 * kCount) {
    for (size_t i = 0; i < kCount; ++i) x[i] = std::bit_cast<float>(static_cast<uint32_t>(first + 997 * i));
    a->softmax->exp_sum(x.data(), y.data(), 1.0f, 0.0f, kCount);
    b->softmax->exp_sum(x.data(), z.data(), 1.0f, 0.0f, kCount);
    for (size_t i = 0; i < kCount; ++i) {
      if (std::isnan(x[i])) {
        ASSERT_TRUE(std::isnan(y[i]) && std::isnan(z[i]));
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(z[i])) << x[i];
      }
    }
  }
}

TEST(InstructionSets, DecodingsAttentionAgreesWithTheScalarKernels) {
  const cpu::DecodeKernels& scalar = *cpu::kernels_for("scalar")->decode;
  for (const char* isa : {"avx2", "avx512"}) {
    const cpu::Kernels* table = cpu::kernels_for(isa);
    if (table == nullptr) continue;
    for (int64_t D : {2, 7, 16, 30, 33, 64, 128}) {
      for (int64_t R : {1, 2, 3, 4, 5, 9}) {
        std::vector<std::vector<float>> memory, rounded;
        std::vector<std::vector<Bf16>> halves;
        std::vector<void*> blocks, rounded_blocks, bf16_blocks;
        for (uint32_t b = 0; b < 3; ++b) {
          memory.push_back(random_floats(D * kKvBlock + 5, b));
          rounded.push_back(rounded_bf16(memory.back()));
          halves.push_back(stored_bf16(memory.back()));
          blocks.push_back(memory.back().data());
          rounded_blocks.push_back(rounded.back().data());
          bf16_blocks.push_back(halves.back().data());
        }
        const std::vector<float> q = random_floats(R * D, 77);
        const int64_t ld = 3 * kKvBlock + 1;
        std::vector<float> a(static_cast<size_t>(R * ld), 4.0f), b = a;
        scalar.scores(q.data(), R, D, blocks.data(), 5, 3, a.data(), ld);
        table->decode->scores(q.data(), R, D, blocks.data(), 5, 3, b.data(), ld);
        // Dot products of D unit normals in two orders: D eps times their size.
        const double tolerance = 1.2e-7 * static_cast<double>(D) * 10;
        for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance);
        std::vector<float> va(static_cast<size_t>(R * D) + 1, 1.0f), vb = va;
        scalar.values(a.data(), ld, R, D, blocks.data(), 5, 37, va.data());
        table->decode->values(a.data(), ld, R, D, blocks.data(), 5, 37, vb.data());
        for (size_t i = 0; i < va.size(); ++i) ASSERT_NEAR(va[i], vb[i], 1.2e-7 * 37 * 100);
        EXPECT_EQ(vb.back(), 1.0f);
        // From bf16: the bits of the same values in f32.
        table->decode->scores(q.data(), R, D, rounded_blocks.data(), 5, 3, a.data(), ld);
        table->decode->scores_bf16(q.data(), R, D, bf16_blocks.data(), 5, 3, b.data(), ld);
        ASSERT_EQ(a, b);
        std::fill(va.begin(), va.end(), 1.0f);
        vb = va;
        table->decode->values(a.data(), ld, R, D, rounded_blocks.data(), 5, 37, va.data());
        table->decode->values_bf16(a.data(), ld, R, D, bf16_blocks.data(), 5, 37, vb.data());
        ASSERT_EQ(va, vb);
      }
    }
  }
}

}  // namespace
}  // namespace llasa::test
#endif
