// What a unit of work makes a card do, by the piece: launches, copies, waits. docs/performance-gpu.md has the
// table, the cost account computes with it, and these tests count it, with models of one, two and three layers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "counts.h"
#include "devices.h"
#include "llasa_native.h"
#include "rollout_fixture.h"
#include "speech_models.h"
#include "token_terms.h"
#include "trainer_fixture.h"
#include "whisper_score_fixture.h"

namespace llasa::test {
namespace {

using cudasim::Counts;

// A number as a function of the layers: "12 + 9 L".
struct Linear {
  int64_t constant = 0, per_layer = 0;

  std::string text() const {
    const std::string layers = std::to_string(per_layer) + " L";
    if (per_layer == 0) return std::to_string(constant);
    return constant == 0 ? layers : std::to_string(constant) + " + " + layers;
  }
};

// The counts of one unit of work by models of so many layers, per `units` of them.
class Work {
 public:
  Work(const std::function<Counts(int32_t layers)>& of, int64_t units = 1) {
    for (int32_t layers = 1; layers <= 3; ++layers) counts_.push_back(of(layers));
    units_ = units;
  }

  Linear of(int64_t Counts::*field) const {
    const int64_t one = counts_[0].*field, two = counts_[1].*field, three = counts_[2].*field;
    EXPECT_EQ(three - two, two - one) << "every layer takes the same";
    EXPECT_EQ(one % units_, 0) << one << " of " << units_;
    EXPECT_EQ((two - one) % units_, 0);
    return {(2 * one - two) / units_, (two - one) / units_};
  }

 private:
  std::vector<Counts> counts_;
  int64_t units_;
};

// kernels, products, copies and clears on the device, uploads, read-backs, calls of the host, waits of the host.
std::vector<std::string> row(const Work& work) {
  Linear copies = work.of(&Counts::copies);
  const Linear clears = work.of(&Counts::clears);
  copies.constant += clears.constant;
  copies.per_layer += clears.per_layer;
  return {
      work.of(&Counts::kernels).text(), work.of(&Counts::products).text(),  copies.text(),
      work.of(&Counts::uploads).text(), work.of(&Counts::readbacks).text(), work.of(&Counts::calls).text(),
      work.of(&Counts::waits).text()};
}

// The row of that name in the document's table: cells behind the name.
std::vector<std::string> documented(const std::string& name) {
  std::ifstream file(LLASA_COUNTS_TABLE);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("| " + name + " |", 0) != 0) continue;
    std::vector<std::string> cells;
    for (size_t at = line.find('|', 1); at + 1 < line.size();) {
      const size_t next = line.find('|', at + 1);
      if (next == std::string::npos) break;
      cells.push_back(line.substr(at + 2, next - at - 3));
      at = next;
    }
    return cells;
  }
  ADD_FAILURE() << "no row `" << name << "` in " << LLASA_COUNTS_TABLE;
  return {};
}

void expect_row(const std::string& name, const Work& work) {
  const std::vector<std::string> counted = row(work);
  std::string line = "| " + name + " |";
  for (const std::string& cell : counted) line += " " + cell + " |";
  EXPECT_EQ(documented(name), counted) << "counted:\n" << line;
}

Counts counting(const std::function<void()>& work) {
  const Counts before = cudasim::counts();
  work();
  return cudasim::counts() - before;
}

// Random values for every parameter of a model behind the ABI.
template <typename Handle>
void fill(Handle* handle, llasa_status (*count)(Handle*, int64_t*),
          llasa_status (*info)(Handle*, int64_t, llasa_tensor_info*),
          llasa_status (*set)(Handle*, const char*, llasa_dtype, const int64_t*, int32_t, const void*)) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  int64_t tensors = 0;
  check(count(handle, &tensors));
  for (int64_t i = 0; i < tensors; ++i) {
    llasa_tensor_info spec{};
    spec.struct_size = sizeof spec;
    check(info(handle, i, &spec));
    if (spec.is_optional != 0) continue;
    int64_t size = 1;
    for (int32_t d = 0; d < spec.rank; ++d) size *= spec.shape[d];
    std::vector<float> values(static_cast<size_t>(size));
    for (float& v : values) v = normal(generator) + (spec.rank < 2 ? 1.0f : 0.0f);
    check(set(handle, spec.name, LLASA_F32, spec.shape, spec.rank, values.data()));
  }
}

PolicyHandle make_policy(int32_t layers, int32_t kv_heads = 1) {
  llasa_policy_options o;
  llasa_policy_options_init(&o);
  o.vocab_size = 128;
  o.hidden_size = 64;
  o.intermediate_size = 96;
  o.head_dim = 64;
  o.num_layers = layers;
  o.num_heads = std::max(2, kv_heads);
  o.num_kv_heads = kv_heads;
  o.max_position_embeddings = 256;
  o.tie_word_embeddings = 1;
  o.compute_dtype = LLASA_BF16;
  PolicyHandle policy = create_policy(o);
  fill(policy.get(), llasa_policy_tensor_count, llasa_policy_tensor_info, llasa_policy_set_tensor);
  return policy;
}

