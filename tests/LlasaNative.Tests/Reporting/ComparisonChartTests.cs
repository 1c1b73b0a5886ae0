using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using System.Xml.Linq;
using LlasaNative.Reporting;
using LlasaNative.Reporting.Drawing;
using LlasaNative.Training;

namespace LlasaNative.Tests.Reporting;

public sealed class ComparisonChartTests
{
    [Test]
    public void Svg_DrawsBarsAsHighAsTheirValues()
    {
        var svg = XDocument.Parse(ComparisonChart.Draw(Report()).ToSvg());
        XNamespace ns = "http://www.w3.org/2000/svg";
        // The bars alone are 62 wide, before and after by turns, in the order of the panels: cer, then reward.
        double[] heights = [.. svg.Root!.Elements(ns + "rect").Where(r => r.Attribute("width")!.Value == "62").Select(r => double.Parse(r.Attribute("height")!.Value, CultureInfo.InvariantCulture))];
        string[] texts = [.. svg.Root.Elements(ns + "text").Select(t => t.Value)];
        Assert.Multiple(() =>
        {
            Assert.That(heights, Has.Length.EqualTo(4));
            // Two digits are written.
            Assert.That(heights[1] / heights[0], Is.EqualTo(0.10 / 0.16).Within(0.001));
            Assert.That(heights[3] / heights[2], Is.EqualTo(0.8 / 0.7).Within(0.001));
            Assert.That(texts, Does.Contain("16.0 %").And.Contain("10.0 %").And.Contain("difference −6.00 points").And.Contain("+0.050 to +0.150").And.Contain("no value"));
            Assert.That(svg.Root.Attribute("aria-label")!.Value, Does.Contain("character error rate: a <b> 16.0 %"));
        });
    }

    [Test]
    public void Png_IsTheSamePicture()
    {
        var picture = ComparisonChart.Draw(Report());
        var (width, height, pixels) = Decode(picture.ToPng());
        Assert.That((width, height), Is.EqualTo((2 * picture.Width, 2 * picture.Height)));
        foreach (var box in picture.Boxes.Where(b => b.Width == 62))
        {
            // Left of the whisker, inside; and just above, where nothing is.
            Assert.That(Pixel(box.X + 5, box.Y + (box.Height / 2)), Is.EqualTo(box.Colour));
            Assert.That(Pixel(box.X + 5, box.Y - 2), Is.EqualTo(0xffffff));
        }

        // The first line's letters are somewhere dark and somewhere white.
        var title = Enumerable.Range(0, 200).SelectMany(x => Enumerable.Range(20, 16).Select(y => Pixel(24 + (x / 2.0), y))).ToArray();
        Assert.That(title.Count(p => p == 0x1d2126), Is.InRange(100, 1600));

        int Pixel(double x, double y)
        {
            var at = 3 * (((int)(2 * y) * width) + (int)(2 * x));
            return (pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2];
        }
    }

    [Test]
    public void Raster_ColoursAPixelByTheShareThatIsCovered()
    {
        Picture picture = new(2, 2, "t");
        picture.Fill(0.25, 0, 1, 2, 0x000000);
        Raster raster = new(picture);
        Assert.That((raster[0, 0], raster[1, 0], raster[2, 0], raster[3, 0]), Is.EqualTo((0x808080, 0x000000, 0x808080, 0xffffff)));
    }

    [Test]
    public void Raster_OutsideThePicture_DrawsNothing()
    {
        Picture picture = new(4, 4, "t");
        picture.Fill(-10, -10, 5, 5, 0);
        picture.Fill(3, 3, 50, 50, 0x112233);
        picture.Write(-20, 2, "far away ☃");
        picture.Write(100, 100, "g");
        Raster raster = new(picture);
        Assert.That((raster[0, 0], raster[7, 7]), Is.EqualTo((0xffffff, 0x112233)));
    }

