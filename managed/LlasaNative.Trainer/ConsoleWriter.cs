namespace LlasaNative.Trainer;

/// <summary>
/// Standard output or standard error. Output that cannot be written is an error that names it. What cannot be said on standard error, a log
/// on a full disk perhaps, is dropped: nobody is left to be told, and a run is worth more than its log.
/// </summary>
internal sealed class ConsoleWriter(TextWriter inner, bool isError) : TextWriter(CultureInfo.InvariantCulture)
{
    public override Encoding Encoding => inner.Encoding;

    /// <summary>Puts such writers in place of the console's.</summary>
    public static void Install()
    {
        Console.SetOut(new ConsoleWriter(Console.Out, isError: false));
        Console.SetError(new ConsoleWriter(Console.Error, isError: true));
    }

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            _ = isError ? e : throw new LlasaException($"standard output: cannot be written: {e.Message}", e);
        }
    }
}
