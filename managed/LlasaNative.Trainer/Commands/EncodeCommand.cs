using LlasaNative.Trainer.Corpus;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa encode</c>: sounds to speech codes beside their texts.</summary>
internal static class EncodeCommand
{
    private const int WorstShown = 3;

    private sealed record Request(string[] Sources, string Output, string TextColumn, string? SoundColumn, bool SkipFaulty, bool Verify, bool Restart, int BatchSize)
    {
        public required SoundPreparation Preparation { get; init; }

        public required GrpoOptions Judging { get; init; }
    }

    public static Command Create()
    {
        ModelArguments models = new();
        Argument<string[]> sources = new("source") { Description = "Sound files with a .txt beside each, manifests (path|text in .txt or .csv, .jsonl, .csv), audio data sets (.parquet), directories of these, or hf:// and hdfs:// places.", Arity = ArgumentArity.OneOrMore };
        Option<string> output = new("--output", "-o") { Description = "File of codes beside texts: .jsonl or .parquet, as sft reads it.", Required = true };
        Option<string> text = new("--text-column") { Description = "Field that holds the text.", DefaultValueFactory = _ => "text" };
        Option<string?> sound = new("--audio-column") { Description = "Field that holds the sound; default: audio, file_name, audio_filepath or path." };
        Option<bool> trim = new("--trim") { Description = "Cut silence before and after, but for a tenth of a second." };
        Option<double?> loudness = new("--loudness") { Description = "Bring every sound to this loudness in LUFS (ITU-R BS.1770), as -23; default: as it is." };
        Option<double> longest = new("--max-seconds") { Description = "A longer sound is faulty.", DefaultValueFactory = _ => 60 };
        Option<bool> skip = new("--skip-faulty") { Description = "Leave out entries that cannot be read, with a line each, instead of stopping." };
        Option<bool> verify = new("--verify") { Description = "Decode the codes again and report the recogniser's CER of the round trip." };
        Option<int> batch = new("--batch-size") { Description = "Entries between two savings; no result depends on it.", DefaultValueFactory = _ => 16 };
        Option<bool> restart = new("--restart") { Description = "Forget what an interrupted encoding left, instead of going on." };
        Option<string> config = new("--config") { Description = "YAML file whose sections recogniser and reward are used by --verify." };
        Option<string[]> set = new("--set") { Description = "key=value of those sections; may be repeated." };
        Command command = new("encode", "Turn sounds into speech codes beside their texts, to train on.");
        command.Takes([sources, output, text, sound, trim, loudness, longest, skip, verify, batch, restart, models.Codec, models.Recogniser,
            models.ScoringType, config, set]);
        return command.Does(parsed =>
        {
            var judging = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(config), parsed.GetValue(set)));
            Request request = new(
                parsed.GetValue(sources)!, parsed.GetValue(output)!, parsed.GetValue(text)!, parsed.GetValue(sound), parsed.GetValue(skip), parsed.GetValue(verify),
                parsed.GetValue(restart), parsed.GetValue(batch))
            {
                Preparation = new SoundPreparation { SampleRate = 0, Trim = parsed.GetValue(trim), Loudness = parsed.GetValue(loudness), MaxSeconds = parsed.GetValue(longest) },
                Judging = judging with { Models = models.Read(parsed, judging.Models) },
            };
            Check(request);
            return Run(request);
        });
    }

    private static void Check(Request request)
    {
        EncodingJournal.CheckOutput(request.Output);
        if (request.BatchSize < 1 || !(request.Preparation.MaxSeconds > 0))
        {
            throw new UsageException("--batch-size must be at least 1, and --max-seconds more than 0");
        }

        if (request.Preparation.Loudness is { } loudness && loudness is not (>= -70 and <= 0))
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--loudness: {loudness} is not -70 to 0 LUFS"));
        }
    }

    private static int Run(Request request)
    {
        var models = request.Judging.Models;
        using StopSignal stop = new(text => Places.Note(text.Replace("this step", "this batch", StringComparison.Ordinal)));
        using RemoteData remote = new(Places.Note);
        SpokenSource[] sources = [.. request.Sources.Select(place =>
            new SpokenSource(remote.Fetch(place, DataSplit.All, stop.Abort), SoundFile.IsKnown, request.TextColumn, request.SoundColumn, request.Output))];
        var total = sources.Sum(source => source.Count());
        using var codec = SpeechCodec.Load(models.Codec, withEncoder: true, models.ScoringType);
        using var recogniser = request.Verify ? NativeRecogniser.Load(models.Recogniser, request.Judging.ToScoring(), models.ScoringType) : null;
        var preparation = request.Preparation with { SampleRate = codec.SampleRate };
        SpeechEncoder encoder = new(codec, recogniser, RewardModel.NormalizationOf(request.Judging.Reward), preparation);
        using var journal = EncodingJournal.Open(request.Output, Settings(request, total), request.Restart);
        var progress = Terminal.Progress(total);
        if (journal.Done > 0)
        {
            // As many as before may be others, or in another order.
            if (Rows(sources, journal.Done - 1).First().Name is var name && name != journal.Last)
            {
                throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                    $"{EncodingJournal.PathOf(request.Output)} goes as far as entry {journal.Done}, `{journal.Last}`, which is `{name}` now: other sources, for which `--restart` begins anew"));
            }

            progress.Note(string.Create(CultureInfo.InvariantCulture, $"going on after {journal.Done} of {total} entries"));
        }

        PhaseTimer timer = new();
        double seconds = 0;
        foreach (var rows in Rows(sources, journal.Done).Chunk(request.BatchSize))
        {
            if (stop.StopRequested)
            {
                progress.Finish();
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"llasa: interrupted after {journal.Done} of {total} entries; the same command goes on"));
                return CommandLine.Interrupted;
            }

            var encoded = timer.Measure("encode", () => encoder.Encode(rows, stop.Abort));
            Take(encoded, journal, request.SkipFaulty, progress.Note);
            seconds += encoded.Sum(row => row.Duration);
            progress.Took(journal.Done, string.Create(CultureInfo.InvariantCulture, $"{seconds / Math.Max(timer["encode"], 1e-9):F1} x real time"));
        }

        progress.Finish();
        Report(request, journal);
        return 0;
    }

    /// <summary>Saves what a batch gave: all of it, or with a fault that is refused what stood before it.</summary>
    private static void Take(EncodedRow[] encoded, EncodingJournal journal, bool skip, Action<string> note)
    {
        var faulty = Array.FindIndex(encoded, row => row.Fault is not null);
        if (faulty >= 0 && !skip)
        {
            journal.Append(encoded.Take(faulty));
            throw new LlasaException($"{encoded[faulty].Fault}; `--skip-faulty` would leave it out");
        }

        journal.Append(encoded);
        foreach (var row in encoded.Where(row => row.Fault is not null))
        {
            note($"llasa: left out: {row.Fault}");
        }
    }

    private static IEnumerable<SpokenRow> Rows(IEnumerable<SpokenSource> sources, long done)
    {
        foreach (var source in sources)
        {
            var count = done == 0 ? 0 : source.Count();
            foreach (var row in done == 0 || done < count ? source.Read(done) : [])
            {
                yield return row;
            }

            done = Math.Max(0, done - count);
        }
    }

    /// <summary>What decides the codes and their order.</summary>
    private static string Settings(Request request, long total) => string.Create(CultureInfo.InvariantCulture,
        $"{total} entries of {string.Join(", ", request.Sources)}, columns {request.TextColumn} and {request.SoundColumn ?? "the usual"}, codec {ModelFingerprint.Of(request.Judging.Models.Codec)}, ")
        + string.Create(CultureInfo.InvariantCulture, $"trim {request.Preparation.Trim}, loudness {request.Preparation.Loudness?.ToString("R", CultureInfo.InvariantCulture) ?? "as it is"}, ")
        + string.Create(CultureInfo.InvariantCulture, $"max-seconds {request.Preparation.MaxSeconds:R}, verify {(request.Verify ? ModelFingerprint.Of(request.Judging.Models.Recogniser) : "no")}");

    private static void Report(Request request, EncodingJournal journal)
    {
        var (made, left, seconds, wrong, characters) = (0L, 0L, 0.0, 0L, 0L);
        PriorityQueue<EncodedRow, double> worst = new();
        foreach (var row in journal.Read())
        {
            (made, left, seconds) = row.Fault is null ? (made + 1, left, seconds + row.Duration) : (made, left + 1, seconds);
            (wrong, characters) = (wrong + row.Errors.Wrong, characters + row.Errors.Characters);
            if (row.Errors.Wrong > 0)
            {
                worst.Enqueue(row with { Codes = [] }, row.Cer);
                _ = worst.Count > WorstShown ? worst.Dequeue() : null;
            }
        }

        if (made == 0)
        {
            journal.Forget();   // what was missing, such as ffmpeg, may be there the next time
            throw new LlasaException($"{string.Join(", ", request.Sources)}: no entry could be encoded");
        }

        journal.Publish(request.Output);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{request.Output}  {made} utterances, {seconds:F1} s of speech, {left} left out"));
        if (request.Verify)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"round trip CER {(double)wrong / Math.Max(characters, 1):F4} ({wrong} of {characters} characters)"));
            foreach (var row in worst.UnorderedItems.OrderByDescending(item => item.Priority).Select(item => item.Element))
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {row.Cer:F3}  {row.Source}: `{row.Text}` was heard as `{row.Transcript}`"));
            }
        }
    }
}
