using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Reporting;

namespace LlasaNative.EndToEnd.Tests.Browser;

/// <summary>A directory of a run, of any length, as training writes it, with the shapes of curves that training has.</summary>
internal sealed class SyntheticRun : IDisposable
{
    public const int SamplesPerStep = 16;
    private static readonly string[] Names =
    [
        "reward/mean", "reward/std", "reward/cer", "reward/nll", "reward/exact", "prosody/f0_mean", "prosody/f0_std", "prosody/rate", "prosody/pause_share",
        "policy/loss", "policy/kl", "policy/entropy", "policy/clip_fraction", "policy/ratio", "policy/logprob_gap_max", "rollout/length", "rollout/length_max",
        "rollout/length_min", "rollout/ended", "rollout/tokens", "optimiser/learning_rate", "optimiser/grad_norm", "optimiser/skipped", "seconds/rollout",
        "seconds/vocode", "seconds/recognise", "seconds/gradient", "seconds/step", "speed/rollout_tokens_per_second", "memory/native_bytes",
    ];

    private readonly string _folder;
    private readonly Random _random = new(5);
    private readonly JsonLines _metrics;
    private readonly JsonLines _samples;

    public SyntheticRun(string folder, int steps)
    {
        _folder = folder;
        _metrics = new JsonLines(Path.Combine(folder, "metrics.jsonl"));
        _samples = new JsonLines(Path.Combine(folder, "samples.jsonl"));
        AtomicFile.WriteText(Path.Combine(folder, "run.json"), "{\"command\":\"train\",\"version\":\"1\",\"started\":\"2026-01-01\",\"device\":{\"name\":\"test\",\"threads\":2},"
            + $"\"options\":{{\"run.steps\":\"{steps.ToString(CultureInfo.InvariantCulture)}\",\"run.out\":\"{Path.GetFileName(folder)}\"}}}}\n");
        for (var step = 1; step <= steps; step++)
        {
            AddStep(step, sound: step % 20 == 0 || step == steps);
        }
    }

    public void AddStep(int step, bool sound)
    {
        var done = 1 - Math.Exp(-step / 300.0);
        MetricRow row = new(step);
        foreach (var name in Names)
        {
            row.Add(name, name switch
            {
                "reward/mean" => 0.6 + (0.3 * done) + Noise(0.03),
                "reward/cer" => Math.Max(0, 0.18 - (0.1 * done) + Noise(0.02)),
                "policy/kl" => double.NaN,
                _ => 1 + Noise(0.2),
            });
        }

        for (var i = 0; i < SamplesPerStep; i++)
        {
            var name = sound && i is 0 or 15 ? $"samples/step-{step:D6}-{(i == 0 ? "worst" : "best")}.wav" : null;
            if (sound && name is not null)
            {
                var tone = Enumerable.Range(0, 8000).Select(t => (float)(0.3 * Math.Sin(t * 0.17))).ToArray();
                AtomicFile.Write(Path.Combine(_folder, name), path => WaveFile.Write(path, tone, 16000));
            }

            _samples.Append(new
            {
                Step = step,
                Text = "find a small house near the <river>",
                Transcript = i % 2 == 0 ? "find a small mouse near the <river>" : "ind a small house near the <river>s",
                Reward = i / 15.0,
                Cer = 0.03,
                Nll = 0.3 + Noise(0.1),
                UtilityCer = 0.9,
                UtilityNll = 0.8,
                Guard = "",
                Ended = true,
                Codes = 70,
                NoSpeechProb = 0.0,
                Seconds = 1.4,
                F0Mean = 120 + Noise(5),
                F0Std = 14 + Noise(2),
                Rate = 18.5,
                PauseShare = 0.0,
                Advantage = Noise(1),
                Sound = name,
            });
        }

        _metrics.Append(row);   // after its samples: who sees the step finds them
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _samples.Dispose();
    }

    private double Noise(double deviation) => deviation * (_random.NextDouble() + _random.NextDouble() + _random.NextDouble() - 1.5) * 2;
}
