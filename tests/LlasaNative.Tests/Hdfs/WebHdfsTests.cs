using LlasaNative.Hdfs;
using LlasaNative.Tests.Support;
using LlasaNative.Tests.Support.Servers;

namespace LlasaNative.Tests.Hdfs;

[Parallelizable(ParallelScope.None)]
public class WebHdfsTests
{
    private static readonly HdfsOptions _options = new() { User = "tester", RetryDelay = TimeSpan.FromMilliseconds(1), Silence = TimeSpan.FromSeconds(10) };
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp() => _directory = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [TestCase("webhdfs://h:1/a/b", null, "http://h:1", "/a/b")]
    [TestCase("swebhdfs://h:1/a/b/", null, "https://h:1", "/a/b")]
    [TestCase("hdfs://h:8020/a", null, "http://h:9870", "/a")]
    [TestCase("hdfs://h/a", "http://other:50070", "http://other:50070", "/a")]
    [TestCase("hdfs:///a", "https://proxy:14000/", "https://proxy:14000", "/a")]
    [TestCase("webhdfs://h:1", "http://other", "http://h:1", "/")]
    public void Parse_FindsTheHttpService(string text, string? service, string endpoint, string path)
    {
        HdfsLocation location = HdfsLocation.Parse(text, _ => service);
        Assert.That((location.Endpoint, location.Path, HdfsLocation.IsHdfs(text)), Is.EqualTo((endpoint, path, true)));
    }

    [TestCase("hdfs:///a")]
    [TestCase("webhdfs:///a")]
    [TestCase("hdfs://h/a/../b")]
    [TestCase("hdfs://h/a//b")]
    public void Parse_OfNonsense_IsAUsageError(string text) =>
        Assert.That(() => HdfsLocation.Parse(text, _ => null), Throws.TypeOf<UsageException>().With.Message.StartsWith(text));

    /// <summary>The value that every HDFS gives for an empty file: MD5 of the 32 zero bytes of an empty buffer.</summary>
    [Test]
    public void Checksum_OfAnEmptyFile_IsHadoopsMagicValue() =>
        Assert.That(HdfsChecksum.Compute(_directory.Write("a", ""), "MD5-of-0MD5-of-0CRC32", 0), Is.EqualTo("70bc8f4b72a86921468bf8e8441dce51"));

    [Test]
    public void Checksum_OfAnotherAlgorithm_IsUnknown()
    {
        string path = _directory.Write("a", "123456789");
        Assert.Multiple(() =>
        {
            Assert.That(HdfsChecksum.Compute(path, "COMPOSITE-CRC32C", 0), Is.EqualTo("e3069283"), "the check value of CRC-32C");
            Assert.That(HdfsChecksum.Compute(path, "COMPOSITE-CRC32", 0), Is.EqualTo("cbf43926"), "the check value of CRC-32");
            Assert.That(HdfsChecksum.Compute(path, "SHA-1", 0), Is.Null);
            Assert.That(HdfsChecksum.Compute(path, "MD5-of-0MD5-of-0CRC32C", 512), Is.Null);
            Assert.That(HdfsChecksum.Compute(path, "MD5-of-0MD5-of-512CRC32C", 700), Is.Null);
        });
    }

