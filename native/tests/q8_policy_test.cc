// Policies whose matrices are in 8 bits: memory, how far what they say moves, and what is
// refused. On a device: that they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/device.h"
#include "token_terms.h"

namespace llasa::test {
namespace {

llasa_policy_options sizes(llasa_dtype dtype, bool tied = true) {
  llasa_policy_options options = small_options(tied);
  options.hidden_size = 64;
  options.intermediate_size = 96;
  options.num_heads = 4;
  options.num_kv_heads = 2;
  options.head_dim = 32;
  options.vocab_size = 259;
  options.compute_dtype = dtype;
  options.frozen = dtype != LLASA_F32;
  return options;
}

#if defined(LLASA_TESTS_ON_DEVICE)

TEST(Q8Policy, IsRefusedByNameWhereThereAreNoProductsInIt) {
  const llasa_policy_options options = sizes(LLASA_Q8);
  llasa_policy* policy = nullptr;
  EXPECT_EQ(llasa_policy_create(&options, &policy), LLASA_ERR_ARGUMENT);
  const std::string message = llasa_last_error();
  EXPECT_NE(message.find("8-bit weights are for the CPU backend"), std::string::npos) << message;
  EXPECT_NE(message.find(describe_device().backend), std::string::npos) << message;
}

#else

BatchData some_batch() {
  BatchData batch;
  for (int i = 0; i < 8; ++i) {
    std::vector<int32_t> ids;
    for (int t = 0; t < 30; ++t) ids.push_back((i * 53 + t * t * 7 + t) % 259);
    batch.add(ids, 3);
  }
  return batch;
}

double root_mean_square(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// The values that a policy holds, in another one.
void copy_values(llasa_policy* to, llasa_policy* from) {
  for (const Parameter& p : parameters(from)) set_tensor(to, p, get_tensor(from, p));
}

// The plain version: an f32 policy of the same 8-bit values, whose activations are exact. What whole numbers of
// x and rounded keys and values add must not double what 8-bit weights do.
TEST(Q8Policy, IsAtMostTwiceAsFarFromF32AsThePlainVersion) {
  const BatchData batch = some_batch();
  for (const bool tied : {true, false}) {
    const PolicyHandle exact = create_policy(sizes(LLASA_F32, tied)),
                       q8 = create_policy(sizes(LLASA_Q8, tied)),
                       plain = create_policy(sizes(LLASA_F32, tied)),
                       bf16 = create_policy(sizes(LLASA_BF16, tied));
    for (const PolicyHandle* policy : {&exact, &q8, &bf16}) randomise(policy->get(), 5);
    copy_values(plain.get(), q8.get());
    const std::vector<float> truth = logprobs(exact.get(), batch), ours = logprobs(q8.get(), batch);
    const double error = root_mean_square(ours, truth),
                 of_plain = root_mean_square(logprobs(plain.get(), batch), truth),
                 of_bf16 = root_mean_square(logprobs(bf16.get(), batch), truth);
    RecordProperty(tied ? "tied" : "untied", "q8 " + std::to_string(error) + ", plain " +
                                                 std::to_string(of_plain) + ", bf16 " +
                                                 std::to_string(of_bf16));
    EXPECT_GT(of_plain, 0);
    EXPECT_LE(error, 2 * of_plain);
  }
}

TEST(Q8Policy, TakesNineEighthsOfAByteAWeight) {
  llasa_policy_options options = sizes(LLASA_Q8, false);
  options.vocab_size = 2048;
  int64_t matrices = 0, vectors = 0;
  const int64_t before = allocated_bytes();
  const PolicyHandle policy = create_policy(options);
  const int64_t bytes = allocated_bytes() - before;
  for (const Parameter& p : parameters(policy.get())) (p.shape.size() == 2 ? matrices : vectors) += p.size;
  EXPECT_EQ(bytes, matrices * 9 / 8 + 4 * vectors);
}

TEST(Q8Policy, CopiesArriveInTheTypeOfTheCopy) {
  const BatchData batch = some_batch();
  const PolicyHandle f32 = create_policy(sizes(LLASA_F32)), set = create_policy(sizes(LLASA_Q8)),
                     copied = create_policy(sizes(LLASA_Q8)), back = create_policy(sizes(LLASA_F32)),
                     bf16 = create_policy(sizes(LLASA_BF16));
  randomise(f32.get(), 7);
  randomise(set.get(), 7);
  ASSERT_OK(llasa_policy_copy_weights(copied.get(), f32.get()));
  EXPECT_EQ(logprobs(copied.get(), batch), logprobs(set.get(), batch));
  EXPECT_NE(logprobs(copied.get(), batch), logprobs(f32.get(), batch));
  ASSERT_OK(llasa_policy_copy_weights(back.get(), copied.get()));
  ASSERT_OK(llasa_policy_copy_weights(bf16.get(), copied.get()));
  for (const Parameter& p : parameters(set.get())) {
    EXPECT_EQ(get_tensor(back.get(), p), get_tensor(set.get(), p)) << p.name;
    std::vector<float> merged(static_cast<size_t>(p.size));
    EXPECT_OK(
        llasa_policy_get_merged_tensor(set.get(), p.name.c_str(), LLASA_F32, merged.data(), p.size * 4));
    EXPECT_EQ(merged, get_tensor(set.get(), p)) << p.name;
  }
}

TEST(Q8Policy, IsNotTrainedAndTakesNoAdapter) {
  llasa_policy_options options = sizes(LLASA_Q8);
  options.frozen = 0;
  llasa_policy* created = nullptr;
  EXPECT_EQ(llasa_policy_create(&options, &created), LLASA_ERR_ARGUMENT);
  EXPECT_NE(std::string(llasa_last_error()).find("8-bit weights cannot be trained"), std::string::npos);

  const PolicyHandle policy = create_policy(sizes(LLASA_Q8));
  randomise(policy.get(), 1);
  llasa_trainer_options trainer_options;
  llasa_trainer_options_init(&trainer_options);
  llasa_trainer* trainer = nullptr;
  EXPECT_EQ(llasa_trainer_create(policy.get(), &trainer_options, &trainer), LLASA_ERR_STATE);
  llasa_lora_options lora;
  llasa_lora_options_init(&lora);
  EXPECT_EQ(llasa_policy_attach_lora(policy.get(), &lora), LLASA_ERR_STATE);
  EXPECT_NE(std::string(llasa_last_error()).find("8-bit weights"), std::string::npos) << llasa_last_error();
  void* data = nullptr;
  llasa_dtype dtype = 0;
  EXPECT_EQ(llasa_policy_tensor_data(policy.get(), "model.embed_tokens.weight", &data, &dtype),
            LLASA_ERR_STATE);
  EXPECT_OK(llasa_policy_tensor_data(policy.get(), "model.norm.weight", &data, &dtype));
  EXPECT_EQ(dtype, LLASA_F32);
  float value = 0;
  EXPECT_EQ(llasa_policy_get_tensor(policy.get(), "model.norm.weight", LLASA_Q8, &value, 4),
            LLASA_ERR_ARGUMENT);
}

#endif

}  // namespace
}  // namespace llasa::test
