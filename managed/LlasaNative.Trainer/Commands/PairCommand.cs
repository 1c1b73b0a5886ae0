namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa pair</c>: from samples to pairs of one text.</summary>
internal static class PairCommand
{
    public static Command Create()
    {
        Argument<string[]> files = new("samples") { Description = "Files of `llasa sample`, of one policy or of several.", Arity = ArgumentArity.OneOrMore };
        Option<string> output = new("--out") { Description = "Parquet file of pairs, as `llasa dpo` reads it.", DefaultValueFactory = _ => "pairs.parquet" };
        Option<string> rule = new("--rule") { Description = $"Which of two is the better: {string.Join(", ", Enum.GetValues<PairRule>().Select(r => OptionNames.Of(r)))}.", DefaultValueFactory = _ => "reward" };
        Option<double?> margin = new("--margin") { Description = "By how much it must be better: reward and cer 0.1, lively 0.1 in natural logarithms, unless given." };
        Option<int> perText = new("--per-text") { Description = "Most pairs of a text.", DefaultValueFactory = _ => 1 };
        Option<double> band = new("--length-band") { Description = "The longer of two has at most so many times the codes of the shorter; 0 = any." };
        Option<bool> across = new("--across") { Description = "Pair samples of different policies alone." };
        Option<double> semitones = new("--f0-semitones") { Description = "lively: wanted spread of pitch, in semitones; `llasa sample` says a policy's." };
        Option<double> rate = new("--rate") { Description = "lively: wanted characters per second." };
        Option<long> seed = new("--seed") { Description = "random: decides the pairs.", DefaultValueFactory = _ => 1 };
        Option<string?> judge = new("--judge") { Description = "URL of an OpenAI-compatible API whose model hears both, in either order, and says which is the better; the rule says which two meet (judge.url)." };
        Option<string?> model = new("--judge-model") { Description = "Name of that model (judge.model)." };
        Option<string[]> set = new("--set") { Description = "key=value of the sections judge and reward_server, as `llasa config` lists them; may be repeated." };
        ModelArguments models = new();
        Command command = new("pair", "Make pairs of samples of one text: a better and a worse by a rule or by a judge, or any two for people to judge.");
        command.Takes([files, output, rule, margin, perText, band, across, semitones, rate, seed, judge, model, set, models.Codec,
            models.ScoringType]);
        return command.Does(parsed =>
        {
            var options = Read(parsed.GetValue(rule)!, parsed.GetValue(margin), parsed.GetValue(semitones), parsed.GetValue(rate)) with
            {
                PerText = parsed.GetValue(perText), LengthBand = parsed.GetValue(band), Across = parsed.GetValue(across), Seed = Seeds.Pairs(parsed.GetValue(seed)),
            };
            if (options.PerText < 1 || options.LengthBand is not (0 or >= 1) || options.Margin < 0)
            {
                throw new UsageException("--per-text must be at least 1, --length-band 0 or at least 1, and --margin at least 0");
            }

            var judging = OptionTree.Build<GrpoOptions>(
                [new("algorithm", "online_dpo", "pair"), .. Flag("judge.url", judge), .. Flag("judge.model", model),
                    .. OptionAssignment.Read(null, parsed.GetValue(set))]).ToJudge();
            using var asked = Judges.Create(judging);
            SampledSpeech[] samples = [.. parsed.GetValue(files)!.SelectMany(SampleFile.Read)];
            var pairs = Pairing.Make(samples, options);
            if (pairs.Count == 0)
            {
                throw new LlasaException(string.Create(CultureInfo.InvariantCulture, $"no two of {samples.Length} samples are a pair by this rule: several samples of a text are needed, and a difference of at least --margin {options.Margin:R}"));
            }

            var said = "";
            if (asked is not null)
            {
                var candidates = pairs.Count;
                (pairs, var counts) = PairJudging.Judge(pairs, asked, judging, parsed.GetValue(output)!, () => SpeechCodec.Load(models.Read(parsed).Codec, type: models.Read(parsed).ScoringType));
                said = $" of {candidates} that {asked.Name} heard";
                Console.Error.WriteLine(PairJudging.Describe(counts));
                if (pairs.Count == 0)
                {
                    throw new LlasaException($"of {candidates} pairs {asked.Name} prefers no sample to the other, whichever is played first");
                }
            }

            SampleFile.Write(parsed.GetValue(output)!, pairs);
            var texts = samples.Select(s => (s.Text, s.Voice)).Distinct().Count();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{parsed.GetValue(output)}  {pairs.Count} pairs{said} of {texts} texts, {samples.Length} samples{Describe(pairs)}"));
            return 0;

            OptionAssignment[] Flag(string key, Option<string?> option) => parsed.GetValue(option) is { } value ? [new OptionAssignment(key, value, option.Name)] : [];
        });
    }

    private static PairingOptions Read(string rule, double? margin, double semitones, double rate)
    {
        var which = CommandLine.Parse<PairRule>("--rule", rule);
        return which == PairRule.Lively && !(semitones > 0 && rate > 0) ? throw new UsageException("--rule lively wants --f0-semitones and --rate, those of the voice as it should be")
            : new PairingOptions(which, margin ?? 0.1) { Semitones = semitones, Rate = rate };
    }

    private static string Describe(IReadOnlyList<SpeechPair> pairs)
    {
        if (!pairs[0].IsJudged)
        {
            return "; nobody has chosen yet";
        }

        return string.Create(CultureInfo.InvariantCulture, $"; chosen and rejected: CER {Mean(p => p.First.Cer):F3}, {Mean(p => p.Second.Cer):F3}; pitch {Mean(p => p.First.F0Semitones):F2}, {Mean(p => p.Second.F0Semitones):F2} semitones; ")
            + string.Create(CultureInfo.InvariantCulture, $"pace {Mean(p => p.First.Rate):F1}, {Mean(p => p.Second.Rate):F1} characters/s; codes {Mean(p => p.First.Codes.Count):F0}, {Mean(p => p.Second.Codes.Count):F0}");

        double Mean(Func<SpeechPair, double> value) => pairs.Select(value).FiniteMean();
    }
}
