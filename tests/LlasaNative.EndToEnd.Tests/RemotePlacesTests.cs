using LlasaNative.Tests.Support.Servers;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Models and data sets on the Hub and on HDFS, as arguments of the program; small servers stand for both.</summary>
public sealed class RemotePlacesTests : TinyWorldTests
{
    private static readonly string[] _variables = ["HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "HADOOP_USER_NAME", "LLASA_WEBHDFS"];
    private readonly Dictionary<string, string?> _before = [];
    private HubServer _hub = null!;

    [SetUp]
    public void StartTheHub()
    {
        _hub = new HubServer();
        foreach (var name in _variables)
        {
            _before[name] = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, null);
        }

        Environment.SetEnvironmentVariable("HF_ENDPOINT", _hub.Address);
        Environment.SetEnvironmentVariable("HF_HOME", Path.Combine(Folder, "hf"));
    }

    [TearDown]
    public void StopTheHub()
    {
        foreach (var (name, value) in _before)
        {
            Environment.SetEnvironmentVariable(name, value);
        }

        _hub.Dispose();
    }

    [Test]
    public void Train_OfAModelAndDataOnTheHub_EqualsTrainingFromDirectories()
    {
        Publish("me/policy", TinyWorld.Policy);
        Publish("me/codec", TinyWorld.Codec);
        Publish("me/whisper", TinyWorld.Recogniser);
        _hub.Add("datasets/me/texts", ("train.txt", "a big dog\nthe cat sleeps\n"u8.ToArray()), ("README.md", "x"u8.ToArray()));
        var texts = Path.Combine(Folder, "texts.txt");
        File.WriteAllText(texts, "a big dog\nthe cat sleeps\n");
        string[] remote = ["--policy", "hf://me/policy", "--codec", "hf://me/codec", "--recogniser", "hf://me/whisper", "--data", "hf://datasets/me/texts"];
        var first = LlasaRunner.RunWell(Train(Path.Combine(Folder, "remote"), 1, remote));
        Assert.That(first.Error, Does.Contain("fetching hf://me/policy/model.safetensors"));
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "local"), 1, "--data", texts));
        AssertSame(Checkpoint(Path.Combine(Folder, "remote"), 1), Checkpoint(Path.Combine(Folder, "local"), 1));
        Assert.That(LlasaRunner.RunWell("inspect", "hf://me/policy").Output, Does.Contain("llama"));

        Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
        var requests = _hub.Seen.Count();
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "remote"), 2, remote));
        Assert.That(_hub.Seen.Count(), Is.EqualTo(requests), "offline, only the cache is asked");
    }

    [Test]
    public void Prepare_ToTheHub_IsOneCommit_AndReadsBack()
    {
        var refused = LlasaRunner.Run("prepare", "--dummy", "-o", "hf://datasets/me/new");
        Assert.That((refused.ExitCode, refused.Error.Contains("HF_TOKEN", StringComparison.Ordinal)), Is.EqualTo((1, true)), refused.Error);
        Environment.SetEnvironmentVariable("HF_TOKEN", HubServer.Token);
        refused = LlasaRunner.Run("prepare", "--dummy", "-o", "hf://datasets/me/new");
        Assert.That(refused.Error, Does.StartWith("llasa: hf://datasets/me/new: ").And.Contains("Repository not found"));
        var made = LlasaRunner.RunWell("prepare", "--dummy", "-o", "hf://datasets/me/new/v1", "--create", "--private");
        Assert.That(made.Output, Does.Contain($"written to hf://datasets/me/new/v1 at commit {_hub.Commit("datasets/me/new")}"));
        Assert.That(_hub.Files("datasets/me/new").Keys, Is.EquivalentTo(["v1/train.parquet", "v1/test.parquet"]));
        LlasaRunner.RunWell("prepare", "hf://datasets/me/new/v1/test.parquet", "-o", Path.Combine(Folder, "back"), "--test-ratio", "0");
        Assert.That(Data.PromptFile.Read(Path.Combine(Folder, "back", "train.parquet")), Has.Length.EqualTo(2));
    }

    [Test]
    public void Prepare_ToHdfs_ReadsBack()
    {
        using WebHdfsServer hdfs = new() { BlockSize = 4096 };
        Environment.SetEnvironmentVariable("HADOOP_USER_NAME", "tester");
        var place = $"webhdfs://{hdfs.Host}/sets/a";
        LlasaRunner.RunWell("prepare", "--dummy", "-o", place);
        Assert.That(hdfs.Files.Keys, Is.EqualTo(["/sets/a/test.parquet", "/sets/a/train.parquet"]));
        LlasaRunner.RunWell("prepare", place, "-o", Path.Combine(Folder, "back"), "--test-ratio", "0");
        Assert.That(Data.PromptFile.Read(Path.Combine(Folder, "back", "train.parquet")), Has.Length.EqualTo(7));
        Environment.SetEnvironmentVariable("LLASA_WEBHDFS", $"http://{hdfs.Host}");
        LlasaRunner.RunWell("eval", "--data", "hdfs:///sets/a/test.parquet", "--limit", "1");
    }

    [TestCase("--policy", "hf://me/none", 1, "hf://me/none: ")]
    [TestCase("--policy", "hf://datasets/me/x", 2, "expected a model")]
    [TestCase("--policy", "hf://nonsense", 2, "hf://OWNER/NAME")]
    [TestCase("--policy", "hdfs://h/model", 2, "hf://")]
    [TestCase("--data", "hf://datasets/me/none/a.parquet", 1, "hf://datasets/me/none/a.parquet: ")]
    public void Train_OfWhatIsNotThere_IsOneLine(string option, string place, int code, string named)
    {
        var outcome = LlasaRunner.Run(Train(Path.Combine(Folder, "run"), 1, option, place));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.ExitCode, Is.EqualTo(code), outcome.Error);
            Assert.That(outcome.Error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1));
            Assert.That(outcome.Error, Does.StartWith("llasa: ").And.Contains(named));
            Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False);
        });
    }

    private void Publish(string repository, string directory) =>
        _hub.Add(repository, [.. Directory.GetFiles(directory).Select(f => (Path.GetFileName(f), File.ReadAllBytes(f)))]);
}
