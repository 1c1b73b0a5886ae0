// Adapters against plain torch: log-probs with the adapter on and off, gradients, optimiser steps; and what
// must hold of any adapter: it costs what its size says, base weights stay, merging changes nothing.
#include <cmath>
#include <numeric>
#include <utility>

#include "rollout_fixture.h"
#include "trainer_case.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

int32_t bit_of(const std::string& module) {
  const std::vector<std::pair<std::string, int32_t>> bits = {
      {"q_proj", LLASA_LORA_Q},      {"k_proj", LLASA_LORA_K},       {"v_proj", LLASA_LORA_V},
      {"o_proj", LLASA_LORA_O},      {"gate_proj", LLASA_LORA_GATE}, {"up_proj", LLASA_LORA_UP},
      {"down_proj", LLASA_LORA_DOWN}};
  for (const auto& [name, bit] : bits) {
    if (name == module) return bit;
  }
  return 0;
}

llasa_lora_options lora_options(int32_t rank, float alpha, int32_t targets) {
  llasa_lora_options options;
  llasa_lora_options_init(&options);
  options.rank = rank;
  options.alpha = alpha;
  options.targets = targets;
  return options;
}

// Parameters of the base model, or of the adapter.
std::vector<Parameter> tensors_of(llasa_policy* policy, bool adapter) {
  std::vector<Parameter> chosen;
  for (const Parameter& p : parameters(policy)) {
    if ((p.name.rfind("base_model.", 0) == 0) == adapter) chosen.push_back(p);
  }
  return chosen;
}

std::vector<float> logprobs_of(llasa_policy* policy, const BatchData& data, float temperature = 1.0f) {
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.temperature = temperature;
  const llasa_token_batch view = data.view();
  std::vector<float> values(static_cast<size_t>(data.scored()));
  EXPECT_OK(llasa_policy_logprobs(policy, &view, &head, 0, values.data(), nullptr));
  return values;
}

PolicyHandle policy_with_adapter(uint64_t seed, const llasa_lora_options& options, bool tied = true) {
  PolicyHandle policy = create_policy(small_options(tied));
  randomise(policy.get(), seed);
  EXPECT_OK(llasa_policy_attach_lora(policy.get(), &options));
  for (const Parameter& p : tensors_of(policy.get(), true))
    set_tensor(policy.get(), p, normals(++seed, p.size, 0.3f));
  return policy;
}

BatchData some_sequences() {
  BatchData data;
  for (int32_t b = 0; b < 3; ++b) {
    std::vector<int32_t> ids(static_cast<size_t>(14 + b));
    std::iota(ids.begin(), ids.end(), 3 + 7 * b);
    data.add(ids, 4);
  }
  return data;
}

class LoraOracle : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(LoraOracle, LogProbsGradientsAndThreeStepsMatch) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const Json& tolerance = manifest["tolerance"];
  const Json& optimizer = manifest["optimizer"];
  const CaseBatch batch(read_safetensors(GetParam() / "inputs.safetensors"));
  const PolicyHandle policy = load_policy(GetParam());
  int32_t targets = 0;
  for (size_t i = 0; i < manifest["targets"].size(); ++i) targets |= bit_of(manifest["targets"][i].string());
  const llasa_lora_options adapter = lora_options(static_cast<int32_t>(manifest["rank"].integer()),
                                                  static_cast<float>(manifest["alpha"].number()), targets);
  ASSERT_OK(llasa_policy_attach_lora(policy.get(), &adapter));
  set_weights(policy.get(), read_safetensors(GetParam() / "adapter" / "adapter_model.safetensors"));

  const Tensors token = read_safetensors(GetParam() / "expected_token.safetensors");
  const double logp_tolerance = tolerance["logp_abs"].number();
  for (const bool on : {true, false}) {
    ASSERT_OK(llasa_policy_use_lora(policy.get(), on));
    const std::vector<float> want = token.at(on ? "logp" : "base_logp").floats();
    const std::vector<float> got = logprobs_of(policy.get(), batch.tokens);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[batch.cell[i]], logp_tolerance) << on;
  }
  ASSERT_OK(llasa_policy_use_lora(policy.get(), 1));

  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.weight_decay = static_cast<float>(optimizer["weight_decay"].number());
  options.max_grad_norm = static_cast<float>(optimizer["max_grad_norm"].number());
  options.recompute = targets == bit_of("q_proj") + bit_of("v_proj");  // one case each way
  const TrainerHandle trainer = create_trainer(policy.get(), options);
  const llasa_head_options head = head_of(manifest["loss"]);
  const Loss loss = loss_of(manifest);
  const Tensors gradients = read_safetensors(GetParam() / "expected_grads.safetensors");
  for (size_t step = 0; step < 3; ++step) {
    const llasa_loss_stats stats = accumulate(trainer.get(), batch.tokens, head, loss, batch.data);
    EXPECT_NEAR(stats.loss, manifest["expected_steps"][step]["loss"].number(),
                tolerance["loss_abs"].number());
    for (const Parameter& p : tensors_of(policy.get(), true)) {
      if (step > 0) break;
      const std::vector<float> want = gradients.at(p.name).floats();
      const std::vector<float> got = get_state(trainer.get(), LLASA_STATE_GRADIENT, p);
      double largest = 0, worst = 0;
      for (size_t i = 0; i < want.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(want[i])));
        worst = std::max(worst, std::abs(static_cast<double>(want[i]) - static_cast<double>(got[i])));
      }
      EXPECT_LE(worst, tolerance["grad_max_abs_relative_to_tensor_max"].number() * largest) << p.name;
    }
    llasa_step_stats done{};
    done.struct_size = sizeof done;
    ASSERT_OK(llasa_trainer_step(trainer.get(), static_cast<float>(optimizer["lr"].number()), &done));
  }
  const Tensors after = read_safetensors(GetParam() / "expected_params_step3.safetensors");
  for (const Parameter& p : tensors_of(policy.get(), true)) {
    const std::vector<float> want = after.at(p.name).floats(), got = get_tensor(policy.get(), p);
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], tolerance["params_step3_abs"].number()) << p.name;
  }
  const Tensors before = read_checkpoint(GetParam() / "model");
  for (const Parameter& p : tensors_of(policy.get(), false)) {
    EXPECT_EQ(get_tensor(policy.get(), p), before.at(p.name).floats()) << p.name;  // frozen
  }
}

