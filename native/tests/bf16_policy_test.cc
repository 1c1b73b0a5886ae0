// Policies whose matrices are bf16: what they hold, that they compute with exactly those values, and that
// training them works on the f32 values behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "bf16_arrays.h"
#include "core/device.h"
#include "token_terms.h"

namespace llasa::test {
namespace {

llasa_policy_options bf16_options(bool frozen, bool tied = true) {
  llasa_policy_options options = small_options(tied);
  options.compute_dtype = LLASA_BF16;
  options.frozen = frozen;
  return options;
}

BatchData some_batch() {
  BatchData batch;
  batch.add({1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45}, 3);
  batch.add({1, 5, 9, 2, 4, 8, 16, 32, 60}, 3);
  batch.add({7, 7, 7, 7, 7}, 1);
  return batch;
}

double largest_gap(const std::vector<float>& a, const std::vector<float>& b) {
  double gap = 0;
  for (size_t i = 0; i < a.size(); ++i)
    gap = std::max(gap, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return gap;
}

TEST(Bf16Policy, AFrozenOneHoldsHalfTheMemory) {
  llasa_policy_options wide = bf16_options(true, false);
  wide.hidden_size = 256;
  wide.head_dim = 8;
  wide.intermediate_size = 512;
  wide.vocab_size = 2048;
  llasa_policy_options f32 = wide, trained = wide;
  f32.compute_dtype = LLASA_F32;
  f32.frozen = trained.frozen = 0;
  const auto bytes = [](const llasa_policy_options& options) {
    const int64_t before = allocated_bytes();
    const PolicyHandle policy = create_policy(options);
    return allocated_bytes() - before;
  };
  int64_t matrices = 0, vectors = 0;
  {
    const PolicyHandle policy = create_policy(wide);
    for (const Parameter& p : parameters(policy.get())) (p.shape.size() == 2 ? matrices : vectors) += p.size;
  }
  EXPECT_EQ(bytes(f32), 4 * (matrices + vectors));
  // Norm gains stay f32; the bf16 layout has their places, too, unless it is in groups.
  EXPECT_EQ(bytes(wide), 2 * (matrices + (multiplies_bf16_groups() ? 0 : vectors)) + 4 * vectors);
  EXPECT_EQ(bytes(trained), 6 * (matrices + vectors));
  EXPECT_LT(static_cast<double>(bytes(wide)), 0.505 * static_cast<double>(bytes(f32)));
}

TEST(Bf16Policy, GivesBackTheF32ValuesUnlessItIsFrozen) {
  const PolicyHandle plain = create_policy(small_options()), trained = create_policy(bf16_options(false)),
                     frozen = create_policy(bf16_options(true));
  for (const PolicyHandle* policy : {&plain, &trained, &frozen}) randomise(policy->get(), 11);
  for (const Parameter& p : parameters(plain.get())) {
    const std::vector<float> values = get_tensor(plain.get(), p);
    EXPECT_EQ(get_tensor(trained.get(), p), values) << p.name;
    EXPECT_EQ(get_tensor(frozen.get(), p), p.shape.size() == 2 ? rounded_bf16(values) : values) << p.name;
    std::vector<float> merged(values.size());
    EXPECT_OK(
        llasa_policy_get_merged_tensor(frozen.get(), p.name.c_str(), LLASA_F32, merged.data(), p.size * 4));
    EXPECT_EQ(merged, get_tensor(frozen.get(), p)) << p.name;
  }
}

// The frozen and the trainable one see the same matrices, and both see what an f32 policy of the rounded
// values sees, but for keys and values (and where products round, their inputs), which are rounded, too.
TEST(Bf16Policy, ComputesWithTheRoundedMatrices) {
  const BatchData batch = some_batch();
  for (const bool tied : {true, false}) {
    const PolicyHandle trained = create_policy(bf16_options(false, tied)),
                       frozen = create_policy(bf16_options(true, tied)),
                       plain = create_policy(small_options(tied)),
                       rounded = create_policy(small_options(tied));
    for (const PolicyHandle* policy : {&trained, &frozen, &plain, &rounded}) randomise(policy->get(), 5);
    for (const Parameter& p : parameters(rounded.get())) {
      if (p.shape.size() == 2) set_tensor(rounded.get(), p, rounded_bf16(get_tensor(plain.get(), p)));
    }
    const std::vector<float> bf16 = logprobs(trained.get(), batch), f32 = logprobs(plain.get(), batch),
                             of_rounded = logprobs(rounded.get(), batch);
    EXPECT_EQ(logprobs(frozen.get(), batch), bf16);
    EXPECT_NE(bf16, f32);
    // Log-probs of about 5 with a relative error of a few roundings (2^-8 each) from two layers.
    EXPECT_LT(largest_gap(bf16, of_rounded), 0.15);
    EXPECT_LT(largest_gap(bf16, f32), 0.15);
    // Keys and values alone are fewer roundings than matrices, keys and values.
    if (!rounds_to_bf16()) {
      EXPECT_LT(largest_gap(bf16, of_rounded), largest_gap(bf16, f32));
    }
  }
}

TEST(Bf16Policy, CopiesArriveRoundedWhereTheyMust) {
  const BatchData batch = some_batch();
  const PolicyHandle plain = create_policy(small_options()), trained = create_policy(bf16_options(false));
  randomise(plain.get(), 21);
  randomise(trained.get(), 22);
  const auto values_of = [](const PolicyHandle& policy) {
    std::vector<std::vector<float>> all;
    for (const Parameter& p : parameters(policy.get())) all.push_back(get_tensor(policy.get(), p));
    return all;
  };
  const auto rounded = [&](const PolicyHandle& policy) {
    std::vector<std::vector<float>> all = values_of(policy);
    const std::vector<Parameter> names = parameters(policy.get());
    for (size_t i = 0; i < all.size(); ++i) {
      if (names[i].shape.size() == 2) all[i] = rounded_bf16(all[i]);
    }
    return all;
  };
  const PolicyHandle reference = create_policy(bf16_options(true));
  ASSERT_OK(llasa_policy_copy_weights(reference.get(), plain.get()));
  EXPECT_EQ(values_of(reference), rounded(plain));
  ASSERT_OK(llasa_policy_copy_weights(reference.get(), trained.get()));
  EXPECT_EQ(values_of(reference), rounded(trained));
  EXPECT_EQ(logprobs(reference.get(), batch), logprobs(trained.get(), batch));

  const PolicyHandle second = create_policy(bf16_options(true)), back = create_policy(small_options());
  ASSERT_OK(llasa_policy_copy_weights(second.get(), reference.get()));
  EXPECT_EQ(values_of(second), values_of(reference));
  ASSERT_OK(llasa_policy_copy_weights(back.get(), reference.get()));
  EXPECT_EQ(values_of(back), values_of(reference));
  ASSERT_OK(llasa_policy_copy_weights(trained.get(), plain.get()));
  EXPECT_EQ(values_of(trained), values_of(plain));
  ASSERT_OK(llasa_policy_copy_weights(reference.get(), plain.get()));
  EXPECT_EQ(logprobs(trained.get(), batch), logprobs(reference.get(), batch)) << "the bf16 copy is old";
}

struct DestroyTrainer {
  void operator()(llasa_trainer* trainer) const { llasa_trainer_destroy(trainer); }
};
using TrainerHandle = std::unique_ptr<llasa_trainer, DestroyTrainer>;

TrainerHandle create_trainer(llasa_policy* policy, bool recompute = false) {
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.recompute = recompute;
  llasa_trainer* trainer = nullptr;
  EXPECT_OK(llasa_trainer_create(policy, &options, &trainer));
  return TrainerHandle(trainer);
}

llasa_loss_stats accumulate(llasa_trainer* trainer, const BatchData& batch) {
  llasa_head_options head;
  llasa_head_options_init(&head);
  return accumulate(trainer, batch, head, Loss::cross_entropy(), {});
}

std::vector<float> gradient(llasa_trainer* trainer, const Parameter& p) {
  std::vector<float> values(static_cast<size_t>(p.size));
  EXPECT_OK(llasa_trainer_get_state(trainer, LLASA_STATE_GRADIENT, p.name.c_str(), values.data(), p.size));
  return values;
}

// Each parameter's gradient against that of an f32 policy, relative to its norm: a matrix of noise-free
// products rounded once or twice (2^-8) over two layers stays within a few percent, a wrong one does not.
TEST(Bf16Policy, GradientsAreThoseOfTheF32PolicyUpToRounding) {
  const BatchData batch = some_batch();
  for (const bool tied : {true, false}) {
    const PolicyHandle plain = create_policy(small_options(tied)),
                       narrow = create_policy(bf16_options(false, tied));
    randomise(plain.get(), 31);
    randomise(narrow.get(), 31);
    const TrainerHandle exact = create_trainer(plain.get()), rounded = create_trainer(narrow.get()),
                        recomputed = create_trainer(narrow.get(), true);
    accumulate(exact.get(), batch);
    accumulate(rounded.get(), batch);
    accumulate(recomputed.get(), batch);
    for (const Parameter& p : parameters(plain.get())) {
      const std::vector<float> expected = gradient(exact.get(), p), actual = gradient(rounded.get(), p);
      double error = 0, norm = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        error += std::pow(static_cast<double>(actual[i]) - static_cast<double>(expected[i]), 2);
        norm += std::pow(static_cast<double>(expected[i]), 2);
      }
      EXPECT_LT(std::sqrt(error / norm), 0.04) << p.name;
      EXPECT_EQ(gradient(recomputed.get(), p), actual) << p.name;
    }
  }
}

// Steps that are smaller than a unit of bf16 add up in the f32 values, and products see them as soon as they
// reach the next bf16.
TEST(Bf16Policy, SmallStepsAddUpAndTheCopyFollows) {
  const BatchData batch = some_batch();
  const PolicyHandle policy = create_policy(bf16_options(false));
  randomise(policy.get(), 41);
  const TrainerHandle trainer = create_trainer(policy.get());
  const std::vector<Parameter> names = parameters(policy.get());
  const std::vector<float> before = get_tensor(policy.get(), names[0]);
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    const llasa_loss_stats stats = accumulate(trainer.get(), batch);
    ASSERT_TRUE(std::isfinite(stats.loss));
    if (step == 0) first = stats.loss;
    last = stats.loss;
    llasa_step_stats taken{};
    taken.struct_size = sizeof taken;
    // Weights are about 0.3 in size, where bf16 has a unit of 1/512: a step of Adam is a twentieth of it.
    ASSERT_OK(llasa_trainer_step(trainer.get(), 1e-4f, &taken));
    ASSERT_EQ(taken.skipped, 0);
    if (step == 0) {
      const std::vector<float> after = get_tensor(policy.get(), names[0]);
      EXPECT_NE(after, before) << "the f32 values must move at once";
    }
  }
  EXPECT_LT(last, first - 0.05);
  const PolicyHandle reference = create_policy(bf16_options(true));
  ASSERT_OK(llasa_policy_copy_weights(reference.get(), policy.get()));
  EXPECT_EQ(logprobs(reference.get(), batch), logprobs(policy.get(), batch)) << "the bf16 copy is old";
}

TEST(Bf16Policy, AFrozenOneTrainsAnAdapterAndNothingElse) {
  const BatchData batch = some_batch();
  for (const int32_t dtype : {LLASA_F32, LLASA_BF16}) {
    llasa_policy_options options = bf16_options(true);
    options.compute_dtype = dtype;
    const PolicyHandle policy = create_policy(options);
    randomise(policy.get(), 51);
    llasa_trainer_options trainer_options;
    llasa_trainer_options_init(&trainer_options);
    llasa_trainer* refused = nullptr;
    EXPECT_EQ(llasa_trainer_create(policy.get(), &trainer_options, &refused), LLASA_ERR_STATE);
    EXPECT_EQ(refused, nullptr);
    EXPECT_NE(std::string(llasa_last_error()).find("frozen"), std::string::npos) << llasa_last_error();

    llasa_lora_options lora;
    llasa_lora_options_init(&lora);
    lora.rank = 4;
    ASSERT_OK(llasa_policy_attach_lora(policy.get(), &lora));
    for (const Parameter& p : parameters(policy.get())) {
      if (p.name.find("lora_") != std::string::npos) set_tensor(policy.get(), p, normals(7, p.size, 0.05f));
    }
    const TrainerHandle trainer = create_trainer(policy.get());
    const double first = accumulate(trainer.get(), batch).loss;
    double last = first;
    for (int step = 0; step < 20; ++step) {
      llasa_step_stats taken{};
      taken.struct_size = sizeof taken;
      ASSERT_OK(llasa_trainer_step(trainer.get(), 3e-3f, &taken));
      last = accumulate(trainer.get(), batch).loss;
    }
    EXPECT_LT(last, first - 0.1);
    // The merged tensor is the base's plus the adapter's product.
    const Parameter down = parameters(policy.get())[7];
    ASSERT_NE(down.name.find("down_proj"), std::string::npos);
    std::vector<float> merged(static_cast<size_t>(down.size));
    ASSERT_OK(llasa_policy_get_merged_tensor(policy.get(), down.name.c_str(), LLASA_F32, merged.data(),
                                             down.size * 4));
    EXPECT_NE(merged, get_tensor(policy.get(), down));
  }
}

TEST(Bf16Policy, RefusesOptionsAndValuesThatDoNotFit) {
  const auto refuse = [](int32_t dtype, int32_t frozen, const char* field) {
    llasa_policy_options options = small_options();
    options.compute_dtype = dtype;
    options.frozen = frozen;
    llasa_policy* policy = nullptr;
    EXPECT_EQ(llasa_policy_create(&options, &policy), LLASA_ERR_ARGUMENT);
    EXPECT_NE(std::string(llasa_last_error()).find(field), std::string::npos) << llasa_last_error();
  };
  refuse(LLASA_F16, 0, "compute_dtype");
  refuse(4, 1, "compute_dtype");
  refuse(LLASA_BF16, 2, "frozen");
  const PolicyHandle policy = create_policy(bf16_options(true));
  const Parameter embedding = parameters(policy.get())[0];
  std::vector<float> values(static_cast<size_t>(embedding.size), 1.0f);
  values[3] = 3.4e38f;  // finite, but nearer to 2^128 than to the largest bf16
  EXPECT_EQ(llasa_policy_set_tensor(policy.get(), embedding.name.c_str(), LLASA_F32, embedding.shape.data(),
                                    2, values.data()),
            LLASA_ERR_NOT_FINITE);
  EXPECT_NE(std::string(llasa_last_error()).find("bf16"), std::string::npos) << llasa_last_error();
}

}  // namespace
}  // namespace llasa::test
