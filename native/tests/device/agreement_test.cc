// The whole tiny world on this device and on the CPU: forward, backward, decoding, codec and recogniser
// agree.
//
// The bounds come from the models themselves. A computation in f32 gives what exact arithmetic would give for
// numbers moved by a few units in their last place (backward stability), so the CPU computes everything again
// with every weight (and the sound that goes in) moved to a neighbouring number at random: the spread of its
// results is what one rounding per factor does. A sum of n products in order rounds n times. With products of
// like size w its partial sums are sqrt(k) w, so the errors add up to u w sqrt(sum of k) = u w n / sqrt(2),
// while moving each factor by 2 u adds up to 2 u w sqrt(n): a quotient of sqrt(n / 8). Two evaluations are
// compared, each with its error: sqrt(n / 2) spreads, n the longest sum. That must stay far below the results
// themselves, or the comparison would say nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "device/tiny_world.h"
#include "op_test_util.h"
#include "token_terms.h"

namespace llasa::test {
namespace {

constexpr uint64_t kVariants = 3;
constexpr int32_t kSpeechStart = 265, kSpeechEnd = 266, kFirstCode = 269, kCodes = 1024;

std::string cpu_library() {
  const char* given = std::getenv("LLASA_CPU_LIBRARY");
  return given != nullptr ? given : LLASA_CPU_LIBRARY;
}

// "Convert the text to speech" for a text, as the program llasa writes it; the tiny tokenizer has no merges.
Ids prompt_of(const std::string& text) {
  const Json tokenizer = Json::read(std::filesystem::path(LLASA_TINY_WORLD) / "policy" / "tokenizer.json");
  std::map<std::string, int32_t> special;
  for (const Json& token : tokenizer["added_tokens"].elements()) {
    special[token["content"].string()] = static_cast<int32_t>(token["id"].integer());
  }
  Ids ids;
  const auto add = [&](const std::string& characters) {
    for (char c : characters) {  // the byte-level alphabet's letters for space and line feed
      const std::string letter = c == ' ' ? "\u0120" : c == '\n' ? "\u010a" : std::string(1, c);
      ids.push_back(static_cast<int32_t>(tokenizer["model"]["vocab"][letter].integer()));
    }
  };
  const auto header = [&](const std::string& role) {
    ids.push_back(special.at("<|start_header_id|>"));
    add(role);
    ids.push_back(special.at("<|end_header_id|>"));
    add("\n\n");
  };
  ids.push_back(special.at("<|begin_of_text|>"));
  header("user");
  add("Convert the text to speech:");
  ids.push_back(special.at("<|TEXT_UNDERSTANDING_START|>"));
  add(text);
  ids.push_back(special.at("<|TEXT_UNDERSTANDING_END|>"));
  ids.push_back(special.at("<|eot_id|>"));
  header("assistant");
  ids.push_back(kSpeechStart);
  return ids;
}

double largest(const Floats& values) {
  double most = 0;
  for (float v : values) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

// What the device computed against what the CPU did, and did with moved weights.
void expect_agreement(const std::string& what, const Floats& device, const Floats& cpu,
                      const std::vector<const Floats*>& moved, double longest_sum) {
  double spread = 0;
  for (const Floats* one : moved) spread = std::max(spread, largest_difference(*one, cpu));
  const double bound = std::sqrt(longest_sum / 2) * spread, difference = largest_difference(device, cpu);
  EXPECT_LE(difference, bound) << what << ": spread " << spread;
  EXPECT_LT(bound, 0.02 * largest(cpu)) << what << " cannot be compared this way";
  std::printf("  %-60s difference %8.2e = %5.2f spreads, bound %8.2e, largest %8.2e\n", what.c_str(),
              difference, difference / spread, bound, largest(cpu));
}

// Everything is computed once, by four worlds on the CPU and one on the device.
class Agreement : public testing::Test {
 protected:
  struct Worlds {
    Backend cpu = Backend::load(cpu_library()), device = Backend::linked();
    TinyWorld here{cpu, 0}, there{device, 0};
    std::vector<std::unique_ptr<TinyWorld>> moved;
    TinyWorld::Samples samples;  // of the CPU
    std::vector<Ids> prompts{prompt_of("a quiet river"), prompt_of("seven small birds")};
    llasa_sampling_options sampling{};

    Worlds() {
      for (uint64_t v = 1; v <= kVariants; ++v) moved.push_back(std::make_unique<TinyWorld>(cpu, v));
      llasa_sampling_options_init(&sampling);
      sampling.temperature = 0.9f;
      sampling.top_p = 0.95f;
      sampling.restrict_start = kFirstCode;
      sampling.restrict_end = kFirstCode + kCodes;
      sampling.restrict_extra = sampling.stop_token = kSpeechEnd;
      sampling.max_new_tokens = 40;
      sampling.seed = 11;
      samples = here.generate(prompts, sampling, kSamples);
    }
    template <typename Compute>
    void compare(const std::string& what, double longest_sum, Compute&& compute) {
      std::vector<Floats> others;
      for (const auto& world : moved) others.push_back(compute(*world));
      std::vector<const Floats*> pointers;
      for (const Floats& one : others) pointers.push_back(&one);
      expect_agreement(what, compute(there), compute(here), pointers, longest_sum);
    }
    std::vector<Ids> codes() const {
      std::vector<Ids> clips;
      for (const Ids& tokens : samples.tokens) {
        Ids clip;
        for (int32_t id : tokens) {
          if (id != kSpeechEnd) clip.push_back(id - kFirstCode);
        }
        clips.push_back(std::move(clip));
      }
      return clips;
    }
  };
  static constexpr int32_t kSamples = 3;
  static Worlds& worlds() {
    static Worlds all;
    return all;
  }
};

constexpr double kPolicySum = 512, kCodecSum = 642,
                 kWhisperSum = 400;  // widest layer, window of the inverse STFT, of the mel

TEST_F(Agreement, TheDeviceIsNotTheCpu) {
  llasa_device_info cpu{}, device{};
  cpu.struct_size = device.struct_size = sizeof cpu;
  ASSERT_EQ(worlds().cpu.get_device_info(&cpu), LLASA_OK);
  ASSERT_EQ(worlds().device.get_device_info(&device), LLASA_OK);
  EXPECT_STREQ(cpu.backend, "cpu");
  EXPECT_STRNE(device.backend, "cpu");
}

TEST_F(Agreement, Logits) {
  Ids ids = worlds().prompts[0];
  ids.insert(ids.end(), worlds().samples.tokens[0].begin(), worlds().samples.tokens[0].end());
  worlds().compare("logits", kPolicySum, [&](TinyWorld& world) { return world.logits(ids); });
}

TEST_F(Agreement, Samples) {
  const TinyWorld::Samples drawn = worlds().there.generate(worlds().prompts, worlds().sampling, kSamples);
  // A draw can only differ where its random number falls within rounding of a border: not with this seed.
  EXPECT_EQ(drawn.tokens, worlds().samples.tokens);
  worlds().compare("log-probs of the samples", kPolicySum, [&](TinyWorld& world) {
    const TinyWorld::Samples again = world.generate(worlds().prompts, worlds().sampling, kSamples);
    EXPECT_EQ(again.tokens, worlds().samples.tokens);
    Floats all;
    for (const Floats& one : again.logprobs) all.insert(all.end(), one.begin(), one.end());
    return all;
  });
}

TEST_F(Agreement, GradientsOfAGrpoMicroBatch) {
  BatchData batch;
  Floats advantages, old, reference;
  for (size_t i = 0; i < worlds().samples.tokens.size(); ++i) {
    const Ids& prompt = worlds().prompts[i / kSamples];
    Ids ids = prompt;
    ids.insert(ids.end(), worlds().samples.tokens[i].begin(), worlds().samples.tokens[i].end());
    batch.add(ids, static_cast<int64_t>(prompt.size()));
    advantages.push_back(normal(3, i));
    for (float logprob : worlds().samples.logprobs[i]) {
      old.push_back(logprob);
      reference.push_back(logprob + 0.1f * normal(4, reference.size()));
    }
  }
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.temperature = worlds().sampling.temperature;
  head.restrict_start = worlds().sampling.restrict_start;
  head.restrict_end = worlds().sampling.restrict_end;
  head.restrict_extra = worlds().sampling.restrict_extra;
  Loss loss;
  loss.kl_coef = 0.05f;
  loss.entropy_coef = 0.01f;
  const TermArrays arrays(batch, loss,
                          {.advantages = advantages, .old_logprobs = old, .ref_logprobs = reference});
  const llasa_token_terms terms = arrays.view();
  const auto compute = [&](TinyWorld& world) { return world.gradients(batch, head, loss.options, terms); };
  const auto cpu = compute(worlds().here), device = compute(worlds().there);
  std::vector<std::map<std::string, Floats>> moved;
  for (const auto& world : worlds().moved) moved.push_back(compute(*world));
  ASSERT_EQ(cpu.size(), 38u + 2u);
  // The vocabulary is the longest sum on the way back.
  for (const auto& [name, values] : cpu) {
    std::vector<const Floats*> others;
    for (const auto& one : moved) others.push_back(&one.at(name));
    expect_agreement(name, device.at(name), values, others, kCodes + 1);
  }
}

TEST_F(Agreement, Waveforms) {
  const Ids codes = worlds().codes()[0];
  worlds().compare("waveform", kCodecSum, [&](TinyWorld& world) { return world.vocode(codes); });
}

// Codes are rounded numbers: those must agree that do not change when the weights move by an ulp, and most do
// not.
TEST_F(Agreement, CodesOfAWaveform) {
  const Floats wave = worlds().here.vocode(worlds().codes()[0]);
  const Ids cpu = worlds().here.encode(wave), device = worlds().there.encode(wave);
  ASSERT_EQ(device.size(), cpu.size());
  std::vector<Ids> moved;
  for (const auto& world : worlds().moved) moved.push_back(world->encode(wave));
  size_t firm = 0;
  for (size_t t = 0; t < cpu.size(); ++t) {
    if (!std::all_of(moved.begin(), moved.end(), [&](const Ids& one) { return one[t] == cpu[t]; })) continue;
    ++firm;
    EXPECT_EQ(device[t], cpu[t]) << "frame " << t;
  }
  EXPECT_GE(firm * 10, cpu.size() * 9);
}

TEST_F(Agreement, FeaturesStatesAndLogitsOfTheRecogniser) {
  const Floats wave = worlds().here.vocode(worlds().codes()[0]);
  const Floats features = worlds().here.log_mel(wave), states = worlds().here.encoder_states(features);
  const Ids ids{257, 258, 260, 264, 64, 220, 80};
  worlds().compare("log-mel", kWhisperSum, [&](TinyWorld& world) { return world.log_mel(wave); });
  worlds().compare("encoder", kWhisperSum, [&](TinyWorld& world) { return world.encoder_states(features); });
  worlds().compare("decoder", kWhisperSum,
                   [&](TinyWorld& world) { return world.decoder_logits(states, ids); });
}

TEST_F(Agreement, TranscriptsAndLikelihoodsFromCodes) {
  const Ids prompt{257, 258, 260, 264};
  Ids target = prompt;
  target.insert(target.end(), {64, 220, 80, 84, 72, 68, 83, 256});
  const auto compute = [&](TinyWorld& world) { return world.score(worlds().codes(), prompt, target); };
  const TinyWorld::Scores cpu = compute(worlds().here), device = compute(worlds().there);
  EXPECT_EQ(device.transcripts, cpu.transcripts);
  size_t tokens = 0;
  for (const Ids& transcript : cpu.transcripts) tokens += transcript.size();
  EXPECT_GT(tokens, cpu.transcripts.size()) << "nothing was heard";
  std::vector<TinyWorld::Scores> moved;
  for (const auto& world : worlds().moved) moved.push_back(compute(*world));
  std::vector<const Floats*> logprobs, nlls;
  for (const auto& one : moved) {
    logprobs.push_back(&one.mean_logprobs);
    nlls.push_back(&one.mean_nlls);
  }
  expect_agreement("log-probs of the transcripts", device.mean_logprobs, cpu.mean_logprobs, logprobs,
                   kCodecSum);
  expect_agreement("likelihoods of the text", device.mean_nlls, cpu.mean_nlls, nlls, kCodecSum);
}

}  // namespace
}  // namespace llasa::test
