// What the CPU's library plans for a GPU against what this backend plans for one: the same items, byte for byte. The
// sizes are those of real models, of which a plan computes nothing. And what each operation takes of scratch memory
// against what is said of it (ops/gpu_scratch.h), of which a plan sees blocks alone.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "core/memory_plan.h"
#include "core/scratch.h"
#include "device/backend.h"
#include "llasa_native.h"
#include "ops/attention_decode.h"
#include "ops/attention_full.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "ops/gpu_scratch.h"
#include "ops/mel.h"
#include "ops/norm.h"
#include "ops/optimizer.h"

namespace llasa::test {
namespace {

using Items = std::vector<std::tuple<std::string, std::string, int64_t, uint32_t>>;

struct Plan {
  Items items;
  int64_t peak = 0;
};

Plan plan_by(const Backend& backend, const llasa_memory_plan_options& options) {
  Plan plan;
  int64_t count = 0;
  backend.check(backend.plan_memory(&options, &count, &plan.peak));
  for (int64_t i = 0; i < count; ++i) {
    llasa_memory_item item{};
    item.struct_size = sizeof item;
    backend.check(backend.memory_plan_item(i, &item));
    plan.items.emplace_back(item.stage, item.what, item.bytes, item.on_host);
  }
  return plan;
}

// Both plans of a run for a GPU.
void expect_equal(llasa_memory_plan_options options) {
  static const Backend here = Backend::linked(), cpu = Backend::load(LLASA_CPU_LIBRARY);
  options.for_gpu = 1;
  const Plan expected = plan_by(here, options), plan = plan_by(cpu, options);
  EXPECT_EQ(plan.peak, expected.peak);
  EXPECT_EQ(plan.items, expected.items);
  int64_t scratch = 0;
  for (const auto& [stage, what, bytes, on_host] : expected.items)
    if (what == "the scratch memory of kernels") scratch += bytes;
  EXPECT_GT(scratch, 0);
}

llasa_memory_plan_options step_options() {
  llasa_memory_plan_options options;
  llasa_memory_plan_options_init(&options);
  options.num_prompts = 3;
  options.samples_per_prompt = 6;
  options.prompt_tokens = 90;
  options.response_tokens = 700;
  return options;
}

// Head size, storage, recomputation, adapter. 160: attention without tensor cores.
class GpuPlanOfTraining : public testing::TestWithParam<std::tuple<int32_t, llasa_dtype, int32_t, bool>> {};

TEST_P(GpuPlanOfTraining, IsTheSameByTheCpusLibrary) {
  const auto [head_dim, dtype, recompute, adapter] = GetParam();
  llasa_policy_options policy;
  llasa_policy_options_init(&policy);
  policy.vocab_size = 193800;
  policy.hidden_size = 2048;
  policy.intermediate_size = 8192;
  policy.num_layers = 2;
  policy.num_heads = 16;
  policy.num_kv_heads = 4;
  policy.head_dim = head_dim;
  policy.max_position_embeddings = 4096;
  policy.compute_dtype = dtype;
  policy.frozen = adapter;
  llasa_policy_options reference = policy;
  reference.frozen = 1;
  llasa_trainer_options trainer;
  llasa_trainer_options_init(&trainer);
  trainer.recompute = recompute;
  trainer.offload_moments = adapter;
  trainer.micro_batch_tokens = 5000;
  llasa_lora_options lora;
  llasa_lora_options_init(&lora);
  lora.rank = 16;
  lora.dropout = 0.1f;
  llasa_rollout_options rollout;
  llasa_rollout_options_init(&rollout);
  rollout.max_slots = 13;  // more rows than one decoding takes, to be filled up
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.restrict_start = 128264;
  head.restrict_end = 193800;
  head.restrict_extra = 128261;  // whose column is a product of its own
  llasa_sampling_options sampling;
  llasa_sampling_options_init(&sampling);
  sampling.restrict_start = head.restrict_start;
  sampling.restrict_end = head.restrict_end;
  sampling.restrict_extra = head.restrict_extra;
  llasa_memory_plan_options options = step_options();
  options.policy = &policy;
  options.reference = &reference;
  options.trainer = &trainer;
  options.lora = adapter ? &lora : nullptr;
  options.rollout = &rollout;
  options.sampling = &sampling;
  options.head = &head;
  expect_equal(options);
}

INSTANTIATE_TEST_SUITE_P(HeadTypeRecomputeAdapter, GpuPlanOfTraining,
                         testing::Combine(testing::Values(32, 64, 128, 160),
                                          testing::Values(LLASA_F32, LLASA_BF16), testing::Values(0, 1, 2),
                                          testing::Bool()));

// Codec and recogniser of the published sizes, by their type and clips.
class GpuPlanOfListening : public testing::TestWithParam<std::tuple<llasa_dtype, int64_t>> {};

TEST_P(GpuPlanOfListening, IsTheSameByTheCpusLibrary) {
  const auto [dtype, clips] = GetParam();
  llasa_codec_options codec;
  llasa_codec_options_init(&codec);
  llasa_whisper_options whisper;
  llasa_whisper_options_init(&whisper);
  codec.compute_dtype = whisper.compute_dtype = dtype;
  llasa_memory_plan_options options = step_options();
  options.codec = &codec;
  options.whisper = &whisper;
  options.clips = clips;
  options.text_tokens = 200;
  expect_equal(options);
}

INSTANTIATE_TEST_SUITE_P(TypeAndClips, GpuPlanOfListening,
                         testing::Combine(testing::Values(LLASA_F32, LLASA_BF16),
                                          testing::Values<int64_t>(1, 16, 121)));

// Bytes that body takes of a stream of its own, under a plan.
int64_t taken(const std::function<void(Stream&)>& body) {
  MemoryPlan plan(true);
  Stream stream;
  body(stream);
  return scratch_arena(stream).taken();
}

// Pointers that are never followed.
float* const kWide = reinterpret_cast<float*>(256);
Bf16* const kNarrow = reinterpret_cast<Bf16*>(256);
const int64_t kOffsets[] = {0, 700, 701, 1500};

void expect_taken(const std::function<void(Stream&)>& said, const std::function<void(Stream&)>& operation) {
  const int64_t expected = taken(operation);
  EXPECT_GT(expected, 0);
  EXPECT_EQ(taken(said), expected);
}

TEST(GpuScratch, OfProducts) {
  for (const bool narrow_a : {false, true}) {
    for (const bool narrow_b : {false, true}) {
      for (const bool narrow_c : {false, true}) {
        const WeightView a = narrow_a ? WeightView(kNarrow) : kWide,
                         b = narrow_b ? WeightView(kNarrow) : kWide;
        const ArrayView c = narrow_c ? ArrayView(kNarrow) : kWide;
        for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
          SCOPED_TRACE(testing::Message() << narrow_a << narrow_b << narrow_c << static_cast<int>(precision));
          for (const bool transpose : {false, true}) {
            expect_taken(
                [&](Stream& s) {
                  gpu::gemm(s, transpose, !transpose, 70, 90, 1100, 1.0f, a, b, c, precision);
                },
                [&](Stream& s) {
                  gemm(s, transpose, !transpose, 70, 90, 1100, 1.0f, a, transpose ? 70 : 1100, b,
                       transpose ? 90 : 1100, 0.0f, c, 90, precision);
                });
          }
        }
        expect_taken([&](Stream& s) { gpu::linear_forward(s, a, b, c, 300, 1100, 900); },
                     [&](Stream& s) { linear_forward(s, a, b, nullptr, c, 300, 1100, 900); });
        for (float* dweight : {static_cast<float*>(nullptr), kWide}) {
          expect_taken([&](Stream& s) { gpu::linear_backward(s, a, b, a, c, dweight, 300, 1100, 900); },
                       [&](Stream& s) { linear_backward(s, a, b, a, c, dweight, 300, 1100, 900); });
        }
      }
    }
  }
  // Those of a vector take nothing.
  for (const auto& [M, N, K] : {std::tuple{70, 1, 90}, {70, 90, 1}, {1, 90, 70}}) {
    const auto product = [&, M = M, N = N, K = K](Stream& s) {
      gemm(s, true, false, M, N, K, 1.0f, kWide, M, kNarrow, N, 0.0f, kWide, N);
    };
    EXPECT_EQ(taken(product), 0);
    EXPECT_EQ(taken([&, M = M, N = N, K = K](Stream& s) {
                gpu::gemm(s, true, false, M, N, K, 1.0f, kWide, kNarrow, kWide, Precision::kF32);
              }),
              0);
  }
}

TEST(GpuScratch, OfAttention) {
  const std::vector<AttentionGroup> groups = {{{0, 300}, {{300, 900}, {900, 901}, {901, 1300}}},
                                              {{1300, 1310}, {{1310, 1500}}}};
  for (const int64_t D : {32, 64, 80, 128, 160}) {
    for (const bool prefix_queries : {false, true}) {
      const AttentionShape shape{8, 2, D, prefix_queries};
      for (const bool narrow : {false, true}) {
        for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
          SCOPED_TRACE(testing::Message() << D << prefix_queries << narrow << static_cast<int>(precision));
          const ArrayView x = narrow ? ArrayView(kNarrow) : kWide;
          expect_taken([&](Stream& s) { gpu::attention_forward(s, narrow, groups, shape, precision); },
                       [&](Stream& s) { attention_forward(s, x, x, kWide, groups, shape, precision); });
          expect_taken(
              [&](Stream& s) { gpu::attention_backward(s, narrow, groups, shape, precision); },
              [&](Stream& s) { attention_backward(s, x, x, kWide, x, kWide, groups, shape, precision); });
        }
      }
    }
    for (const int64_t T : {1, 100, 1000}) {
      expect_taken([&](Stream& s) { gpu::attention_decode(s, T, 8, D); },
                   [&](Stream& s) {
                     attention_decode(s, kWide, kNarrow, nullptr, nullptr, 0, T, {8, 2, D, DType::kBf16});
                   });
    }
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      for (const ArrayView y : {ArrayView(kWide), ArrayView(kNarrow)}) {
        expect_taken([&](Stream& s) { gpu::attention_full_forward(s, kOffsets, 3, D, precision); },
                     [&](Stream& s) {
                       attention_full_forward(s, kWide, kWide, kWide, y, kOffsets, 3, 8, D, 24 * D, 1.0f,
                                              false, precision);
                     });
      }
    }
  }
  const KeyValueCache cache{kNarrow, 64, 2000, DType::kBf16};
  const int64_t slots[] = {0, 1, 2};
  expect_taken([&](Stream& s) { gpu::cached_sequences(s, kOffsets, 3); },
               [&](Stream& s) { cache_append(s, kWide, kWide, 64, cache, kOffsets, slots, slots, 3); });
  expect_taken([&](Stream& s) { gpu::cached_sequences(s, kOffsets, 3); },
               [&](Stream& s) {
                 cached_attention_forward(s, kWide, 64, cache, kWide, kOffsets, slots, slots, 3, 2, 32, 1.0f,
                                          true);
               });
}