Job rollout_job(int32_t tokens) {
  Job job;
  llasa_sampling_options_init(&job.sampling);
  job.sampling.temperature = 0.8f;
  job.sampling.top_p = 0.9f;
  job.sampling.max_new_tokens = tokens;
  job.sampling.restrict_start = 40;
  job.sampling.restrict_end = 100;
  job.sampling.restrict_extra = -1;
  job.samples = 4;
  job.prompts = {{1, 2, 3, 4, 5, 6, 7}};
  return job;
}

// Of 64 tokens more, which are 8 read-backs and 4 blocks of the cache.
Counts rollout_counts(int32_t layers) {
  const PolicyHandle policy = make_policy(layers);
  llasa_rollout* rollout = create(policy.get(), 4);
  generate(rollout, rollout_job(97));
  const Counts some = counting([&] { generate(rollout, rollout_job(33)); });
  const Counts more = counting([&] { generate(rollout, rollout_job(97)); });
  llasa_rollout_destroy(rollout);
  return more - some;
}

// One prompt, and the first token of each of its samples.
Counts prompt_counts(int32_t layers) {
  const PolicyHandle policy = make_policy(layers);
  llasa_rollout* rollout = create(policy.get(), 4);
  generate(rollout, rollout_job(1));
  const Counts counts = counting([&] { generate(rollout, rollout_job(1)); });
  llasa_rollout_destroy(rollout);
  return counts;
}

TEST(Counts, OfARolloutAreTheTables) {
  expect_row("a prompt of a rollout, to the first token", Work(prompt_counts));
  expect_row("64 tokens of a rollout, all its rows together", Work(rollout_counts));
}

// Blocks of 1 MiB: 32 samples have 32, which beside the activations are a granule more than one sample's.
TEST(Counts, ACacheOfAnySizeIsAFewAllocations) {
  const PolicyHandle policy = make_policy(4, 64);
  const auto allocations = [&](int32_t samples) {
    llasa_rollout* rollout = create(policy.get(), 32);
    Job job = rollout_job(3);
    job.samples = samples;
    const Counts counts = counting([&] { generate(rollout, job); });
    llasa_rollout_destroy(rollout);
    return counts.allocations;
  };
  allocations(32);  // what belongs to the policy and its stream
  EXPECT_EQ(allocations(32) - allocations(1), 1);
}

// chunk: rows of logits at a time, of 24; step: of the optimiser, in place of a micro-batch.
Counts training_counts(int32_t layers, int32_t recompute, bool step, int32_t chunk = 24, int32_t extra = -1) {
  const PolicyHandle policy = make_policy(layers);
  llasa_trainer_options options;
  llasa_trainer_options_init(&options);
  options.recompute = recompute;
  options.micro_batch_tokens = 64;
  const TrainerHandle trainer = create_trainer(policy.get(), options);
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.restrict_start = 40;
  head.restrict_end = 104;
  head.restrict_extra = extra;
  head.chunk_tokens = chunk;
  BatchData batch;
  for (int32_t b = 0; b < 2; ++b) {
    std::vector<int32_t> ids(20, 50);
    ids[0] = 1;
    batch.add(ids, 8);
  }
  const std::vector<float> numbers(static_cast<size_t>(batch.scored()), -1.0f);
  const auto accumulate_once = [&] {
    accumulate(trainer.get(), batch, head, Loss{}, {.old_logprobs = numbers});
  };
  const auto step_once = [&] {
    llasa_step_stats stats{};
    stats.struct_size = sizeof stats;
    EXPECT_OK(llasa_trainer_step(trainer.get(), 1e-6f, &stats));
  };
  accumulate_once();
  step_once();
  const Counts accumulated = counting(accumulate_once);
  const Counts stepped = counting(step_once);
  return step ? stepped : accumulated;
}

TEST(Counts, OfATrainingPassAreTheTables) {
  expect_row("a micro-batch of training",
             Work([](int32_t layers) { return training_counts(layers, 0, false); }));
  expect_row("the same, layers recomputed",
             Work([](int32_t layers) { return training_counts(layers, 1, false); }));
  expect_row("the same, MLPs recomputed",
             Work([](int32_t layers) { return training_counts(layers, 2, false); }));
  expect_row("each further chunk of the head", Work([](int32_t layers) {
               return training_counts(layers, 0, false, 12) - training_counts(layers, 0, false, 24);
             }));
  expect_row("a step of the optimiser",
             Work([](int32_t layers) { return training_counts(layers, 0, true); }));
}

// Where cuBLASLt knows no product of odd leading dimensions it still makes all but those of the extra id's vector.
TEST(Counts, AnIdBesideTheRangeLeavesItsProductsAligned) {
  cudasim::set_known_products(1);
  const Counts alone = training_counts(1, 0, false), beside = training_counts(1, 0, false, 24, 2),
               behind = training_counts(1, 0, false, 24, 110);
  cudasim::set_known_products(2);
  EXPECT_EQ(alone.products, 3 + 12);
  for (const Counts& counts : {beside, behind}) {
    EXPECT_EQ(counts.products, alone.products);
    EXPECT_EQ(counts.kernels, alone.kernels + 3);
  }
}

