// Whisper against the oracle (transformers in float64): encoder, logits, likelihoods, greedy transcripts.
#include <gtest/gtest.h>

#include <algorithm>

#include "abi/speech.h"
#include "op_test_util.h"
#include "simulated.h"
#include "speech_models.h"
#include "wave_file.h"

using namespace llasa;
using namespace llasa::test;
namespace fs = std::filesystem;

namespace {

std::vector<int32_t> integers(const Json& array) {
  std::vector<int32_t> values;
  for (const Json& value : array.elements()) values.push_back(static_cast<int32_t>(value.integer()));
  return values;
}

class WhisperOracle : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    manifest_ = Json::read(GetParam() / "case.json");
    expected_ = read_safetensors(GetParam() / "expected.safetensors");
    config_ = Json::read(GetParam() / "model" / "config.json");
    whisper_ = load_whisper(GetParam() / "model");
    mels_ = config_["num_mel_bins"].integer();
    positions_ = config_["max_source_positions"].integer();
    width_ = config_["d_model"].integer();
    vocabulary_ = config_["vocab_size"].integer();
  }
  // Encoding half a minute takes the simulator so long that each test but the encoder's takes one input there.
  std::vector<Json> inputs(size_t own) const {
    const std::vector<Json>& all = manifest_["inputs"].elements();
    return simulated() ? std::vector<Json>{all[own % all.size()]} : all;
  }
  double tolerance(const char* key) const { return manifest_["tolerance"][key].number(); }

  // [M, 2P]
  std::vector<float> features(const Json& input) {
    const int64_t frames = 2 * positions_;
    const std::string stored = "in" + std::to_string(input["index"].integer()) + ".input_features";
    if (expected_.count(stored) != 0) return expected_.at(stored).floats();
    std::vector<float> values(static_cast<size_t>(mels_ * frames));
    const std::string& how = input["features"].string();
    if (how.rfind("formula a=", 0) == 0) {
      const double a = std::stod(how.substr(10));
      for (int64_t m = 0; m < mels_; ++m) {
        for (int64_t t = 0; t < frames; ++t) {
          const auto x = static_cast<double>(m), s = static_cast<double>(t);
          values[static_cast<size_t>(m * frames + t)] =
              static_cast<float>(0.5 * std::sin(0.05 * s * (1.0 + x / 40.0) + a) +
                                 0.3 * std::cos(0.3 * x + 0.00002 * s * s) - 0.2);
        }
      }
      return values;
    }
    const auto wave =
        read_wave(GetParam().parent_path().parent_path() / "whisper_mel" / "log_mel" / "synthetic.wav");
    check(
        llasa_whisper_log_mel(whisper_.get(), wave.data(), static_cast<int64_t>(wave.size()), values.data()));
    return values;
  }
  std::vector<float> encode(const Json& input) {
    const auto in = features(input);
    std::vector<float> states(static_cast<size_t>(positions_ * width_));
    check(llasa_whisper_encode(whisper_.get(), in.data(), 1, states.data()));
    return states;
  }
  std::vector<float> logits(const std::vector<float>& states, std::span<const int32_t> ids) {
    std::vector<float> out(ids.size() * static_cast<size_t>(vocabulary_));
    check(llasa_whisper_logits(whisper_.get(), states.data(), ids.data(), static_cast<int64_t>(ids.size()),
                               out.data()));
    return out;
  }
  double log_softmax(const float* row, int32_t id) const {
    double largest = -1e300, sum = 0.0;
    for (int64_t v = 0; v < vocabulary_; ++v) largest = std::max(largest, static_cast<double>(row[v]));
    for (int64_t v = 0; v < vocabulary_; ++v) sum += std::exp(static_cast<double>(row[v]) - largest);
    return static_cast<double>(row[id]) - largest - std::log(sum);
  }

  Json manifest_, config_;
  Tensors expected_;
  WhisperHandle whisper_;
  int64_t mels_ = 0, positions_ = 0, width_ = 0, vocabulary_ = 0;
};

