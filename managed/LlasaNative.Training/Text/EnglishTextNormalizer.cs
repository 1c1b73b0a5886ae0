using System.Text.RegularExpressions;
using static LlasaNative.Text.PythonText;

namespace LlasaNative.Text;

/// <summary>
/// Whisper's normaliser for English: contractions and titles written out, numbers in digits, American spelling, no fillers,
/// no punctuation. The rules are those of openai/whisper's release of June 2025, which transformers shares.
/// </summary>
/// <remarks><b>Threads:</b> immutable, any thread.</remarks>
public sealed partial class EnglishTextNormalizer : ITextNormalizer
{
    // Order matters: "'d been" before "'d", titles before "'s".
    private static readonly (Regex Pattern, string Replacement)[] Replacements =
    [
        .. Words("won't=will not|can't=can not|let's=let us|ain't=aint|y'all=you all|wanna=want to|gotta=got to|gonna=going to"),
        .. Words("i'ma=i am going to|imma=i am going to|woulda=would have|coulda=could have|shoulda=should have|ma'am=madam"),
        .. Words("mr=mister |mrs=missus |st=saint |dr=doctor |prof=professor |capt=captain |gov=governor |ald=alderman |gen=general "),
        .. Words("sen=senator |rep=representative |pres=president |rev=reverend |hon=honorable |asst=assistant |assoc=associate "),
        .. Words("lt=lieutenant |col=colonel |jr=junior |sr=senior |esq=esquire "),
        .. Endings("'d been=had been|'s been=has been|'d gone=had gone|'s gone=has gone|'d done=had done|'s got=has got"),
        .. Endings("n't=not|'re=are|'s=is|'d=would|'ll=will|'t=not|'ve=have|'m=am"),
    ];

    private static readonly Lazy<Dictionary<string, string>> Spellings = new(() =>
        EmbeddedText.ReadLines("british_american.txt").Select(line => line.Split(' '))
            .ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal));

    /// <inheritdoc/>
    public string Normalize(string text)
    {
        string s = WhisperText.RemoveBracketed(Lower(text));
        s = Fillers().Replace(s, string.Empty);
        s = SpaceBeforeApostrophe().Replace(s, "'");
        foreach ((Regex pattern, string replacement) in Replacements)
        {
            s = pattern.Replace(s, replacement);
        }

        s = CommaInNumber().Replace(s, "$1$2");
        s = PeriodAfterWord().Replace(s, " $1");
        s = WhisperText.RemoveSymbolsAndDiacritics(s, keep: ".%$¢€£");
        s = EnglishNumbers.Normalize(s);
        Dictionary<string, string> spellings = Spellings.Value;
        s = string.Join(' ', Split(s).Select(word => spellings.GetValueOrDefault(word, word)));
        s = StraySymbol().Replace(s, " $1");
        s = StrayPercent().Replace(s, "$1 ");
        return WhisperText.CollapseSpaces(s);
    }

    private static IEnumerable<(Regex Pattern, string Replacement)> Words(string pairs) => Pairs(pairs, Boundary, "");

    private static IEnumerable<(Regex Pattern, string Replacement)> Endings(string pairs) => Pairs(pairs, "", " ");

    private static IEnumerable<(Regex Pattern, string Replacement)> Pairs(string pairs, string start, string space) =>
        pairs.Split('|').Select(pair => pair.Split('=')).Select(pair => (new Regex(start + pair[0] + Boundary, RegexOptions.CultureInvariant), space + pair[1]));

    [GeneratedRegex(Boundary + "(?:hmm|mm|mhm|mmm|uh|um)" + Boundary)]
    private static partial Regex Fillers();

    [GeneratedRegex("[" + SpaceClass + "]+'")]
    private static partial Regex SpaceBeforeApostrophe();

    [GeneratedRegex(@"(\d),(\d)")]
    private static partial Regex CommaInNumber();

    [GeneratedRegex(@"\.([^0-9]|$)")]
    private static partial Regex PeriodAfterWord();

    [GeneratedRegex("[.$¢€£]([^0-9])")]
    private static partial Regex StraySymbol();

    [GeneratedRegex("([^0-9])%")]
    private static partial Regex StrayPercent();
}
