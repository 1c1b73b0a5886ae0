using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Text;
using LlasaNative.Training;

namespace LlasaNative.Tests.Text;

public class LanguageNamesTests
{
    [TestCase("en", "en")]
    [TestCase("EN", "en")]
    [TestCase("English", "en")]
    [TestCase(" english ", "en")]
    [TestCase("en-US", "en")]
    [TestCase("en_GB", "en")]
    [TestCase("ko-KR", "ko")]
    [TestCase("Korean", "ko")]
    [TestCase("zh-Hans-CN", "zh")]
    [TestCase("Mandarin", "zh")]
    [TestCase("Castilian", "es")]
    [TestCase("Haitian_Creole", "ht")]
    [TestCase("cantonese", "yue")]
    [TestCase("haw", "haw")]
    [TestCase("auto", "auto")]
    [TestCase("Klingon", "klingon")]
    [TestCase("tlh-001", "tlh-001")]
    public void MyLanguage_AsIWriteIt_IsTheRecognisersCode(string written, string code) => Assert.That(LanguageNames.ToCode(written), Is.EqualTo(code));

    [Test]
    public void EveryLanguageOfWhisper_HasANameHere() => Assert.Multiple(() =>
    {
        foreach (var language in WhisperTokens.Standard(51866).Languages.Keys)
        {
            Assert.That(LanguageNames.ToCode(language + "-XX"), Is.EqualTo(language));
        }
    });

    [Test]
    public void MyOptionsSayEnglishOrKoKr_AndReadTheSame()
    {
        Assert.Multiple(() =>
        {
            Assert.That(new ScoringOptions { Language = "English" }, Is.EqualTo(new ScoringOptions { Language = "en" }));
            Assert.That(new ScoringOptions().TextLanguage, Is.EqualTo("en"));
            Assert.That(new ScoringOptions(), Is.Not.EqualTo(new ScoringOptions { Language = "en" }), "who gives none is told apart from who gives English");
            Assert.That(RewardModel.CreateNormalizer(new RewardOptions { Language = "en-US" }), Is.TypeOf<EnglishTextNormalizer>());
            Assert.That(RewardModel.CreateNormalizer(new RewardOptions { Language = "ko-KR" }), Is.TypeOf<BasicTextNormalizer>());
            Assert.That(WhisperTokens.Standard(51865).Language("ko-KR"), Is.EqualTo(50264));
            Assert.That(() => WhisperTokens.Standard(51865).Language("Klingon"), Throws.TypeOf<UsageException>().With.Message.Contains("Klingon"));
        });
    }
}
