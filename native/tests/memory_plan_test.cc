// The plan of a run against the run itself: byte for byte what the same sizes take when they are allocated.
#include "core/memory_plan.h"

#include <cstring>
#include <map>
#include <tuple>

#include "core/address_range.h"
#include "core/device.h"
#include "core/parallel.h"
#include "core/phase_memory.h"
#include "rollout_fixture.h"
#include "simulated.h"
#include "speech_models.h"
#include "token_terms.h"
#include "trainer_fixture.h"

namespace llasa::test {
namespace {

std::filesystem::path case_directory(const std::string& family, const std::string& name) {
  for (const auto& path : cases(family)) {
    if (path.filename() == name) return path;
  }
  throw std::runtime_error("no case " + family + "/" + name);
}

constexpr int32_t kPrompt = 9, kResponse = 21, kPrompts = 2, kSamples = 3;

int64_t allocated() {
  llasa_live_counts counts{};
  counts.struct_size = sizeof counts;
  EXPECT_OK(llasa_get_live_counts(&counts));
  return counts.allocated_bytes;
}

// What is kept once it was made, memory that phases share among it; the taps of a large convolution on the CPU are not.
struct Plan {
  std::map<std::string, int64_t> stages, in_turn;
  int64_t total = 0, on_host = 0, moments = 0, peak = 0, given_back = 0;
};

Plan plan_of(const llasa_memory_plan_options& options) {
  Plan plan;
  int64_t count = 0;
  EXPECT_OK(llasa_plan_memory(&options, &count, &plan.peak));
  for (int64_t i = 0; i < count; ++i) {
    llasa_memory_item item{};
    item.struct_size = sizeof item;
    EXPECT_OK(llasa_memory_plan_item(i, &item));
    if (std::string(item.what) == "the taps of a convolution") {
      plan.given_back += item.bytes;
      continue;
    }
    if (item.in_turn != 0) {
      plan.in_turn[item.stage] += item.bytes;
      continue;
    }
    plan.stages[item.stage] += item.bytes;
    plan.total += item.bytes;
    if (item.on_host != 0) plan.on_host += item.bytes;
    if (std::string(item.what).ends_with(" moments")) plan.moments += item.bytes;
  }
  return plan;
}

llasa_memory_plan_options step_options() {
  llasa_memory_plan_options options;
  llasa_memory_plan_options_init(&options);
  options.num_prompts = kPrompts;
  options.samples_per_prompt = kSamples;
  options.prompt_tokens = kPrompt;
  options.response_tokens = kResponse;
  return options;
}

BatchData full_batch() {
  BatchData data;
  for (int32_t p = 0; p < kPrompts; ++p) {
    std::vector<int32_t> ids(kPrompt + kResponse, 0);
    ids[0] = p;
    for (int32_t n = 0; n < kSamples; ++n) data.add(ids, kPrompt);
  }
  return data;
}

std::vector<llasa_dtype> types() {
#if defined(LLASA_TESTS_ON_DEVICE)
  return {LLASA_F32, LLASA_BF16};
#else
  return {LLASA_F32, LLASA_BF16, LLASA_Q8};
#endif
}

// Of the reference, and of the policy where that can be trained in it. Moments of an adapter are on the host.
class MemoryPlanOfTraining : public testing::TestWithParam<std::tuple<int32_t, bool, llasa_dtype>> {};

TEST_P(MemoryPlanOfTraining, IsWhatAStepTakes) {
  const auto [recompute, adapter, dtype] = GetParam();
  llasa_policy_options policy_options = small_options();
  policy_options.hidden_size = 32;  // rows that can be kept in 8 bits
  policy_options.intermediate_size = 64;
  policy_options.compute_dtype = dtype == LLASA_Q8 ? LLASA_F32 : dtype;
  llasa_policy_options reference_options = policy_options;
  reference_options.compute_dtype = dtype;
  policy_options.frozen = adapter;
  reference_options.frozen = 1;
  llasa_trainer_options trainer_options;
  llasa_trainer_options_init(&trainer_options);
  trainer_options.recompute = recompute;
  trainer_options.offload_moments = adapter;
  trainer_options.micro_batch_tokens = 50;
  llasa_rollout_options rollout_options;
  llasa_rollout_options_init(&rollout_options);
  rollout_options.max_slots = 4;
  llasa_lora_options lora_options;
  llasa_lora_options_init(&lora_options);
  lora_options.rank = 3;
  llasa_head_options head;
  llasa_head_options_init(&head);
  llasa_memory_plan_options options = step_options();
  options.policy = &policy_options;
  options.trainer = &trainer_options;
  options.rollout = &rollout_options;
  options.lora = adapter ? &lora_options : nullptr;
  options.reference = &reference_options;
  trim_phases();  // models that other tests keep may have left some
  const int64_t before = allocated();
  const Plan plan = plan_of(options);
  ASSERT_EQ(allocated(), before) << "a plan takes nothing";

  {
    const PolicyHandle policy = create_policy(policy_options);
    randomise(policy.get(), 3);
    if (adapter) {
      ASSERT_OK(llasa_policy_attach_lora(policy.get(), &lora_options));
      for (const Parameter& p : parameters(policy.get()))
        if (p.name.rfind("base_model.", 0) == 0) set_tensor(policy.get(), p, normals(1, p.size, 0.1f));
    }
    const TrainerHandle trainer = create_trainer(policy.get(), trainer_options);

    Job job;
    llasa_sampling_options_init(&job.sampling);
    job.sampling.max_new_tokens = kResponse;
    job.samples = kSamples;
    for (int32_t p = 0; p < kPrompts; ++p) {
      job.prompts.emplace_back(kPrompt, 0);
      job.prompts.back()[0] = p;
    }
    llasa_rollout* rollout = create(policy.get(), rollout_options.max_slots);
    generate(rollout, job);

    const BatchData data = full_batch();
    const llasa_token_batch view = data.view();
    std::vector<float> values(static_cast<size_t>(data.scored()));
    const PolicyHandle copy = adapter ? nullptr : create_policy(reference_options);
    if (copy != nullptr) {
      ASSERT_OK(llasa_policy_copy_weights(copy.get(), policy.get()));
    }
    llasa_policy* reference = adapter ? policy.get() : copy.get();
    ASSERT_OK(llasa_policy_logprobs(reference, &view, &head, trainer_options.micro_batch_tokens,
                                    values.data(), nullptr));

    Loss loss;
    loss.kl_coef = 0.1f;
    accumulate(trainer.get(), data, head, loss, {.old_logprobs = values, .ref_logprobs = values});
    llasa_step_stats step{};
    step.struct_size = sizeof step;
    ASSERT_OK(llasa_trainer_step(trainer.get(), 0.0f, &step));
    EXPECT_EQ(allocated() - before, plan.total);
    EXPECT_GE(plan.peak, plan.total - plan.on_host);
    int64_t trained = 0;
    for (const Parameter& p : parameters(policy.get())) {
      if (!adapter || p.name.rfind("base_model.", 0) == 0) trained += p.size;
    }
    EXPECT_GE(plan.moments, 8 * trained);  // and what aligns them
    EXPECT_EQ(plan.on_host, adapter ? plan.moments : 0);
    llasa_rollout_destroy(rollout);
  }
  trim_phases();
  EXPECT_EQ(allocated(), before);
  for (const char* stage : {"policy", "optimiser", "rollouts", "reference", "training", "phases"})
    EXPECT_GT(plan.stages.at(stage), 0) << stage;
  for (const char* stage : {"rollouts", "reference", "training"})
    EXPECT_GT(plan.in_turn.at(stage), 0) << stage;
}

INSTANTIATE_TEST_SUITE_P(RecomputeAdapterAndType, MemoryPlanOfTraining,
                         testing::Combine(testing::Values(0, 1, 2), testing::Bool(),
                                          testing::ValuesIn(types())));

// In the type of the models, and with room for all clips together or for one at a time.
class MemoryPlanOfListening : public testing::TestWithParam<std::pair<llasa_dtype, int64_t>> {};

std::vector<std::pair<llasa_dtype, int64_t>> listening() {
  std::vector<std::pair<llasa_dtype, int64_t>> all{{LLASA_F32, 1}};
  for (const llasa_dtype dtype : types()) all.push_back({dtype, int64_t{1} << 30});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Types, MemoryPlanOfListening, testing::ValuesIn(listening()));

TEST_P(MemoryPlanOfListening, IsWhatItTakes) {
  const auto [dtype, cache_bytes] = GetParam();
  const std::filesystem::path codec_case = case_directory("xcodec2", "decoder_short_fsq") / "hf";
  const std::filesystem::path whisper_case = case_directory("whisper_tiny", "d64_v300") / "model";
  llasa_codec_options codec_options_ =
      codec_options(Json::read(codec_case / "config.json"), LLASA_CODEC_LAYOUT_HF);
  llasa_whisper_options whisper_options_ = whisper_options(Json::read(whisper_case / "config.json"));
  codec_options_.compute_dtype = whisper_options_.compute_dtype = dtype;
  whisper_options_.cache_bytes = cache_bytes;
  constexpr int64_t kClips = 3, kText = 7;
  llasa_memory_plan_options options = step_options();
  options.codec = &codec_options_;
  options.whisper = &whisper_options_;
  options.clips = kClips;
  options.text_tokens = kText;
  trim_phases();  // models that other tests keep may have left some
  const int64_t before = allocated();
  const Plan plan = plan_of(options);
  ASSERT_EQ(allocated(), before);

  // The decoder alone, as a run loads it: setting a tensor of the encoder would make room for all of those.
  llasa_codec* made = nullptr;
  ASSERT_OK(llasa_codec_create(&codec_options_, &made));
  const CodecHandle codec(made);
  const Tensors weights = read_checkpoint(codec_case);
  int64_t tensors = 0;
  ASSERT_OK(llasa_codec_tensor_count(made, &tensors));
  for (int64_t i = 0; i < tensors; ++i) {
    llasa_tensor_info info{};
    info.struct_size = sizeof info;
    ASSERT_OK(llasa_codec_tensor_info(made, i, &info));
    if (info.is_optional != 0) continue;
    const auto& tensor = weights.at(info.name);
    ASSERT_OK(llasa_codec_set_tensor(made, info.name, tensor.abi_dtype(), tensor.shape.data(),
                                     static_cast<int32_t>(tensor.shape.size()), tensor.bytes.data()));
  }
  const std::vector<int64_t> code_offsets = {0, kResponse, 2 * kResponse, 3 * kResponse};
  const std::vector<int32_t> codes(kClips * kResponse, 1);
  int64_t hop = 0;
  for (int32_t i = 0; i < codec_options_.num_ratios; ++i)
    hop = (hop == 0 ? 1 : hop) * codec_options_.ratios[i];
  std::vector<float> waveforms(static_cast<size_t>(code_offsets.back() * hop));
  ASSERT_OK(llasa_vocode(codec.get(), kClips, code_offsets.data(), codes.data(), waveforms.data()));
  EXPECT_EQ(allocated() - before, plan.stages.at("codec"));
  EXPECT_EQ(plan.in_turn.count("codec"), 0u);
  const WhisperHandle whisper = load_whisper(whisper_case, dtype, cache_bytes);

  const std::vector<int32_t> prompt(4, 0), first(kClips, 1), ids(kClips * (kText + 2), 0);
  const std::vector<int64_t> targets = {0, kText + 2, 2 * (kText + 2), 3 * (kText + 2)};
  llasa_whisper_request request{};
  request.struct_size = sizeof request;
  request.max_new_tokens = kText;
  request.num_clips = kClips;
  request.prompt_ids = prompt.data();
  request.prompt_length = 4;
  request.language_slot = request.target_language_slot = -1;
  request.no_speech_token = 0;
  request.target_offsets = targets.data();
  request.target_ids = ids.data();
  request.target_first = first.data();
  std::vector<int32_t> tokens(kClips * kText), lengths(kClips), languages(kClips);
  std::vector<float> nlls(kClips), logprobs(kClips), silence(kClips);
  llasa_whisper_result result{};
  result.struct_size = sizeof result;
  result.tokens = tokens.data();
  result.lengths = lengths.data();
  result.mean_logprobs = logprobs.data();
  result.no_speech_probs = silence.data();
  result.languages = languages.data();
  result.mean_nlls = nlls.data();
  ASSERT_OK(llasa_whisper_score_codes(whisper.get(), codec.get(), code_offsets.data(), codes.data(), &request,
                                      &result, waveforms.data()));
  EXPECT_EQ(allocated() - before, plan.total);
}

// 8 billion parameters, on a machine that could not hold them.
TEST(MemoryPlan, OfALargePolicyNeedsNoneOfItsMemory) {
  llasa_policy_options policy;
  llasa_policy_options_init(&policy);
  policy.vocab_size = 193800;
  policy.hidden_size = 4096;
  policy.intermediate_size = 14336;
  policy.num_layers = 32;
  policy.num_heads = 32;
  policy.num_kv_heads = 8;
  policy.head_dim = 128;
  policy.max_position_embeddings = 8192;
  llasa_trainer_options trainer;
  llasa_trainer_options_init(&trainer);
  trainer.recompute = 1;
  llasa_memory_plan_options options = step_options();
  options.policy = &policy;
  options.trainer = &trainer;
  const Plan plan = plan_of(options);
  // Embedding and head, then per layer: q, o of C C, k, v of C C / 4, three of the MLP, two norms; final
  // norm.
  const int64_t C = 4096, F = 14336, V = 193800;
  const int64_t parameters = 2 * V * C + 32 * (2 * C * C + 2 * C * C / 4 + 3 * C * F + 2 * C) + C;
  EXPECT_EQ(plan.stages.at("policy"), 4 * parameters);
  EXPECT_EQ(plan.stages.at("optimiser"), 3 * 4 * parameters);
  EXPECT_GT(plan.in_turn.at("training"), 0);
}

// Its sizes are held to those of the CUDA backend where there is one, in device/gpu_plan_test.cc.
TEST(MemoryPlan, ForAGpuCountsWhatItKeepsInBf16AndWhatItsKernelsTake) {
  llasa_policy_options policy;
  llasa_policy_options_init(&policy);
  policy.vocab_size = 193800;
  policy.hidden_size = 2048;
  policy.intermediate_size = 8192;
  policy.num_layers = 1;
  policy.num_heads = 32;
  policy.num_kv_heads = 8;
  policy.head_dim = 64;
  policy.max_position_embeddings = 8192;
  policy.compute_dtype = LLASA_BF16;
  llasa_trainer_options trainer;
  llasa_trainer_options_init(&trainer);
  llasa_memory_plan_options options = step_options();
  options.policy = &policy;
  options.trainer = &trainer;
  options.prompt_tokens = 96;
  options.response_tokens = 8000;
  trainer.micro_batch_tokens = 1 << 20;
  const int64_t before = allocated();
  const auto of_a_layer = [&](uint32_t for_gpu) {
    options.for_gpu = for_gpu;
    policy.num_layers = 2;
    const int64_t two = plan_of(options).in_turn.at("training");
    policy.num_layers = 3;
    return plan_of(options).in_turn.at("training") - two;
  };
  const int64_t own = of_a_layer(0), on_gpu = of_a_layer(1);
  EXPECT_EQ(allocated(), before);
#if defined(LLASA_TESTS_ON_DEVICE)
  EXPECT_EQ(own, on_gpu);
#else
  // Of a row: two places of the stream, two norms and a log-sum-exp per head in f32; and queries, keys and values,
  // attention's output, gate and up.
  const double in_f32 = 4.0 * (2 * 2048 + 2 + 32), others = 32 * 64 + 2 * 8 * 64 + 2048 + 2 * 8192;
  EXPECT_NEAR(static_cast<double>(on_gpu) / static_cast<double>(own),
              (in_f32 + 2 * others) / (in_f32 + 4 * others),
              1e-5);  // each array begins at a multiple of 64 bytes
#endif
  policy.compute_dtype = LLASA_Q8;
  policy.frozen = 1;
  int64_t count = 0, peak = 0;
  EXPECT_EQ(llasa_plan_memory(&options, &count, &peak), LLASA_ERR_ARGUMENT) << "no GPU multiplies 8 bits";
  options.for_gpu = 2;
  EXPECT_EQ(llasa_plan_memory(&options, &count, &peak), LLASA_ERR_ARGUMENT);
  EXPECT_NE(std::strstr(llasa_last_error(), "for_gpu"), nullptr) << llasa_last_error();
  // Work after it is the backend's own.
  Stream stream;
  DeviceBuffer<float> real(1, "a real array");
  EXPECT_EQ(allocated(), before + 4);
}

// The peak is what is kept and the largest of the phases that run by turns; drawing and listening overlap on a GPU.
TEST(MemoryPlan, IsOfTheLargestPhaseAndNotOfTheirSum) {
  llasa_policy_options policy;
  llasa_policy_options_init(&policy);
  policy.vocab_size = 8192;
  policy.hidden_size = 1024;
  policy.intermediate_size = 4096;
  policy.num_layers = 4;
  policy.num_heads = 16;
  policy.num_kv_heads = 16;
  policy.head_dim = 64;
  policy.max_position_embeddings = 8192;
  policy.compute_dtype = LLASA_BF16;
  llasa_trainer_options trainer;
  llasa_trainer_options_init(&trainer);
  llasa_rollout_options rollout;
  llasa_rollout_options_init(&rollout);
  llasa_whisper_options whisper;
  llasa_whisper_options_init(&whisper);
  whisper.compute_dtype = LLASA_BF16;
  llasa_memory_plan_options options = step_options();
  options.policy = &policy;
  options.trainer = &trainer;
  options.rollout = &rollout;
  options.whisper = &whisper;
  options.num_prompts = 8;
  options.samples_per_prompt = 8;
  options.prompt_tokens = 100;
  options.response_tokens = 2000;
  options.clips = 8;
  options.text_tokens = 100;
  for (const uint32_t for_gpu : {0u, 1u}) {
    options.for_gpu = for_gpu;
    const int64_t granule = for_gpu == 1 ? kGpuGranule : commit_granule();
    const Plan plan = plan_of(options);
    const int64_t drawing = plan.in_turn.at("rollouts"), listening = plan.in_turn.at("recogniser"),
                  training = plan.in_turn.at("training"), shared = plan.stages.at("phases");
    const bool overlap = for_gpu == 1 || on_device();
    const int64_t most =
        overlap ? std::max(drawing + listening, training) : std::max({drawing, listening, training});
    // Each array is followed by a gap and begins at a multiple of 256; each of two segments ends in a granule.
    EXPECT_GE(shared, most);
    EXPECT_LE(shared, most + 64 * 512 + 2 * granule);
    EXPECT_LT(shared, drawing + listening + training - std::min({drawing, listening, training}) / 2);
    EXPECT_GE(plan.peak, plan.total);
    EXPECT_LE(plan.peak, plan.total + plan.given_back);
  }
}

TEST(MemoryPlan, LeavesOtherThreadsAndLaterWorkAlone) {
  {
    MemoryPlan plan;
    EXPECT_THROW(MemoryPlan second, Error);
    plan.stage("a stage");
    DeviceBuffer<float> buffer(1000, "one thing");
    buffer.reserve(3000, "one thing");
    ASSERT_EQ(plan.items().size(), 1u);
    EXPECT_EQ(plan.items()[0].bytes, 12000);
    EXPECT_EQ(plan.peak_bytes(), 12000);
  }
  std::unique_ptr<DeviceBuffer<float>> survivor;
  {
    MemoryPlan plan;
    survivor = std::make_unique<DeviceBuffer<float>>(5, "a survivor");
  }
  survivor.reset();  // after its plan: nothing to free
  Stream stream;
  DeviceBuffer<float> real(4, "a real array");
  const std::vector<float> values = {1, 2, 3, 4};
  real.upload(stream, values, "a real array");
  EXPECT_EQ(real.download(stream, 4), values);
  int calls = 0;
  parallel_for(1, [&](int64_t) { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(MemoryPlan, ContradictionsAreRefused) {
  const auto expect_refused = [](const llasa_memory_plan_options& options, llasa_status status,
                                 const char* named) {
    int64_t count = -7, peak = -7;
    EXPECT_EQ(llasa_plan_memory(&options, &count, &peak), status) << named;
    EXPECT_NE(std::strstr(llasa_last_error(), named), nullptr) << llasa_last_error();
    EXPECT_EQ(count, -7);
  };
  llasa_memory_plan_options options = step_options();
  llasa_trainer_options trainer;
  llasa_trainer_options_init(&trainer);
  options.trainer = &trainer;
  expect_refused(options, LLASA_ERR_ARGUMENT, "options.policy");
  const llasa_policy_options policy = small_options();
  options.policy = &policy;
  options.response_tokens = 60;  // and 9 of the prompt, in 64
  expect_refused(options, LLASA_ERR_CAPACITY, "max_position_embeddings");
  options.response_tokens = 0;
  expect_refused(options, LLASA_ERR_ARGUMENT, "options.response_tokens");
  llasa_memory_item item{};
  item.struct_size = sizeof item;
  EXPECT_EQ(llasa_memory_plan_item(10000, &item), LLASA_ERR_ARGUMENT);
}

}  // namespace
}  // namespace llasa::test
