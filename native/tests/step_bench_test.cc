// The benchmark of a whole step (bench/step), one layer of narrow models: its phases, and that it looks at its results.
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "step/step.h"

namespace llasa::test {
namespace {

bench::StepSizes small() {
  bench::StepSizes s;
  s.layers = 1;
  s.shrink = 8;
  s.prompts = s.samples = 2;
  s.prompt_tokens = 6;
  s.new_tokens = 10;
  s.micro_batch_tokens = 35;  // two sequences, of 16 tokens
  s.clips = 2;
  s.codes = 12;
  s.text_tokens = 3;
  return s;
}

TEST(StepBench, RunsEveryPhaseAndWritesWhatItTook) {
  std::vector<bench::StepPhase> phases;
  bench::run_step(small(), [&](const bench::StepPhase& phase) { phases.push_back(phase); });
  ASSERT_EQ(phases.size(), 4u);
  const std::pair<const char*, double> expected[] = {
      {"rollout", 4 * 10}, {"gradient and update", 2 * 2 * 16}, {"vocoder", 2 * 12}, {"recogniser", 2}};
  for (size_t i = 0; i < phases.size(); ++i) {
    EXPECT_EQ(phases[i].name, expected[i].first);
    EXPECT_EQ(phases[i].units, expected[i].second) << phases[i].name;
    EXPECT_GT(phases[i].first_seconds, 0) << phases[i].name;
    EXPECT_GT(phases[i].seconds, 0) << phases[i].name;
  }
  phases.resize(2);
  const std::string json = bench::step_json(small(), phases);
  EXPECT_NE(json.find("\"shrink\": 8,"), std::string::npos) << json;
  EXPECT_NE(json.find("{\"name\": \"rollout\", \"first_seconds\": "), std::string::npos) << json;
  EXPECT_NE(json.find("\"tokens\": 64, \"product_tflops\": "), std::string::npos) << json;
  EXPECT_EQ(json.find("vocoder"), std::string::npos) << json;
}

TEST(StepBench, RefusesWhatIsNoStep) {
  bench::StepSizes s = small();
  s.micro_batch_tokens = 15;
  std::vector<bench::StepPhase> phases;
  EXPECT_THROW(bench::run_step(s, [&](const bench::StepPhase& phase) { phases.push_back(phase); }),
               std::runtime_error);
  EXPECT_EQ(phases.size(), 1u) << "what was measured before is told";
}

}  // namespace
}  // namespace llasa::test
