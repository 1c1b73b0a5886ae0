// The policy's forward pass against the oracle, and what must not change its log-probs.
#include <algorithm>

#include "policy_fixture.h"

namespace llasa::test {
namespace {

class PolicyOracle : public testing::TestWithParam<std::filesystem::path> {};

void expect_near(const std::vector<float>& got, const std::vector<float>& expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    worst = error > worst || std::isnan(error) ? error : worst;
  }
  EXPECT_LE(worst, tolerance) << what;
}

TEST_P(PolicyOracle, LogitsLogProbsAndEntropiesMatch) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const Tensors expected = read_safetensors(GetParam() / "expected.safetensors");
  const PolicyHandle policy = load_policy(GetParam());
  const Json& tolerance = manifest["tolerance"];
  const int64_t V = manifest["config"]["vocab_size"].integer();
  for (int64_t s = 0; s < manifest["sequences"].integer(); ++s) {
    const std::string sequence = "seq" + std::to_string(s) + ".";
    const auto ids = expected.at(sequence + "input_ids").integers<int32_t>();
    const auto length = static_cast<int64_t>(ids.size());
    std::vector<float> logits(static_cast<size_t>(length * V));
    ASSERT_OK(llasa_policy_logits(policy.get(), ids.data(), length, logits.data()));
    expect_near(logits, expected.at(sequence + "logits").floats(), tolerance["logits_abs"].number(),
                sequence + "logits");
    if (length < 2) continue;
    BatchData batch;
    batch.add(ids, 1);
    const llasa_token_batch view = batch.view();
    for (const auto& [suffix, temperature] : {std::pair{"t1", 1.0f}, std::pair{"t0.8", 0.8f}}) {
      llasa_head_options head;
      llasa_head_options_init(&head);
      head.temperature = temperature;
      std::vector<float> logprobs(static_cast<size_t>(length - 1)), entropies(logprobs.size());
      ASSERT_OK(llasa_policy_logprobs(policy.get(), &view, &head, 0, logprobs.data(), entropies.data()));
      expect_near(logprobs, expected.at(sequence + "logp." + suffix).floats(), tolerance["logp_abs"].number(),
                  sequence + "logp." + suffix);
      std::vector<float> want = expected.at(sequence + "entropy." + suffix).floats();
      want.pop_back();  // after the last token nothing is drawn
      expect_near(entropies, want, tolerance["entropy_abs"].number(), sequence + "entropy." + suffix);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LlamaForward, PolicyOracle, testing::ValuesIn(cases("llama_forward")),
                         [](const auto& test) { return case_name(test.param); });

TEST(PolicyOracle, CasesAreThere) {
  EXPECT_GE(cases("llama_forward").size(), 4u);
}

}  // namespace
}  // namespace llasa::test
