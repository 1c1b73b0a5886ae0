// What a policy in bf16 errs by: log-probs and gradients against double, by the criterion of low precision. The error is
// at most twice that of a plain version (reference/llama_rounded.h), of the same matrices, which are exact in bf16.
//
// Errors of one are sums of many roundings of either sign, of which the plain version has all that this one has, and more
// (the residual stream, the rotated, what SiLU gives): so theirs has the larger spread, and twice is room for chance in
// what few numbers a small tensor has. What is added, kF32 of the exact norm, is what f32 costs: where the plain version
// happens to be exact, sums in f32 of up to 100 terms (64 hidden, 96 inner) in two layers are not.
#include <gtest/gtest.h>

#include <cmath>

#include "bf16_arrays.h"
#include "reference/llama_rounded.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

constexpr double kF32 = 2 * 100 * 0x1p-24;

llasa_policy_options options_of(bool tied) {
  llasa_policy_options options = small_options(tied);
  options.hidden_size = 64;
  options.intermediate_size = 96;
  options.head_dim = 16;
  options.compute_dtype = LLASA_BF16;
  return options;
}

BatchData some_batch() {
  BatchData batch;
  batch.add({1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45}, 3);
  batch.add({1, 5, 9, 2, 4, 8, 16, 32, 60}, 3);
  batch.add({7, 7, 7, 7, 7, 12, 30, 2}, 1);
  return batch;
}

struct Result {
  std::vector<double> logprobs;
  std::map<std::string, std::vector<double>> gradients;
};

template <typename Round>
Result reference_of(const llasa_policy_options& options,
                    const std::map<std::string, std::vector<double>>& weights, const BatchData& batch,
                    Round round) {
  reference::RoundedLlama<Round> llama(options, weights, round);
  for (size_t b = 0; b < batch.prompt_lengths.size(); ++b) {
    const auto begin = batch.ids.begin() + batch.offsets[b], end = batch.ids.begin() + batch.offsets[b + 1];
    llama.add({begin, end}, static_cast<size_t>(batch.prompt_lengths[b]),
              1 / static_cast<double>(batch.scored()));
  }
  return {llama.logprobs(), llama.gradients()};
}

// chunk: rows of logits, and of their gradient, at a time; 0: all of them.
Result result_of(llasa_policy* policy, const BatchData& batch, int32_t recompute = 0, int32_t chunk = 0) {
  llasa_trainer_options trainer_options;
  llasa_trainer_options_init(&trainer_options);
  trainer_options.recompute = recompute;
  const TrainerHandle trainer = create_trainer(policy, trainer_options);
  llasa_head_options head;
  llasa_head_options_init(&head);
  if (chunk > 0) head.chunk_tokens = chunk;
  std::vector<float> logprobs(static_cast<size_t>(batch.scored()));
  accumulate(trainer.get(), batch, head, Loss::cross_entropy(), {}, logprobs.data());
  Result result{{logprobs.begin(), logprobs.end()}, {}};
  for (const Parameter& p : parameters(policy)) {
    std::vector<float> values(static_cast<size_t>(p.size));
    if (llasa_trainer_get_state(trainer.get(), LLASA_STATE_GRADIENT, p.name.c_str(), values.data(), p.size) ==
        LLASA_OK) {
      result.gradients[p.name] = {values.begin(), values.end()};
    }
  }
  return result;
}

double norm(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(squares);
}
double norm(const std::vector<double>& a) {
  return norm(a, std::vector<double>(a.size()));
}

// factor: how often the plain version's error is allowed; 0: what f32 costs alone.
void expect_error(const Result& actual, const Result& exact, const Result& plain, double factor) {
  const auto expect = [&](const std::string& what, const std::vector<double>& a, const std::vector<double>& e,
                          const std::vector<double>& p) {
    const double allowed = factor * norm(p, e) + kF32 * norm(e);
    EXPECT_LE(norm(a, e), allowed) << what << ": plain " << norm(p, e) << " of " << norm(e);
  };
  expect("log-probs", actual.logprobs, exact.logprobs, plain.logprobs);
  for (const auto& [name, gradient] : actual.gradients)
    expect(name, gradient, exact.gradients.at(name), plain.gradients.at(name));
}

// Matrices that bf16 has.
std::map<std::string, std::vector<double>> set_exact_weights(llasa_policy* policy, uint64_t seed) {
  randomise(policy, seed);
  std::map<std::string, std::vector<double>> weights;
  for (const Parameter& p : parameters(policy)) {
    std::vector<float> values = get_tensor(policy, p);
    if (p.shape.size() == 2) values = rounded_bf16(values);
    set_tensor(policy, p, values);
    weights[p.name] = {values.begin(), values.end()};
  }
  return weights;
}

