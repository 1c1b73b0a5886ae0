namespace LlasaNative.Hub;

/// <summary>
/// The cache that the Hub's clients share: <c>models--OWNER--NAME/</c> with <c>blobs/ETAG</c>, <c>refs/REVISION</c> (a
/// commit) and <c>snapshots/COMMIT/PATH</c>, links to blobs.
/// </summary>
/// <remarks><b>Threads:</b> any; processes keep apart by locks on <c>.locks/</c>.</remarks>
internal sealed class HubCache(string cacheDirectory, HubLocation location)
{
    private readonly string _root = Path.Combine(cacheDirectory, NameOf(location));
    private readonly string _locks = Path.Combine(cacheDirectory, ".locks", NameOf(location));

    public string Snapshot(string commit) => Path.Combine(_root, "snapshots", commit);

    public string Pointer(string commit, string path) => Path.Combine(Snapshot(commit), path.Replace('/', Path.DirectorySeparatorChar));

    public string Blob(string etag) => Path.Combine(_root, "blobs", etag);

    /// <summary>The commit that a revision was when it was last looked up; null when it never was.</summary>
    public string? CommitOf(string revision)
    {
        string path = Path.Combine(_root, "refs", revision.Replace('/', Path.DirectorySeparatorChar));
        return File.Exists(path) ? File.ReadAllText(path).Trim() : Directory.Exists(Snapshot(revision)) ? revision : null;
    }

    public void SetCommit(string revision, string commit)
    {
        if (revision == commit)
        {
            return;
        }

        string path = Path.Combine(_root, "refs", revision.Replace('/', Path.DirectorySeparatorChar));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (CommitOf(revision) != commit)
        {
            Reporting.AtomicFile.WriteText(path, commit);
        }
    }

    /// <summary>Makes a file of a snapshot point to its blob; where links are not to be had, copies it.</summary>
    public void Link(string commit, string path, string etag)
    {
        string pointer = Pointer(commit, path);
        string directory = Path.GetDirectoryName(pointer)!;
        Directory.CreateDirectory(directory);
        string temporary = pointer + $".{Guid.NewGuid():N}.tmp";
        File.Delete(temporary);
        try
        {
            File.CreateSymbolicLink(temporary, Path.GetRelativePath(directory, Blob(etag)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            File.Copy(Blob(etag), temporary);
        }

        File.Move(temporary, pointer, overwrite: true);
    }

    private static string NameOf(HubLocation location) => $"{location.Kind}--{location.Repository.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>Holds the lock of a blob; waits for another process that fetches it. Dispose it.</summary>
    public async Task<IDisposable> LockAsync(string etag, CancellationToken cancellation)
    {
        Directory.CreateDirectory(_locks);
        Directory.CreateDirectory(Path.Combine(_root, "blobs"));
        string path = Path.Combine(_locks, etag + ".lock");
        while (true)
        {
            try
            {
                // On Unix this is flock, which the Hub's Python client uses too.
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation).ConfigureAwait(false);
            }
        }
    }
}
