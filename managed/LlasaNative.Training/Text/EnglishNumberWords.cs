using System.Numerics;

namespace LlasaNative.Text;

/// <summary>The words that English numbers are made of.</summary>
internal static class EnglishNumberWords
{
    private static readonly string[] OneToNineteen =
    [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] TwentyToNinety = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    private static readonly string[] Thousands =
    [
        "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion",
        "nonillion", "decillion",
    ];

    public static HashSet<string> Zeros { get; } = ["o", "oh", "zero"];

    public static Dictionary<string, int> Ones { get; } = Number(OneToNineteen, i => i + 1);

    public static Dictionary<string, int> Tens { get; } = Number(TwentyToNinety, i => 10 * (i + 2));

    /// <summary>Hundred, and the powers of a thousand up to 10^33.</summary>
    public static Dictionary<string, BigInteger> Multipliers { get; } = BuildMultipliers();

    /// <summary>Plurals and ordinals below twenty, with the suffix that their digits get.</summary>
    public static Dictionary<string, (int Value, string Suffix)> OnesSuffixed { get; } = BuildOnesSuffixed();

    /// <summary>Plurals and ordinals of the tens.</summary>
    public static Dictionary<string, (int Value, string Suffix)> TensSuffixed { get; } = Tens
        .SelectMany(t => new[] { (t.Key[..^1] + "ies", (t.Value, "s")), (t.Key[..^1] + "ieth", (t.Value, "th")) })
        .ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);

    /// <summary>Plurals and ordinals of the multipliers.</summary>
    public static Dictionary<string, (BigInteger Value, string Suffix)> MultipliersSuffixed { get; } = Multipliers
        .SelectMany(m => new[] { (m.Key + "s", (m.Value, "s")), (m.Key + "th", (m.Value, "th")) })
        .ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);

    /// <summary>Words that come before a number, and their sign.</summary>
    public static Dictionary<string, string> Signs { get; } =
        new(StringComparer.Ordinal) { ["minus"] = "-", ["negative"] = "-", ["plus"] = "+", ["positive"] = "+" };

    /// <summary>Words that come after a number, and the symbol put before it.</summary>
    public static Dictionary<string, string> Currencies { get; } = new(StringComparer.Ordinal)
    {
        ["pound"] = "£", ["pounds"] = "£", ["euro"] = "€", ["euros"] = "€",
        ["dollar"] = "$", ["dollars"] = "$", ["cent"] = "¢", ["cents"] = "¢",
    };

    private static readonly HashSet<string> Words =
    [
        .. Zeros, .. Ones.Keys, .. OnesSuffixed.Keys, .. Tens.Keys, .. TensSuffixed.Keys, .. Multipliers.Keys,
        .. MultipliersSuffixed.Keys, .. Signs.Keys, .. Currencies.Keys, "per", "percent", "and", "double", "triple", "point",
    ];

    /// <summary>Whether a word can be part of a number.</summary>
    public static bool Contains(string? word) => word is not null && Words.Contains(word);

    /// <summary>Whether a word can follow "point".</summary>
    public static bool IsDecimal(string word) => Ones.ContainsKey(word) || Tens.ContainsKey(word) || Zeros.Contains(word);

    private static Dictionary<string, int> Number(string[] words, Func<int, int> value) =>
        Enumerable.Range(0, words.Length).ToDictionary(i => words[i], value, StringComparer.Ordinal);

    private static Dictionary<string, BigInteger> BuildMultipliers()
    {
        Dictionary<string, BigInteger> map = new(StringComparer.Ordinal) { ["hundred"] = 100 };
        for (int i = 0; i < Thousands.Length; i++)
        {
            map[Thousands[i]] = BigInteger.Pow(1000, i + 1);
        }

        return map;
    }

    private static Dictionary<string, (int Value, string Suffix)> BuildOnesSuffixed()
    {
        Dictionary<string, (int, string)> map = new(StringComparer.Ordinal)
        {
            ["zeroth"] = (0, "th"), ["first"] = (1, "st"), ["second"] = (2, "nd"), ["third"] = (3, "rd"), ["fifth"] = (5, "th"), ["twelfth"] = (12, "th"),
        };
        foreach ((string name, int value) in Ones)
        {
            map[name == "six" ? "sixes" : name + "s"] = (value, "s");
            if (value > 3 && value is not 5 and not 12)
            {
                map[name + (name.EndsWith('t') ? "h" : "th")] = (value, "th");
            }
        }

        return map;
    }
}
