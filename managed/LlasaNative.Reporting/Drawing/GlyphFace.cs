using System.IO.Compression;

namespace LlasaNative.Reporting.Drawing;

/// <summary>Letters as pictures, of one size (tests/oracle/gen_glyphs.py writes them).</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
internal sealed class GlyphFace
{
    private static readonly Lazy<GlyphFace[]> All = new(Load);
    private readonly Dictionary<int, Glyph> _glyphs = [];

    private GlyphFace(BinaryReader data)
    {
        Size = data.ReadByte();
        Ascent = data.ReadByte();
        var count = data.ReadUInt16();
        for (var i = 0; i < count; i++)
        {
            var code = data.ReadInt32();
            var (advance, left, top, width, height) = (data.ReadUInt16() / 16.0, data.ReadSByte(), data.ReadSByte(), data.ReadByte(), data.ReadByte());
            _glyphs[code] = new Glyph(advance, left, top, width, height, data.ReadBytes(width * height));
        }
    }

    public static GlyphFace Regular => All.Value[0];

    public static GlyphFace Bold => All.Value[1];

    /// <summary>Pixels of the em.</summary>
    public int Size { get; }

    /// <summary>Pixels from the top of the glyphs' box to the base line.</summary>
    public int Ascent { get; }

    /// <summary>A letter; a question mark for one that is not there.</summary>
    public Glyph this[int code] => _glyphs.TryGetValue(code, out var glyph) ? glyph : _glyphs['?'];

    public double Measure(string text) => text.EnumerateRunes().Sum(r => this[r.Value].Advance);

    private static GlyphFace[] Load()
    {
        using var stream = typeof(GlyphFace).Assembly.GetManifestResourceStream("LlasaNative.Reporting.Resources.glyphs.bin")!;
        using ZLibStream plain = new(stream, CompressionMode.Decompress);
        using BinaryReader data = new(plain);
        return [.. Enumerable.Range(0, data.ReadByte()).Select(_ => new GlyphFace(data))];
    }

    public sealed record Glyph(double Advance, int Left, int Top, int Width, int Height, byte[] Coverage);
}
