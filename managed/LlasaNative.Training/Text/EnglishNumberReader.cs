using System.Numerics;
using W = LlasaNative.Text.EnglishNumberWords;

namespace LlasaNative.Text;

/// <summary>
/// Reads words from left to right and gathers a number: as a value while it grows by place ("two hundred five"), as text
/// once digits are strung together ("one oh one", "point five").
/// </summary>
internal sealed class EnglishNumberReader(List<string> words)
{
    private readonly List<string> _output = [];
    private string? _prefix;
    private BigInteger? _value;
    private string? _digits;

    private bool HasNumber => _value is not null || _digits is not null;

    /// <summary>The number so far as text; nothing when there is none, or when it is the value 0.</summary>
    private string NonZeroText => _digits ?? (_value is { IsZero: false } value ? Text(value) : string.Empty);

    private string NumberText => _digits ?? Text(_value!.Value);

    public List<string> Read()
    {
        for (int i = 0; i < words.Count; i++)
        {
            string? previous = i > 0 ? words[i - 1] : null;
            string? next = i + 1 < words.Count ? words[i + 1] : null;
            if (ReadWord(previous, words[i], next))
            {
                i++;
            }
        }

        Flush();
        return _output;
    }

    /// <summary>Handles one word; true when the next is used up with it.</summary>
    private bool ReadWord(string? previous, string current, string? next)
    {
        bool hasSymbol = current[0] is '-' or '+' or '£' or '€' or '$' or '¢';
        string bare = hasSymbol ? current[1..] : current;
        if (IsNumeric(bare))
        {
            ReadArabic(current, bare, hasSymbol);
        }
        else if (!W.Contains(current))
        {
            Pass(current);
        }
        else if (W.Zeros.Contains(current))
        {
            SetDigits(NonZeroText + "0");
        }
        else if (W.Ones.TryGetValue(current, out int ones))
        {
            Append(ones, previous);
        }
        else if (W.OnesSuffixed.TryGetValue(current, out (int Value, string Suffix) ordinal))
        {
            Append(ordinal.Value, previous);
            Emit(NumberText + ordinal.Suffix);
        }
        else if (W.Tens.TryGetValue(current, out int tens))
        {
            AppendTens(tens);
        }
        else if (W.TensSuffixed.TryGetValue(current, out ordinal))
        {
            AppendTens(ordinal.Value);
            Emit(NumberText + ordinal.Suffix);
        }
        else if (W.Multipliers.TryGetValue(current, out BigInteger multiplier))
        {
            Multiply(multiplier);
        }
        else if (W.MultipliersSuffixed.TryGetValue(current, out (BigInteger Value, string Suffix) large))
        {
            Multiply(large.Value);
            Emit(NumberText + large.Suffix);
        }
        else
        {
            return ReadConnective(previous, current, next);
        }

        return false;
    }

    private bool ReadConnective(string? previous, string current, string? next)
    {
        bool numberFollows = W.Contains(next) || (next is not null && IsNumeric(next));
        if (W.Signs.TryGetValue(current, out string? sign))
        {
            Flush();
            if (numberFollows)
            {
                _prefix = sign;
            }
            else
            {
                Emit(current);
            }
        }
        else if (W.Currencies.TryGetValue(current, out string? currency))
        {
            if (HasNumber)
            {
                _prefix = currency;
                Flush();
            }
            else
            {
                Emit(current);
            }
        }
        else if (current is "per" or "percent")
        {
            bool percent = current == "percent" || next == "cent";
            if (HasNumber && percent)
            {
                Emit(NumberText + "%");
                return current == "per";
            }

            Pass(current);
        }
        else
        {
            return ReadSpecial(previous, current, next, numberFollows);
        }

        return false;
    }

