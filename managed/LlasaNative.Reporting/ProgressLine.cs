namespace LlasaNative.Reporting;

/// <summary>Tells a person how far a run is: one living line on a terminal, otherwise a line per step.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class ProgressLine : Training.IRunProgress
{
    private readonly TextWriter _output;
    private readonly bool _live;
    private readonly int _width;
    private readonly long _total;
    private readonly System.Diagnostics.Stopwatch _clock = System.Diagnostics.Stopwatch.StartNew();
    private long _first = -1;
    private int _shown;

    /// <summary>Starts the clock.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="total">Steps of the whole run.</param>
    /// <param name="live">Whether the output is a terminal that can overwrite its line.</param>
    /// <param name="width">Columns of the terminal.</param>
    public ProgressLine(TextWriter output, long total, bool live, int width = 120)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
        _total = total;
        _live = live;
        _width = Math.Max(width, 40);
    }

    /// <inheritdoc/>
    public void Took(long number, string text)
    {
        if (_first < 0)
        {
            _first = number - 1;
        }

        var perStep = _clock.Elapsed.TotalSeconds / Math.Max(number - _first, 1);
        var line = string.Create(CultureInfo.InvariantCulture,
            $"step {number.ToString(CultureInfo.InvariantCulture).PadLeft(Digits(_total))}/{_total}  {text}  {perStep:F2} s/step  ETA {Duration((_total - number) * perStep)}");
        Write(line);
    }

    /// <summary>Writes a line that stays, above the living one.</summary>
    /// <param name="text">One line.</param>
    public void Note(string text)
    {
        Clear();
        _output.WriteLine(text);
        _output.Flush();
    }

    /// <summary>Leaves the living line as it is and moves below it.</summary>
    public void Finish()
    {
        if (_live && _shown > 0)
        {
            _output.WriteLine();
            _shown = 0;
        }

        _output.Flush();
    }

    /// <summary>A duration as minutes and seconds, or hours and minutes.</summary>
    /// <param name="seconds">At least 0.</param>
    public static string Duration(double seconds)
    {
        var whole = (long)Math.Round(Math.Max(seconds, 0));
        return whole >= 3600
            ? string.Create(CultureInfo.InvariantCulture, $"{whole / 3600}h{whole / 60 % 60:00}m")
            : string.Create(CultureInfo.InvariantCulture, $"{whole / 60}m{whole % 60:00}s");
    }

    private static int Digits(long value) => value.ToString(CultureInfo.InvariantCulture).Length;

    private void Write(string line)
    {
        if (_live)
        {
            var cut = line.Length < _width ? line : line[..(_width - 1)];
            _output.Write("\r" + cut.PadRight(_shown));
            _shown = cut.Length;
        }
        else
        {
            _output.WriteLine(line);
        }

        _output.Flush();
    }

    private void Clear()
    {
        if (_live && _shown > 0)
        {
            _output.Write("\r" + new string(' ', _shown) + "\r");
            _shown = 0;
        }
    }
}
