// Codes on the device to waveforms there, on a stream of the caller.
#include <algorithm>

#include "device_arrays.h"
#include "speech_models.h"

namespace llasa::test {
namespace {

CodecHandle load(llasa_dtype compute_dtype = LLASA_F32) {
  const auto all = cases("xcodec2");
  const auto found = std::find_if(all.begin(), all.end(),
                                  [](const auto& path) { return path.filename() == "decoder_short_fsq"; });
  if (found == all.end()) throw std::runtime_error("the oracle case decoder_short_fsq is not there");
  return load_codec(*found / "hf", *found / "hf", LLASA_CODEC_LAYOUT_HF, compute_dtype);
}

int64_t hop_of(llasa_codec* codec) {
  int32_t hop = 0, count = 0;
  check(llasa_codec_geometry(codec, &hop, &count));
  return hop;
}

// Clips of which one is empty.
const std::vector<int64_t> kOffsets{0, 4, 4, 9, 10};
std::vector<int32_t> some_codes() {
  std::vector<int32_t> codes;
  for (int32_t i = 0; i < 10; ++i) codes.push_back(i * 3 % 5);
  return codes;
}

TEST(Xcodec2OnDevice, SaysToTheBitWhatItSaysOfCodesOnTheHost) {
  for (const llasa_dtype dtype : {LLASA_F32, LLASA_BF16}) {
    const CodecHandle codec = load(dtype);
    const std::vector<int32_t> codes = some_codes();
    std::vector<float> expected(codes.size() * static_cast<size_t>(hop_of(codec.get())));
    check(llasa_vocode(codec.get(), 4, kOffsets.data(), codes.data(), expected.data()));
    Caller caller;
    // The codes are still on their way, and what follows on the caller's stream reads the sound: nothing but the order
    // of streams makes either come in time.
    const auto on_device = caller.array(codes);
    auto waveforms = caller.array(std::vector<float>(expected.size(), 77.0f));
    DeviceBuffer<float> copy(waveforms.capacity(), "a copy of the sound");
    for (int round = 0; round < 2; ++round) {
      ASSERT_EQ(llasa_vocode_on_device(codec.get(), caller.handle(), 4, kOffsets.data(), on_device.data(),
                                       waveforms.data()),
                LLASA_OK)
          << llasa_last_error();
      copy_on_device(caller.stream, copy.data(), waveforms.data(), waveforms.capacity() * 4);
      zero_on_device(caller.stream, waveforms.data(), waveforms.capacity() * 4);
      EXPECT_EQ(caller.read(copy), expected) << dtype << ", round " << round;
    }
    EXPECT_EQ(caller.read(on_device), codes);
  }
}

TEST(Xcodec2OnDevice, CodesOutOfRangeAndArraysOfOthersAreRefused) {
  const CodecHandle codec = load();
  Caller caller;
  std::vector<int32_t> codes = some_codes();
  const auto good = caller.array(codes);
  codes[6] = -1;
  const auto bad = caller.array(codes);
  auto waveforms = caller.array(std::vector<float>(10 * static_cast<size_t>(hop_of(codec.get())), 77.0f));
  const auto vocode = [&](llasa_codec* c, const int64_t* offsets, const int32_t* from, float* to) {
    return llasa_vocode_on_device(c, caller.handle(), 4, offsets, from, to);
  };
  expect_refused(vocode(codec.get(), kOffsets.data(), bad.data(), waveforms.data()), LLASA_ERR_TOKEN,
                 "llasa_vocode_on_device: `codes`: -1 at position 2 of clip 2");
  EXPECT_EQ(caller.read(waveforms)[0], 77.0f) << "nothing is computed then";
  expect_refused(vocode(nullptr, kOffsets.data(), good.data(), waveforms.data()), LLASA_ERR_ARGUMENT,
                 "`codec`");
  expect_refused(vocode(codec.get(), nullptr, good.data(), waveforms.data()), LLASA_ERR_ARGUMENT,
                 "`code_offsets`");
  expect_refused(vocode(codec.get(), kOffsets.data(), nullptr, waveforms.data()), LLASA_ERR_ARGUMENT,
                 "`codes` is NULL");
  expect_refused(vocode(codec.get(), kOffsets.data(), good.data(), nullptr), LLASA_ERR_ARGUMENT,
                 "`out_waveforms` is NULL");
#if defined(LLASA_TESTS_ON_DEVICE)
  expect_refused(vocode(codec.get(), kOffsets.data(), codes.data(), waveforms.data()), LLASA_ERR_ARGUMENT,
                 "`codes`: host memory, expected memory of device 0");
#endif
  EXPECT_EQ(llasa_vocode_on_device(codec.get(), nullptr, 0, nullptr, nullptr, nullptr), LLASA_OK);
}

}  // namespace
}  // namespace llasa::test
