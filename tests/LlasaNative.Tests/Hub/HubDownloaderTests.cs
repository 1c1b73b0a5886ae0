using System.Text;
using LlasaNative.Hub;
using LlasaNative.Tests.Support;
using LlasaNative.Tests.Support.Servers;

namespace LlasaNative.Tests.Hub;

[Parallelizable(ParallelScope.None)]
public class HubDownloaderTests
{
    private static readonly byte[] _weights = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7))];
    private TemporaryDirectory _directory = null!;
    private HubServer _server = null!;
    private List<string> _notes = null!;

    private HubOptions Options => new()
    {
        Endpoint = _server.Address, CacheDirectory = _directory.File("hub"), RetryDelay = TimeSpan.FromMilliseconds(1), OnNote = _notes.Add,
        Silence = TimeSpan.FromSeconds(10),
    };

    [SetUp]
    public void SetUp()
    {
        (_directory, _server, _notes) = (new TemporaryDirectory(), new HubServer(), []);
        _server.Add("me/model",
            ("config.json", "{}"u8.ToArray()), ("model.safetensors", _weights), ("README.md", "text"u8.ToArray()),
            ("pytorch_model.bin", _weights), ("sub/config.json", "{\"sub\": 1}"u8.ToArray()), ("sub/model.safetensors", [1, 2, 3]));
        _server.Add("datasets/me/set", ("data/a.jsonl", "{}"u8.ToArray()), ("data/b.parquet", _weights), ("README.md", "text"u8.ToArray()));
    }

    [TearDown]
    public void TearDown()
    {
        _server.Dispose();
        _directory.Dispose();
    }

    [Test]
    public async Task FetchModel_FillsTheUsualCacheLayout_Once()
    {
        string path = await Model("hf://me/model");
        string root = _directory.File("hub/models--me--model");
        string commit = _server.Commit("me/model");
        Assert.Multiple(() =>
        {
            Assert.That(path, Is.EqualTo($"{root}/snapshots/{commit}"));
            Assert.That(File.ReadAllText($"{root}/refs/main"), Is.EqualTo(commit));
            Assert.That(Directory.GetFileSystemEntries(path).Select(Path.GetFileName), Is.EquivalentTo(["config.json", "model.safetensors"]));
            Assert.That(File.ReadAllBytes($"{path}/model.safetensors"), Is.EqualTo(_weights));
            Assert.That(new FileInfo($"{path}/model.safetensors").LinkTarget, Does.StartWith("../../blobs/"));
            Assert.That(Directory.GetFiles($"{root}/blobs").Select(f => Path.GetFileName(f).Length), Is.EquivalentTo([40, 64]), "git's hash and SHA-256");
        });
        int requests = _server.Seen.Count();
        Assert.That(await Model("hf://me/model"), Is.EqualTo(path));
        Assert.That(_server.Seen.Skip(requests), Has.All.Contains("/revision/main"), "only the branch is looked up again");
        Assert.That(_server.SeenByStore.Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task FetchModel_AfterANewCommit_SharesTheUnchangedBlobs()
    {
        string old = await Model("hf://me/model");
        string oldCommit = _server.Commit("me/model");
        _server.Add("me/model", ("config.json", "{\"new\": 1}"u8.ToArray()), ("model.safetensors", _weights));
        _server.Add("me/other");
        string path = _directory.File("hub/models--me--model");
        File.WriteAllText($"{path}/refs/old", oldCommit);
        _server.Files("me/model")["extra.json"] = [0x7b, 0x7d];
        string now = await Model("hf://me/model");
        Assert.That(_server.SeenByStore.Count(), Is.EqualTo(1), "the weights are there already");
        Assert.That(File.Exists($"{now}/config.json") && File.Exists($"{old}/config.json"));
    }

    [Test]
    public async Task FetchModel_OfADirectoryInside_TakesItsFiles()
    {
        string path = await Model("hf://me/model/sub");
        Assert.That(File.ReadAllText($"{path}/config.json"), Does.Contain("sub"));
        Assert.That(File.Exists($"{path}/../config.json"), Is.False);
    }

    [Test]
    public async Task FetchModel_OfShards_TakesThoseOfTheIndex()
    {
        byte[] index = "{\"weight_map\": {\"a\": \"m-1.safetensors\", \"b\": \"m-2.safetensors\"}}"u8.ToArray();
        _server.Add("me/big", ("config.json", "{}"u8.ToArray()), ("model.safetensors.index.json", index),
            ("m-1.safetensors", [1]), ("m-2.safetensors", [2]), ("other.safetensors", [3]));
        string path = await Model("hf://me/big");
        Assert.That(Directory.GetFileSystemEntries(path).Select(Path.GetFileName),
            Is.EquivalentTo(["config.json", "model.safetensors.index.json", "m-1.safetensors", "m-2.safetensors"]));
    }

    [Test]
    public async Task FetchModel_WhoseIndexHoldsANaN_TakesItsShards()
    {
        byte[] index = "{\"metadata\": {\"loss\": NaN}, \"weight_map\": {\"a\": \"m-1.safetensors\", \"b\": null}}"u8.ToArray();
        _server.Add("me/big", ("config.json", "{}"u8.ToArray()), ("model.safetensors.index.json", index), ("m-1.safetensors", [1]));
        Assert.That(File.Exists(Path.Combine(await Model("hf://me/big"), "m-1.safetensors")));
    }

    [Test]
    public async Task FetchFiles_WithACard_GivesTheCardBeforeItChooses()
    {
        _server.Add("datasets/me/carded", ("README.md", "a card"u8.ToArray()), ("a.txt", "a\n"u8.ToArray()), ("b.txt", "b\n"u8.ToArray()));
        _server.Add("datasets/me/plain", ("a.txt", "a\n"u8.ToArray()));
        using HubDownloader hub = new(Options);
        string? seen = "";
        string path = await hub.FetchFilesAsync(HubLocation.Parse("hf://datasets/me/carded"), (names, card) =>
        {
            seen = File.ReadAllText(card!);
            return ["b.txt"];
        });
        Assert.That(seen, Is.EqualTo("a card"));
        Assert.That(Directory.GetFiles(path).Select(Path.GetFileName), Is.EquivalentTo(["README.md", "b.txt"]));
        await hub.FetchFilesAsync(HubLocation.Parse("hf://datasets/me/plain"), (names, card) => [.. names.Where(_ => (seen = card) is null)]);
        Assert.That(seen, Is.Null);
    }

    [Test]
    public async Task Fetch_WhenTheConnectionBreaks_GoesOnWhereItStopped()
    {
        _server.CutAfter = 1500;
        string path = await Model("hf://me/model");
        Assert.That(File.ReadAllBytes($"{path}/model.safetensors"), Is.EqualTo(_weights));
        Assert.That(_server.SeenByStore.Count(), Is.EqualTo(4), "1500 + 1500 + 1500 + 500 bytes");
    }

    [Test]
    public async Task Fetch_AfterAnEarlierProcess_GoesOnWhereThatStopped()
    {
        await Model("hf://me/model");
        string blob = Directory.GetFiles(_directory.File("hub/models--me--model/blobs")).Single(f => Path.GetFileName(f).Length == 64);
        Directory.Delete(_directory.File("hub/models--me--model/snapshots"), recursive: true);
        File.Delete(blob);
        File.WriteAllBytes(blob + ".incomplete", _weights[..4000]);
        string path = await Model("hf://me/model");
        Assert.That(File.ReadAllBytes($"{path}/model.safetensors"), Is.EqualTo(_weights));

        // What the earlier process left is not what it should be: found by the checksum, fetched anew.
        Directory.Delete(_directory.File("hub/models--me--model/snapshots"), recursive: true);
        File.Delete(blob);
        File.WriteAllBytes(blob + ".incomplete", new byte[4000]);
        path = await Model("hf://me/model");
        Assert.That(File.ReadAllBytes($"{path}/model.safetensors"), Is.EqualTo(_weights));
        Assert.That(File.Exists(blob + ".incomplete"), Is.False);
    }

    [Test]
    public async Task Fetch_FromAServerWithoutRanges_StartsAgain()
    {
        (_server.IgnoreRanges, _server.CutAfter) = (true, 4999);
        Assert.That(() => Model("hf://me/model"), Throws.TypeOf<RemoteException>().With.Message.Contains("of 5000 bytes"));
        _server.CutAfter = 0;
        Assert.That(File.ReadAllBytes($"{await Model("hf://me/model")}/model.safetensors"), Is.EqualTo(_weights));
    }

    [Test]
    public void Fetch_OfDamagedBytes_IsRefusedAndLeavesNothing()
    {
        _server.Damage = true;
        Assert.That(() => Model("hf://me/model"), Throws.TypeOf<RemoteException>().With.Message.Contains("hf://me/model/model.safetensors").And.Message.Contains("checksum"));
        Assert.That(Directory.GetFiles(_directory.File("hub/models--me--model/blobs")).Select(f => Path.GetFileName(f).Length), Is.EqualTo([40]));
    }

    [Test]
    public async Task Fetch_WhenTheServerIsBusy_TriesAgain()
    {
        _server.Unavailable = 4;
        await Model("hf://me/model");
        _server.Unavailable = 5;
        Assert.That(() => Model("hf://me/model"), Throws.TypeOf<RemoteException>().With.Message.Contains("503"));
    }

    [Test]
    public async Task Fetch_OfSomethingPrivate_NeedsTheToken_WhichTheStoreNeverSees()
    {
        _server.IsPrivate = true;
        Assert.That(() => Model("hf://me/model"), Throws.TypeOf<RemoteException>().With.Message.Contains("401").And.Message.Contains("HF_TOKEN"));
        // The store refuses a request that carries the token.
        using HubDownloader hub = new(Options with { Token = HubServer.Token });
        Assert.That(File.Exists(Path.Combine(await hub.FetchModelAsync(HubLocation.Parse("hf://me/model")), "model.safetensors")));
    }

    [Test]
    public async Task Fetch_Offline_AsksNobody()
    {
        using HubDownloader offline = new(Options with { Offline = true });
        HubLocation location = HubLocation.Parse("hf://me/model");
        Assert.That(() => offline.FetchModelAsync(location), Throws.TypeOf<RemoteException>().With.Message.Contains("HF_HUB_OFFLINE"));
        Assert.That(_server.Seen, Is.Empty);
        string path = await Model("hf://me/model");
        int requests = _server.Seen.Count();
        Assert.That(await offline.FetchModelAsync(location), Is.EqualTo(path));
        Assert.That(_server.Seen.Count(), Is.EqualTo(requests));
    }

    [Test]
    public async Task Fetch_WhenTheHubIsNotReached_UsesTheCacheAndSaysSo()
    {
        string path = await Model("hf://me/model");
        HubOptions options = Options with { Endpoint = "http://127.0.0.1:9", Attempts = 2 };
        using HubDownloader hub = new(options);
        Assert.That(await hub.FetchModelAsync(HubLocation.Parse("hf://me/model")), Is.EqualTo(path));
        Assert.That(_notes, Has.Some.Contains("cannot be reached").And.Contains("using what the cache has"));
        Assert.That(() => hub.FetchModelAsync(HubLocation.Parse("hf://me/none")), Throws.TypeOf<RemoteException>().With.Message.Contains("cannot be reached"));
    }

    [Test]
    public async Task FetchFiles_OfADataSet_TakesTheWantedOnesOrTheOneNamed()
    {
        using HubDownloader hub = new(Options);
        string all = await hub.FetchFilesAsync(HubLocation.Parse("hf://datasets/me/set"), (names, _) => [.. names.Where(name => !name.EndsWith(".md", StringComparison.Ordinal))]);
        Assert.That(Directory.GetFiles(all, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(all, f)), Is.EquivalentTo(["README.md", "data/a.jsonl", "data/b.parquet"]), "the card is fetched before anything is chosen");
        string one = await hub.FetchFilesAsync(HubLocation.Parse("hf://datasets/me/set/data/b.parquet"), (_, _) => []);
        Assert.That(File.ReadAllBytes(one), Is.EqualTo(_weights));
        Assert.That(
            () => hub.FetchFilesAsync(HubLocation.Parse("hf://datasets/me/set/data/c.parquet"), (names, _) => [.. names]),
            Throws.TypeOf<RemoteException>().With.Message.Contains("hf://datasets/me/set/data/c.parquet: there is no such file"));
    }

    [TestCase("../../evil")]
    [TestCase("a/../../evil")]
    [TestCase("/evil")]
    public void Fetch_OfAFileThatWouldLeaveTheCache_IsRefused(string name)
    {
        _server.Add("me/evil", (name, Encoding.ASCII.GetBytes("x")));
        using HubDownloader hub = new(Options);
        Assert.That(
            () => hub.FetchFilesAsync(HubLocation.Parse("hf://me/evil"), (names, _) => [.. names]), Throws.TypeOf<RemoteException>().With.Message.Contains("cannot be one"));
        Assert.That(Directory.Exists(_directory.File("hub")), Is.False);
    }

    [Test]
    public async Task Fetch_ByTwoAtOnce_FetchesOnce()
    {
        string[] paths = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Model("hf://me/model"))));
        Assert.That(paths.Distinct().Count(), Is.EqualTo(1));
        Assert.That(_server.SeenByStore.Count(), Is.EqualTo(1));
    }

    private async Task<string> Model(string location)
    {
        using HubDownloader hub = new(Options);
        return await hub.FetchModelAsync(HubLocation.Parse(location));
    }
}
