#include "models/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "abi/options.h"
#include "core/live_counts.h"
#include "core/parallel.h"
#include "failing_allocator.h"
#include "reference/sampling.h"
#include "rollout_fixture.h"
#include "simulated.h"
#include "tiny_policy.h"

namespace llasa::test {
namespace {

std::vector<int32_t> allowed_ids(const llasa_sampling_options& o, int32_t vocab) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocab; ++id) {
    if (o.restrict_end == 0 || (id >= o.restrict_start && id < o.restrict_end) || id == o.restrict_extra) {
      ids.push_back(id);
    }
  }
  return ids;
}

// Every recorded log-prob against the reference in double, and every draw replayed from the reference's
// logits.
void check_against_reference(const TinyPolicy& policy, const Job& job, const Samples& s, double tolerance) {
  const llasa_sampling_options& o = job.sampling;
  const auto width = static_cast<size_t>(o.max_new_tokens);
  size_t replayed = 0, total = 0;
  for (size_t i = 0; i < s.lengths.size(); ++i) {
    const std::vector<int32_t>& prompt = job.prompts[i / static_cast<size_t>(job.samples)];
    const auto length = static_cast<size_t>(s.lengths[i]);
    ASSERT_GE(length, 1u);
    std::vector<int32_t> tokens = prompt;
    tokens.insert(tokens.end(), s.tokens.begin() + static_cast<ptrdiff_t>(i * width),
                  s.tokens.begin() + static_cast<ptrdiff_t>(i * width + length));
    const std::vector<Vector> logits = reference_llama(policy.options, policy.weights, tokens);
    for (size_t t = 0; t < length; ++t, ++total) {
      const size_t at = prompt.size() + t;
      const std::vector<float> row(logits[at - 1].begin(), logits[at - 1].end());
      std::vector<int32_t> history;
      if (o.repetition_penalty != 1)
        history.assign(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(at));
      const double temperature = o.temperature == 0 ? 1 : static_cast<double>(o.temperature);
      const ReferenceSampling expected = reference_sampling(
          row, allowed_ids(o, policy.options.vocab_size), history, static_cast<double>(o.repetition_penalty),
          temperature, o.top_k, static_cast<double>(o.top_p), static_cast<double>(o.min_p));
      const auto id = static_cast<size_t>(tokens[at]);
      ASSERT_NEAR(s.logprobs[i * width + t], expected.log_probs[id], tolerance)
          << "sample " << i << " token " << t;
      if (o.temperature > 0) {
        ASSERT_TRUE(expected.kept[id]);
      }
      const int64_t history_offsets[] = {0, static_cast<int64_t>(history.size())};
      const uint64_t sequence = job.sequence_ids.empty() ? i : job.sequence_ids[i];
      const auto position = static_cast<int64_t>(at);
      int32_t again = -1;
      float logprob = 0;
      ASSERT_EQ(llasa_sample(&o, row.data(), 1, policy.options.vocab_size, history_offsets, history.data(),
                             &sequence, &position, &again, &logprob),
                LLASA_OK);
      replayed += again == tokens[at];
    }
    for (size_t t = length; t < width; ++t) {
      EXPECT_EQ(s.tokens[i * width + t], -1);
      EXPECT_EQ(s.logprobs[i * width + t], 0.0f);
    }
  }
  // A draw within rounding (1e-6) of a boundary may fall to either side; none does with these seeds.
  EXPECT_EQ(replayed, total);
}

// The project's bound for a whole rollout in f32 is 1e-4; logits of this model reach 10 and carry 30 eps.
constexpr double kLogprobTolerance = 2e-5;

TEST(Rollout, LogProbsAndDrawsEqualTheReference) {
  const TinyPolicy policy;
  Job job = make_job();
  job.sequence_ids.resize(job.prompts.size() * 3);
  for (size_t i = 0; i < job.sequence_ids.size(); ++i) job.sequence_ids[i] = 1000 * i + 17;
  check_against_reference(policy, job, generate(policy, job), kLogprobTolerance);
}

TEST(Rollout, FiltersPenaltyAndFullVocabularyEqualTheReference) {
  llasa_policy_options o = tiny_options();
  o.tie_word_embeddings = 1;
  const TinyPolicy policy(o, 7);
  Job job = make_job();
  job.sampling.restrict_start = job.sampling.restrict_end = 0;
  job.sampling.restrict_extra = -1;
  job.sampling.repetition_penalty = 1.2f;
  job.sampling.top_k = 20;
  job.sampling.top_p = 0.9f;
  job.sampling.min_p = 0.02f;
  check_against_reference(policy, job, generate(policy, job), kLogprobTolerance);
}

