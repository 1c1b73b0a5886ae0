// What the header promises about every function, whatever it computes: symbols, NULLs, struct sizes, handles
// after a failure, and allocations that fail.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "failing_allocator.h"
#include "tiny_policy.h"

namespace llasa::test {
namespace {

// ------------------------------------------------------------------------------------------- NULLs, sizes

class AbiContract : public testing::Test {
 protected:
  void SetUp() override {
    llasa_rollout_options o;
    llasa_rollout_options_init(&o);
    o.max_slots = 2;
    ASSERT_EQ(llasa_rollout_create(policy.handle, &o, &rollout), LLASA_OK);
    llasa_sampling_options_init(&sampling);
    sampling.max_new_tokens = 3;
    request.struct_size = sizeof request;
    request.samples_per_prompt = 2;
    request.num_prompts = 2;
    request.prompt_offsets = offsets;
    request.prompt_ids = prompts;
    result.struct_size = sizeof result;
    result.tokens = tokens;
    result.logprobs = floats;
    result.lengths = lengths;
    result.finish_reasons = reasons;
  }
  void TearDown() override { llasa_rollout_destroy(rollout); }

  // A failing call has the status and says its own name and `text`.
  static void expect(llasa_status status, llasa_status expected, const std::string& function,
                     const std::string& text) {
    EXPECT_EQ(status, expected) << function << " " << text;
    const std::string message = llasa_last_error();
    EXPECT_EQ(message.rfind(function + ": ", 0), 0u) << message;
    EXPECT_NE(message.find(text), std::string::npos) << message;
  }

