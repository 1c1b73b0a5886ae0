// Loss, gradients and optimiser steps against the oracle.
#include "trainer_case.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

class TrainerOracle : public testing::TestWithParam<std::filesystem::path> {};

void expect_stats(const llasa_loss_stats& stats, const Json& expected, double tolerance,
                  const std::string& step) {
  const double n = stats.tokens;
  EXPECT_EQ(n, expected["tokens"].number()) << step;
  EXPECT_NEAR(stats.loss, expected["loss"].number(), tolerance) << step;
  const auto check = [&](const char* key, double value) {
    if (expected.has(key)) {
      EXPECT_NEAR(value, expected[key].number(), 10 * tolerance) << step << key;
    }
  };
  check("pg_loss", stats.policy_loss);
  check("clipped_low_fraction", stats.clipped_low / n);
  check("clipped_high_fraction", stats.clipped_high / n);
  check("clip_fraction", (stats.clipped_low + stats.clipped_high) / n);
  check("dual_clip_fraction", stats.capped / n);
  check("approx_kl_old_new", stats.approx_kl_sum / n);
  check("ratio_mean", stats.ratio_sum / n);
  check("kl_mean", stats.kl_sum / n);
  check("entropy_mean", stats.entropy_sum / n);
}

// Tolerance of the manifest: relative to the tensor's largest element.
void expect_gradients(llasa_trainer* trainer, llasa_policy* policy, const Tensors& expected,
                      double tolerance) {
  for (const Parameter& p : parameters(policy)) {
    const std::vector<float> want = expected.at(p.name).floats();
    const std::vector<float> got = get_state(trainer, LLASA_STATE_GRADIENT, p);
    double largest = 0, worst = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(want[i])));
      worst = std::max(worst, std::abs(static_cast<double>(want[i]) - static_cast<double>(got[i])));
    }
    EXPECT_LE(worst, tolerance * largest) << p.name;
  }
}

void expect_parameters(llasa_policy* policy, const Tensors& before, const Tensors& expected, double absolute,
                       double relative) {
  for (const Parameter& p : parameters(policy)) {
    const std::vector<float> start = before.at(p.name).floats(), want = expected.at(p.name).floats();
    const std::vector<float> got = get_tensor(policy, p);
    double worst = 0, difference = 0, update = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      const double error = static_cast<double>(want[i]) - static_cast<double>(got[i]);
      const double change = static_cast<double>(want[i]) - static_cast<double>(start[i]);
      worst = std::max(worst, std::abs(error));
      difference += error * error;
      update += change * change;
    }
    EXPECT_LE(worst, absolute) << p.name;
    EXPECT_LE(std::sqrt(difference), relative * std::sqrt(update)) << p.name;
  }
}

TEST_P(TrainerOracle, LossGradientsAndThreeStepsMatch) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const Json& tolerance = manifest["tolerance"];
  const Json& optimizer = manifest["optimizer"];
  const CaseBatch batch(read_safetensors(GetParam() / "inputs.safetensors"));
  const Tensors token = read_safetensors(GetParam() / "expected_token.safetensors");
  const PolicyHandle policy = load_policy(GetParam());

  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.weight_decay = static_cast<float>(optimizer["weight_decay"].number());
  options.max_grad_norm = static_cast<float>(optimizer["max_grad_norm"].number());
  const TrainerHandle trainer = create_trainer(policy.get(), options);
  const llasa_head_options head = head_of(manifest["loss"]);
  const Loss loss = loss_of(manifest);
  const Tensors before = read_checkpoint(GetParam() / "model");
  for (size_t step = 0; step < 3; ++step) {
    const std::string name = "step " + std::to_string(step + 1) + " ";
    std::vector<float> logprobs(batch.cell.size());
    const llasa_loss_stats stats =
        accumulate(trainer.get(), batch.tokens, head, loss, batch.data, logprobs.data());
    expect_stats(stats, manifest["expected_steps"][step], tolerance["loss_abs"].number(), name);
    if (step == 0) {
      const std::vector<float> want = token.at("logp").floats();
      for (size_t i = 0; i < logprobs.size(); ++i) {
        if (batch.data.mask[i] == 0) continue;
        EXPECT_NEAR(logprobs[i], want[batch.cell[i]], tolerance["logp_abs"].number());
      }
      expect_gradients(trainer.get(), policy.get(),
                       read_safetensors(GetParam() / "expected_grads.safetensors"),
                       tolerance["grad_max_abs_relative_to_tensor_max"].number());
    }
    llasa_step_stats step_stats{};
    step_stats.struct_size = sizeof step_stats;
    ASSERT_OK(llasa_trainer_step(trainer.get(), static_cast<float>(optimizer["lr"].number()), &step_stats));
    EXPECT_EQ(step_stats.skipped, 0);
    EXPECT_EQ(step_stats.step, static_cast<int64_t>(step) + 1);
    const double norm = manifest["expected_steps"][step]["grad_norm"].number();
    EXPECT_NEAR(step_stats.grad_norm, norm, tolerance["grad_max_abs_relative_to_tensor_max"].number() * norm);
    if (step != 1) {
      const std::string file = "expected_params_step" + std::to_string(step + 1);
      expect_parameters(policy.get(), before, read_safetensors(GetParam() / (file + ".safetensors")),
                        tolerance[step == 0 ? "params_step1_abs" : "params_step3_abs"].number(),
                        tolerance["params_step3_update_l2_relative"].number());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LlamaGrad, TrainerOracle, testing::ValuesIn(cases("llama_grad")),
                         [](const auto& test) { return case_name(test.param); });

TEST(TrainerOracle, CasesAreThere) {
  EXPECT_GE(cases("llama_grad").size(), 13u);
}

}  // namespace
}  // namespace llasa::test
