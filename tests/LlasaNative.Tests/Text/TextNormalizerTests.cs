using System.Globalization;
using System.Text;
using System.Text.Json;
using LlasaNative.Tests.Support;
using LlasaNative.Text;

namespace LlasaNative.Tests.Text;

public class TextNormalizerTests
{
    private static IEnumerable<string> Cases() => OracleData.Cases("cer", "strings.jsonl");

    [TestCaseSource(nameof(Cases))]
    public void WhisperNormalizers_OfEveryOracleString_GiveItsOutput(string directory)
    {
        (string Key, ITextNormalizer Normalizer)[] normalizers =
        [
            ("basic", new BasicTextNormalizer()),
            ("basic_remove_diacritics", new BasicTextNormalizer(removeDiacritics: true)),
            ("basic_split_letters", new BasicTextNormalizer(splitLetters: true)),
            ("english", new EnglishTextNormalizer()),
        ];
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "strings.jsonl")))
            {
                string text = row.GetProperty("text").GetString()!;
                foreach ((string key, ITextNormalizer normalizer) in normalizers)
                {
                    Assert.That(normalizer.Normalize(text), Is.EqualTo(row.GetProperty(key).GetString()), $"{key}: {text}");
                }
            }
        });
    }

    // Worked by hand from the rules: places, digit strings, suffixes, money.
    [TestCase("one hundred and twenty three", "123")]
    [TestCase("two thousand twenty four", "2024")]
    [TestCase("nineteen eighty four", "1984")]
    [TestCase("one oh one", "101")]
    [TestCase("twenty first", "21st")]
    [TestCase("double oh seven", "007")]
    [TestCase("three point one four", "3.14")]
    [TestCase("two and a half million", "2500000")]
    [TestCase("minus five percent", "-5%")]
    [TestCase("fifty per cent", "50%")]
    [TestCase("two dollars and seven cents", "$2.07")]
    [TestCase("the nineteen sixties", "the 1960s")]
    [TestCase("one", "one")]
    [TestCase("a decillionth", "a 1000000000000000000000000000000000th")]
    [TestCase("The colour of the aeroplane", "the color of the airplane")]
    [TestCase("Uh, I can't, um, go", "i can not go")]
    [TestCase("", "")]
    public void EnglishTextNormalizer_WritesNumbersAndSpellings(string text, string expected) =>
        Assert.That(new EnglishTextNormalizer().Normalize(text).Trim(), Is.EqualTo(expected));

    [Test]
    public void Normalizers_OfRandomText_NeverThrow()
    {
        string[] words = ["one", "point", "hundred", "half", "a", "and", "double", "triple", "twenty", "0", "1.5", "$3", "per", "cent", "cents", "minus", "oh", "millions", "second", ".", "%", "٣", "half a", "thousandth", "\ud800", "é"];
        Random random = new(8);
        EnglishTextNormalizer english = new();
        for (int run = 0; run < 20_000; run++)
        {
            string text = string.Join(' ', Enumerable.Range(0, random.Next(1, 8)).Select(_ => words[random.Next(words.Length)]));
            Assert.That(() => english.Normalize(text), Throws.Nothing, text);
        }
    }

    [TestCase("İSTANBUL", "i̇stanbul")]
    [TestCase("ΟΔΥΣΣΕΥΣ ΣΑΣ.", "οδυσσευς σας.")]
    [TestCase("Σ", "σ")]
    [TestCase("ÄÖ𐐀", "äö𐐨")]
    public void Lower_MapsFully(string text, string expected) => Assert.That(PythonText.Lower(text), Is.EqualTo(expected));

    [Test]
    public void SplitAndStrip_UsePythonsWhiteSpace()
    {
        Assert.That(PythonText.Split("\u001ca\u3000\u0085b\u200bc "), Is.EqualTo(["a", "b\u200bc"]));
        Assert.That(PythonText.Strip("\u001f \u00a0x y\u2029").ToString(), Is.EqualTo("x y"));
        Assert.That(PythonText.Strip(" \t").ToString(), Is.Empty);
    }

    [TestCase("e\u0301", "\u00e9", "e\u0301", "\u00e9", "e\u0301")]
    [TestCase("\ufb01", "\ufb01", "\ufb01", "fi", "fi")]
    [TestCase("\uac01", "\uac01", "\u1100\u1161\u11a8", "\uac01", "\u1100\u1161\u11a8")]
    [TestCase("q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307")]
    [TestCase("\u1e9b\u0323", "\u1e9b\u0323", "\u017f\u0323\u0307", "\u1e69", "s\u0323\u0307")]
    [TestCase("\u0958", "\u0915\u093c", "\u0915\u093c", "\u0915\u093c", "\u0915\u093c")]
    [TestCase("\u212b", "\u00c5", "A\u030a", "\u00c5", "A\u030a")]
    public void UnicodeNormalizer_GivesTheFourForms(string text, string nfc, string nfd, string nfkc, string nfkd)
    {
        string[] forms = [.. Enum.GetValues<UnicodeForm>().Select(form => UnicodeNormalizer.Normalize(text, form))];
        Assert.That(forms, Is.EqualTo([nfc, nfd, nfkc, nfkd]));
    }

    [Test]
    public void UnicodeNormalizer_OfHalfAPair_GivesTheReplacementCharacter() =>
        Assert.That(UnicodeNormalizer.Normalize("\ud800x", UnicodeForm.Nfc), Is.EqualTo("\ufffdx"));

    [Test]
    public void UnicodeNormalizer_PassesTheConformanceTest()
    {
        string path = Path.Combine(Environment.GetEnvironmentVariable("LLASA_UCD") ?? "none", "NormalizationTest.txt");
        if (!File.Exists(path))
        {
            Assert.Ignore("SKIPPED: $LLASA_UCD does not name a folder with NormalizationTest.txt of Unicode 15.0");
        }

        int rows = 0;
        foreach (string line in File.ReadLines(path).Where(l => l.Length > 0 && l[0] is not '#' and not '@'))
        {
            string[] c = [.. line.Split(';').Take(5).Select(Decode)];
            rows++;
            for (int i = 0; i < 5; i++)
            {
                string[] expected = i < 3 ? [c[1], c[2], c[3], c[4]] : [c[3], c[4], c[3], c[4]];
                string[] found = [.. Enum.GetValues<UnicodeForm>().Select(form => UnicodeNormalizer.Normalize(c[i], form))];
                Assert.That(found, Is.EqualTo(expected), line);
            }
        }

        TestContext.Out.WriteLine($"{rows} rows");
    }

    private static string Decode(string hex)
    {
        StringBuilder text = new();
        foreach (string part in hex.Split(' '))
        {
            text.Append(new Rune(int.Parse(part, NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        }

        return text.ToString();
    }
}