    /// <summary>and, double, triple, point.</summary>
    private bool ReadSpecial(string? previous, string current, string? next, bool numberFollows)
    {
        if (!numberFollows)
        {
            Pass(current);
        }
        else if (current == "and")
        {
            if (previous is null || !W.Multipliers.ContainsKey(previous))
            {
                Pass(current);
            }
        }
        else if (current == "point")
        {
            // Before a word that is no digit, "point" is lost; so it is in the reference.
            if (W.IsDecimal(next!) || IsNumeric(next!))
            {
                SetDigits(NonZeroText + ".");
            }
        }
        else if (W.Ones.TryGetValue(next!, out int digit) || W.Zeros.Contains(next!))
        {
            string repeated = string.Concat(Enumerable.Repeat(digit.ToString(CultureInfo.InvariantCulture), current == "double" ? 2 : 3));
            SetDigits(NonZeroText + repeated);
            return true;
        }
        else
        {
            Pass(current);
        }

        return false;
    }

    private void ReadArabic(string current, string bare, bool hasSymbol)
    {
        if (_digits is not null && _digits.EndsWith('.'))
        {
            SetDigits(_digits + current);
            return;
        }

        Flush();
        _prefix = hasSymbol ? current[..1] : _prefix;
        if (Scaled(bare, BigInteger.One) is { } whole)
        {
            SetValue(whole);
        }
        else
        {
            SetDigits(bare);
        }
    }

    private void Append(int ones, string? previous)
    {
        bool follows = _value is { } value && value % (ones < 10 ? 10 : 100) == 0 && !(previous is not null && W.Ones.ContainsKey(previous));
        if (!HasNumber || follows)
        {
            SetValue((_value ?? 0) + ones);
            return;
        }

        // "one oh twenty three": the zero of twenty gives way to the three.
        bool replacesZero = ones < 10 && previous is not null && W.Tens.ContainsKey(previous);
        SetDigits((replacesZero ? NumberText[..^1] : NumberText) + Text(ones));
    }

    private void AppendTens(int tens)
    {
        if (!HasNumber || (_value is { } value && value % 100 == 0))
        {
            SetValue((_value ?? 0) + tens);
        }
        else
        {
            SetDigits(NumberText + Text(tens));
        }
    }

    private void Multiply(BigInteger multiplier)
    {
        if (_value is { } value)
        {
            SetValue(TimesLastThousand(value, multiplier));
        }
        else if (_digits is not null && Scaled(_digits, multiplier) is { } product)
        {
            SetValue(product);
        }
        else
        {
            Flush();
            SetValue(multiplier);
        }
    }

    private static BigInteger TimesLastThousand(BigInteger value, BigInteger multiplier) =>
        (value / 1000 * 1000) + (value % 1000 * multiplier);

    /// <summary>A decimal number times a factor, when the product is whole; null otherwise, and for what is no number.</summary>
    private static BigInteger? Scaled(string number, BigInteger factor)
    {
        BigInteger digits = 0;
        BigInteger scale = 1;
        bool any = false;
        bool point = false;
        foreach (char c in number)
        {
            int digit = CharUnicodeInfo.GetDecimalDigitValue(c);
            if (c == '.' && !point)
            {
                point = true;
                continue;
            }

            if (digit < 0)
            {
                return null;
            }

            any = true;
            digits = (digits * 10) + digit;
            scale = point ? scale * 10 : scale;
        }

        BigInteger product = digits * factor;
        return any && product % scale == 0 ? product / scale : null;
    }

    /// <summary>Digits, then perhaps a point and more digits.</summary>
    private static bool IsNumeric(string word) => word.Split('.') is { Length: <= 2 } parts && parts.All(p => p.Length > 0 && p.All(char.IsDigit));

    private static string Text(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    private void SetValue(BigInteger value) => (_value, _digits) = (value, null);

    private void SetDigits(string digits) => (_value, _digits) = (null, digits);

    private void Flush()
    {
        if (HasNumber)
        {
            Emit(NumberText);
        }
    }

    /// <summary>Puts a word out that is part of no number.</summary>
    private void Pass(string word)
    {
        Flush();
        Emit(word);
    }

    /// <summary>Puts a word out, after a pending sign or currency symbol, and starts a new number.</summary>
    private void Emit(string text)
    {
        _output.Add(_prefix + text);
        (_prefix, _value, _digits) = (null, null, null);
    }
}
