using LlasaNative.Hdfs;
using LlasaNative.Hub;

namespace LlasaNative.Data;

/// <summary>Brings data from the Hub or HDFS to this machine, and prepared data there.</summary>
/// <remarks>
/// What comes from the Hub stays in its cache; what comes from HDFS lies in a temporary directory until this is disposed.
/// Nothing is contacted for a place that is neither. <b>Threads:</b> one at a time. Dispose it.
/// </remarks>
/// <example>
/// <code>
/// using RemoteData remote = new(Console.Error.WriteLine);
/// string path = remote.Fetch("hf://datasets/OWNER/NAME", DataSplit.Train, cancellation);
/// </code>
/// </example>
/// <param name="note">Told in one line what is being fetched or sent; may be null.</param>
public sealed class RemoteData(Action<string>? note = null) : IDisposable
{
    private DirectoryInfo? _temporary;

    /// <summary>Whether a text names a place that is not on this machine.</summary>
    /// <param name="place">Any text.</param>
    public static bool IsRemote(string place) => HubLocation.IsHub(place) || HdfsLocation.IsHdfs(place);

    /// <summary>The local file or directory for a place.</summary>
    /// <param name="place">A place on the Hub or HDFS, which is fetched, or a path, which is returned.</param>
    /// <param name="split">What the data are read for: of a directory only those files are fetched (see <see cref="DataFiles"/>).</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">There is no such thing, or the server cannot be reached.</exception>
    public string Fetch(string place, DataSplit split = DataSplit.All, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(place);
        if (HubLocation.IsHub(place))
        {
            using HubDownloader hub = new(Options());
            return hub.FetchFilesAsync(HubLocation.Parse(place), (names, card) => DataFiles.Choose(place, names, split, card), cancellation).GetAwaiter().GetResult();
        }

        return HdfsLocation.IsHdfs(place) ? FetchFromHdfsAsync(HdfsLocation.Parse(place), split, cancellation).GetAwaiter().GetResult() : place;
    }

    /// <summary>The local directory for a model, or the file that a place ending in .bin or .ggml names.</summary>
    /// <param name="place">A place on the Hub, which is fetched, or a path, which is returned.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">There is no such model, or the Hub cannot be reached.</exception>
    /// <exception cref="UsageException">The place is a data set, or on HDFS.</exception>
    public string FetchModel(string place, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(place);
        if (!HubLocation.IsHub(place))
        {
            return HdfsLocation.IsHdfs(place) ? throw new UsageException($"{place}: models are directories or hf:// places") : place;
        }

        HubLocation location = HubLocation.Parse(place);
        UsageException.ThrowIf(location.IsDataset, $"{place}: expected a model, not a data set");
        using HubDownloader hub = new(Options());
        return (Path.GetExtension(location.Path) is ".bin" or ".ggml"
            ? hub.FetchFilesAsync(location, (names, _) => [.. names], cancellation)
            : hub.FetchModelAsync(location, cancellation)).GetAwaiter().GetResult();
    }

    /// <summary>A new temporary directory, removed when this is disposed.</summary>
    public string CreateDirectory()
    {
        _temporary ??= Directory.CreateTempSubdirectory("llasa-data-");
        return _temporary.CreateSubdirectory(Guid.NewGuid().ToString("N")).FullName;
    }

    /// <summary>Refuses a destination before any work is done for it.</summary>
    /// <param name="place">A place on the Hub or HDFS.</param>
    /// <exception cref="UsageException">Data cannot go there.</exception>
    public static void RequireDestination(string place)
    {
        ArgumentNullException.ThrowIfNull(place);
        if (HubLocation.IsHub(place) && !HubLocation.Parse(place).IsDataset)
        {
            throw new UsageException($"{place}: data go to hf://datasets/OWNER/NAME");
        }

        if (HdfsLocation.IsHdfs(place))
        {
            _ = HdfsLocation.Parse(place);
        }
    }