    [Test]
    public void Page_NeedsNothingButItself_AndReadsNamesAsText()
    {
        var html = ComparisonPage.ToHtml(Report());
        Assert.Multiple(() =>
        {
            Assert.That(html, Does.Not.Contain("<script").And.Not.Contain("<link").And.Not.Contain("@import").And.Not.Contain("a <b>"));
            Assert.That(html.Split("http").Length - 1, Is.EqualTo(1), "the SVG namespace");
            Assert.That(html, Does.Contain("a &lt;b&gt;").And.Contain("−8.00 to −4.00 points").And.Contain("(3 and 0 samples)").And.Contain("data:audio/wav;base64,AQID"));
        });
        using var json = JsonDocument.Parse(ComparisonPage.ToJson(Report()));
        var cer = json.RootElement.GetProperty("measures").GetProperty("cer");
        Assert.That(cer.GetProperty("difference").GetProperty("low").GetDouble(), Is.EqualTo(-0.08));
        Assert.That(json.RootElement.GetProperty("measures").GetProperty("f0_semitones").GetProperty("after").GetProperty("value").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    private static ComparisonReport Report() => new(
        "a <b>", "after", Texts: 400, SamplesPerText: 1, Seed: 1, SecondEar: null,
        [
            Measure("cer", "character error rate", (0.16, 0.14, 0.18), (0.10, 0.09, 0.11), (-0.06, -0.08, -0.04)),
            Measure("reward", "reward", (0.7, 0.6, 0.75), (0.8, 0.7, 0.9), (0.1, 0.05, 0.15)),
            new("f0_semitones", "F0 standard deviation", "semitones",
                new PairedEstimate(new(double.NaN, double.NaN, double.NaN), new(double.NaN, double.NaN, double.NaN), new(double.NaN, double.NaN, double.NaN)), (3, 0)),
        ],
        [new DemoPair("x", new DemoClip("y", 1, [1, 2, 3]), new DemoClip("x", 0, [1]))]);

    private static ComparedMeasure Measure(string key, string title, (double, double, double) before, (double, double, double) after, (double, double, double) difference) =>
        new(key, title, "", new PairedEstimate(Of(before), Of(after), Of(difference)), (400, 400));

    private static IntervalEstimate Of((double Value, double Low, double High) i) => new(i.Value, i.Low, i.High);

    /// <summary>A decoder of what is needed here: 8-bit RGB without filters; the checksums are looked at.</summary>
    private static (int Width, int Height, byte[] Pixels) Decode(byte[] png)
    {
        Assert.That(png.AsSpan(0, 8).SequenceEqual(new byte[] { 0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10 }));
        var (width, height) = (0, 0);
        using MemoryStream data = new();
        for (var at = 8; at < png.Length;)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            var type = System.Text.Encoding.ASCII.GetString(png, at + 4, 4);
            // CRC-32 with the polynomial of ISO 3309, bit by bit and not reflected twice as in the writer.
            Assert.That(BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at + 8 + length)), Is.EqualTo(Crc(png.AsSpan(at + 4, 4 + length))), type);
            if (type == "IHDR")
            {
                (width, height) = (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at + 8)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at + 12)));
                Assert.That(png.AsSpan(at + 16, 5).SequenceEqual(new byte[] { 8, 2, 0, 0, 0 }));
            }
            else if (type == "IDAT")
            {
                data.Write(png, at + 8, length);
            }

            at += length + 12;
        }

        data.Position = 0;
        using ZLibStream zlib = new(data, CompressionMode.Decompress);
        using MemoryStream rows = new();
        zlib.CopyTo(rows);
        var all = rows.ToArray();
        var pixels = new byte[3 * width * height];
        for (var y = 0; y < height; y++)
        {
            Assert.That(all[y * ((3 * width) + 1)], Is.Zero);
            Array.Copy(all, (y * ((3 * width) + 1)) + 1, pixels, 3 * y * width, 3 * width);
        }

        return (width, height, pixels);
    }

    private static uint Crc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var one = (((crc >> 31) ^ (uint)(value >> bit)) & 1) != 0;
                crc = one ? (crc << 1) ^ 0x04c11db7u : crc << 1;
            }
        }

        crc = ~crc;
        uint reversed = 0;
        for (var bit = 0; bit < 32; bit++)
        {
            reversed |= ((crc >> bit) & 1) << (31 - bit);
        }

        return reversed;
    }
}
