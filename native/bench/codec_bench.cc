// Vocoding of the demo: 128 clips of about 68 codes with the tiny world's codec. The floor is the matrix
// products at the GEMM peak: per frame 1.27 million multiply-adds of the network and 4 (hop + 1)^2 of the
// inverse STFT.
#include <algorithm>

#include "roofline.h"
#include "speech_models.h"

namespace {

using namespace llasa::bench;

void vocode(benchmark::State& state) {
  const int64_t clips = state.range(0);
  llasa_codec* codec = tiny_codec(state);
  const auto offsets = demo_offsets(clips);
  const int64_t frames = offsets.back();
  std::vector<int32_t> codes(static_cast<size_t>(frames));
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int32_t>(i * 7919 % 1024);
  std::vector<float> waveforms(static_cast<size_t>(frames * 320));
  for (auto _ : state)
    check(state, llasa_vocode(codec, clips, offsets.data(), codes.data(), waveforms.data()));
  for (float v : waveforms) {
    if (!(std::abs(v) < 1e6f)) state.SkipWithError("the waveform is not finite");
  }
  constexpr double C = 128, F = 512, Q = 192, lines = 1282;
  const double network = 5 * Q + Q * C + 7 * C * C + 8 * 3 * C * C + 3 * (4 * C * C + 2 * C * F) + C * lines;
  const double attention = 3.0 * 2 * C * 68;
  report_flops(state, 2.0 * (network + attention + 4.0 * 321 * 321) * static_cast<double>(frames));
  state.counters["x_real_time"] =
      benchmark::Counter(static_cast<double>(frames) / 50.0, benchmark::Counter::kIsIterationInvariantRate);
  llasa_codec_destroy(codec);
}
BENCHMARK(vocode)->Arg(1)->Arg(32)->Arg(128)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