INSTANTIATE_TEST_SUITE_P(LlamaLora, LoraOracle, testing::ValuesIn(cases("llama_lora")),
                         [](const auto& test) { return case_name(test.param); });

TEST(LoraOracle, CasesAreThere) {
  EXPECT_GE(cases("llama_lora").size(), 2u);
}

TEST(Lora, MergedWeightsGiveTheAdaptersLogProbs) {
  const PolicyHandle policy = policy_with_adapter(5, lora_options(3, 6, 127), false);
  const PolicyHandle merged = create_policy(small_options(false));
  for (const Parameter& p : tensors_of(policy.get(), false)) {
    std::vector<float> values(static_cast<size_t>(p.size));
    ASSERT_OK(
        llasa_policy_get_merged_tensor(policy.get(), p.name.c_str(), LLASA_F32, values.data(), p.size * 4));
    set_tensor(merged.get(), p, values);
  }
  const BatchData data = some_sequences();
  const std::vector<float> a = logprobs_of(policy.get(), data), b = logprobs_of(merged.get(), data);
  ASSERT_OK(llasa_policy_use_lora(policy.get(), 0));
  const std::vector<float> off = logprobs_of(policy.get(), data);
  double moved = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], 5e-5);  // two orders of the same sums, through two layers; log-probs reach 10
    moved = std::max(moved, static_cast<double>(std::abs(a[i] - off[i])));
  }
  EXPECT_GT(moved, 0.1);  // the adapter does something
}

// 3 x its own size, where a trainer of all weights holds 3 x theirs.
TEST(Lora, TrainerHoldsTheAdaptersStateAlone) {
  const auto held = [](llasa_policy* policy) {
    llasa_live_counts counts{};
    counts.struct_size = sizeof counts;
    EXPECT_OK(llasa_get_live_counts(&counts));
    const int64_t before = counts.allocated_bytes;
    llasa_trainer_options options;
    llasa_trainer_options_init(&options);
    const TrainerHandle trainer = create_trainer(policy, options);
    EXPECT_OK(llasa_get_live_counts(&counts));
    return counts.allocated_bytes - before;
  };
  // Each tensor starts 16 floats aligned; of the base, k, v and up are adjacent to the one before.
  const auto padded = [](int64_t size) { return (size + 15) / 16 * 16; };
  const PolicyHandle adapted = policy_with_adapter(5, lora_options(4, 8, LLASA_LORA_Q | LLASA_LORA_DOWN));
  int64_t floats = 0;
  for (const Parameter& p : tensors_of(adapted.get(), true)) floats += padded(p.size);
  const PolicyHandle whole = create_policy(small_options());
  int64_t base = 0;
  for (const Parameter& p : parameters(whole.get())) base += p.size;
  EXPECT_EQ(held(adapted.get()), 3 * 4 * floats);
  EXPECT_GE(held(whole.get()), 3 * 4 * base);
  EXPECT_LT(floats * 10, base);
}