    /// <summary>Sends the files of a directory: to the Hub in one commit, to HDFS one after the other, each at once in its place.</summary>
    /// <param name="directory">The directory; those below it are left out.</param>
    /// <param name="place">A directory on HDFS, or a data set on the Hub, perhaps with a directory inside.</param>
    /// <param name="create">Whether a data set that the Hub does not have is made; null: not, else whether it is private.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>What to call the result: the commit, or the place.</returns>
    /// <exception cref="RemoteException">The server refuses or cannot be reached.</exception>
    public string Publish(string directory, string place, bool? create = null, CancellationToken cancellation = default)
    {
        RequireDestination(place);
        string[] files = [.. Directory.GetFiles(directory).Order(StringComparer.Ordinal)];
        return HubLocation.IsHub(place)
            ? PublishToHubAsync(files, HubLocation.Parse(place), create, cancellation).GetAwaiter().GetResult()
            : PublishToHdfsAsync(files, HdfsLocation.Parse(place), cancellation).GetAwaiter().GetResult();
    }

    /// <summary>Removes what was fetched for the time being.</summary>
    public void Dispose()
    {
        if (_temporary is { Exists: true })
        {
            _temporary.Delete(recursive: true);
        }
    }

    private HubOptions Options() => HubOptions.FromEnvironment() with { OnNote = note };

    private async Task<string> FetchFromHdfsAsync(HdfsLocation location, DataSplit split, CancellationToken cancellation)
    {
        string directory = CreateDirectory();
        using WebHdfsClient client = new(location);
        IReadOnlyList<HdfsLocation> all = await client.ListAsync(location, cancellation).ConfigureAwait(false);
        bool isFile = all.Count == 1 && all[0] == location;
        string Name(HdfsLocation file) => isFile ? Path.GetFileName(file.Path) : file.Path[(location.Path.TrimEnd('/').Length + 1)..];
        string? card = null;
        foreach (HdfsLocation file in all.Where(file => !isFile && Name(file) == DatasetCard.FileName))
        {
            card = await DownloadAsync(file).ConfigureAwait(false);
        }

        HashSet<string> wanted = isFile ? [Name(location)] : [.. DataFiles.Choose(location.Text, all.Select(Name), split, card)];
        foreach (HdfsLocation file in all.Where(file => wanted.Contains(Name(file))))
        {
            await DownloadAsync(file).ConfigureAwait(false);
        }

        return isFile ? Path.Combine(directory, Name(location)) : directory;

        async Task<string> DownloadAsync(HdfsLocation file)
        {
            string local = Path.Combine(directory, Name(file));
            Directory.CreateDirectory(Path.GetDirectoryName(local)!);
            note?.Invoke($"fetching {file}");
            await client.DownloadAsync(file, local, cancellation).ConfigureAwait(false);
            return local;
        }
    }

    private async Task<string> PublishToHubAsync(string[] files, HubLocation location, bool? create, CancellationToken cancellation)
    {
        using HubUploader hub = new(Options());
        if (create is bool isPrivate)
        {
            await hub.EnsureRepositoryAsync(location, isPrivate, cancellation).ConfigureAwait(false);
        }

        string prefix = location.Path.Length > 0 ? location.Path + "/" : "";
        HubUpload[] uploads = [.. files.Select(f => new HubUpload(f, prefix + Path.GetFileName(f)))];
        string commit = await hub.CommitAsync(
            location, uploads, $"Add {string.Join(", ", uploads.Select(u => u.Path))} prepared by LlasaNative", cancellation).ConfigureAwait(false);
        return $"{location} at commit {commit}";
    }

    private async Task<string> PublishToHdfsAsync(string[] files, HdfsLocation location, CancellationToken cancellation)
    {
        using WebHdfsClient client = new(location);
        foreach (string file in files)
        {
            note?.Invoke($"uploading {location.Child(Path.GetFileName(file))}");
            await client.UploadAsync(file, location.Child(Path.GetFileName(file)), cancellation).ConfigureAwait(false);
        }

        return location.Text;
    }
}
