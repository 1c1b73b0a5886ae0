namespace LlasaNative.Reporting.Drawing;

/// <summary>A picture of rectangles and lettering, which is all that a bar chart is: as SVG and as PNG.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class Picture
{
    private readonly List<Box> _boxes = [];
    private readonly List<Label> _labels = [];

    /// <summary>Starts an empty picture.</summary>
    /// <param name="width">Units: pixels of the SVG, half pixels of the PNG.</param>
    /// <param name="height">As the width.</param>
    /// <param name="title">What it shows, for those who cannot see it.</param>
    public Picture(int width, int height, string title)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        (Width, Height, Title) = (width, height, title);
    }

    /// <summary>Units.</summary>
    public int Width { get; }

    /// <summary>Units.</summary>
    public int Height { get; }

    /// <summary>What it shows.</summary>
    public string Title { get; }

    internal IReadOnlyList<Box> Boxes => _boxes;

    internal IReadOnlyList<Label> Labels => _labels;

    /// <summary>Adds a rectangle; later ones lie over earlier ones.</summary>
    /// <param name="x">Left.</param>
    /// <param name="y">Top.</param>
    /// <param name="width">Not negative.</param>
    /// <param name="height">Not negative.</param>
    /// <param name="colour">0xRRGGBB.</param>
    public void Fill(double x, double y, double width, double height, int colour) => _boxes.Add(new Box(x, y, width, height, colour));

    /// <summary>Adds lettering, which lies over all rectangles.</summary>
    /// <param name="x">Where the anchor is.</param>
    /// <param name="y">Base line.</param>
    /// <param name="text">One line.</param>
    /// <param name="anchor">What of the text stands at <paramref name="x"/>.</param>
    /// <param name="bold">14 units and bold instead of 12.</param>
    /// <param name="colour">0xRRGGBB.</param>
    public void Write(double x, double y, string text, TextAnchor anchor = TextAnchor.Start, bool bold = false, int colour = 0x1d2126) =>
        _labels.Add(new Label(x, y, text, anchor, bold, colour));

    /// <summary>The picture as an SVG document.</summary>
    public string ToSvg()
    {
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(Title)}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n");
        foreach (var b in _boxes)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{b.X:0.##}\" y=\"{b.Y:0.##}\" width=\"{b.Width:0.##}\" height=\"{b.Height:0.##}\" fill=\"#{b.Colour:x6}\"/>\n");
        }

        foreach (var l in _labels)
        {
            var anchor = l.Anchor switch
            {
                TextAnchor.Middle => " text-anchor=\"middle\"",
                TextAnchor.End => " text-anchor=\"end\"",
                _ => "",
            };
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{l.X:0.##}\" y=\"{l.Y:0.##}\" fill=\"#{l.Colour:x6}\" font-size=\"{(l.Bold ? 14 : 12)}\"{(l.Bold ? " font-weight=\"700\"" : "")}{anchor}>{WebUtility.HtmlEncode(l.Text)}</text>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>The picture as a PNG file of twice as many pixels as units each way.</summary>
    public byte[] ToPng() => new Raster(this).ToPng();

    internal sealed record Box(double X, double Y, double Width, double Height, int Colour);

    internal sealed record Label(double X, double Y, string Text, TextAnchor Anchor, bool Bold, int Colour);
}
