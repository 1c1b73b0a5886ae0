using System.Runtime.CompilerServices;

namespace LlasaNative;

/// <summary>What is said of a fault, put together in the invariant culture, and only where there is one.</summary>
/// <remarks>Interpolated strings and texts become one by themselves. <b>Threads:</b> one at a time.</remarks>
[InterpolatedStringHandler]
public ref struct FaultText
{
    private readonly string? _whole;
    private DefaultInterpolatedStringHandler _parts;

    /// <summary>Begins an interpolated string.</summary>
    /// <param name="literalLength">Characters between its holes.</param>
    /// <param name="formattedCount">Number of its holes.</param>
    /// <param name="isFault">Whether there is a fault.</param>
    /// <param name="isWanted">The same: without one the holes are not filled.</param>
    public FaultText(int literalLength, int formattedCount, bool isFault, out bool isWanted)
    {
        isWanted = isFault;
        _parts = isFault ? new(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    private FaultText(string whole) => _whole = whole;

    /// <summary>A text as it is.</summary>
    /// <param name="whole">The text.</param>
    public static implicit operator FaultText(string whole) => new(whole);

    /// <summary>Adds what stands between holes.</summary>
    /// <param name="value">The text.</param>
    public void AppendLiteral(string value) => _parts.AppendLiteral(value);

    /// <summary>Fills a hole.</summary>
    /// <typeparam name="T">Type of the value.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="format">How it is written; null = as usual.</param>
    public void AppendFormatted<T>(T value, string? format = null) => _parts.AppendFormatted(value, format);

    /// <summary>The text, once.</summary>
    public string ToText() => _whole ?? _parts.ToStringAndClear();
}
