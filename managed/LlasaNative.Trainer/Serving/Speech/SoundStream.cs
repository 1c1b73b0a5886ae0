namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Has the codes of a text made into sound while they are drawn, window by window, joined by cross-fades.</summary>
/// <remarks><b>Threads:</b> that of the drawing; what comes from the vocoder comes on the vocoder's, in order.</remarks>
internal sealed class SoundStream(SpeechJob job, StreamWindows windows, int samplesPerCode, Action<Vocoder.Piece> vocode)
{
    private int _given;
    private float[] _tail = [];

    /// <summary>Own codes whose sound was asked for.</summary>
    public int Given => _given;

    /// <summary>Asks for the sound of what can be had by now.</summary>
    public void Go(ReadOnlySpan<int> codes, bool ended)
    {
        while (windows.Next(_given, codes.Length, ended) is { } to)
        {
            var (begin, end) = windows.Around(job.Lead.Count, _given, to, codes.Length);
            int[] window = [.. job.Lead.Skip(begin), .. codes[Math.Max(0, begin - job.Lead.Count)..(end - job.Lead.Count)]];
            var (wanted, first) = ((to - _given) * samplesPerCode, job.Lead.Count + _given - begin);
            vocode(new Vocoder.Piece(window, first, sound => Add(sound, wanted), job.Fail));
            _given = to;
        }

        if (ended)
        {
            vocode(new Vocoder.Piece([], 0, _ => job.Complete(), job.Fail));
        }
    }

    /// <summary>The sound from the wanted part on: it begins where the last one's tail still sounds.</summary>
    private void Add(float[] sound, int wanted)
    {
        var part = sound[..wanted];
        for (var i = 0; i < Math.Min(_tail.Length, part.Length); i++)
        {
            var share = (i + 0.5f) / _tail.Length;
            part[i] = (_tail[i] * (1 - share)) + (part[i] * share);
        }

        _tail = sound[wanted..Math.Min(sound.Length, wanted + (windows.Fade * samplesPerCode))];
        job.Add(part);
    }
}
