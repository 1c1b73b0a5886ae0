using LlasaNative.Reporting;

namespace LlasaNative.Trainer;

/// <summary>How the program talks: results on standard output, everything else on standard error.</summary>
internal static class Terminal
{
    public static ProgressLine Progress(long total)
    {
        var live = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
        return new ProgressLine(Console.Error, total, live, live ? Width() : 120);
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth;
        }
        catch (IOException)
        {
            return 120;
        }
    }
}
