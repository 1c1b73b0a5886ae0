// X-Codec2 against the oracle: every stage of the decoder, both layouts, batches, faults.
#include <gtest/gtest.h>

#include <filesystem>

#include "abi/speech.h"
#include "op_test_util.h"
#include "speech_models.h"

using namespace llasa;
using namespace llasa::test;
namespace fs = std::filesystem;

namespace {

struct Variant {
  std::string name;
  int32_t layout;
};

class Xcodec2Oracle : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    manifest_ = Json::read(GetParam() / "case.json");
    expected_ = read_safetensors(GetParam() / "expected.safetensors");
  }
  std::vector<Variant> variants() const {
    std::vector<Variant> found{{"hf", LLASA_CODEC_LAYOUT_HF}};
    if (fs::exists(GetParam() / "original")) found.push_back({"original", LLASA_CODEC_LAYOUT_ORIGINAL});
    return found;
  }
  CodecHandle load(const Variant& variant) const {
    return load_codec(GetParam() / "hf", GetParam() / variant.name, variant.layout);
  }
  std::vector<int32_t> codes(size_t i) const {
    return expected_.at("dec" + std::to_string(i) + ".audio_codes").integers<int32_t>();
  }
  double tolerance(const char* key) const { return manifest_["tolerance"][key].number(); }

  Json manifest_;
  Tensors expected_;
};

std::vector<float> vocode(llasa_codec* codec, const std::vector<std::vector<int32_t>>& clips) {
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> codes;
  for (const auto& clip : clips) {
    codes.insert(codes.end(), clip.begin(), clip.end());
    offsets.push_back(static_cast<int64_t>(codes.size()));
  }
  int32_t hop = 0, count = 0;
  check(llasa_codec_geometry(codec, &hop, &count));
  std::vector<float> waveforms(codes.size() * static_cast<size_t>(hop));
  check(llasa_vocode(codec, static_cast<int64_t>(clips.size()), offsets.data(), codes.data(),
                     waveforms.data()));
  return waveforms;
}

// A stage's [rows, columns] in the order of the oracle tensor: [1,T,C] as it is, [1,C,T] transposed.
std::vector<float> as_oracle(const std::vector<float>& values, int64_t rows, int64_t columns,
                             const Tensor& tensor) {
  if (tensor.shape[1] == rows && tensor.shape[2] == columns && tensor.shape[1] != tensor.shape[2])
    return values;
  std::vector<float> transposed(values.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      transposed[static_cast<size_t>(c * rows + r)] = values[static_cast<size_t>(r * columns + c)];
    }
  }
  return transposed;
}

TEST_P(Xcodec2Oracle, EveryStageMatches) {
  for (const Variant& variant : variants()) {
    const CodecHandle codec = load(variant);
    std::map<std::string, bool> seen;
    codec->model.set_stage_probe([&](const char* stage, const float* data, int64_t rows, int64_t columns) {
      const auto found = expected_.find("dec0." + std::string(stage));
      if (found == expected_.end()) return;
      std::vector<float> values(static_cast<size_t>(rows * columns));
      copy_to_host(codec->model.stream(), values.data(), data, rows * columns * 4);
      const bool prediction = std::string(stage) == "stft_pred";
      EXPECT_LT(largest_difference(as_oracle(values, rows, columns, found->second), found->second.floats()),
                tolerance(prediction ? "stft_pred_abs" : "intermediates_abs"))
          << variant.name << " " << stage;
      seen[found->first] = true;
    });
    vocode(codec.get(), {codes(0)});
    for (const auto& [name, tensor] : expected_) {
      if (name.rfind("dec0.", 0) == 0 && name != "dec0.audio" && name != "dec0.audio_codes") {
        EXPECT_TRUE(seen[name]) << name << " was never computed";
      }
    }
  }
}

TEST_P(Xcodec2Oracle, WaveformsMatchAloneAndTogether) {
  for (const Variant& variant : variants()) {
    const CodecHandle codec = load(variant);
    std::vector<std::vector<int32_t>> clips;
    std::vector<float> all;
    for (size_t i = 0; i < manifest_["decode"].size(); ++i) {
      const auto expected = expected_.at("dec" + std::to_string(i) + ".audio").floats();
      const auto alone = vocode(codec.get(), {codes(i)});
      EXPECT_LT(largest_difference(alone, expected), tolerance("audio_abs")) << variant.name << " clip " << i;
      clips.push_back(codes(i));
      clips.push_back({});             // an empty clip
      clips.push_back({codes(i)[0]});  // one frame
      all.insert(all.end(), alone.begin(), alone.end());
      const auto one = vocode(codec.get(), {{codes(i)[0]}});
      all.insert(all.end(), one.begin(), one.end());
    }
    // BLAS rounds leftover rows of a product differently, so two fp32 evaluations differ by up to twice the
    // fp32 error against fp64. audio_abs is 20 times that error: a quarter of it is 5 times.
    EXPECT_LT(largest_difference(vocode(codec.get(), clips), all), tolerance("audio_abs") / 4)
        << variant.name;
    expect_same_for_any_thread_count([&] { return vocode(codec.get(), clips); });
  }
}

