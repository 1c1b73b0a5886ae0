using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace LlasaNative.Reporting.Drawing;

/// <summary>Draws a picture into pixels and writes them as PNG (RFC 2083): 8 bits, RGB, no filter.</summary>
internal sealed class Raster
{
    private const int Scale = 2;
    private readonly int _width;
    private readonly int _height;
    private readonly byte[] _pixels;

    public Raster(Picture picture)
    {
        (_width, _height) = (picture.Width * Scale, picture.Height * Scale);
        _pixels = new byte[3 * _width * _height];
        Array.Fill(_pixels, (byte)255);
        foreach (var box in picture.Boxes)
        {
            Fill(box);
        }

        foreach (var label in picture.Labels)
        {
            Write(label);
        }
    }

    /// <summary>The colour of a pixel, 0xRRGGBB.</summary>
    public int this[int x, int y]
    {
        get
        {
            var at = 3 * ((y * _width) + x);
            return (_pixels[at] << 16) | (_pixels[at + 1] << 8) | _pixels[at + 2];
        }
    }

    public byte[] ToPng()
    {
        using MemoryStream rows = new();
        using (ZLibStream zlib = new(rows, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            for (var y = 0; y < _height; y++)
            {
                zlib.WriteByte(0);
                zlib.Write(_pixels, 3 * y * _width, 3 * _width);
            }
        }

        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, _width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), _height);
        (header[8], header[9]) = (8, 2);
        using MemoryStream png = new();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        WriteChunk(png, "IHDR"u8, header);
        WriteChunk(png, "IDAT"u8, rows.ToArray());
        WriteChunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private static void WriteChunk(MemoryStream png, ReadOnlySpan<byte> type, byte[] data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        png.Write(number);
        png.Write(type);
        png.Write(data);
        Crc32 crc = new();
        crc.Append(type);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, crc.GetCurrentHashAsUInt32());
        png.Write(number);
    }

    /// <summary>A rectangle; a pixel that it covers in part is coloured in part.</summary>
    private void Fill(Picture.Box box)
    {
        double left = box.X * Scale, top = box.Y * Scale, right = left + (box.Width * Scale), bottom = top + (box.Height * Scale);
        for (var y = Math.Max(0, (int)top); y < Math.Min(_height, Math.Ceiling(bottom)); y++)
        {
            var rows = Math.Min(bottom, y + 1) - Math.Max(top, y);
            for (var x = Math.Max(0, (int)left); x < Math.Min(_width, Math.Ceiling(right)); x++)
            {
                Blend(x, y, box.Colour, rows * (Math.Min(right, x + 1) - Math.Max(left, x)));
            }
        }
    }

    private void Write(Picture.Label label)
    {
        var face = label.Bold ? GlyphFace.Bold : GlyphFace.Regular;
        var pen = (label.X * Scale) - (face.Measure(label.Text) * label.Anchor switch
        {
            TextAnchor.Middle => 0.5,
            TextAnchor.End => 1,
            _ => 0,
        });
        var top = (int)Math.Round(label.Y * Scale) - face.Ascent;
        foreach (var rune in label.Text.EnumerateRunes())
        {
            var glyph = face[rune.Value];
            for (var y = 0; y < glyph.Height; y++)
            {
                for (var x = 0; x < glyph.Width; x++)
                {
                    Blend((int)Math.Round(pen) + glyph.Left + x, top + glyph.Top + y, label.Colour, glyph.Coverage[(y * glyph.Width) + x] / 255.0);
                }
            }

            pen += glyph.Advance;
        }
    }

    private void Blend(int x, int y, int colour, double share)
    {
        if (share <= 0 || x < 0 || y < 0 || x >= _width || y >= _height)
        {
            return;
        }

        var at = 3 * ((y * _width) + x);
        for (var c = 0; c < 3; c++)
        {
            var wanted = (colour >> (16 - (8 * c))) & 0xff;
            _pixels[at + c] = (byte)Math.Round(_pixels[at + c] + ((wanted - _pixels[at + c]) * Math.Min(share, 1)));
        }
    }
}
