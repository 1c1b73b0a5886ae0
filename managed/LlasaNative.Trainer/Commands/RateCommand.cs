using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa rate</c>: people listen to pairs and choose.</summary>
internal static class RateCommand
{
    private const string PairsFile = "pairs.parquet";
    private const string BookFile = "preferences.jsonl";

    public static Command Create()
    {
        Argument<string> directory = new("directory") { Description = $"Holds {PairsFile}, of `llasa pair`; sounds and {BookFile} are written beside it." };
        Option<int> port = new("--port") { Description = "Port on this machine's loopback interface; 0 = a free one.", DefaultValueFactory = _ => 6061 };
        Option<double> repeats = new("--repeats") { Description = "Share of the pairs that every rater hears a second time, with sides changed, to be held against themselves.", DefaultValueFactory = _ => 0.1 };
        Option<long> seed = new("--seed") { Description = "Decides orders and sides, for each rater others.", DefaultValueFactory = _ => 1 };
        Option<bool> report = new("--report") { Description = "Do not serve: say what was chosen, how far raters agree, and which policy is preferred." };
        Option<string?> export = new("--export") { Description = "Do not serve: write the pairs of which most raters chose one, as `llasa dpo` reads them (.parquet)." };
        ModelArguments models = new();
        Command command = new("rate", "Listen to pairs in a browser and choose: left, right, equal, both bad.");
        command.Takes([directory, port, repeats, seed, report, export, models.Codec, models.ScoringType]);
        return command.Does(parsed =>
        {
            var folder = parsed.GetValue(directory)!;
            var share = parsed.GetValue(repeats);
            if (share is not (>= 0 and <= 1))
            {
                throw new UsageException("--repeats must be 0 to 1");
            }

            var pairs = SampleFile.ReadPairs(Path.Combine(folder, PairsFile));
            var fingerprint = Fingerprint(pairs);
            var bookPath = Path.Combine(folder, BookFile);
            if (parsed.GetValue(export) is { } file)
            {
                return Export(file, pairs, RatingBook.Read(bookPath, fingerprint));
            }

            if (parsed.GetValue(report))
            {
                Console.Write(Describe(RatingSummary.Of(pairs, RatingBook.Read(bookPath, fingerprint), Seeds.Bootstrap(parsed.GetValue(seed)))));
                return 0;
            }

            using RatingBook book = new(bookPath, fingerprint);
            string Sound(int pair, bool second) => Path.GetFullPath(Path.Combine(folder, $"sounds-{fingerprint}", string.Create(CultureInfo.InvariantCulture, $"{pair:D5}-{(second ? "b" : "a")}.wav")));
            MakeSounds(pairs, Sound, () => SpeechCodec.Load(models.Read(parsed).Codec, type: models.Read(parsed).ScoringType));
            var voices = MakeVoices(pairs, Path.GetFullPath(folder), $"sounds-{fingerprint}");
            using StopSignal stop = new(atOnce: true);
            string? Voice(int pair) => voices.GetValueOrDefault(pairs[pair].First.Voice?.Path ?? "");
            using (RatingServer server = new(pairs, book, Sound, Voice, share, parsed.GetValue(seed), parsed.GetValue(port)))
            {
                server.Listen();
                Console.Error.WriteLine($"listen and choose at {server.Address}; Ctrl-C ends, and nothing is lost");
                stop.Requested.WaitHandle.WaitOne();
            }

            // Nobody adds to the book any longer.
            Console.Write(Describe(RatingSummary.Of(pairs, book.Ratings, Seeds.Bootstrap(parsed.GetValue(seed)))));
            return 0;
        });
    }

    /// <summary>What was said of the pairs of a directory.</summary>
    /// <exception cref="LlasaException">It holds no pairs, or judgements of others.</exception>
    internal static RatingSummary Summarise(string folder, long seed)
    {
        var pairs = SampleFile.ReadPairs(Path.Combine(folder, PairsFile));
        return RatingSummary.Of(pairs, RatingBook.Read(Path.Combine(folder, BookFile), Fingerprint(pairs)), Seeds.Bootstrap(seed));
    }

    /// <summary>Tells pairs from others: of their texts and codes, in order.</summary>
    internal static string Fingerprint(IEnumerable<SpeechPair> pairs) =>
        DataFingerprint.Of(pairs.SelectMany(p => new[] { new Utterance(p.First.Text, p.First.Codes), new Utterance("", p.Second.Codes) }))[..12];

