using LlasaNative.Reporting.Drawing;

namespace LlasaNative.Reporting;

/// <summary>The bar chart of a comparison: a panel per measure, before beside after, each with its 95 % interval.</summary>
public static class ComparisonChart
{
    private const int PanelWidth = 210;
    private const int PanelHeight = 230;
    private const int Columns = 4;
    private const int Margin = 24;
    private const int Head = 76;
    private const int BeforeColour = 0xb3541e;
    private const int AfterColour = 0x14746f;
    private const int Soft = 0x5b646d;
    private const int Line = 0xcfccc6;
    private static readonly string[] Shown = ["cer", "second_cer", "nll", "second_nll", "reward", "exact", "seconds", "rate", "f0_semitones", "pause_share"];

    /// <summary>Draws the chart.</summary>
    /// <param name="report">What was compared.</param>
    public static Picture Draw(ComparisonReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        ComparedMeasure[] panels = [.. Shown.Select(key => report.Measures.FirstOrDefault(m => m.Key == key)).OfType<ComparedMeasure>()];
        var rows = (panels.Length + Columns - 1) / Columns;
        Picture picture = new((2 * Margin) + (Columns * PanelWidth), Head + (rows * PanelHeight) + Margin, Title(report));
        picture.Fill(0, 0, picture.Width, picture.Height, 0xffffff);
        picture.Write(Margin, 34, $"{report.Before} and {report.After}", bold: true);
        picture.Write(Margin, 54, string.Create(CultureInfo.InvariantCulture, $"{report.Texts} texts × {report.SamplesPerText} samples, same seeds; bars end in 95 % intervals"), colour: Soft);
        Legend(picture, report);
        for (var i = 0; i < panels.Length; i++)
        {
            DrawPanel(picture, panels[i], Margin + (i % Columns * PanelWidth), Head + (i / Columns * PanelHeight));
        }

        return picture;
    }

    /// <summary>A value as the chart and the tables show it: shares in per cent.</summary>
    /// <param name="measure">What it is of.</param>
    /// <param name="value">Any number.</param>
    /// <param name="sign">Whether a plus is written.</param>
    public static string Format(ComparedMeasure measure, double value, bool sign = false)
    {
        ArgumentNullException.ThrowIfNull(measure);
        if (double.IsNaN(value))
        {
            return "–";
        }

        var share = IsShare(measure);
        var (scaled, size) = (share ? 100 * value : value, Math.Abs(share ? 100 * value : value));
        var digits = share ? (size < 10 ? "0.00" : "0.0") : size switch
        {
            < 10 => "0.000",
            < 100 => "0.00",
            _ => "0.0",
        };
        var text = Math.Abs(scaled).ToString(digits, CultureInfo.InvariantCulture);
        return (scaled < 0 ? "−" : sign ? "+" : "") + text + (!share ? "" : sign ? " points" : " %");
    }

    /// <summary>An interval of a difference, as the chart and the tables show it.</summary>
    /// <param name="measure">What it is of.</param>
    /// <param name="difference">Any interval.</param>
    public static string FormatInterval(ComparedMeasure measure, IntervalEstimate difference)
    {
        var (low, high) = (Format(measure, difference.Low, sign: true), Format(measure, difference.High, sign: true));
        return double.IsNaN(difference.Low) ? low : $"{low.Replace(" points", "", StringComparison.Ordinal)} to {high}";
    }

    private static bool IsShare(ComparedMeasure measure) => measure.Key is "cer" or "wer" or "exact" or "second_cer" or "second_wer" or "second_exact" or "pause_share" or "voiced_share" or "not_ended";

    private static string Title(ComparisonReport report) => string.Join("; ", Shown.Select(key => report.Measures.FirstOrDefault(m => m.Key == key)).OfType<ComparedMeasure>()
        .Select(m => $"{m.Title}: {report.Before} {Format(m, m.Estimate.Before.Value)}, {report.After} {Format(m, m.Estimate.After.Value)}"));

    private static void Legend(Picture picture, ComparisonReport report)
    {
        // Beside the names, whose width depends on the letters: two of the face's pixels are a unit.
        var x = picture.Width - Margin - (Math.Max(GlyphFace.Regular.Measure(report.Before), GlyphFace.Regular.Measure(report.After)) / 2);
        picture.Write(x, 34, report.Before);
        picture.Write(x, 54, report.After);
        picture.Fill(x - 20, 24, 12, 12, BeforeColour);
        picture.Fill(x - 20, 44, 12, 12, AfterColour);
    }

    private static void DrawPanel(Picture picture, ComparedMeasure measure, double x, double y)
    {
        var (before, after, difference) = (measure.Estimate.Before, measure.Estimate.After, measure.Estimate.Difference);
        var title = measure.Key switch
        {
            // What fits.
            "f0_semitones" => "F0 spread",
            "second_cer" => "CER, second ear",
            "second_nll" => "NLL, second ear",
            _ => measure.Title,
        };
        picture.Write(x, y + 18, title + (measure.Unit.Length > 0 ? $", {measure.Unit}" : ""), bold: true);
        double bottom = y + PanelHeight - 46, top = y + 52, room = bottom - top;
        var highest = new[] { before.High, after.High, before.Value, after.Value }.Where(double.IsFinite).DefaultIfEmpty(0).Max();
        var scale = highest > 0 ? room / highest : 0;
        Bar(picture, measure, before, x + 16, bottom, scale, BeforeColour);
        Bar(picture, measure, after, x + 96, bottom, scale, AfterColour);
        picture.Fill(x, bottom, PanelWidth - 36, 1, Line);
        picture.Write(x, bottom + 18, $"difference {Format(measure, difference.Value, sign: true)}", colour: Soft);
        picture.Write(x, bottom + 34, FormatInterval(measure, difference), colour: Soft);
    }

    private static void Bar(Picture picture, ComparedMeasure measure, IntervalEstimate value, double x, double bottom, double scale, int colour)
    {
        const double width = 62;
        if (double.IsNaN(value.Value))
        {
            picture.Write(x + (width / 2), bottom - 6, "no value", TextAnchor.Middle, colour: Soft);
            return;
        }

        var height = Math.Max(0, value.Value) * scale;
        picture.Fill(x, bottom - height, width, height, colour);
        var (low, high) = (bottom - (Math.Max(0, value.Low) * scale), bottom - (Math.Max(0, value.High) * scale));
        picture.Fill(x + (width / 2) - 0.75, high, 1.5, low - high, 0x1d2126);
        picture.Fill(x + (width / 2) - 7, high - 0.75, 14, 1.5, 0x1d2126);
        picture.Fill(x + (width / 2) - 7, low - 0.75, 14, 1.5, 0x1d2126);
        picture.Write(x + (width / 2), Math.Min(high, bottom - height) - 7, Format(measure, value.Value), TextAnchor.Middle);
    }
}