// exp(logprob - draw_logprob) is the mass that top-p kept: at least top_p, at most all.
TEST(Rollout, DrawLogProbsKnowWhatWasDropped) {
  const TinyPolicy policy;
  Job job = make_job();
  const Samples all = generate(policy, job);
  job.sampling.top_p = 0.8f;
  const Samples cut = generate(policy, job);
  size_t smaller = 0, drawn = 0;
  for (size_t i = 0; i < all.tokens.size(); ++i) {
    if (all.tokens[i] < 0) {
      EXPECT_EQ(all.draw_logprobs[i], 0.0f);
    } else {
      EXPECT_NEAR(all.draw_logprobs[i], all.logprobs[i], 1e-6);  // two logarithms of one mass
    }
    if (cut.tokens[i] < 0) continue;
    const float kept = std::exp(cut.logprobs[i] - cut.draw_logprobs[i]);
    EXPECT_GE(kept, 0.8f - 1e-5f);
    EXPECT_LE(kept, 1.0f + 1e-5f);
    smaller += kept < 0.99f;
    ++drawn;
  }
  EXPECT_GT(smaller, drawn / 4);
}

TEST(Rollout, GreedyTakesTheReferencesArgmax) {
  const TinyPolicy policy;
  Job job = make_job();
  job.samples = 1;
  job.sampling.temperature = 0;
  check_against_reference(policy, job, generate(policy, job), kLogprobTolerance);
}

// Log-probs of two runs that decode other numbers of rows together. Attention does the same for a row in any company
// (AttentionDecode.*), but products may add up their terms in another order. On the way to a logit are, layer by layer,
// sums of 24, 60, 24 and 40 terms, and 24 in the head: 2 x 148 + 24 = 320 roundings in each run, of at most 2^-24 of
// values that reach 10 in a logit. As independent errors those of both runs add up to sqrt(2 x 320) of one. A log-prob
// is the difference of a logit and a logarithm of a sum of logits' powers, which errs as they do: twice that, 3.0e-5.
// The CPU is held to what it kept before: 1e-5.
const double kOtherRowsTolerance = on_device() ? 2 * std::sqrt(2 * 320.0) * std::exp2(-24) * 10 : 1e-5;

TEST(Rollout, NumberOfSlotsDoesNotChangeASample) {
  const TinyPolicy policy;
  Job job = make_job();
  const Samples few = generate(policy, job);
  for (int32_t slots : repetitions<std::vector<int32_t>>({1, 2, 7, 64}, {1, 64})) {
    job.slots = slots;
    const Samples other = generate(policy, job);
    EXPECT_EQ(other.tokens, few.tokens) << slots;
    EXPECT_EQ(other.lengths, few.lengths);
    EXPECT_EQ(other.reasons, few.reasons);
    for (size_t i = 0; i < few.logprobs.size(); ++i) {
      ASSERT_NEAR(other.logprobs[i], few.logprobs[i], kOtherRowsTolerance);
    }
  }
}

// Samples that end between two looks of the host stand still, and others take their slots later; neither may
// show in a sample.
TEST(Rollout, NumberOfStepsBetweenReadbacksDoesNotChangeASample) {
  const TinyPolicy policy;
  Job job = make_job();
  job.sampling.repetition_penalty = 1.2f;
  job.sampling.min_new_tokens = 5;
  job.max_sequence = 60;
  job.readback_steps = 1;
  const Samples every = generate(policy, job);
  ASSERT_NE(std::count(every.reasons.begin(), every.reasons.end(), LLASA_FINISH_STOP), 0);
  ASSERT_NE(std::count(every.reasons.begin(), every.reasons.end(), LLASA_FINISH_LENGTH), 0);
  for (int32_t steps : repetitions<std::vector<int32_t>>({2, 8, 37, 64}, {2, 64})) {
    job.readback_steps = steps;
    std::vector<int64_t> finished;
    job.finished_user = &finished;
    job.finished = [](void* user, int64_t index) -> int32_t {
      static_cast<std::vector<int64_t>*>(user)->push_back(index);
      return 0;
    };
    const Samples other = generate(policy, job);
    EXPECT_EQ(other.tokens, every.tokens) << steps;
    EXPECT_EQ(other.lengths, every.lengths);
    EXPECT_EQ(other.reasons, every.reasons);
    for (size_t i = 0; i < every.logprobs.size();
         ++i) {  // the matrix products' rounding, as with other slots
      ASSERT_NEAR(other.logprobs[i], every.logprobs[i], kOtherRowsTolerance);
      ASSERT_NEAR(other.draw_logprobs[i], every.draw_logprobs[i], kOtherRowsTolerance);
    }
    std::sort(finished.begin(), finished.end());
    std::vector<int64_t> all(every.lengths.size());
    std::iota(all.begin(), all.end(), int64_t{0});
    EXPECT_EQ(finished, all);
  }
}