    private static void MakeSounds(IReadOnlyList<SpeechPair> pairs, Func<int, bool, string> sound, Func<SpeechCodec> load)
    {
        (IReadOnlyList<int> Codes, string Path)[] missing = [.. pairs.SelectMany((p, i) => new[] { (p.First.Codes, sound(i, false)), (p.Second.Codes, sound(i, true)) }).Where(s => !File.Exists(s.Item2))];
        if (missing.Length == 0)
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(missing[0].Path)!);
        using var codec = load();
        const int batch = 32;
        foreach (var part in missing.Chunk(batch))
        {
            using var waves = codec.Decode([.. part.Select(p => p.Codes.ToArray())]);
            for (var i = 0; i < part.Length; i++)
            {
                var wave = waves[i].ToArray();
                WaveFile.Write(part[i].Path, wave, codec.SampleRate);
            }
        }
    }

    /// <summary>WAV files, which every browser plays, of the voices that pairs go on in, by the paths that the pairs name; one that cannot be read is said and left out.</summary>
    private static Dictionary<string, string> MakeVoices(IReadOnlyList<SpeechPair> pairs, string folder, string sounds)
    {
        Dictionary<string, string> made = [];
        foreach (var path in pairs.Select(p => p.First.Voice?.Path).OfType<string>().Distinct())
        {
            try
            {
                var audio = SoundFile.Read(Path.Combine(folder, path), Places.Note, SoundPreparation.DefaultMaxSeconds);
                var name = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(audio.Samples.Span)))[..12];
                made[path] = Path.Combine(folder, sounds, $"voice-{name}.wav");
                Directory.CreateDirectory(Path.Combine(folder, sounds));
                WaveFile.Write(made[path], audio.Samples.Span, audio.SampleRate);
            }
            catch (ModelFileException e)
            {
                made.Remove(path);
                Places.Note($"{e.Message}; its pairs are rated without the voice they go on in");
            }
        }

        return made;
    }

    private static int Export(string file, IReadOnlyList<SpeechPair> pairs, IReadOnlyList<PairRating> ratings)
    {
        var judged = Majority(pairs, ratings);
        if (judged.Count == 0)
        {
            throw new LlasaException($"of {ratings.Count} judgements none prefers a sample to the other");
        }

        SampleFile.Write(file, judged);
        Console.WriteLine($"{file}  {judged.Count} of {pairs.Count} pairs, by {ratings.Select(r => r.Rater).Distinct().Count()} raters");
        return 0;
    }

    /// <summary>The pairs of which more judgements preferred one sample than the other, the preferred one first.</summary>
    internal static IReadOnlyList<SpeechPair> Majority(IReadOnlyList<SpeechPair> pairs, IEnumerable<PairRating> ratings)
    {
        var votes = ratings.GroupBy(r => r.Pair).ToDictionary(g => g.Key, g => g.Count(r => r.Choice == RatingChoice.A) - g.Count(r => r.Choice == RatingChoice.B));
        return [.. pairs.Index().Where(p => votes.GetValueOrDefault(p.Index) != 0)
            .Select(p => votes[p.Index] > 0 ? new SpeechPair(p.Item.First, p.Item.Second, true) : new SpeechPair(p.Item.Second, p.Item.First, true))];
    }

    private static string Describe(RatingSummary said)
    {
        var ratings = said.Ratings;
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{ratings.Count} judgements of {said.Judged} of {said.Pairs} pairs")
            .Append(CultureInfo.InvariantCulture, $": {ratings.Count(r => r.Choice is RatingChoice.A or RatingChoice.B)} prefer one, {ratings.Count(r => r.Choice == RatingChoice.Equal)} equal, {ratings.Count(r => r.Choice == RatingChoice.BothBad)} both bad\n");
        foreach (var (name, count, consistency, left) in said.Raters)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {name}: {count}, said the same again of {Share(consistency)}, left over right {Share(left)}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"agreement between raters (Krippendorff's alpha, nominal): {Number(said.Alpha)}\n");
        foreach (var (policy, elo) in said.Policies)
        {
            text.Append(CultureInfo.InvariantCulture, $"{policy}  Elo {elo.Value:F0}, 95 % {elo.Low:F0} to {elo.High:F0}\n");
        }

        return text.ToString();

        static string Share(double share) => double.IsNaN(share) ? "–" : string.Create(CultureInfo.InvariantCulture, $"{share:P0}");
        static string Number(double value) => double.IsNaN(value) ? "– (no pair was judged by two, or all said the same)" : string.Create(CultureInfo.InvariantCulture, $"{value:F3}");
    }
}