TEST_P(WhisperOracle, EncoderMatches) {
  for (const Json& input : manifest_["inputs"].elements()) {
    const std::string prefix = "in" + std::to_string(input["index"].integer());
    const auto states = encode(input);
    std::vector<float> picked;
    for (int64_t f : expected_.at(prefix + ".encoder_frames").integers<int64_t>()) {
      picked.insert(picked.end(), states.begin() + f * width_, states.begin() + (f + 1) * width_);
    }
    EXPECT_LT(largest_difference(picked, expected_.at(prefix + ".encoder_out").floats()),
              tolerance("encoder_abs"))
        << prefix;
    double sum = 0.0;
    for (float v : states) sum += static_cast<double>(v);
    EXPECT_NEAR(sum / static_cast<double>(states.size()), input["encoder_mean"].number(),
                tolerance("encoder_abs"));
  }
}

TEST_P(WhisperOracle, TeacherForcedLogitsAndLikelihoodsMatch) {
  for (const Json& input : inputs(1)) {
    const auto states = encode(input);
    for (const Json& target : input["targets"].elements()) {
      const std::string name = "in" + std::to_string(input["index"].integer()) + ".t" +
                               std::to_string(target["text_index"].integer()) + "." +
                               target["variant"].string();
      const auto ids = integers(target["ids"]);
      const auto actual = logits(states, std::span(ids).first(ids.size() - 1));
      if (expected_.count(name + ".logits") != 0) {
        EXPECT_LT(largest_difference(actual, expected_.at(name + ".logits").floats()),
                  tolerance("logits_abs"))
            << name;
      }
      const auto logp = expected_.at(name + ".logp").floats();
      double nll = 0.0;
      const auto first = static_cast<size_t>(target["first_scored_index"].integer());
      for (size_t j = 0; j + 1 < ids.size(); ++j) {
        const double p = log_softmax(actual.data() + static_cast<int64_t>(j) * vocabulary_, ids[j + 1]);
        EXPECT_NEAR(p, logp[j], tolerance("logits_abs")) << name;
        if (j + 1 >= first) nll -= p;
      }
      EXPECT_NEAR(nll / static_cast<double>(ids.size() - first), target["mean_nll"].number(),
                  tolerance("nll_abs"))
          << name;
    }
  }
}

// Through the caches: the prompt in one piece, then one token at a time.
TEST_P(WhisperOracle, GreedyIdsMatch) {
  Stream& stream = whisper_->model.stream();
  const auto eot = static_cast<int32_t>(config_["eos_token_id"].integer());
  for (const Json& input : inputs(0)) {
    DeviceBuffer<float> states, logits(vocabulary_, "logits");
    states.upload(stream, encode(input), "states");
    WhisperDecoder decoder(whisper_->model);
    const PhaseLease lease(whisper_->model.phase(), stream);
    decoder.reserve(3, true);
    decoder.set_clips(states.data(), 2, 1);
    for (const Json& greedy : input["greedy"].elements()) {
      const bool text_only = greedy["mode"].string() == "no_special_first_not_eot";
      const auto expected = integers(greedy["ids"]);
      std::vector<int32_t> actual, feed = integers(greedy["prompt"]);
      int64_t position = 0;
      while (static_cast<int64_t>(actual.size()) < greedy["max_new_tokens"].integer()) {
        TextRows rows;
        rows.add(2, position, feed);
        position += static_cast<int64_t>(feed.size());
        const WeightView hidden = decoder.continue_texts(rows);
        decoder.logits(hidden + (rows.rows() - 1) * width_, 1, logits.data());
        const auto row = logits.download(stream, vocabulary_);
        int32_t best = -1;
        for (int32_t v = 0; v < vocabulary_; ++v) {
          if (text_only && (v > eot || (v == eot && actual.empty()))) continue;
          if (best < 0 || row[static_cast<size_t>(v)] > row[static_cast<size_t>(best)]) best = v;
        }
        actual.push_back(best);
        if (best == eot) break;
        feed = {best};
      }
      EXPECT_EQ(actual, expected) << greedy["mode"].string();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, WhisperOracle, testing::ValuesIn(cases("whisper_tiny")),
                         [](const auto& param) { return case_name(param.param); });

}  // namespace