TEST(GpuScratch, OfOtherOperations) {
  for (const int64_t rows : {1, 255, 257, 5000}) {
    expect_taken(
        [&](Stream& s) { gpu::rmsnorm_backward(s, kWide, rows, 2048); },
        [&](Stream& s) { rmsnorm_backward(s, kWide, kWide, kWide, kWide, kWide, kWide, rows, 2048); });
    expect_taken([&](Stream& s) { gpu::embedding_backward(s, rows, 2048); },
                 [&](Stream& s) { embedding_backward(s, nullptr, kWide, kWide, rows, 2048); });
    expect_taken([&](Stream& s) { gpu::squared_norm(s, rows * 100'000); },
                 [&](Stream& s) { squared_norm(s, kWide, rows * 100'000); });
    expect_taken([&](Stream& s) { gpu::log_mel_forward(s, 3, rows, 80); },
                 [&](Stream& s) {
                   log_mel_forward(s, kWide, kOffsets, kOffsets + 1, kWide, kWide, kWide, kWide, 3, rows, 80);
                 });
  }
  for (const int64_t C : {32, 1024, 6000}) {
    expect_taken(
        [&](Stream& s) { gpu::groupnorm_forward(s, kOffsets, 3, C, 1); },
        [&](Stream& s) { groupnorm_forward(s, kWide, kWide, kWide, kWide, kOffsets, 3, C, 1, 1e-5f); });
  }
  std::vector<int64_t> offsets{0};
  for (int64_t b = 0; b < 130; ++b) offsets.push_back(offsets.back() + 100 + b);
  const Conv1dShape large{512, 1024, 7, 1, 1, 3, 3}, small{32, 32, 3, 1, 1, 1, 1};
  for (const auto& [shape, weight] :
       {std::pair{large, WeightView(kWide)}, {large, WeightView(kNarrow)}, {small, WeightView(kNarrow)}}) {
    for (const int64_t B : {3, 130}) {
      expect_taken(
          [&, &shape = shape, &weight = weight](Stream& s) {
            gpu::conv1d_forward(s, weight, offsets.data(), B, shape);
          },
          [&, &shape = shape, &weight = weight](Stream& s) {
            conv1d_forward(s, kWide, weight, nullptr, kWide, offsets.data(), offsets.data(), B, shape);
          });
    }
  }
}

}  // namespace
}  // namespace llasa::test