TEST_P(Xcodec2Oracle, WaveformsAreEncodedExactly) {
  for (const Variant& variant : variants()) {
    const CodecHandle codec = load(variant);
    for (size_t i = 0; i < manifest_["encode"].size(); ++i) {
      const std::string prefix = "enc" + std::to_string(i) + ".";
      const std::vector<float> wave = expected_.at(prefix + "pcm_int16_as_float").floats();
      codec->model.set_stage_probe([&](const char* stage, const float* data, int64_t rows, int64_t columns) {
        auto found = expected_.find(prefix + stage);
        if (found == expected_.end()) return;
        std::vector<float> values(static_cast<size_t>(rows * columns));
        copy_to_host(codec->model.stream(), values.data(), data, rows * columns * 4);
        const bool features = std::string(stage) == "input_features";
        EXPECT_LT(largest_difference(as_oracle(values, rows, columns, found->second), found->second.floats()),
                  tolerance(features ? "input_features_abs" : "intermediates_abs"))
            << variant.name << " " << found->first;
      });
      const auto expected = expected_.at(prefix + "audio_codes").integers<int32_t>();
      std::vector<int32_t> codes(expected.size() + 3, -7);
      int64_t count = 0;
      check(llasa_codec_encode(codec.get(), wave.data(), static_cast<int64_t>(wave.size()), codes.data(),
                               static_cast<int64_t>(expected.size()), &count));
      codes.resize(static_cast<size_t>(count));
      EXPECT_EQ(codes, expected) << variant.name << " " << prefix;
      EXPECT_EQ(llasa_codec_encode(codec.get(), wave.data(), static_cast<int64_t>(wave.size()), codes.data(),
                                   count - 1, &count),
                LLASA_ERR_CAPACITY);
    }
  }
}

TEST_P(Xcodec2Oracle, CodesOutOfRangeAreNamed) {
  const CodecHandle codec = load({"hf", LLASA_CODEC_LAYOUT_HF});
  int32_t hop = 0, count = 0;
  check(llasa_codec_geometry(codec.get(), &hop, &count));
  const std::vector<int64_t> offsets{0, 2, 4};
  for (const int32_t bad : {-1, count}) {
    const std::vector<int32_t> codes{0, 1, 2, bad};
    std::vector<float> out(static_cast<size_t>(4 * hop));
    EXPECT_EQ(llasa_vocode(codec.get(), 2, offsets.data(), codes.data(), out.data()), LLASA_ERR_TOKEN);
    EXPECT_NE(std::string(llasa_last_error()).find("position 1 of clip 1"), std::string::npos)
        << llasa_last_error();
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Xcodec2Oracle, testing::ValuesIn(cases("xcodec2")),
                         [](const auto& param) { return case_name(param.param); });

TEST(Xcodec2, FaultyCallsAreRefused) {
  llasa_codec_options options;
  llasa_codec_options_init(&options);
  options.hidden_size = 32;
  options.num_layers = 1;
  options.semantic_hidden_size = 16;
  options.semantic_num_heads = 2;
  options.quantization_dim = 48;
  llasa_codec* codec = nullptr;
  options.hidden_size = 33;
  EXPECT_EQ(llasa_codec_create(&options, &codec), LLASA_ERR_ARGUMENT);
  EXPECT_EQ(codec, nullptr);
  options.hidden_size = 32;
  check(llasa_codec_create(&options, &codec));
  const CodecHandle handle(codec);
  const int64_t shape[2] = {32, 47}, offsets[2] = {0, 1};
  const int32_t code = 0;
  std::vector<float> data(32 * 48, 0.0f), out(320);
  EXPECT_EQ(llasa_codec_set_tensor(codec, "decoder.fc.weight", LLASA_F32, shape, 2, data.data()),
            LLASA_ERR_SHAPE);
  EXPECT_EQ(llasa_codec_set_tensor(codec, "fc_post_a.weight", LLASA_F32, shape, 2, data.data()),
            LLASA_ERR_NAME);
  const int64_t right[2] = {32, 48};
  data[5] = NAN;
  EXPECT_EQ(llasa_codec_set_tensor(codec, "decoder.fc.weight", LLASA_F32, right, 2, data.data()),
            LLASA_ERR_NOT_FINITE);
  EXPECT_EQ(llasa_vocode(codec, 1, offsets, &code, out.data()), LLASA_ERR_STATE);
  const int64_t falling[3] = {0, 1, 0};
  EXPECT_EQ(llasa_vocode(codec, 2, falling, &code, out.data()), LLASA_ERR_ARGUMENT);
}

}  // namespace
