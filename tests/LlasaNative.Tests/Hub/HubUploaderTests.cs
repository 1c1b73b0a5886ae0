using LlasaNative.Hub;
using LlasaNative.Tests.Support;
using LlasaNative.Tests.Support.Servers;

namespace LlasaNative.Tests.Hub;

[Parallelizable(ParallelScope.None)]
public class HubUploaderTests
{
    private static readonly byte[] _large = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 11))];
    private static readonly HubLocation _set = HubLocation.Parse("hf://datasets/me/set");
    private TemporaryDirectory _directory = null!;
    private HubServer _server = null!;

    private HubOptions Options => new()
    {
        Endpoint = _server.Address, CacheDirectory = _directory.File("hub"), Token = HubServer.Token, RetryDelay = TimeSpan.FromMilliseconds(1),
    };

    [SetUp]
    public void SetUp()
    {
        (_directory, _server) = (new TemporaryDirectory(), new HubServer());
        _server.Add("datasets/me/set", ("README.md", "old"u8.ToArray()));
    }

    [TearDown]
    public void TearDown()
    {
        _server.Dispose();
        _directory.Dispose();
    }

    [TestCase(0)]
    [TestCase(2000)]
    [TestCase(5000)]
    public async Task Commit_OfLargeAndSmallFiles_IsOneCommit(int partSize)
    {
        _server.PartSize = partSize;
        string before = _server.Commit("datasets/me/set");
        string commit = await Commit(("data/a.parquet", _large), ("README.md", "new"u8.ToArray()), ("empty.txt", []));
        Assert.Multiple(() =>
        {
            Assert.That(commit, Is.EqualTo(_server.Commit("datasets/me/set")).And.Not.EqualTo(before));
            Assert.That(_server.Files("datasets/me/set")["data/a.parquet"], Is.EqualTo(_large));
            Assert.That(_server.Files("datasets/me/set")["README.md"], Is.EqualTo("new"u8.ToArray()));
            Assert.That(_server.Files("datasets/me/set")["empty.txt"], Is.Empty);
            Assert.That(_server.Seen.Count(s => s.Contains("/commit/main", StringComparison.Ordinal)), Is.EqualTo(1));
            Assert.That(_server.SeenByStore.Last(), Does.Contain("/verify/"));
            Assert.That(_server.SeenByStore.Count(s => s.Contains("/part/", StringComparison.Ordinal)), Is.EqualTo(partSize == 0 ? 0 : (5000 + partSize - 1) / partSize));
        });
    }

    [Test]
    public async Task Commit_OfWhatTheHubHas_SendsNoBytes()
    {
        await Commit(("a.parquet", _large));
        int before = _server.SeenByStore.Count();
        await Commit(("b.parquet", _large), ("c.parquet", _large));
        Assert.That(_server.SeenByStore.Count(), Is.EqualTo(before));
        Assert.That(_server.Files("datasets/me/set")["c.parquet"], Is.EqualTo(_large));
    }

    [Test]
    public async Task Commit_WhenTheServerIsBusy_TriesAgain()
    {
        _server.Unavailable = 2;
        await Commit(("a.parquet", _large));
        Assert.That(_server.Files("datasets/me/set"), Does.ContainKey("a.parquet"));
    }

    [Test]
    public void Commit_ToWhatIsNotThere_OrByNobody_IsRefused()
    {
        HubUpload file = new(_directory.Write("a", "x"u8.ToArray()), "a");
        using HubUploader anonymous = new(Options with { Token = null });
        using HubUploader stranger = new(Options with { Token = "hf_other" });
        using HubUploader offline = new(Options with { Offline = true });
        using HubUploader hub = new(Options);
        Assert.Multiple(() =>
        {
            Assert.That(() => anonymous.CommitAsync(_set, [file], "m"), Throws.TypeOf<RemoteException>().With.Message.Contains("HF_TOKEN"));
            Assert.That(() => offline.CommitAsync(_set, [file], "m"), Throws.TypeOf<RemoteException>().With.Message.Contains("HF_HUB_OFFLINE"));
            Assert.That(_server.Seen, Is.Empty);
            Assert.That(() => stranger.CommitAsync(_set, [file], "m"), Throws.TypeOf<RemoteException>().With.Message.Contains("401 Unauthorized: Invalid username"));
            Assert.That(
                () => hub.CommitAsync(HubLocation.Parse("hf://datasets/me/none"), [file], "m"),
                Throws.TypeOf<RemoteException>().With.Message.Contains("hf://datasets/me/none: ").And.Message.Contains("Repository not found"));
            Assert.That(() => hub.CommitAsync(_set, [file with { LocalPath = "/nowhere" }], "m"), Throws.TypeOf<RemoteException>().With.Message.Contains("/nowhere"));
            Assert.That(() => hub.CommitAsync(_set, [file with { Path = "../a" }], "m"), Throws.TypeOf<ArgumentException>());
        });
    }

    [Test]
    public async Task EnsureRepository_MakesItOnce()
    {
        HubLocation location = HubLocation.Parse("hf://datasets/me/new");
        using HubUploader hub = new(Options);
        await hub.EnsureRepositoryAsync(location, isPrivate: true);
        await hub.EnsureRepositoryAsync(location, isPrivate: true);
        await hub.CommitAsync(location, [new HubUpload(_directory.Write("a", "x"u8.ToArray()), "a")], "m");
        Assert.That(_server.Files("datasets/me/new")["a"], Is.EqualTo("x"u8.ToArray()));
    }

    private async Task<string> Commit(params (string Path, byte[] Content)[] files)
    {
        using HubUploader hub = new(Options);
        return await hub.CommitAsync(_set, [.. files.Select((f, i) => new HubUpload(_directory.Write($"f{i}", f.Content), f.Path))], "Add files");
    }
}
