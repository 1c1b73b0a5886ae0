namespace LlasaNative.Trainer;

/// <summary>The voices of a command: those that its texts name, and those that are drawn for the others.</summary>
/// <remarks>They are encoded before the models of the command are loaded, so that an encoder and a policy need not be in memory at once.</remarks>
internal sealed class Voices
{
    private readonly Dictionary<VoiceReference, (Utterance? Voice, string Fault)> _named = [];

    private Voices(IReadOnlyList<Utterance> drawn) => Drawn = drawn;

    /// <summary>No voices.</summary>
    public static Voices None { get; } = new([]);

    /// <summary>Voices that are drawn.</summary>
    public IReadOnlyList<Utterance> Drawn { get; }

    /// <summary>All of them, for a fingerprint.</summary>
    public IEnumerable<Utterance> All => _named.Values.Select(named => named.Voice).OfType<Utterance>().Concat(Drawn);

    /// <summary>One voice; null for none.</summary>
    /// <exception cref="LlasaException">It cannot be read.</exception>
    public static Utterance? Read(VoiceReference? voice, ModelOptions models, ScoringOptions scoring)
    {
        using VoiceReader reader = new(() => models, scoring);
        return voice is null ? null : reader.Read(voice);
    }

    /// <summary>Reads what is drawn of a folder, and what texts name; a sound that one names and nobody can read is that text's fault.</summary>
    public static Voices Read(GrpoOptions options, params IEnumerable<VoiceReference?> named)
    {
        using VoiceReader reader = new(() => options.Models, options.ToScoring());
        Voices voices = new(reader.ReadAll(options.Data.Voices));
        foreach (var voice in named.OfType<VoiceReference>().Distinct())
        {
            try
            {
                voices._named[voice] = (reader.Read(voice), "");
            }
            catch (LlasaException e)
            {
                voices._named[voice] = (null, e.Message);
            }
        }

        return voices;
    }

    /// <summary>The voice that a text names; null when it names none.</summary>
    /// <exception cref="UsageException">It cannot be read.</exception>
    public Utterance? Of(VoiceReference? named) => named is null ? null
        : _named[named] is { Voice: { } voice } ? voice : throw new UsageException($"its voice: {_named[named].Fault}");

    /// <summary>The longest of those that are drawn: a text that has room beside it has room beside all. Null without any.</summary>
    public Utterance? Longest(IPolicy policy) => Drawn.MaxBy(voice => policy.EncodePrompt(voice.Text, 0).Length + voice.Codes.Count);
}
