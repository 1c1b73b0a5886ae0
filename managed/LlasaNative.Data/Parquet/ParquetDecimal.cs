using System.Numerics;

namespace LlasaNative.Data.Parquet;

/// <summary>A decimal of any precision: <c>Unscaled · 10^−Scale</c>.</summary>
/// <param name="Unscaled">All digits as an integer.</param>
/// <param name="Scale">Digits after the point, at least 0.</param>
public readonly record struct ParquetDecimal(BigInteger Unscaled, int Scale)
{
    /// <summary>All digits with the point in its place, as <c>-12.340</c>.</summary>
    /// <returns>The number in decimal notation.</returns>
    public override string ToString()
    {
        string digits = BigInteger.Abs(Unscaled).ToString(CultureInfo.InvariantCulture);
        if (Scale > 0)
        {
            digits = digits.PadLeft(Scale + 1, '0');
            digits = $"{digits[..^Scale]}.{digits[^Scale..]}";
        }

        return Unscaled.Sign < 0 ? "-" + digits : digits;
    }
}