llasa_whisper* make_whisper(int32_t layers) {
  llasa_whisper_options o;
  llasa_whisper_options_init(&o);
  o.vocab_size = 120;
  o.num_mel_bins = 80;
  o.d_model = 64;
  o.encoder_layers = o.decoder_layers = layers;
  o.encoder_heads = o.decoder_heads = 1;
  o.encoder_ffn_dim = o.decoder_ffn_dim = 96;
  o.max_source_positions = 50;
  o.max_target_positions = 64;
  o.eot_token = 100;
  o.compute_dtype = LLASA_BF16;
  llasa_whisper* whisper = nullptr;
  check(llasa_whisper_create(&o, &whisper));
  fill(whisper, llasa_whisper_tensor_count, llasa_whisper_tensor_info, llasa_whisper_set_tensor);
  return whisper;
}

// Transcripts of so many tokens, and the likelihood of a text of five.
void listen(llasa_whisper* whisper, size_t clips, int32_t tokens) {
  Scoring scoring;
  scoring.prompt = {1, 2, 3};
  scoring.suppress = scoring.begin_suppress = {100};
  scoring.max_new_tokens = tokens;
  for (size_t b = 0; b < clips; ++b) scoring.add_target({1, 2, 3, 10, 11, 12, 13, 100}, 3);
  std::vector<float> sound(800);  // small uploads: a ring that wraps cuts one in two
  std::mt19937 generator(2);
  for (float& x : sound) x = std::normal_distribution<float>(0.0f, 0.1f)(generator);
  ASSERT_OK(scoring.run(whisper, Clips(clips, sound)));
  EXPECT_EQ(scoring.lengths, std::vector<int32_t>(clips, tokens)) << "no text ended";
}

// After the same twice before: buffers have their sizes, and what a graph is recorded for is there.
Counts listening(llasa_whisper* whisper, size_t clips, int32_t tokens) {
  listen(whisper, clips, tokens);
  listen(whisper, clips, tokens);
  return counting([&] { listen(whisper, clips, tokens); });
}

Counts token_counts(int32_t layers, size_t clips) {
  const WhisperHandle whisper(make_whisper(layers));
  const Counts some = listening(whisper.get(), clips, 9);
  return listening(whisper.get(), clips, 25) - some;
}

Counts hearing_counts(int32_t layers, size_t clips) {
  const WhisperHandle whisper(make_whisper(layers));
  return listening(whisper.get(), clips, 1);
}

TEST(Counts, OfTranscriptsAreTheTables_AndNotOfTheirNumber) {
  expect_row("16 tokens of transcripts, all clips together",
             Work([](int32_t layers) { return token_counts(layers, 2); }));
  const Counts few = token_counts(1, 2), many = token_counts(1, 5);
  EXPECT_EQ(few.kernels, many.kernels);
  EXPECT_EQ(few.products, many.products);
  EXPECT_EQ(few.calls, many.calls);
  EXPECT_EQ(few.waits, many.waits);
}

TEST(Counts, OfHearingAreTheTables) {
  expect_row("hearing a group of clips, to the first token",
             Work([](int32_t layers) { return hearing_counts(layers, 2); }));
  expect_row("each further clip of it",
             Work([](int32_t layers) { return hearing_counts(layers, 7) - hearing_counts(layers, 5); }, 2));
}

Counts vocoder_counts(int32_t layers, int64_t clips) {
  llasa_codec_options o;
  llasa_codec_options_init(&o);
  o.layout = LLASA_CODEC_LAYOUT_HF;
  o.hidden_size = 64;
  o.intermediate_size = 96;
  o.num_layers = layers;
  o.num_heads = 1;
  o.head_dim = 64;
  o.semantic_hidden_size = 64;
  o.quantization_dim = 128;
  o.num_ratios = 2;
  o.ratios[0] = o.ratios[1] = 4;
  o.compute_dtype = LLASA_BF16;
  llasa_codec* made = nullptr;
  check(llasa_codec_create(&o, &made));
  const CodecHandle codec(made);
  fill(made, llasa_codec_tensor_count, llasa_codec_tensor_info, llasa_codec_set_tensor);
  std::vector<int64_t> offsets{0};
  for (int64_t b = 0; b < clips; ++b) offsets.push_back(offsets.back() + 12);
  const std::vector<int32_t> codes(static_cast<size_t>(offsets.back()), 1);
  std::vector<float> waveforms(codes.size() * 16);
  const auto vocode = [&] {
    EXPECT_OK(llasa_vocode(made, clips, offsets.data(), codes.data(), waveforms.data()));
  };
  vocode();
  return counting(vocode);
}

TEST(Counts, OfTheVocoderAreTheTables) {
  expect_row("vocoding a clip", Work([](int32_t layers) { return vocoder_counts(layers, 1); }));
  expect_row("vocoding each further clip of a batch",
             Work([](int32_t layers) { return vocoder_counts(layers, 3) - vocoder_counts(layers, 2); }));
}

}  // namespace
}  // namespace llasa::test