// As long as the same rows are decoded together, nothing differs at all.
TEST(Rollout, ReadbacksAloneChangeNoBit) {
  const TinyPolicy policy;
  Job job = make_job();
  job.slots = 21;
  job.sampling.stop_token = -1;
  job.readback_steps = 1;
  const Samples every = generate(policy, job);
  for (int32_t steps : repetitions<std::vector<int32_t>>({5, 37, 1024}, {5})) {
    job.readback_steps = steps;
    EXPECT_EQ(generate(policy, job), every) << steps;
  }
}

TEST(Rollout, ReadbackStepsAreChecked) {
  const TinyPolicy policy;
  llasa_rollout_options o;
  llasa_rollout_options_init(&o);
  for (int32_t steps : {-1, 1025}) {
    o.readback_steps = steps;
    llasa_rollout* rollout = nullptr;
    EXPECT_EQ(llasa_rollout_create(policy.handle, &o, &rollout), LLASA_ERR_ARGUMENT);
    EXPECT_EQ(rollout, nullptr);
    EXPECT_NE(std::string(llasa_last_error()).find("readback_steps"), std::string::npos)
        << llasa_last_error();
  }
}

#if !defined(LLASA_TESTS_ON_DEVICE)  // the simulator allocates for every launch
// From the second report to the fifth, 24 tokens of every slot, an allocation would fail the call.
TEST(Rollout, DecodingAllocatesNothingPerToken) {
  const TinyPolicy policy;
  Job job = make_job();
  job.slots = 21;
  job.sampling.stop_token = -1;
  llasa_rollout* rollout = create(policy.handle, job.slots);
  const Samples expected = generate(rollout, job);
  int64_t calls = 0;
  job.user = &calls;
  job.progress = [](void* user, int64_t, int64_t) -> int32_t {
    const int64_t call = ++*static_cast<int64_t*>(user);
    if (call == 2) fail_host_allocation_after(0);
    if (call == 5) fail_host_allocation_after(-1);
    return 0;
  };
  const Samples again = generate(rollout, job);
  fail_host_allocation_after(-1);
  EXPECT_EQ(again, expected);
  EXPECT_GE(calls, 5);
  llasa_rollout_destroy(rollout);
}
#endif

TEST(Rollout, ASampleDoesNotDependOnOtherPrompts) {
  const TinyPolicy policy;
  Job job = make_job();
  job.sequence_ids.resize(job.prompts.size() * 3);
  std::iota(job.sequence_ids.begin(), job.sequence_ids.end(), 500u);
  const Samples all = generate(policy, job);
  Job alone = job;
  alone.prompts = {job.prompts[5]};
  alone.samples = 1;
  alone.sequence_ids = {500 + 5 * 3 + 2};
  const Samples one = generate(policy, alone);
  const auto width = static_cast<ptrdiff_t>(job.sampling.max_new_tokens);
  EXPECT_TRUE(std::equal(one.tokens.begin(), one.tokens.end(), all.tokens.begin() + 17 * width));
}

TEST(Rollout, IsBitEqualWhenRepeatedAndForAnyThreads) {
  const TinyPolicy policy;
  const Job job = make_job();
  llasa_rollout* rollout = create(policy.handle, 4);
  set_num_threads(1);
  const Samples first = generate(rollout, job);
  EXPECT_EQ(generate(rollout, job), first);
  set_num_threads(3);
  EXPECT_EQ(generate(rollout, job), first);
  set_num_threads(0);
  llasa_rollout_destroy(rollout);
}

