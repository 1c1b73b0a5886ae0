// Matrices in bf16 in groups of rows: what they hold, that products with them have the bits of products with rows, and
// policies that keep them.
#if !defined(LLASA_TESTS_ON_DEVICE)
#include "core/bf16_groups.h"

#include "bf16_arrays.h"
#include "core/status.h"
#include "core/tensor_table.h"
#include "isa_test.h"
#include "models/policy.h"
#include "op_test_util.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "policy_fixture.h"

namespace llasa::test {
namespace {

// The same [N,K] in rows and in groups.
struct BothWays {
  BothWays(int64_t N, int64_t K, uint32_t seed)
      : values(rounded_bf16(random_floats(N * K, seed))), groups(count_groups(N, K)), rows(values.size()) {
    std::vector<Bf16> halves(values.size());
    for (size_t i = 0; i < halves.size(); ++i) halves[i].bits = float_to_bf16(values[i]);
    std::copy(halves.begin(), halves.end(), rows.data());
    for (int64_t n = 0; n < N; ++n) {
      store_row(groups.data() + n / Bf16Group::kRows * (K / Bf16Group::kColumns), n % Bf16Group::kRows,
                values.data() + n * K, K);
    }
  }
  WeightView in_groups() { return WeightView(groups.data()); }
  WeightView in_rows() { return WeightView(rows.data()); }