TEST(Lora, RolloutsRecordTheAdaptedLogProbs) {
  const PolicyHandle policy = policy_with_adapter(9, lora_options(3, 6, 127));
  Job job;
  llasa_sampling_options_init(&job.sampling);
  job.sampling.temperature = 0.9f;
  job.sampling.max_new_tokens = 20;
  job.prompts = {{3, 4, 5}, {9, 8, 7, 6}};
  llasa_rollout* rollout = create(policy.get(), job.slots);
  const Samples s = generate(rollout, job);
  llasa_rollout_destroy(rollout);
  BatchData data;
  std::vector<float> recorded;
  for (size_t i = 0; i < s.lengths.size(); ++i) {
    std::vector<int32_t> ids = job.prompts[i / static_cast<size_t>(job.samples)];
    const auto prompt = static_cast<int64_t>(ids.size());
    for (size_t t = 0; t < static_cast<size_t>(s.lengths[i]); ++t) {
      ids.push_back(s.tokens[i * 20 + t]);
      recorded.push_back(s.logprobs[i * 20 + t]);
    }
    data.add(ids, prompt);
  }
  const std::vector<float> trained = logprobs_of(policy.get(), data, 0.9f);
  for (size_t i = 0; i < recorded.size(); ++i)
    EXPECT_NEAR(recorded[i], trained[i], 1e-4);  // the project's bound
}

// The masks are functions of (seed, steps taken, micro-batch), so after zero_grad the same ones come again,
// and the loss under them can be differentiated by differences.
class AdapterWithDropout {
 public:
  AdapterWithDropout(float dropout, uint64_t seed, bool recompute) {
    llasa_lora_options options = lora_options(3, 6, 127);
    options.dropout = dropout;
    options.dropout_seed = seed;
    policy_ = policy_with_adapter(5, options);
    llasa_trainer_options trainer;
    llasa_trainer_options_init(&trainer);
    trainer.recompute = recompute;
    trainer_ = create_trainer(policy_.get(), trainer);
    for (const Parameter& p : tensors_of(policy_.get(), true)) {
      std::vector<float> v(static_cast<size_t>(p.size));
      EXPECT_OK(llasa_policy_get_tensor(policy_.get(), p.name.c_str(), LLASA_F32, v.data(), 4 * p.size));
      values_.push_back(v);
    }
  }

  llasa_trainer* trainer() { return trainer_.get(); }
  llasa_policy* policy() { return policy_.get(); }

  double accumulate() {
    const BatchData data = some_sequences();
    llasa_head_options head;
    llasa_head_options_init(&head);
    return test::accumulate(trainer_.get(), data, head, Loss::cross_entropy(), {}).loss;
  }

  double afresh() {
    EXPECT_OK(llasa_trainer_zero_grad(trainer_.get()));
    return accumulate();
  }

  std::vector<std::vector<float>> gradients() {
    std::vector<std::vector<float>> all;
    for (const Parameter& p : tensors_of(policy_.get(), true))
      all.push_back(get_state(trainer_.get(), LLASA_STATE_GRADIENT, p));
    return all;
  }

  // values + distance * direction.
  void move(const std::vector<std::vector<float>>& direction, double distance) {
    const std::vector<Parameter> tensors = tensors_of(policy_.get(), true);
    for (size_t i = 0; i < tensors.size(); ++i) {
      std::vector<float> v = values_[i];
      for (size_t j = 0; j < v.size(); ++j)
        v[j] += static_cast<float>(distance * static_cast<double>(direction[i][j]));
      set_tensor(policy_.get(), tensors[i], v);
    }
  }

 private:
  PolicyHandle policy_;
  TrainerHandle trainer_;
  std::vector<std::vector<float>> values_;
};

TEST(LoraDropout, GradientsAreThoseOfTheThinnedPass) {
  std::vector<std::vector<float>> kept;
  for (const bool recompute : {false, true}) {
    AdapterWithDropout adapter(0.4f, 77, recompute);
    adapter.afresh();
    const std::vector<std::vector<float>> gradient = adapter.gradients();
    if (recompute) {
      EXPECT_EQ(gradient, kept) << "the same masks in the recomputed layers";
    }
    kept = gradient;
    double norm = 0;
    for (const auto& tensor : gradient)
      for (const float g : tensor) norm += static_cast<double>(g) * static_cast<double>(g);
    norm = std::sqrt(norm);
    ASSERT_GT(norm, 0.05);
    // Along the gradient the loss rises by its norm. Rounding: a loss of order 5 has 3e-7 in each of the two
    // differences, over 2h = 0.02; curvature enters in h^2. Other masks in backward than in forward would be
    // off by tens of percent.
    const double h = 0.01;
    adapter.move(gradient, h / norm);
    const double above = adapter.afresh();
    adapter.move(gradient, -h / norm);
    const double below = adapter.afresh();
    EXPECT_NEAR((above - below) / (2 * h), norm, 0.01 * norm);
  }
}

