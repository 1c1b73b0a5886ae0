// Log-mel against the oracle (openai/whisper in float64) and against its own statistics of the filterbank.
#include "ops/mel.h"

#include <algorithm>

#include "fixture.h"
#include "op_test_util.h"
#include "wave_file.h"

using namespace llasa;
using namespace llasa::test;
namespace fs = std::filesystem;

namespace {

struct MelTables {
  explicit MelTables(int64_t mels)
      : basis(static_cast<size_t>(kMelBasisSize)),
        window(static_cast<size_t>(kMelFft)),
        filters(static_cast<size_t>(mels * kMelLines)) {
    mel_dft_tables(basis.data(), window.data());
    mel_filterbank(mels, filters.data());
  }
  std::vector<float> basis, window, filters;
};

// [clip][frame][mel]
std::vector<float> log_mel(const std::vector<std::vector<float>>& clips, int64_t frames, int64_t mels) {
  std::vector<float> samples;
  std::vector<int64_t> offsets{0};
  for (const auto& clip : clips) {
    samples.insert(samples.end(), clip.begin(), clip.end());
    offsets.push_back(static_cast<int64_t>(samples.size()));
  }
  const auto B = static_cast<int64_t>(clips.size());
  MelTables tables(mels);
  Stream stream;
  Guarded x(samples), basis(tables.basis), window(tables.window), filters(tables.filters),
      y(B * frames * mels);
  log_mel_forward(stream, x.data(), offsets.data(), offsets.data() + 1, basis.data(), window.data(),
                  filters.data(), y.data(), B, frames, mels);
  return y.values();
}

class MelOracle : public testing::TestWithParam<fs::path> {};

TEST_P(MelOracle, FilterbankHasTheRightNumbers) {
  const Json manifest = Json::read(GetParam() / "case.json");
  for (const int64_t mels : {80, 128}) {
    const MelTables tables(mels);
    const Json& expected = manifest["filters"]["mel_" + std::to_string(mels)];
    double sum = 0.0, largest = 0.0;
    int64_t nonzeros = 0;
    for (float f : tables.filters) {
      sum += static_cast<double>(f);
      largest = std::max(largest, static_cast<double>(f));
      nonzeros += f != 0.0f;
    }
    // Each entry is within max_abs_diff_to_float64_formula of the published float32 table.
    EXPECT_NEAR(sum, expected["sum"].number(), 400 * expected["max_abs_diff_to_float64_formula"].number());
    EXPECT_NEAR(largest, expected["max"].number(), 3e-9 + 4e-9);  // and one ulp of 0.04
    EXPECT_EQ(nonzeros, expected["nonzeros"].integer());
  }
}

TEST_P(MelOracle, SpectrogramsMatch) {
  const Json manifest = Json::read(GetParam() / "case.json");
  const Tensors expected = read_safetensors(GetParam() / "expected.safetensors");
  for (const auto& [name, signal] : manifest["signals"].members()) {
    std::vector<float> wave;
    if (name == "jfk") {
      const char* oracle = std::getenv("LLASA_ORACLE");
      if (oracle == nullptr || !fs::exists(fs::path(oracle) / "assets" / "jfk.wav")) continue;
      wave = read_wave(fs::path(oracle) / "assets" / "jfk.wav");
    } else {
      const auto once = read_wave(GetParam() / "synthetic.wav");
      while (static_cast<int64_t>(wave.size()) < signal["samples"].integer()) {
        wave.insert(wave.end(), once.begin(), once.end());
      }
    }
    ASSERT_EQ(static_cast<int64_t>(wave.size()), signal["samples"].integer());
    for (const int64_t mels : {80, 128}) {
      const std::string key = "mel" + std::to_string(mels);
      const auto actual = log_mel({wave}, 3000, mels);
      double sum = 0.0, lowest = 1e9, highest = -1e9;
      for (float v : actual) {
        sum += static_cast<double>(v);
        lowest = std::min(lowest, static_cast<double>(v));
        highest = std::max(highest, static_cast<double>(v));
      }
      EXPECT_NEAR(sum / static_cast<double>(actual.size()), signal[key]["mean"].number(), 1e-4);
      EXPECT_NEAR(lowest, signal[key]["min"].number(), 1e-4);
      EXPECT_NEAR(highest, signal[key]["max"].number(), 1e-4);
      const auto frames = expected.at(name + ".frames").integers<int64_t>();
      const auto columns = expected.at(name + "." + key).floats();
      std::vector<float> picked;
      for (int64_t m = 0; m < mels; ++m) {
        for (int64_t f : frames) picked.push_back(actual[static_cast<size_t>(f * mels + m)]);
      }
      EXPECT_LT(largest_difference(picked, columns), manifest["tolerance"]["mel_abs"].number())
          << name << key;
    }
  }
}

TEST(Mel, JfkIsChecked) {
  const char* oracle = std::getenv("LLASA_ORACLE");
  if (oracle == nullptr) GTEST_SKIP() << "set LLASA_ORACLE to compare with the spectrogram of jfk.wav";
  EXPECT_TRUE(fs::exists(fs::path(oracle) / "assets" / "jfk.wav"));
}

INSTANTIATE_TEST_SUITE_P(WhisperMel, MelOracle, testing::ValuesIn(cases("whisper_mel")),
                         [](const auto& param) { return case_name(param.param); });

TEST(Mel, SilenceIsExactlyMinusOneAndAHalf) {
  for (const auto& clip : {std::vector<float>{}, std::vector<float>(777, 0.0f)}) {
    for (float v : log_mel({clip}, 20, 80)) ASSERT_EQ(v, -1.5f);
  }
}

TEST(Mel, ClipsOfABatchAreIndependentAndCutToTheWindow) {
  const std::vector<std::vector<float>> clips{
      random_floats(2000, 1, 0.1f), {}, random_floats(1, 2), random_floats(150, 3), random_floats(9000, 4)};
  const auto together = log_mel(clips, 40, 80);
  for (size_t b = 0; b < clips.size(); ++b) {
    const auto alone = log_mel({clips[b]}, 40, 80);
    EXPECT_EQ(alone, std::vector<float>(together.begin() + static_cast<int64_t>(b) * 3200,
                                        together.begin() + static_cast<int64_t>(b + 1) * 3200));
  }
  auto cut = clips[4];
  cut.resize(6400);
  EXPECT_EQ(log_mel({cut}, 40, 80), log_mel({clips[4]}, 40, 80));
  expect_same_for_any_thread_count([&] { return log_mel(clips, 40, 80); });
}

// Padding with explicit zeros is the same signal, though other frames are computed.
TEST(Mel, FilledTailEqualsComputedTail) {
  auto clip = random_floats(1000, 5, 0.3f);
  const auto filled = log_mel({clip}, 60, 128);
  clip.resize(9600, 0.0f);
  EXPECT_EQ(filled, log_mel({clip}, 60, 128));
}

}  // namespace
