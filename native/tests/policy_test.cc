// The policy's forward pass against the oracle, and what must not change its log-probs.
#include <algorithm>
#include <utility>

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

// Everything about a batch that can be wrong has its status and names the entry.
TEST(Policy, RefusesBadBatchesByName) {
  const PolicyHandle policy = create_policy(small_options());
  randomise(policy.get(), 3);
  llasa_head_options head;
  llasa_head_options_init(&head);
  const auto refuse = [&](const BatchData& data, llasa_status status, const std::string& part) {
    const llasa_token_batch view = data.view();
    std::vector<float> logprobs(100);
    EXPECT_EQ(llasa_policy_logprobs(policy.get(), &view, &head, 0, logprobs.data(), nullptr), status) << part;
    EXPECT_NE(std::string(llasa_last_error()).find(part), std::string::npos) << llasa_last_error();
  };
  BatchData batch;
  batch.add({1, 2, 61}, 1);
  refuse(batch, LLASA_ERR_TOKEN, "token_ids[2]");
  batch = {};
  batch.add({1, 2, 3}, 4);
  refuse(batch, LLASA_ERR_ARGUMENT, "prompt_lengths[0]");
  batch.prompt_lengths[0] = 0;
  refuse(batch, LLASA_ERR_ARGUMENT, "prompt_lengths[0]");
  batch = {};
  batch.add(std::vector<int32_t>(65, 1), 1);
  refuse(batch, LLASA_ERR_CAPACITY, "max_position_embeddings");
  batch = {};
  batch.add({1, 2, 3}, 1);
  batch.offsets[1] = 0;
  refuse(batch, LLASA_ERR_ARGUMENT, "offsets[1]");
  batch.offsets[1] = 3;
  head.restrict_end = 3;  // 3 itself is not allowed
  refuse(batch, LLASA_ERR_TOKEN, "restricted");
  head.restrict_start = 5;
  refuse(batch, LLASA_ERR_ARGUMENT, "restrict_start");
  llasa_head_options_init(&head);
  head.temperature = 0;
  refuse(batch, LLASA_ERR_ARGUMENT, "temperature");
}

TEST(Policy, EmptyBatchesAndResponsesGiveNothing) {
  const PolicyHandle policy = create_policy(small_options());
  randomise(policy.get(), 3);
  llasa_head_options head;
  llasa_head_options_init(&head);
  BatchData batch;
  llasa_token_batch view = batch.view();
  EXPECT_OK(llasa_policy_logprobs(policy.get(), &view, &head, 0, nullptr, nullptr));
  batch.add({1, 2, 3}, 3);
  view = batch.view();
  EXPECT_OK(llasa_policy_logprobs(policy.get(), &view, &head, 0, nullptr, nullptr));
}

TEST(Policy, LogProbsThatAreNoNumbersAreReported) {
  const PolicyHandle policy = create_policy(small_options());
  randomise(policy.get(), 3);
  for (const Parameter& p : parameters(policy.get())) {
    if (p.name == "model.layers.0.mlp.down_proj.weight") {
      set_tensor(policy.get(), p, std::vector<float>(static_cast<size_t>(p.size), 3e38f));
    }
  }
  BatchData batch;
  batch.add({1, 2, 3}, 1);
  const llasa_token_batch view = batch.view();
  llasa_head_options head;
  llasa_head_options_init(&head);
  std::vector<float> logprobs(2);
  EXPECT_EQ(llasa_policy_logprobs(policy.get(), &view, &head, 0, logprobs.data(), nullptr),
            LLASA_ERR_NOT_FINITE);
}

TEST(Policy, WeightsMissingIsAStateAndOptionsAreChecked) {
  const PolicyHandle policy = create_policy(small_options());
  const int32_t id = 1;
  std::vector<float> logits(61);
  EXPECT_EQ(llasa_policy_logits(policy.get(), &id, 1, logits.data()), LLASA_ERR_STATE);
  EXPECT_NE(std::string(llasa_last_error()).find("model.embed_tokens.weight"), std::string::npos);
  const PolicyHandle other = create_policy(small_options(false));
  randomise(other.get(), 1);
  EXPECT_EQ(llasa_policy_copy_weights(policy.get(), other.get()), LLASA_ERR_SHAPE);
  llasa_policy* created = nullptr;
  const auto refuse = [&](auto&& change) {
    llasa_policy_options options = small_options();
    change(options);
    EXPECT_EQ(llasa_policy_create(&options, &created), LLASA_ERR_ARGUMENT);
    EXPECT_EQ(created, nullptr);
  };
  refuse([](llasa_policy_options& o) { o.head_dim = 7; });
  refuse([](llasa_policy_options& o) { o.head_dim = 258; });
  refuse([](llasa_policy_options& o) { o.num_kv_heads = 3; });
  refuse([](llasa_policy_options& o) { o.num_layers = 0; });
  refuse([](llasa_policy_options& o) { o.rope_theta = 0; });
  refuse([](llasa_policy_options& o) { o.rope_type = 2; });
  refuse([](llasa_policy_options& o) { o.rope_type = LLASA_ROPE_LLAMA3; });  // its four numbers are missing
}

}  // namespace
}  // namespace llasa::test