    // Sizes around the chunk (512), the block (2048) and the capacity of the buffer of the blocks' MD5s (2, 4 blocks).
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(511)]
    [TestCase(512)]
    [TestCase(513)]
    [TestCase(2048)]
    [TestCase(2049)]
    [TestCase(4096)]
    [TestCase(4097)]
    [TestCase(8193)]
    [TestCase(20000)]
    public async Task Upload_OfAnySize_ArrivesAndComesBack(int size)
    {
        using WebHdfsServer server = new();
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        string local = _directory.Write("local", content);
        HdfsLocation target = HdfsLocation.Parse($"webhdfs://{server.Host}/data/set one/train.parquet");
        using WebHdfsClient client = new(target, _options);
        await client.UploadAsync(local, target);
        Assert.That(server.Files.Keys, Is.EqualTo(["/data/set one/train.parquet"]), "no temporary file stays");
        Assert.That(server.Files["/data/set one/train.parquet"], Is.EqualTo(content));
        await client.DownloadAsync(target, _directory.File("back"));
        Assert.That(File.ReadAllBytes(_directory.File("back")), Is.EqualTo(content));
        Assert.That(server.Seen, Has.Some.Contains("._COPYING_?op=CREATE"));
    }

    [Test]
    public async Task Upload_OverAFile_ReplacesItWhenAllHasArrived()
    {
        using WebHdfsServer server = new();
        server.Files["/a"] = [9];
        HdfsLocation target = HdfsLocation.Parse($"webhdfs://{server.Host}/a");
        using WebHdfsClient client = new(target, _options);
        server.Damage = true;
        string local = _directory.Write("local", new byte[3000]);
        Assert.That(() => client.UploadAsync(local, target), Throws.TypeOf<RemoteException>().With.Message.Contains("another content"));
        Assert.That(server.Files, Has.Count.EqualTo(1));
        Assert.That(server.Files["/a"], Is.EqualTo(new byte[] { 9 }));
        server.Damage = false;
        await client.UploadAsync(local, target);
        Assert.That(server.Files["/a"], Has.Length.EqualTo(3000));
    }

    [Test]
    public async Task Transfers_WhenTheConnectionBreaks_GoOnWhereTheyStopped()
    {
        using WebHdfsServer server = new() { CutAfter = 1000 };
        byte[] content = [.. Enumerable.Range(0, 4500).Select(i => (byte)(i * 3))];
        HdfsLocation target = HdfsLocation.Parse($"webhdfs://{server.Host}/a");
        using WebHdfsClient client = new(target, _options);
        await client.UploadAsync(_directory.Write("local", content), target);
        Assert.That(server.Files["/a"], Is.EqualTo(content));
        Assert.That(server.Seen.Count(s => s.Contains("op=APPEND", StringComparison.Ordinal)), Is.EqualTo(8), "each in two steps");
        await client.DownloadAsync(target, _directory.File("back"));
        Assert.That(File.ReadAllBytes(_directory.File("back")), Is.EqualTo(content));
    }

    [Test]
    public async Task Download_OfAFileWithACompositeChecksum_ComparesIt()
    {
        using WebHdfsServer server = new() { Algorithm = "COMPOSITE" };
        HdfsLocation target = HdfsLocation.Parse($"webhdfs://{server.Host}/log");
        using WebHdfsClient client = new(target, _options);
        await client.UploadAsync(_directory.Write("one", "one"), target);
        await client.DownloadAsync(target, _directory.File("back"));
        Assert.That(File.ReadAllText(_directory.File("back")), Is.EqualTo("one"));
    }

    [Test]
    public async Task List_GivesAllFilesBelow()
    {
        using WebHdfsServer server = new();
        server.Directories.UnionWith(["/d", "/d/e"]);
        (server.Files["/d/b.txt"], server.Files["/d/e/a.txt"], server.Files["/x"]) = ([1], [2], [3]);
        HdfsLocation place = HdfsLocation.Parse($"webhdfs://{server.Host}/d");
        using WebHdfsClient client = new(place, _options);
        Assert.That((await client.ListAsync(place)).Select(f => f.Path), Is.EqualTo(["/d/b.txt", "/d/e/a.txt"]));
        HdfsLocation file = HdfsLocation.Parse($"webhdfs://{server.Host}/x");
        Assert.That(await client.ListAsync(file), Is.EqualTo([file]));
    }

    [Test]
    public void Errors_NameThePlaceAndTheReason()
    {
        using WebHdfsServer server = new();
        HdfsLocation none = HdfsLocation.Parse($"webhdfs://{server.Host}/none");
        using WebHdfsClient client = new(none, _options);
        using WebHdfsClient stranger = new(none, _options with { User = "nobody" });
        using WebHdfsClient nowhere = new(HdfsLocation.Parse("webhdfs://127.0.0.1:9/a"), _options with { Attempts = 2 });
        string local = _directory.Write("local", "x");
        Assert.Multiple(() =>
        {
            Assert.That(() => client.DownloadAsync(none, _directory.File("back")), Throws.TypeOf<RemoteException>().With.Message.EqualTo($"{none}: there is no such file"));
            Assert.That(() => stranger.UploadAsync(local, none), Throws.TypeOf<RemoteException>().With.Message.Contains("AuthenticationException: who are you?"));
            Assert.That(
                () => nowhere.UploadAsync(local, HdfsLocation.Parse("webhdfs://127.0.0.1:9/a")),
                Throws.TypeOf<RemoteException>().With.Message.StartsWith("webhdfs://127.0.0.1:9/a: 127.0.0.1:9 cannot be reached"));
            Assert.That(Directory.GetFiles(_directory.Path), Is.EqualTo([local]));
        });
    }
}