TEST(LoraDropout, MasksFollowSeedStepAndMicroBatchAlone) {
  AdapterWithDropout adapter(0.4f, 77, false);
  const double first = adapter.afresh();
  EXPECT_EQ(adapter.afresh(), first) << "repeatable";
  EXPECT_NE(adapter.accumulate(), first) << "the second micro-batch of a step";
  ASSERT_OK(llasa_trainer_set_step(adapter.trainer(), 5));
  EXPECT_NE(adapter.afresh(), first) << "another step";
  ASSERT_OK(llasa_trainer_set_step(adapter.trainer(), 0));
  EXPECT_EQ(adapter.afresh(), first) << "as when a run resumes";
  EXPECT_NE(AdapterWithDropout(0.4f, 78, false).afresh(), first) << "another seed";
}

TEST(LoraDropout, WithoutItAndOutsideTrainingNothingIsDropped) {
  AdapterWithDropout thinned(0.4f, 77, false), whole(0.0f, 77, false);
  const BatchData data = some_sequences();
  EXPECT_EQ(logprobs_of(thinned.policy(), data), logprobs_of(whole.policy(), data));
  const std::vector<float> logprobs = logprobs_of(whole.policy(), data);
  double mean = 0;
  for (const float v : logprobs) mean -= static_cast<double>(v) / static_cast<double>(logprobs.size());
  EXPECT_NEAR(whole.afresh(), mean, 1e-5);
  EXPECT_NE(thinned.afresh(), whole.afresh());
}

TEST(Lora, WrongOrdersAndValuesAreRefused) {
  const PolicyHandle policy = create_policy(small_options());
  randomise(policy.get(), 3);
  EXPECT_EQ(llasa_policy_use_lora(policy.get(), 1), LLASA_ERR_STATE);
  llasa_trainer_options trainer_options;
  llasa_trainer_options_init(&trainer_options);
  const TrainerHandle early = create_trainer(policy.get(), trainer_options);
  for (const llasa_lora_options& bad :
       {lora_options(0, 1, 127), lora_options(5000, 1, 127), lora_options(2, 0, 127), lora_options(2, 1, 0),
        lora_options(2, 1, 128), lora_options(2, std::nanf(""), 1)}) {
    EXPECT_EQ(llasa_policy_attach_lora(policy.get(), &bad), LLASA_ERR_ARGUMENT);
  }
  for (const float dropout : {-0.1f, 1.0f, std::nanf("")}) {
    llasa_lora_options bad = lora_options(2, 4, LLASA_LORA_Q);
    bad.dropout = dropout;
    EXPECT_EQ(llasa_policy_attach_lora(policy.get(), &bad), LLASA_ERR_ARGUMENT);
    EXPECT_NE(std::string(llasa_last_error()).find("options.dropout"), std::string::npos);
  }
  const llasa_lora_options good = lora_options(2, 4, LLASA_LORA_Q);
  ASSERT_OK(llasa_policy_attach_lora(policy.get(), &good));
  EXPECT_EQ(llasa_policy_attach_lora(policy.get(), &good), LLASA_ERR_STATE);
  EXPECT_EQ(llasa_policy_use_lora(policy.get(), 2), LLASA_ERR_ARGUMENT);

  const BatchData data = some_sequences();
  const llasa_token_batch view = data.view();
  llasa_head_options head;
  llasa_head_options_init(&head);
  const Loss loss = Loss::cross_entropy();
  const TermArrays arrays(data, loss, {});
  const llasa_token_terms terms = arrays.view();
  llasa_loss_stats stats{};
  stats.struct_size = sizeof stats;
  const auto accumulate = [&](llasa_trainer* trainer) {
    return llasa_trainer_accumulate(trainer, &view, &head, &loss.options, &terms, nullptr, nullptr, nullptr,
                                    &stats);
  };
  const TrainerHandle trainer = create_trainer(policy.get(), trainer_options);
  EXPECT_EQ(accumulate(trainer.get()), LLASA_ERR_STATE);  // the adapter has no values yet
  for (const Parameter& p : tensors_of(policy.get(), true))
    set_tensor(policy.get(), p, normals(1, p.size, 0.1f));
  EXPECT_EQ(accumulate(early.get()), LLASA_ERR_STATE);
  ASSERT_OK(llasa_policy_use_lora(policy.get(), 0));
  EXPECT_EQ(accumulate(trainer.get()), LLASA_ERR_STATE);
  ASSERT_OK(llasa_policy_use_lora(policy.get(), 1));
  EXPECT_OK(accumulate(trainer.get()));
}

}  // namespace
}  // namespace llasa::test
