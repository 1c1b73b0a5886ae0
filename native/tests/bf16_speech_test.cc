// Codec and recogniser with their matrices in bf16 and in 8 bits: memory, and how far what they say moves.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "abi/speech.h"
#include "bf16_arrays.h"
#include "core/device.h"
#include "op_test_util.h"
#include "speech_models.h"

using namespace llasa;
using namespace llasa::test;
namespace fs = std::filesystem;

namespace {

fs::path tiny(const char* model) {
  return fs::path(LLASA_FIXTURE_DIR) / ".." / ".." / "assets" / "tiny" / model;
}

CodecHandle codec(llasa_dtype dtype) {
  return load_codec(tiny("xcodec2"), tiny("xcodec2"), LLASA_CODEC_LAYOUT_HF, dtype);
}

template <typename Load>
int64_t bytes_of(Load&& load) {
  const int64_t before = allocated_bytes();
  const auto handle = load();
  return allocated_bytes() - before;
}

// Elements that bf16 stores, and all others, each tensor padded to 16.
struct Elements {
  int64_t matrices = 0, others = 0;
};
Elements count(const TensorTable& table) {
  Elements n;
  for (const TensorSpec& spec : table.specs())
    (spec.is_matrix ? n.matrices : n.others) += (spec.size + 15) / 16 * 16;
  return n;
}

TEST(Bf16Speech, MatricesAndFiltersTakeHalfTheMemory) {
  const int64_t codec_saved =
      bytes_of([] { return codec(LLASA_F32); }) - bytes_of([] { return codec(LLASA_BF16); });
  const int64_t whisper_saved = bytes_of([] { return load_whisper(tiny("whisper")); }) -
                                bytes_of([] { return load_whisper(tiny("whisper"), LLASA_BF16); });
  const WhisperHandle whisper = load_whisper(tiny("whisper"));
  const Elements n = count(whisper->model.table());
  // What is no matrix has a place in both arrays.
  EXPECT_EQ(whisper_saved, 2 * n.matrices - 2 * n.others);
  EXPECT_GT(n.matrices, 10 * n.others);
  EXPECT_GT(codec_saved, 0);
#if !defined(LLASA_TESTS_ON_DEVICE)
  EXPECT_LT(bytes_of([] { return load_whisper(tiny("whisper"), LLASA_Q8); }),
            bytes_of([] { return load_whisper(tiny("whisper"), LLASA_BF16); }));
  EXPECT_LT(bytes_of([] { return codec(LLASA_Q8); }), bytes_of([] { return codec(LLASA_BF16); }));
#endif
}

std::vector<float> vocode(llasa_codec* codec, const std::vector<int32_t>& codes) {
  const int64_t offsets[2] = {0, static_cast<int64_t>(codes.size())};
  int32_t hop = 0, count = 0;
  check(llasa_codec_geometry(codec, &hop, &count));
  std::vector<float> waveform(codes.size() * static_cast<size_t>(hop));
  check(llasa_vocode(codec, 1, offsets, codes.data(), waveform.data()));
  return waveform;
}

// Root mean square of the difference over that of `a`.
double relative(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(difference / size);
}

// A rounding to bf16 is off by 2^-8 / sqrt(3) = 0.002 of its value on average. A product's two operands, in a
// dozen layers whose errors add like those of independent numbers, make 0.002 sqrt(2 * 12) = 0.01.
constexpr double kMoved = 0.02;

// In 8 bits a weight is off by its scale / sqrt(12), where the scale is the largest of 32 over 127, of normal numbers
// some 2.3 deviations: 0.005 of a deviation, sqrt(12) times that in a dozen layers.
[[maybe_unused]] constexpr double kMovedInQ8 = 0.04;

std::vector<std::pair<llasa_dtype, double>> narrow_types() {
#if defined(LLASA_TESTS_ON_DEVICE)
  return {{LLASA_BF16, kMoved}};
#else
  return {{LLASA_BF16, kMoved}, {LLASA_Q8, kMovedInQ8}};
#endif
}
class NarrowSpeech : public testing::TestWithParam<std::pair<llasa_dtype, double>> {};
INSTANTIATE_TEST_SUITE_P(Types, NarrowSpeech, testing::ValuesIn(narrow_types()));

TEST_P(NarrowSpeech, SoundMovesByLittle) {
  const auto [dtype, moved] = GetParam();
  const CodecHandle wide = codec(LLASA_F32), narrow = codec(dtype);
  int32_t hop = 0, codes = 0;
  check(llasa_codec_geometry(wide.get(), &hop, &codes));
  std::vector<int32_t> clip;
  for (int32_t t = 0; t < 40; ++t) clip.push_back((t * 37 + t * t * 5) % codes);
  const std::vector<float> a = vocode(wide.get(), clip), b = vocode(narrow.get(), clip);
  EXPECT_GT(relative(a, b), 1e-5) << "nothing was rounded";
  EXPECT_LT(relative(a, b), moved);
}

TEST_P(NarrowSpeech, LogitsMoveByLittle) {
  const auto [dtype, moved] = GetParam();
  const WhisperHandle wide = load_whisper(tiny("whisper")), narrow = load_whisper(tiny("whisper"), dtype);
  const WhisperConfig& c = wide->model.config();
  const CodecHandle voice = codec(LLASA_F32);
  std::vector<int32_t> clip;
  for (int32_t t = 0; t < 40; ++t) clip.push_back((t * 37 + t * t * 5) % 1024);
  const std::vector<float> sound = vocode(voice.get(), clip);
  std::vector<float> features(static_cast<size_t>(c.num_mel_bins * c.mel_frames()));
  check(llasa_whisper_log_mel(wide.get(), sound.data(), static_cast<int64_t>(sound.size()), features.data()));
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5};
  std::vector<float> states[2], logits[2];
  for (int i = 0; i < 2; ++i) {
    llasa_whisper* model = i == 0 ? wide.get() : narrow.get();
    states[i].resize(static_cast<size_t>(c.max_source_positions * c.d_model));
    logits[i].resize(ids.size() * static_cast<size_t>(c.vocab_size));
    check(llasa_whisper_encode(model, features.data(), 1, states[i].data()));
    check(llasa_whisper_logits(model, states[i].data(), ids.data(), static_cast<int64_t>(ids.size()),
                               logits[i].data()));
  }
  EXPECT_GT(relative(states[0], states[1]), 1e-5) << "nothing was rounded";
  EXPECT_LT(relative(states[0], states[1]), moved);
  EXPECT_LT(relative(logits[0], logits[1]), moved);
}

TEST(Bf16Speech, OtherTypesAreRefused) {
  llasa_codec_options codec_options;
  llasa_codec_options_init(&codec_options);
  codec_options.compute_dtype = LLASA_F16;
  llasa_codec* codec = nullptr;
  EXPECT_EQ(llasa_codec_create(&codec_options, &codec), LLASA_ERR_ARGUMENT);
  EXPECT_NE(std::string(llasa_last_error()).find("compute_dtype"), std::string::npos);
  llasa_whisper_options whisper_options;
  llasa_whisper_options_init(&whisper_options);
  whisper_options.compute_dtype = 4;
  llasa_whisper* whisper = nullptr;
  EXPECT_EQ(llasa_whisper_create(&whisper_options, &whisper), LLASA_ERR_ARGUMENT);
  EXPECT_NE(std::string(llasa_last_error()).find("compute_dtype"), std::string::npos);
}

}  // namespace