  TinyPolicy policy;
  llasa_rollout* rollout = nullptr;
  llasa_sampling_options sampling{};
  llasa_rollout_request request{};
  llasa_rollout_result result{};
  int64_t offsets[3] = {0, 20, 22};
  int32_t prompts[22] = {};
  int32_t tokens[12] = {}, lengths[4] = {}, reasons[4] = {};
  float floats[64] = {};
  float logits[12] = {};
  int64_t positions[4] = {};
  uint64_t sequences[4] = {};
};

TEST_F(AbiContract, EveryNullPointerIsAnArgumentErrorThatNamesIt) {
  int64_t count = 0;
  void* data = nullptr;
  llasa_policy* made_policy = nullptr;
  llasa_rollout* made_rollout = nullptr;
  const llasa_policy_options o = tiny_options();
  llasa_rollout_options ro;
  llasa_rollout_options_init(&ro);
  const char* name = "model.norm.weight";
  const int64_t shape[] = {24};
  const auto null = [](const char* function, const char* argument,
                       const std::function<llasa_status()>& call) {
    expect(call(), LLASA_ERR_ARGUMENT, function, "`" + std::string(argument) + "`");
  };
  null("llasa_get_device_info", "out_info", [&] { return llasa_get_device_info(nullptr); });
  null("llasa_get_live_counts", "out_counts", [&] { return llasa_get_live_counts(nullptr); });
  null("llasa_struct_layout", "name", [&] { return llasa_struct_layout(nullptr, &count); });
  null("llasa_struct_layout", "out_bytes",
       [&] { return llasa_struct_layout("llasa_head_options", nullptr); });
  null("llasa_measure_machine_peaks", "out_peaks", [&] { return llasa_measure_machine_peaks(nullptr); });
  null("llasa_buffer_create", "out", [&] { return llasa_buffer_create(1, nullptr); });
  null("llasa_buffer_data", "buffer", [&] { return llasa_buffer_data(nullptr, &data, &count); });
  null("llasa_policy_create", "options", [&] { return llasa_policy_create(nullptr, &made_policy); });
  null("llasa_policy_create", "out", [&] { return llasa_policy_create(&o, nullptr); });
  null("llasa_policy_tensor_count", "policy", [&] { return llasa_policy_tensor_count(nullptr, &count); });
  null("llasa_policy_tensor_count", "out_count",
       [&] { return llasa_policy_tensor_count(policy.handle, nullptr); });
  null("llasa_policy_tensor_info", "out_info",
       [&] { return llasa_policy_tensor_info(policy.handle, 0, nullptr); });
  null("llasa_policy_set_tensor", "policy",
       [&] { return llasa_policy_set_tensor(nullptr, name, LLASA_F32, shape, 1, floats); });
  null("llasa_policy_set_tensor", "name",
       [&] { return llasa_policy_set_tensor(policy.handle, nullptr, LLASA_F32, shape, 1, floats); });
  null("llasa_policy_set_tensor", "shape",
       [&] { return llasa_policy_set_tensor(policy.handle, name, LLASA_F32, nullptr, 1, floats); });
  null("llasa_policy_set_tensor", "data",
       [&] { return llasa_policy_set_tensor(policy.handle, name, LLASA_F32, shape, 1, nullptr); });
  null("llasa_policy_get_tensor", "policy",
       [&] { return llasa_policy_get_tensor(nullptr, name, LLASA_F32, floats, 96); });
  null("llasa_policy_get_tensor", "name",
       [&] { return llasa_policy_get_tensor(policy.handle, nullptr, LLASA_F32, floats, 96); });
  null("llasa_policy_get_tensor", "out_data",
       [&] { return llasa_policy_get_tensor(policy.handle, name, LLASA_F32, nullptr, 96); });
  {
    llasa_dtype dtype = LLASA_F32;
    const char* gain = "model.norm.weight";
    null("llasa_policy_tensor_data", "policy",
         [&] { return llasa_policy_tensor_data(nullptr, gain, &data, &dtype); });
    null("llasa_policy_tensor_data", "name",
         [&] { return llasa_policy_tensor_data(policy.handle, nullptr, &data, &dtype); });
    null("llasa_policy_tensor_data", "out_data",
         [&] { return llasa_policy_tensor_data(policy.handle, gain, nullptr, &dtype); });
    null("llasa_policy_tensor_data", "out_dtype",
         [&] { return llasa_policy_tensor_data(policy.handle, gain, &data, nullptr); });
    null("llasa_policy_tensors_changed", "policy", [&] { return llasa_policy_tensors_changed(nullptr); });
  }
  null("llasa_policy_gather", "policy", [&] { return llasa_policy_gather(nullptr); });
  null("llasa_policy_share_out", "policy", [&] { return llasa_policy_share_out(nullptr, nullptr); });
  null("llasa_policy_copy_weights", "policy",
       [&] { return llasa_policy_copy_weights(nullptr, policy.handle); });
  null("llasa_policy_copy_weights", "source",
       [&] { return llasa_policy_copy_weights(policy.handle, nullptr); });
  null("llasa_rollout_create", "policy", [&] { return llasa_rollout_create(nullptr, &ro, &made_rollout); });
  null("llasa_rollout_create", "options",
       [&] { return llasa_rollout_create(policy.handle, nullptr, &made_rollout); });
  null("llasa_rollout_create", "out", [&] { return llasa_rollout_create(policy.handle, &ro, nullptr); });
  null("llasa_rollout_generate", "rollout",
       [&] { return llasa_rollout_generate(nullptr, &sampling, &request, &result); });
  null("llasa_rollout_generate", "sampling",
       [&] { return llasa_rollout_generate(rollout, nullptr, &request, &result); });
  null("llasa_rollout_generate", "request",
       [&] { return llasa_rollout_generate(rollout, &sampling, nullptr, &result); });
  null("llasa_rollout_generate", "result",
       [&] { return llasa_rollout_generate(rollout, &sampling, &request, nullptr); });
  const auto cleared = [&](auto& field, const char* argument) {
    const auto kept = field;
    field = nullptr;
    null("llasa_rollout_generate", argument,
         [&] { return llasa_rollout_generate(rollout, &sampling, &request, &result); });
    field = kept;
  };
  cleared(request.prompt_offsets, "request.prompt_offsets");
  cleared(request.prompt_ids, "request.prompt_ids");
  cleared(result.tokens, "result.tokens");
  cleared(result.logprobs, "result.logprobs");
  cleared(result.lengths, "result.lengths");
  cleared(result.finish_reasons, "result.finish_reasons");
  const auto sample = [&](const llasa_sampling_options* s, const float* x, const uint64_t* ids,
                          const int64_t* at, int32_t* out, float* logprobs) {
    return llasa_sample(s, x, 4, 3, nullptr, nullptr, ids, at, out, logprobs);
  };
  null("llasa_sample", "sampling",
       [&] { return sample(nullptr, logits, sequences, positions, lengths, floats); });
  null("llasa_sample", "logits",
       [&] { return sample(&sampling, nullptr, sequences, positions, lengths, floats); });
  null("llasa_sample", "sequence_ids",
       [&] { return sample(&sampling, logits, nullptr, positions, lengths, floats); });
  null("llasa_sample", "positions",
       [&] { return sample(&sampling, logits, sequences, nullptr, lengths, floats); });
  null("llasa_sample", "out_ids",
       [&] { return sample(&sampling, logits, sequences, positions, nullptr, floats); });
  null("llasa_sample", "out_logprobs",
       [&] { return sample(&sampling, logits, sequences, positions, lengths, nullptr); });
  null("llasa_sampling_distribution", "out_probs",
       [&] { return llasa_sampling_distribution(&sampling, logits, 4, 3, nullptr, nullptr, nullptr); });
  null("llasa_group_advantage", "rewards",
       [&] { return llasa_group_advantage(0, 0, nullptr, positions, nullptr, 4, floats); });
  null("llasa_group_advantage", "group_ids",
       [&] { return llasa_group_advantage(0, 0, floats, nullptr, nullptr, 4, floats); });
  null("llasa_group_advantage", "out_advantages",
       [&] { return llasa_group_advantage(0, 0, floats, positions, nullptr, 4, nullptr); });
}

TEST_F(AbiContract, ValuesOutOfRangeAreRefused) {
  const auto bad_sampling = [&](auto llasa_sampling_options::*field, auto value, const char* text) {
    llasa_sampling_options s = sampling;
    s.*field = value;
    expect(llasa_rollout_generate(rollout, &s, &request, &result), LLASA_ERR_ARGUMENT,
           "llasa_rollout_generate", text);
    expect(llasa_sample(&s, logits, 1, 3, nullptr, nullptr, sequences, positions, lengths, floats),
           LLASA_ERR_ARGUMENT, "llasa_sample", text);
  };
  const float nan = std::nanf("");
  for (float t : {-1.0f, 1e-9f, nan, INFINITY})
    bad_sampling(&llasa_sampling_options::temperature, t, "temperature");
  bad_sampling(&llasa_sampling_options::top_k, -1, "top_k");
  for (float p : {0.0f, -0.1f, 1.5f, nan}) bad_sampling(&llasa_sampling_options::top_p, p, "top_p");
  for (float p : {-0.1f, 1.0f, nan}) bad_sampling(&llasa_sampling_options::min_p, p, "min_p");
  for (float p : {0.0f, -2.0f, nan, INFINITY}) {
    bad_sampling(&llasa_sampling_options::repetition_penalty, p, "repetition_penalty");
  }
  bad_sampling(&llasa_sampling_options::restrict_end, 62, "restrict_end");
  bad_sampling(&llasa_sampling_options::restrict_start, 1, "restrict_start");
  bad_sampling(&llasa_sampling_options::restrict_extra, -2, "restrict_extra");
  bad_sampling(&llasa_sampling_options::restrict_extra, 61, "restrict_extra");
  bad_sampling(&llasa_sampling_options::stop_token, 61, "stop_token");
  bad_sampling(&llasa_sampling_options::max_new_tokens, 0, "max_new_tokens");
  bad_sampling(&llasa_sampling_options::min_new_tokens, -1, "min_new_tokens");
  const int64_t backwards[] = {0, 3, 1};
  const int64_t late[] = {1, 3, 4};
  const int32_t history[] = {0, 1, 7, 0};
  sampling.repetition_penalty = 2;
  const auto with_history = [&](const int64_t* at) {
    return llasa_sample(&sampling, logits, 2, 3, at, history, sequences, positions, lengths, floats);
  };
  expect(with_history(backwards), LLASA_ERR_TOKEN, "llasa_sample", "history_ids[2]");
  expect(with_history(late), LLASA_ERR_ARGUMENT, "llasa_sample", "history_offsets[0]");
  expect(llasa_sample(&sampling, logits, -1, 3, nullptr, nullptr, sequences, positions, lengths, floats),
         LLASA_ERR_ARGUMENT, "llasa_sample", "rows");
  expect(llasa_sample(&sampling, logits, 1, 0, nullptr, nullptr, sequences, positions, lengths, floats),
         LLASA_ERR_ARGUMENT, "llasa_sample", "vocab_size");
  expect(llasa_group_advantage(3, 0, floats, positions, nullptr, 4, floats), LLASA_ERR_ARGUMENT,
         "llasa_group_advantage", "estimator");
  expect(llasa_group_advantage(0, nan, floats, positions, nullptr, 4, floats), LLASA_ERR_ARGUMENT,
         "llasa_group_advantage", "epsilon");
  expect(llasa_group_advantage(0, 0, floats, positions, nullptr, -4, floats), LLASA_ERR_ARGUMENT,
         "llasa_group_advantage", "count");
  for (int32_t slots : {0, -1, 65537}) {
    llasa_rollout_options ro;
    llasa_rollout_options_init(&ro);
    ro.max_slots = slots;
    llasa_rollout* made = rollout;
    expect(llasa_rollout_create(policy.handle, &ro, &made), LLASA_ERR_ARGUMENT, "llasa_rollout_create",
           "max_slots");
    EXPECT_EQ(made, nullptr);  // a failure leaves no stale handle
  }
}

TEST_F(AbiContract, OptionStructsOfOtherSizes) {
  llasa_sampling_options& s = sampling;
  const auto sample = [&](const llasa_sampling_options* o) {
    return llasa_sample(o, logits, 1, 3, nullptr, nullptr, sequences, positions, lengths, floats);
  };
  s.struct_size = 0;
  EXPECT_EQ(sample(&s), LLASA_ERR_ABI);
  s.struct_size = 1u << 20;
  EXPECT_EQ(sample(&s), LLASA_ERR_ABI);
  s.struct_size = 8;  // struct_size and temperature: the rest are defaults, whatever the memory holds
  s.top_p = -5;
  EXPECT_EQ(sample(&s), LLASA_OK);
  struct {
    llasa_sampling_options known;
    int32_t unknown;
  } longer;
  std::memset(&longer, 0, sizeof longer);
  llasa_sampling_options_init(&longer.known);
  longer.known.struct_size = sizeof longer;
  EXPECT_EQ(sample(&longer.known), LLASA_OK);
  longer.unknown = 1;
  EXPECT_EQ(sample(&longer.known), LLASA_ERR_ABI);
  request.struct_size = 2;
  EXPECT_EQ(llasa_rollout_generate(rollout, &sampling, &request, &result), LLASA_ERR_ABI);
  llasa_live_counts counts;
  std::memset(&counts, 0x7f, sizeof counts);
  counts.struct_size = 16;  // not written past what the caller has
  EXPECT_EQ(llasa_get_live_counts(&counts), LLASA_OK);
  EXPECT_EQ(counts.policies, 1);
  EXPECT_EQ(counts.rollouts, 0x7f7f7f7f7f7f7f7f);
}

TEST_F(AbiContract, EmptyWorkSucceedsWithoutPointers) {
  EXPECT_EQ(llasa_sample(&sampling, nullptr, 0, 3, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
            LLASA_OK);
  EXPECT_EQ(llasa_sampling_distribution(&sampling, nullptr, 0, 3, nullptr, nullptr, nullptr), LLASA_OK);
  llasa_rollout_request nothing{};
  nothing.struct_size = sizeof nothing;
  nothing.samples_per_prompt = 1;
  llasa_rollout_result nowhere{};
  nowhere.struct_size = sizeof nowhere;
  EXPECT_EQ(llasa_rollout_generate(rollout, &sampling, &nothing, &nowhere), LLASA_OK);
  llasa_policy_destroy(nullptr);
  llasa_rollout_destroy(nullptr);
  llasa_buffer_destroy(nullptr);
  llasa_sampling_options_init(nullptr);
  llasa_rollout_options_init(nullptr);
  llasa_policy_options_init(nullptr);
}

// ------------------------------------------------------------------------------------- failing allocations

TEST_F(AbiContract, FailingAllocationsOfRolloutsLeaveNothingBehind) {
  // The policy's table of rotations grows with the first rollout and stays.
  ASSERT_EQ(llasa_rollout_generate(rollout, &sampling, &request, &result), LLASA_OK) << llasa_last_error();
  const auto draw = [&] {
    llasa_rollout_options o;
    llasa_rollout_options_init(&o);
    o.max_slots = 3;
    llasa_rollout* made = nullptr;
    llasa_status status = llasa_rollout_create(policy.handle, &o, &made);
    if (status == LLASA_OK) status = llasa_rollout_generate(made, &sampling, &request, &result);
    llasa_rollout_destroy(made);
    return status;
  };
  ASSERT_EQ(draw(), LLASA_OK);  // what phases keep goes with the first of them
  const int64_t bytes = allocated_bytes();
  const int64_t forced = fail_every_allocation(draw);
  EXPECT_GT(forced, 30);
  EXPECT_EQ(allocated_bytes(), bytes);
}

// After a failure the same handle works and gives the same samples.
TEST_F(AbiContract, ARolloutWorksAfterAFailedAllocation) {
  ASSERT_EQ(llasa_rollout_generate(rollout, &sampling, &request, &result), LLASA_OK) << llasa_last_error();
  const std::vector<int32_t> expected(tokens, tokens + 12);
  llasa_rollout_destroy(rollout);
  rollout = nullptr;
  SetUp();
  // What was allocated before a failure is kept, so that every call needs less.
  EXPECT_GT(
      fail_every_allocation([&] { return llasa_rollout_generate(rollout, &sampling, &request, &result); }),
      2);
  EXPECT_EQ(std::vector<int32_t>(tokens, tokens + 12), expected);
}

TEST_F(AbiContract, FailingAllocationsOfTheOthersLeaveNothingBehind) {
  const int64_t bytes = allocated_bytes();
  const llasa_policy_options o = tiny_options();
  EXPECT_GT(fail_every_allocation([&] {
              llasa_policy* made = nullptr;
              const llasa_status status = llasa_policy_create(&o, &made);
              llasa_policy_destroy(made);
              return status;
            }),
            10);
  EXPECT_GT(fail_every_allocation([&] {
              llasa_buffer* made = nullptr;
              const llasa_status status = llasa_buffer_create(100, &made);
              llasa_buffer_destroy(made);
              return status;
            }),
            1);
  sampling.top_k = 2;
  sampling.repetition_penalty = 1.5f;
  EXPECT_GT(fail_every_allocation([&] {
              return llasa_sample(&sampling, logits, 4, 3, nullptr, nullptr, sequences, positions, lengths,
                                  floats);
            }),
            5);
  EXPECT_GT(fail_every_allocation([&] {
              return llasa_sampling_distribution(&sampling, logits, 4, 3, nullptr, nullptr, floats);
            }),
            5);
  EXPECT_GT(fail_every_allocation(
                [&] { return llasa_group_advantage(0, 0, floats, positions, nullptr, 4, floats); }),
            2);
  EXPECT_EQ(allocated_bytes(), bytes);
  llasa_live_counts counts{};
  counts.struct_size = sizeof counts;
  ASSERT_EQ(llasa_get_live_counts(&counts), LLASA_OK);
  EXPECT_EQ(counts.policies, 1);
  EXPECT_EQ(counts.rollouts, 1);
  EXPECT_EQ(counts.buffers, 0);
}

}  // namespace
}  // namespace llasa::test
