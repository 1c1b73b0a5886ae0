// Scoring of the demo: 128 clips of about 1.4 s in a 3 s window, transcripts of 25 tokens and the likelihood
// of 26, with the tiny world's recogniser. The floor is the matrix products at the GEMM peak.
#include "roofline.h"
#include "speech_models.h"

namespace {

using namespace llasa::bench;

// Multiply-adds per clip.
double products(double frames) {
  constexpr double C = 96, F = 384, M = 80, P = 150, V = 265, steps = 28, scored = 27;
  const double layer = 4 * C * C + 2 * C * F;
  const double mel = frames * 4 * 101 * 101;
  const double encoder = 2 * P * 3 * M * C + P * 3 * C * C + 3 * P * (layer + 2 * P * C);
  const double cross = 2 * 2 * P * C * C;
  const double row = 2 * (layer + 2 * C * C + 2 * P * C + 30 * C) + C * V;
  return mel + encoder + cross + (steps + scored) * row;
}

void score(benchmark::State& state) {
  const int64_t clips = state.range(0);
  llasa_whisper* whisper = tiny_whisper(state);
  auto offsets = demo_offsets(clips);
  for (int64_t& offset : offsets) offset *= 320;
  std::vector<float> waveforms(static_cast<size_t>(offsets.back()));
  for (size_t i = 0; i < waveforms.size(); ++i) {
    waveforms[i] = 0.2f * std::sin(0.03f * static_cast<float>(i % 20000)) *
                   std::sin(0.0007f * static_cast<float>(i % 9000));
  }
  const std::vector<int32_t> prompt{257, 258, 259, 260}, banned{256, 257, 258, 259, 260, 261, 262, 263, 264};
  std::vector<int64_t> target_offsets{0};
  std::vector<int32_t> targets, first(static_cast<size_t>(clips), 4);
  for (int64_t b = 0; b < clips; ++b) {
    targets.insert(targets.end(), prompt.begin(), prompt.end());
    for (int32_t i = 0; i < 23; ++i) targets.push_back(97 + i);
    targets.push_back(256);
    target_offsets.push_back(static_cast<int64_t>(targets.size()));
  }
  llasa_whisper_request request{};
  request.struct_size = sizeof request;
  request.max_new_tokens = 25;
  request.num_clips = clips;
  request.waveform_offsets = offsets.data();
  request.waveforms = waveforms.data();
  request.prompt_ids = prompt.data();
  request.prompt_length = 4;
  request.language_slot = request.no_speech_token = request.target_language_slot = -1;
  request.suppress_ids = banned.data();
  request.num_suppress = static_cast<int64_t>(banned.size());
  request.target_offsets = target_offsets.data();
  request.target_ids = targets.data();
  request.target_first = first.data();
  std::vector<int32_t> tokens(static_cast<size_t>(clips) * 25), lengths(static_cast<size_t>(clips));
  std::vector<float> nlls(static_cast<size_t>(clips));
  llasa_whisper_result result{};
  result.struct_size = sizeof result;
  result.tokens = tokens.data();
  result.lengths = lengths.data();
  result.mean_nlls = nlls.data();
  for (auto _ : state) check(state, llasa_whisper_score(whisper, &request, &result));
  for (int32_t length : lengths) {
    if (length != 25) state.SkipWithError("a transcript has not 25 tokens");
  }
  const double frames = static_cast<double>(offsets.back()) / 160.0;
  report_flops(state, 2.0 * products(frames / static_cast<double>(clips)) * static_cast<double>(clips));
  state.counters["x_real_time"] = benchmark::Counter(static_cast<double>(offsets.back()) / 16000.0,
                                                     benchmark::Counter::kIsIterationInvariantRate);
  llasa_whisper_destroy(whisper);
}
BENCHMARK(score)->Arg(1)->Arg(32)->Arg(128)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
