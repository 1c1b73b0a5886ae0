// The ends of the sound path: log-mel in, inverse STFT out.
#include <cmath>
#include <numbers>

#include "kernel_bench.h"
#include "ops/istft.h"
#include "ops/mel.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

void log_mel(const WhisperShape& s) {
  const int64_t frames = 2 * s.P, samples = frames * kMelHop, B = s.clips, M = s.M;
  const double clips = static_cast<double>(B);
  const double flops = clips * static_cast<double>(frames) * 2.0 * (4 * 101 * 101 + 201 * 2);
  const double bytes = 4.0 * clips * static_cast<double>(samples + frames * M);
  add(std::string("mel/log_mel_forward/") + s.name, {bytes, flops, bytes}, [=](Kernel& k) {
    std::vector<float> basis(static_cast<size_t>(kMelBasisSize)), window(static_cast<size_t>(kMelFft)),
        filters(static_cast<size_t>(M * kMelLines));
    mel_dft_tables(basis.data(), window.data());
    mel_filterbank(M, filters.data());
    const float *b = k.upload(basis), *w = k.upload(window), *f = k.upload(filters),
                *x = k.random(B * samples, 1, 0.3f);
    float* y = k.zeros(B * frames * M);
    std::vector<int64_t> begin, end;
    for (int64_t i = 0; i < B; ++i) {
      begin.push_back(i * samples);
      end.push_back((i + 1) * samples);
    }
    const auto run = [&] {
      log_mel_forward(k.stream(), x, begin.data(), end.data(), b, w, f, y, B, frames, M);
    };
    run();
    // White noise has no quiet bin, so no floor: (log10(power) + 4) / 4 of one frame by the textbook.
    const int64_t t = frames / 2, m = M / 2;
    double power = 0;
    for (int64_t line = 0; line < kMelLines; ++line) {
      const double filter = static_cast<double>(filters[static_cast<size_t>(m * kMelLines + line)]);
      if (filter == 0) continue;
      double re = 0, im = 0;
      for (int64_t n = 0; n < kMelFft; ++n) {
        const double v = static_cast<double>(window[static_cast<size_t>(n)]) * 0.3 *
                         static_cast<double>(noise(1, (B - 1) * samples + t * kMelHop - kMelFft / 2 + n));
        const double angle = 2 * std::numbers::pi * static_cast<double>(line * n % kMelFft) / kMelFft;
        re += v * std::cos(angle);
        im += v * std::sin(angle);
      }
      power += filter * (re * re + im * im);
    }
    k.near("y", k.read(y + ((B - 1) * frames + t) * M + m, 1)[0], (std::log10(power) + 4) / 4, 1e-5);
    k.time(run);
  });
}

void inverse(const CodecShape& s) {
  const int64_t h = s.hop, T = s.clips * s.frames, lines = 2 * h + 1;
  const double frames = static_cast<double>(T), p = static_cast<double>(h + 1);
  const double bytes = 4.0 * frames * static_cast<double>(2 * lines + h);
  add(std::string("istft/istft_forward/") + s.name,
      {bytes, 8 * p * p * frames, bytes + 8 * static_cast<double>(istft_scratch_size(h, T))}, [=](Kernel& k) {
        std::vector<float> basis(static_cast<size_t>(istft_basis_size(h))),
            window(static_cast<size_t>(4 * h));
        istft_tables(h, basis.data(), window.data());
        const float *b = k.upload(basis), *w = k.upload(window), *x = k.random(T * 2 * lines, 1, 2.0f);
        float *spectrum = k.zeros(istft_scratch_size(h, T)), *quarters = k.zeros(istft_scratch_size(h, T)),
              *y = k.zeros(T * h);
        std::vector<int64_t> offsets;
        for (int64_t i = 0; i <= s.clips; ++i) offsets.push_back(i * s.frames);
        const auto run = [&] {
          istft_forward(k.stream(), x, b, w, spectrum, quarters, y, offsets.data(), s.clips, h);
        };
        run();
        // One sample in the middle of the last clip: four frames, their lines, window and envelope.
        const int64_t sample = s.frames / 2 * h + h / 3, position = sample + 3 * h / 2;
        double sum = 0, envelope = 0;
        for (int64_t j = 0; j < 4; ++j) {
          const int64_t frame = position / h - j, n = position - frame * h;
          const int64_t row = ((s.clips - 1) * s.frames + frame) * 2 * lines;
          double v = 0;
          for (int64_t line = 0; line < lines; ++line) {
            const double magnitude =
                std::fmin(std::exp(2.0 * static_cast<double>(noise(1, row + line))), 100.0);
            const double phase = 2.0 * static_cast<double>(noise(1, row + lines + line));
            const double angle =
                2 * std::numbers::pi * static_cast<double>(line * n % (4 * h)) / static_cast<double>(4 * h);
            const bool edge = line == 0 || line == 2 * h;
            v += (edge ? 1 : 2) * magnitude *
                 (std::cos(phase) * std::cos(angle) - (edge ? 0 : std::sin(phase) * std::sin(angle)));
          }
          const double weight = static_cast<double>(window[static_cast<size_t>(n)]);
          sum += weight * v / static_cast<double>(4 * h);
          envelope += weight * weight;
        }
        k.near("y", k.read(y + (s.clips - 1) * s.frames * h + sample, 1)[0], sum / envelope, 1e-5);
        k.time(run);
      });
}

const bool registered = [] {
  for (const WhisperShape& s : kWhispers) log_mel(s);
  for (const CodecShape& s : kCodecs) inverse(s);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