TEST(Bf16Error, TheOracleIsThePolicyInF32) {
  for (const bool tied : {true, false}) {
    llasa_policy_options options = options_of(tied);
    options.compute_dtype = LLASA_F32;
    const PolicyHandle policy = create_policy(options);
    const BatchData batch = some_batch();
    const Result exact =
        reference_of(options, set_exact_weights(policy.get(), 61), batch, reference::Exact{});
    expect_error(result_of(policy.get(), batch), exact, exact, 0);
  }
}

TEST(Bf16Error, OfLogProbsAndGradientsIsAtMostTwiceAPlainVersions) {
  for (const bool tied : {true, false}) {
    const llasa_policy_options options = options_of(tied);
    const PolicyHandle policy = create_policy(options);
    const BatchData batch = some_batch();
    const auto weights = set_exact_weights(policy.get(), 71);
    const Result exact = reference_of(options, weights, batch, reference::Exact{}),
                 plain = reference_of(options, weights, batch, reference::RoundToBf16{});
    const Result kept = result_of(policy.get(), batch);
    EXPECT_EQ(kept.gradients.size(), weights.size());
    expect_error(kept, exact, plain, 2);
    expect_error(result_of(policy.get(), batch, 0, 5), exact, plain, 2);
    for (const int32_t recompute : {1, 2}) {
      const Result again = result_of(policy.get(), batch, recompute);
      EXPECT_EQ(again.logprobs, kept.logprobs) << recompute;
      EXPECT_EQ(again.gradients, kept.gradients) << recompute;
    }
  }
}

// Of W + s B A the gradient G gives s G A^T for B and s B^T G for A. The plain version is that of one matrix, which rounds
// less than one with an adapter would: no product with A alone.
TEST(Bf16Error, OfAnAdapterIsAtMostTwiceAPlainVersionsOfTheMergedModel) {
  llasa_policy_options options = options_of(true);
  options.frozen = 1;
  const PolicyHandle policy = create_policy(options);
  const BatchData batch = some_batch();
  auto weights = set_exact_weights(policy.get(), 81);
  llasa_lora_options lora;
  llasa_lora_options_init(&lora);
  constexpr int64_t kRank = 5;
  lora.rank = kRank;
  lora.alpha = 2 * kRank;
  ASSERT_OK(llasa_policy_attach_lora(policy.get(), &lora));
  std::map<std::string, std::vector<double>> adapter;
  for (const Parameter& p : parameters(policy.get())) {
    if (p.name.find("lora_") == std::string::npos) continue;
    const std::vector<float> values = rounded_bf16(normals(91 + adapter.size(), p.size, 0.06f));
    set_tensor(policy.get(), p, values);
    adapter[p.name] = {values.begin(), values.end()};
  }
  const auto for_targets = [&](auto&& body) {  // of W [N,K], A [rank,K], B [N,rank]
    for (const auto& [name, a] : adapter) {
      const size_t at = name.find(".lora_A");
      if (at == std::string::npos) continue;
      const std::string base = name.substr(17, at - 17) + ".weight";  // behind "base_model.model."
      body(base, name, name.substr(0, at) + ".lora_B.weight", static_cast<int64_t>(a.size()) / kRank);
    }
  };
  for_targets([&](const std::string& base, const std::string& a, const std::string& b, int64_t K) {
    std::vector<double>& w = weights.at(base);
    for (size_t i = 0; i < w.size(); ++i) {
      const auto n = static_cast<int64_t>(i) / K, k = static_cast<int64_t>(i) % K;
      for (int64_t r = 0; r < kRank; ++r)
        w[i] +=
            2 * adapter[b][static_cast<size_t>(n * kRank + r)] * adapter[a][static_cast<size_t>(r * K + k)];
    }
  });
  const auto of_adapter = [&](Result result) {
    std::map<std::string, std::vector<double>> gradients;
    for_targets([&](const std::string& base, const std::string& a, const std::string& b, int64_t K) {
      const std::vector<double>& g = result.gradients.at(base);
      std::vector<double>&da = gradients[a], &db = gradients[b];
      da.resize(adapter[a].size());
      db.resize(adapter[b].size());
      for (size_t i = 0; i < g.size(); ++i) {
        const auto n = static_cast<int64_t>(i) / K, k = static_cast<int64_t>(i) % K;
        for (int64_t r = 0; r < kRank; ++r) {
          const auto in_a = static_cast<size_t>(r * K + k), in_b = static_cast<size_t>(n * kRank + r);
          da[in_a] += 2 * adapter[b][in_b] * g[i];
          db[in_b] += 2 * adapter[a][in_a] * g[i];
        }
      }
    });
    result.gradients = gradients;
    return result;
  };
  const Result exact = of_adapter(reference_of(options, weights, batch, reference::Exact{})),
               plain = of_adapter(reference_of(options, weights, batch, reference::RoundToBf16{}));
  const Result kept = result_of(policy.get(), batch);
  EXPECT_EQ(kept.gradients.size(), adapter.size());
  expect_error(kept, exact, plain, 2);
}

}  // namespace
}  // namespace llasa::test