TEST(Rollout, FinishReasonsAndLimits) {
  const TinyPolicy policy;
  Job job = make_job();
  job.samples = repetitions(20, 8);
  Samples s = generate(policy, job);
  const auto width = static_cast<size_t>(job.sampling.max_new_tokens);
  int stops = 0;
  for (size_t i = 0; i < s.lengths.size(); ++i) {
    const int32_t last = s.tokens[i * width + static_cast<size_t>(s.lengths[i]) - 1];
    EXPECT_EQ(s.reasons[i], last == 5 ? LLASA_FINISH_STOP : LLASA_FINISH_LENGTH);
    if (last != 5) {
      EXPECT_EQ(s.lengths[i], 37);
    }
    EXPECT_EQ(std::count(s.tokens.begin() + static_cast<ptrdiff_t>(i * width),
                         s.tokens.begin() + static_cast<ptrdiff_t>((i + 1) * width), 5),
              last == 5);
    stops += last == 5;
  }
  EXPECT_GT(stops, 10);
  EXPECT_LT(stops, 7 * job.samples);

  job.sampling.min_new_tokens = 9;
  s = generate(policy, job);
  EXPECT_EQ(*std::min_element(s.lengths.begin(), s.lengths.end()) >= 10, true);

  job.sampling.stop_token = -1;
  job.max_sequence = 45;
  s = generate(policy, job);
  for (size_t i = 0; i < s.lengths.size(); ++i) {
    const auto prompt = static_cast<int32_t>(job.prompts[i / static_cast<size_t>(job.samples)].size());
    EXPECT_EQ(s.lengths[i], std::min(37, 45 - prompt));
    EXPECT_EQ(s.reasons[i], LLASA_FINISH_LENGTH);
  }
}

TEST(Rollout, BadRequestsAreRefusedAndNameTheFault) {
  const TinyPolicy policy;
  const auto refused = [&](Job job, llasa_status status, const char* text) {
    job.expected = status;
    generate(policy, job);
    EXPECT_NE(std::string(llasa_last_error()).find(text), std::string::npos) << llasa_last_error();
  };
  Job job = make_job();
  job.prompts[4].clear();
  refused(job, LLASA_ERR_ARGUMENT, "prompt 4");
  job = make_job();
  job.prompts[2][3] = 61;
  refused(job, LLASA_ERR_TOKEN, "61");
  job = make_job();
  job.max_sequence = 40;
  refused(job, LLASA_ERR_CAPACITY, "prompt 5 has 40 tokens");
  job = make_job();
  job.samples = 0;
  refused(job, LLASA_ERR_ARGUMENT, "samples_per_prompt");
}

TEST(Rollout, MissingWeightsAreAState) {
  const llasa_policy_options o = tiny_options();
  llasa_policy* policy = nullptr;
  ASSERT_EQ(llasa_policy_create(&o, &policy), LLASA_OK);
  llasa_rollout* rollout = create(policy, 4);
  Job job = make_job();
  job.expected = LLASA_ERR_STATE;
  generate(rollout, job);
  llasa_rollout_destroy(rollout);
  llasa_policy_destroy(policy);
}

TEST(Rollout, ProgressGrowsAndCancelLeavesAUsableHandle) {
  const TinyPolicy policy;
  Job job = make_job();
  const Samples expected = generate(policy, job);
  struct Calls {
    int64_t stop_after = 1 << 30;
    int64_t count = 0, last = -1, total = 0;
  } calls;
  job.user = &calls;
  job.progress = [](void* user, int64_t done, int64_t total) -> int32_t {
    auto& c = *static_cast<Calls*>(user);
    EXPECT_GE(done, c.last);
    EXPECT_LE(done, total);
    c.last = done;
    c.total = total;
    return ++c.count > c.stop_after;
  };
  llasa_rollout* rollout = create(policy.handle, 4);
  EXPECT_EQ(generate(rollout, job), expected);
  EXPECT_EQ(calls.last, std::accumulate(expected.lengths.begin(), expected.lengths.end(), int64_t{0}));
  EXPECT_EQ(calls.total, 21 * 37);
  EXPECT_GT(calls.count, 5);
  calls = {3};
  job.expected = LLASA_ERR_CANCELLED;
  generate(rollout, job);
  EXPECT_EQ(calls.count, 4);
  calls = {};
  job.expected = LLASA_OK;
  EXPECT_EQ(generate(rollout, job), expected);
  llasa_rollout_destroy(rollout);
}

