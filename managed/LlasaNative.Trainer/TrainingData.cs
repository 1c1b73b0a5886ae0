namespace LlasaNative.Trainer;

/// <summary>Reads the texts of a command and drops or refuses those that do not fit its models.</summary>
internal static class TrainingData
{
    /// <summary>Texts of a file or directory; of the tiny world's split when none is named. Of a directory it is said what was read.</summary>
    public static PromptSet Read(string path, DataSplit split, DataOptions data) => Places.Read(Place(path, split), split, files =>
    {
        var prompts = PromptSet.Read(files, data.TextField, data.FaultyRows, Report);
        Announce(files, prompts.Counts);
        return prompts;
    });

    /// <summary>What is trained on: the first <c>data.limit</c> texts of <c>data.train</c>.</summary>
    public static PromptSet ReadTraining(DataOptions data) => Read(data.Train, DataSplit.Train, data).Take(data.Limit);

    /// <summary>Warns where texts are in another language than the recogniser listens for: what is said well would be judged badly.</summary>
    /// <param name="prompts">The texts.</param>
    /// <param name="recogniser">How the recogniser listens.</param>
    public static void WarnOfLanguage(PromptSet prompts, ScoringOptions recogniser)
    {
        if (recogniser.Language == "auto")
        {
            return;
        }

        // What a row says of its language goes before what its letters say.
        string[] others = [.. prompts.Texts.Zip(prompts.Languages).Select(row => string.IsNullOrWhiteSpace(row.Second)
            ? recogniser.TextLanguage == "en" && IsInOtherLetters(row.First) ? "other letters than English" : recogniser.TextLanguage
            : LanguageNames.ToCode(row.Second)).Where(language => language != recogniser.TextLanguage)];
        if (others.Length > 0)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"llasa: warning: {others.Length} of {prompts.Texts.Count} texts are in {string.Join(", ", others.Distinct().Order(StringComparer.Ordinal).Take(4))}, but the recogniser listens for `{recogniser.TextLanguage}`: ")
                + "set recogniser.language to the language of the texts, or to auto where there are several");
        }
    }

    // Letters, none of them Latin.
    private static bool IsInOtherLetters(string text)
    {
        Rune[] letters = [.. text.EnumerateRunes().Where(Rune.IsLetter)];
        return letters.Length > 0 && Array.TrueForAll(letters, letter => letter.Value is not (< 0x250 or (>= 0x1E00 and < 0x1F00) or (>= 0xFF21 and <= 0xFF5A)));
    }

    /// <summary>Puts the first so many utterances of a place that fit a policy on disk, one after another; 0 = all.</summary>
    /// <returns>Their fingerprint.</returns>
    public static string StoreUtterances(UtteranceStore store, string place, DataSplit split, DataOptions data, PolicyModel policy, VoiceReader voices, int limit) => Places.Read(place, split, files =>
    {
        Announce(files, null);
        var read = PromptFile.ReadUtterances(
            files, policy.Speech.Count, utterance => EncodedUtterance.Of(policy, utterance, Voice(utterance.Voice, voices)), data.TextField, data.FaultyRows, Report, ids => TokenRow.Read(policy.Prompt, ids));
        return DataFingerprint.Of((limit > 0 ? read.Take(limit) : read).SelectMany(encoded =>
        {
            store.Add(encoded);
            return encoded.Utterance.Voice is null ? [encoded.Utterance] : new[] { encoded.Utterance, new Utterance("", encoded.Prompt) };
        }));
    });

    /// <summary>Whether a place is a directory here with files apart from those of training, by which training can be judged.</summary>
    public static bool HasHeldOut(string place) => Directory.Exists(place)
        && !DataFiles.Find(place, DataSplit.Validation).Paths.Intersect(DataFiles.Find(place, DataSplit.Train).Paths).Any();

    /// <summary>The first so many preferences of a place that fit a policy; 0 = all.</summary>
    public static IReadOnlyList<EncodedPair> ReadPairs(string place, DataSplit split, DataOptions data, PolicyModel policy, VoiceReader voices, int limit)
    {
        var pairs = Places.Read(place, split, files =>
        {
            Announce(files, null);
            return PromptFile.ReadPairs(files, policy.Speech.Count, pair => EncodedPair.Of(policy, pair, Voice(pair.Voice, voices)), data.TextField, data.FaultyRows, Report);
        });
        return limit > 0 ? [.. pairs.Take(limit)] : pairs;
    }

    /// <summary>The texts whose prompt, response and transcript fit the models, and the second ear where there is one, encoded, each with its voice: its own, or one that the seed draws.</summary>
    public static EncodedText[] Fitting(PromptSet prompts, GrpoModels models, Voices voices, long seed, int maxNewTokens, int maxPromptTokens = 0, SecondEar? second = null)
    {
        models.Recognition.Announce(prompts.Texts);
        VoiceDraw draw = new(voices.Drawn, Seeds.Voices(seed));
        long place = 0;
        return prompts.Fitting((text, named) =>
        {
            second?.CheckText(text);
            return models.Encode(text, maxNewTokens, maxPromptTokens, voices.Of(named) ?? draw.At(place++));
        });
    }

    /// <summary>The same for training, which draws voices group by group: a text without its own is encoded without, if it has room beside each.</summary>
    public static EncodedText[] FittingForTraining(PromptSet prompts, GrpoOptions options, GrpoModels models, Voices voices)
    {
        models.Recognition.Announce(prompts.Texts);
        var (maxNewTokens, longest) = (MaxNewTokens(options), voices.Longest(models.Policy));
        return prompts.Fitting((text, named) =>
        {
            var voice = voices.Of(named);
            var fits = models.Encode(text, maxNewTokens, options.Data.MaxPromptTokens, voice ?? longest);
            return voice is not null || longest is null ? fits : models.Encode(text, maxNewTokens);
        });
    }

    /// <summary>Room that a training run needs for responses, those of its evaluations included.</summary>
    public static int MaxNewTokens(GrpoOptions options) => Math.Max(options.Rollout.MaxNewTokens, options.ToEvaluation().MaxNewTokens);

    /// <summary>Says on standard error that a row was left out.</summary>
    public static void Report(LlasaException fault) => Console.Error.WriteLine($"llasa: left out: {fault.Message}");

    private static Utterance? Voice(VoiceReference? named, VoiceReader voices)
    {
        try
        {
            return named is null ? null : voices.Read(named);
        }
        catch (LlasaException e)
        {
            throw new UsageException($"its voice: {e.Message}", e);
        }
    }

    private static string Place(string path, DataSplit split) =>
        path.Length > 0 ? path : TinyWorld.Sentences(split.ToString().ToLowerInvariant());

    private static void Announce(DataFiles files, IReadOnlyDictionary<string, int>? counts)
    {
        if (!files.IsSingle)
        {
            Console.Error.WriteLine(files.Describe(counts));
        }
    }
}