  std::vector<float> values;
  DeviceArray<Bf16Group> groups;
  DeviceArray<Bf16> rows;
};

TEST(Bf16Groups, ATableKeepsAdjacentMatricesAsOne) {
  Stream stream;
  TensorTable table;
  table.declare("first", {10, 64});
  table.declare_adjacent("second", {7, 64});
  table.declare("vector", {5});
  table.declare("third", {33, 32});
  table.allocate(stream, "a test's weights", Storage::kBf16Groups);
  std::vector<std::vector<float>> set;
  uint32_t seed = 0;
  for (const TensorSpec& spec : table.specs()) {
    set.push_back(random_floats(spec.size, ++seed));
    table.set(stream, spec.name, DType::kF32, spec.shape.data(), static_cast<int32_t>(spec.shape.size()),
              set.back().data());
    if (spec.is_matrix) set.back() = rounded_bf16(set.back());
  }
  const auto held = [&] {
    std::vector<std::vector<float>> all;
    for (const TensorSpec& spec : table.specs()) {
      all.emplace_back(static_cast<size_t>(spec.size));
      table.get(stream, spec.name, DType::kF32, all.back().data(), spec.size * 4);
    }
    return all;
  };
  EXPECT_EQ(held(), set);
  EXPECT_TRUE(table.view("first").is_bf16_groups());
  EXPECT_TRUE(table.view("vector").is_f32());
  EXPECT_EQ(table.view("second").first, 10 * 64);
  EXPECT_THROW(table.data(), Error);

  // An embedding is looked up exactly.
  DeviceArray<int32_t> ids(std::vector<int32_t>{9, 0, 16});
  DeviceArray<float> looked_up(3 * 64);
  embedding_forward(stream, table.view("first"), ids.data(), looked_up.data(), 3, 64);
  std::vector<float> expected(set[0].end() - 64, set[0].end());
  expected.insert(expected.end(), set[0].begin(), set[0].begin() + 64);
  expected.insert(expected.end(), set[1].end() - 64, set[1].end());
  EXPECT_EQ(looked_up.values(), expected);

  const float large = 3.4e38f;
  std::vector<float> bad(33 * 32, large);
  EXPECT_THROW(table.set(stream, "third", DType::kF32, table.find("third").shape.data(), 2, bad.data()),
               Error);
  EXPECT_EQ(held(), set);

  table.ungroup(stream);
  EXPECT_EQ(table.storage(), Storage::kBf16);
  EXPECT_TRUE(table.view("first").is_bf16());
  EXPECT_EQ(held(), set);
  EXPECT_EQ(table.bf16()[table.find("second").offset].bits, float_to_bf16(set[1][0]));
}

class Bf16GroupProducts : public IsaTest {
 protected:
  void SetUp() override {
    IsaTest::SetUp();
    if (!IsSkipped() && !multiplies_bf16_groups()) GTEST_SKIP() << "multiplies rows as they are stored";
  }
};
LLASA_FOR_EACH_ISA(Bf16GroupProducts);

// Every number of rows at a time, parts of groups at both ends, several panels of K and more than one task.
TEST_P(Bf16GroupProducts, HaveTheBitsOfRows) {
  Stream stream;
  for (const int64_t K : {32, 96, 1056}) {
    for (const int64_t N : {1, 15, 16, 17, 37, 83, 700}) {
      for (const int64_t first : {0, 5, 16, 31}) {
        if (K > 96 && N > 37 && first > 5) continue;
        BothWays weight(first + N, K, 2);
        for (const int64_t M : {1, 2, 3, 4, 5, 8, 9, 17, 40, 140}) {
          const int64_t lda = K + 3, ldc = N + 2;
          const std::vector<float> A = random_floats(M * lda, 1), C = random_floats(M * ldc, 3);
          Guarded a(A);
          for (const float beta : {0.0f, -0.5f}) {
            Guarded c(C), expected(C);
            gemm(stream, false, true, M, N, K, 0.75f, a.data(), lda, weight.in_groups() + first * K, K, beta,
                 c.data(), ldc);
            gemm(stream, false, true, M, N, K, 0.75f, a.data(), lda, weight.in_rows() + first * K, K, beta,
                 expected.data(), ldc);
            ASSERT_EQ(c.values(), expected.values())
                << M << "x" << N << "x" << K << " first " << first << " beta " << beta;
          }
        }
      }
    }
  }
}

TEST_P(Bf16GroupProducts, DoNotDependOnCompanyOrThreads) {
  Stream stream;
  const int64_t M = 600, N = 533, K = 320;
  BothWays weight(N, K, 2);
  DeviceArray<float> a(random_floats(M * K, 1)), together(M * N);
  linear_forward(stream, a.data(), weight.in_groups(), nullptr, together.data(), M, K, N);
  const std::vector<float> all = together.values();
  for (const int64_t count : {1, 2, 3, 7, 11, 16, 17, 513}) {
    const int64_t first = M - count;
    expect_same_for_any_thread_count([&] {
      DeviceArray<float> some(std::vector<float>(static_cast<size_t>(count * N), std::nanf("")));
      linear_forward(stream, a.data() + first * K, weight.in_groups(), nullptr, some.data(), count, K, N);
      EXPECT_EQ(some.values(), std::vector<float>(all.begin() + first * N, all.end())) << count;
      return some.values();
    });
  }
}

llasa_policy_options groupable(bool frozen) {
  llasa_policy_options options = small_options();
  options.hidden_size = 64;
  options.num_heads = 4;
  options.num_kv_heads = 2;
  options.head_dim = 16;
  options.intermediate_size = 96;
  options.compute_dtype = LLASA_BF16;
  options.frozen = frozen ? 1 : 0;
  return options;
}

BatchData some_batch() {
  BatchData batch;
  batch.add({1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45}, 3);
  batch.add({7, 7, 7, 7, 7}, 1);
  return batch;
}

// One that may not be in groups computes the same; so does one whose elements were asked for, which is in rows then.
TEST(Bf16GroupPolicy, ComputesAsOneInRows) {
  const BatchData batch = some_batch();
  const PolicyHandle frozen = create_policy(groupable(true)), trained = create_policy(groupable(false));
  for (const PolicyHandle* policy : {&frozen, &trained}) randomise(policy->get(), 5);
  const std::vector<float> expected = logprobs(trained.get(), batch);
  EXPECT_EQ(logprobs(frozen.get(), batch), expected);
  for (const Parameter& p : parameters(frozen.get())) {
    void* data = nullptr;
    llasa_dtype dtype = LLASA_F32;
    const std::vector<float> values = get_tensor(frozen.get(), p);
    ASSERT_OK(llasa_policy_tensor_data(frozen.get(), p.name.c_str(), &data, &dtype));
    if (dtype == LLASA_BF16) {
      EXPECT_EQ(static_cast<const uint16_t*>(data)[p.size - 1], float_to_bf16(values.back())) << p.name;
    }
    EXPECT_EQ(get_tensor(frozen.get(), p), values) << p.name;
  }
  EXPECT_EQ(logprobs(frozen.get(), batch), expected);
}

TEST(Bf16GroupPolicy, IsInGroupsWhereProductsReadThemAndItIsFrozen) {
  LlamaConfig config;
  config.vocab_size = 48;
  config.hidden_size = config.intermediate_size = 64;
  config.num_layers = 1;
  config.num_heads = config.num_kv_heads = 4;
  config.head_dim = 16;
  config.max_positions = 32;
  config.tied = true;
  config.rms_norm_eps = 1e-5f;
  config.rope_theta = 10000.0;
  const Storage expected = multiplies_bf16_groups() ? Storage::kBf16Groups : Storage::kBf16;
  EXPECT_EQ(Policy(config, Storage::kBf16, true).weights().storage(), expected);
  EXPECT_EQ(Policy(config, Storage::kF32AndBf16, false).weights().storage(), Storage::kF32AndBf16);
  EXPECT_EQ(Policy(config, Storage::kF32, true).weights().storage(), Storage::kF32);
  config.intermediate_size = 80;  // rows that are no multiple of 32
  EXPECT_EQ(Policy(config, Storage::kBf16, true).weights().storage(), Storage::kBf16);
  config.intermediate_size = 96;
  Policy adapted(config, Storage::kBf16, true);
  LoraOptions lora;
  lora.rank = 4;
  lora.alpha = 8.0f;
  lora.targets = 1;
  adapted.attach_lora(lora);
  EXPECT_EQ(adapted.weights().storage(), Storage::kBf16);
}

}  // namespace
}  // namespace llasa::test
#endif