// What the callback sees of its sample is what the call returns, and each sample comes exactly once.
TEST(Rollout, TellsOfEverySampleOnceItIsFinal) {
  const TinyPolicy policy;
  Job job = make_job();
  const Samples expected = generate(policy, job);
  const size_t width = static_cast<size_t>(job.sampling.max_new_tokens);
  const size_t count = job.prompts.size() * static_cast<size_t>(job.samples);
  Samples seen{std::vector<int32_t>(count * width, -1),
               std::vector<float>(count * width, 0.0f),
               {},
               std::vector<int32_t>(count, -9),
               std::vector<int32_t>(count, -9)};
  struct Calls {
    const llasa_rollout_result* result;
    Samples* seen;
    size_t width;
    std::vector<int64_t> order;
    size_t stop_after = 1000;
  } calls{nullptr, &seen, width, {}};
  job.finished_user = &calls;
  job.finished = [](void* user, int64_t index) -> int32_t {
    auto& c = *static_cast<Calls*>(user);
    c.order.push_back(index);
    const auto i = static_cast<size_t>(index);
    c.seen->lengths[i] = c.result->lengths[i];
    c.seen->reasons[i] = c.result->finish_reasons[i];
    const auto length = static_cast<size_t>(c.result->lengths[i]);
    std::copy_n(c.result->tokens + i * c.width, length,
                c.seen->tokens.begin() + static_cast<ptrdiff_t>(i * c.width));
    std::copy_n(c.result->logprobs + i * c.width, length,
                c.seen->logprobs.begin() + static_cast<ptrdiff_t>(i * c.width));
    return c.order.size() > c.stop_after;
  };
  job.on_result = [&](const llasa_rollout_result& result) { calls.result = &result; };
  llasa_rollout* rollout = create(policy.handle, 4);
  EXPECT_EQ(generate(rollout, job), expected);
  seen.draw_logprobs = expected.draw_logprobs;
  EXPECT_EQ(seen, expected);
  EXPECT_NE(calls.order.front(), calls.order.back());
  EXPECT_FALSE(std::is_sorted(calls.order.begin(), calls.order.end())) << "samples of different lengths";
  std::sort(calls.order.begin(), calls.order.end());
  std::vector<int64_t> all(count);
  std::iota(all.begin(), all.end(), int64_t{0});
  EXPECT_EQ(calls.order, all);
  calls.order.clear();
  calls.stop_after = 3;
  job.expected = LLASA_ERR_CANCELLED;
  generate(rollout, job);
  EXPECT_EQ(calls.order.size(), 4u);
  calls.order.clear();
  calls.stop_after = 1000;
  job.expected = LLASA_OK;
  EXPECT_EQ(generate(rollout, job), expected) << "after a cancelled call";
  llasa_rollout_destroy(rollout);
}

// Three blocks hold a prompt's 40 tokens once, not once per sample, and everything is given back.
TEST(Rollout, PromptBlocksAreSharedAndReturned) {
  const TinyPolicy tiny;
  llasa_policy_options o = tiny.options;
  const auto policy = std::make_shared<Policy>(abi::make_llama_config(o));
  for (const auto& [name, values] : tiny.weights) {
    const TensorSpec& spec = policy->weights().find(name);
    policy->weights().set(policy->stream(), name, DType::kF32, spec.shape.data(),
                          static_cast<int32_t>(spec.shape.size()), values.data());
  }
  Rollout rollout(policy, 16, 0);
  struct Probe {
    const Rollout* rollout;
    int64_t most = 0;
  } probe{&rollout};
  // Nine tokens: all slots are still running at the eighth step, when progress is reported.
  std::vector<int32_t> prompt(41, 3), tokens(16 * 9), lengths(16), reasons(16);
  std::vector<float> logprobs(16 * 9);
  const int64_t offsets[] = {0, 41};
  RolloutRequest request;
  request.num_prompts = 1;
  request.samples_per_prompt = 16;
  request.prompt_offsets = offsets;
  request.prompt_ids = prompt.data();
  request.max_new_tokens = 9;
  request.progress_user = &probe;
  request.progress = [](void* user, int64_t, int64_t) -> int32_t {
    auto& p = *static_cast<Probe*>(user);
    p.most = std::max(p.most, p.rollout->cache().blocks_in_use());
    return 0;
  };
  SamplingParameters sampling;
  sampling.allowed = AllowedIds::of(0, 61, -1);
  const RolloutOutput output{tokens.data(), logprobs.data(), lengths.data(), reasons.data()};
  rollout.generate(sampling, request, output);
  EXPECT_EQ(probe.most, 3 + 16);
  EXPECT_EQ(rollout.cache().blocks_in_use(), 0);
  const int64_t blocks = rollout.cache().blocks_total(), bytes = allocated_bytes();
  rollout.generate(sampling, request, output);
  EXPECT_EQ(rollout.cache().blocks_total(), blocks);
  EXPECT_EQ(allocated_bytes(), bytes);
}

