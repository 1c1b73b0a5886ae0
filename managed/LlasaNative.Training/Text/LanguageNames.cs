namespace LlasaNative.Text;

/// <summary>Language codes from what people write: <c>English</c>, <c>EN</c>, <c>ko-KR</c>, <c>mandarin</c>.</summary>
/// <remarks>The names are those of openai/whisper's tokenizer, its other names for some of them included. <b>Threads:</b> stateless, any thread.</remarks>
public static class LanguageNames
{
    private const string Names =
        "en english,zh chinese,de german,es spanish,ru russian,ko korean,fr french,ja japanese,pt portuguese,tr turkish,pl polish,"
        + "ca catalan,nl dutch,ar arabic,sv swedish,it italian,id indonesian,hi hindi,fi finnish,vi vietnamese,he hebrew,uk ukrainian,"
        + "el greek,ms malay,cs czech,ro romanian,da danish,hu hungarian,ta tamil,no norwegian,th thai,ur urdu,hr croatian,bg bulgarian,"
        + "lt lithuanian,la latin,mi maori,ml malayalam,cy welsh,sk slovak,te telugu,fa persian,lv latvian,bn bengali,sr serbian,"
        + "az azerbaijani,sl slovenian,kn kannada,et estonian,mk macedonian,br breton,eu basque,is icelandic,hy armenian,ne nepali,"
        + "mn mongolian,bs bosnian,kk kazakh,sq albanian,sw swahili,gl galician,mr marathi,pa punjabi,si sinhala,km khmer,sn shona,"
        + "yo yoruba,so somali,af afrikaans,oc occitan,ka georgian,be belarusian,tg tajik,sd sindhi,gu gujarati,am amharic,yi yiddish,"
        + "lo lao,uz uzbek,fo faroese,ht haitian creole,ps pashto,tk turkmen,nn nynorsk,mt maltese,sa sanskrit,lb luxembourgish,"
        + "my myanmar,bo tibetan,tl tagalog,mg malagasy,as assamese,tt tatar,haw hawaiian,ln lingala,ha hausa,ba bashkir,jw javanese,"
        + "su sundanese,yue cantonese,"
        + "my burmese,ca valencian,nl flemish,ht haitian,lb letzeburgesch,ps pushto,pa panjabi,ro moldavian,ro moldovan,si sinhalese,"
        + "es castilian,zh mandarin";

    private static readonly Dictionary<string, string> Codes = Names.Split(',')
        .Select(pair => pair.Split(' ', 2)).ToDictionary(pair => pair[1], pair => pair[0], StringComparer.Ordinal);

    private static readonly HashSet<string> Known = [.. Codes.Values];

    /// <summary>Whether a text is a code of a language known here.</summary>
    /// <param name="text">Any text.</param>
    public static bool IsCode(string text) => Known.Contains(text);

    /// <summary>The code of a language.</summary>
    /// <param name="language">A code of any case, with or without a region or script behind it, or an English name.</param>
    /// <returns>
    /// The code as Whisper knows it (<c>en</c>). What is neither a name nor a code of a language known here comes back in lower
    /// case, without spaces around it, so that a recogniser with languages of its own may know it.
    /// </returns>
    public static string ToCode(string language)
    {
        ArgumentNullException.ThrowIfNull(language);
        string text = language.Trim().ToLowerInvariant();
        if (Codes.TryGetValue(text.Replace('_', ' '), out string? code))
        {
            return code;
        }

        string first = text.Split('-', '_')[0];
        return Known.Contains(first) ? first : text;
    }
}
