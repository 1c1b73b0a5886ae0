using LlasaNative.Hub;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Hub;

public class HubOptionsTests
{
    [TestCase("hf://a/b", false, "a/b", "main", "")]
    [TestCase("hf://models/a/b@v1/sub/dir/", false, "a/b", "v1", "sub/dir")]
    [TestCase("hf://datasets/a/b-c.d/data/train.parquet", true, "a/b-c.d", "main", "data/train.parquet")]
    [TestCase("hf://datasets/a/b@refs%2Fpr%2F3", true, "a/b", "refs/pr/3", "")]
    public void Parse_ReadsEveryPart(string text, bool isDataset, string repository, string revision, string path)
    {
        HubLocation location = HubLocation.Parse(text);
        Assert.That(location, Is.EqualTo(new HubLocation(isDataset, repository, revision, path)));
        Assert.That(HubLocation.Parse(location.ToString()), Is.EqualTo(location));
    }

    [TestCase("hf://a")]
    [TestCase("hf://")]
    [TestCase("hf://datasets/a")]
    [TestCase("hf://a/b/../../c")]
    [TestCase("hf://a/b@")]
    [TestCase("hf://a/b@x%2F..%2Fy")]
    [TestCase("hf://a/b/c//d")]
    [TestCase("hf://../b")]
    [TestCase("hf://a b/c")]
    public void Parse_OfNonsense_IsAUsageError(string text) =>
        Assert.That(() => HubLocation.Parse(text), Throws.TypeOf<UsageException>().With.Message.StartsWith(text));

    [Test]
    public void FromEnvironment_FollowsTheUsualVariables()
    {
        using TemporaryDirectory directory = new();
        directory.Write("home/token", "hf_file\n");
        Dictionary<string, string> set = new() { ["HOME"] = directory.Path };
        HubOptions Options() => HubOptions.FromEnvironment(set.GetValueOrDefault);
        Assert.That(Options(), Is.EqualTo(new HubOptions { CacheDirectory = directory.File(".cache/huggingface/hub") }));
        set["XDG_CACHE_HOME"] = "/x";
        Assert.That(Options().CacheDirectory, Is.EqualTo("/x/huggingface/hub"));
        set["HF_HOME"] = directory.File("home");
        Assert.That((Options().CacheDirectory, Options().Token), Is.EqualTo((directory.File("home/hub"), "hf_file")));
        set["HF_HUB_CACHE"] = "~/c";
        set["HF_TOKEN"] = "hf_variable";
        set["HF_ENDPOINT"] = "http://127.0.0.1:1/";
        set["HF_HUB_OFFLINE"] = "true";
        Assert.That(Options(), Is.EqualTo(new HubOptions
        {
            CacheDirectory = directory.File("c"), Token = "hf_variable", Endpoint = "http://127.0.0.1:1", Offline = true,
        }));
        set["HF_ENDPOINT"] = "ftp://x";
        Assert.That(Options, Throws.TypeOf<UsageException>().With.Message.Contains("HF_ENDPOINT"));
    }
}