// At the true size: Llasa-1B in bf16, 128 samples of 1024 tokens and a prompt of 128, by a plan that takes nothing.
TEST(KvCache, IsTakenInFourSlabsThatComeToWhatIsExpected) {
  const MemoryPlan plan;
  llasa_policy_options o;
  llasa_policy_options_init(&o);
  o.vocab_size = 128;
  o.hidden_size = 2048;
  o.intermediate_size = 8192;
  o.head_dim = 64;
  o.num_layers = 16;
  o.num_heads = 32;
  o.num_kv_heads = 8;
  o.max_position_embeddings = 2048;
  Stream stream;
  Phase phase;
  const PhaseLease lease(phase, stream);
  KvCache cache(abi::make_llama_config(o), 2 * 128, 2048, DType::kBf16, phase);
  const int64_t blocks = 128 * 1024 / 16 + 128 / 16, block_bytes = 16 * 2 * 8 * 64 * 16 * 2;
  cache.begin(blocks);
  std::vector<int64_t> sizes;
  const auto extend = [&](int64_t row, int64_t tokens) {
    cache.extend(row, tokens);
    const int64_t taken = plan.items().back().bytes;
    if (sizes.empty() || taken != sizes.back()) sizes.push_back(taken);
  };
  extend(0, 128);
  for (int64_t tokens = 1; tokens <= 1024; ++tokens) {
    for (int64_t row = 0; row < 128; ++row) extend(128 + row, tokens);
  }
  EXPECT_EQ(sizes.size(), 4u);
  EXPECT_EQ(sizes.back(), blocks * block_bytes);
  EXPECT_TRUE(plan.items().back().in_turn);
  EXPECT_EQ(cache.blocks_total(), blocks);
  // What comes unexpectedly has a slab of the smallest size.
  extend(1, 16);
  EXPECT_EQ(cache.blocks_total(), blocks + (4 << 20) / block_bytes);
}

// A slab that is not to be had is taken in smaller ones.
TEST(KvCache, MakesDoWithSmallerSlabs) {
  llasa_policy_options o = TinyPolicy().options;
  o.num_kv_heads = o.num_heads;
  const LlamaConfig config = abi::make_llama_config(o);
  Stream stream;
  Phase phase;
  const PhaseLease lease(phase, stream);
  KvCache cache(config, 2, 16 << 20, DType::kF32, phase);
  const int64_t block_bytes = config.num_layers * 2 * config.num_kv_heads * config.head_dim * 16 * 4;
  cache.begin((64 << 20) / block_bytes);
  fail_allocation_after(0);
  cache.extend(0, 1);
  fail_allocation_after(-1);
  EXPECT_EQ(cache.blocks_total(), (64 << 20) / block_bytes / 8 / 2);
  // The smallest is the last that is tried.
  KvCache small(config, 2, 16, DType::kF32, phase);
  small.begin(1);
  fail_allocation_after(0);
  EXPECT_THROW(for (;;) phase.take(block_bytes, "all the room there is"), Error);
  fail_allocation_after(0);
  EXPECT_THROW(small.extend(0, 1), Error);
  fail_allocation_after(-1);
  small.extend(0, 1);
  EXPECT_EQ(small.blocks_total(), 1);
}

TEST(Rollout, HandlesMayBeDestroyedInAnyOrder) {
  const int64_t bytes = allocated_bytes();
  {
    auto policy = std::make_unique<TinyPolicy>();
    llasa_rollout* rollout = create(policy->handle, 4);
    policy.reset();
    EXPECT_EQ(live_count(HandleKind::kPolicy), 0);
    EXPECT_EQ(live_count(HandleKind::kRollout), 1);
    generate(rollout, make_job());
    llasa_rollout_destroy(rollout);
  }
  EXPECT_EQ(live_count(HandleKind::kRollout), 0);
  EXPECT_EQ(allocated_bytes(), bytes);
}

}  // namespace
}  // namespace llasa::test
