namespace LlasaNative.Hdfs;

/// <summary>Reads and writes files on HDFS through WebHDFS or HttpFS.</summary>
/// <remarks>
/// <para>An upload goes to a temporary name beside the target, is compared with HDFS's own checksum and renamed over the
/// target: readers see the old file or the new one. A connection that breaks is continued by appending. Data go straight
/// to and from the data nodes that the name node names.</para>
/// <para>Who asks: <c>LLASA_WEBHDFS_TOKEN</c> (a delegation token), else <c>HADOOP_USER_NAME</c>, else the user of this
/// process. Kerberos negotiation is not spoken. <b>Threads:</b> any. Dispose it.</para>
/// </remarks>
public sealed class WebHdfsClient : IDisposable
{
    private readonly HdfsOptions _options;
    private readonly HttpRequests _http;
    private readonly string _endpoint;

    /// <summary>Prepares; nothing is contacted.</summary>
    /// <param name="location">Any place on the HDFS that is meant.</param>
    /// <param name="options">Who asks, and how patiently; null for the environment's.</param>
    public WebHdfsClient(HdfsLocation location, HdfsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(location);
        _options = options ?? HdfsOptions.FromEnvironment();
        _endpoint = location.Endpoint;
        _http = new HttpRequests(new RequestPolicy(null, _options.RetryDelay, _options.Attempts, _options.Silence), _endpoint);
    }

    /// <summary>Puts a file onto HDFS in place of what is there.</summary>
    /// <param name="localPath">The file.</param>
    /// <param name="target">Where to; directories are made.</param>
    /// <param name="cancellation">Ends it; then the target has not changed.</param>
    /// <exception cref="RemoteException">HDFS refuses, cannot be reached, or has received something else.</exception>
    public async Task UploadAsync(string localPath, HdfsLocation target, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(localPath);
        ArgumentNullException.ThrowIfNull(target);
        int slash = target.Path.LastIndexOf('/');
        (string directory, string name) = (slash <= 0 ? "/" : target.Path[..slash], target.Path[(slash + 1)..]);
        HdfsLocation temporary = target with { Path = $"{directory.TrimEnd('/')}/.{name}.{Guid.NewGuid():N}._COPYING_" };
        await CommandAsync(HttpMethod.Put, target with { Path = directory }, "MKDIRS", cancellation).ConfigureAwait(false);
        try
        {
            await FillAsync(localPath, temporary, cancellation).ConfigureAwait(false);
            await CompareAsync(localPath, temporary, cancellation).ConfigureAwait(false);
            string destination = Uri.EscapeDataString(target.Path);
            await CommandAsync(HttpMethod.Put, temporary, $"RENAME&destination={destination}&renameoptions=OVERWRITE", cancellation).ConfigureAwait(false);
        }
        catch
        {
            await RemoveQuietlyAsync(temporary).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Fetches a file; it appears under its name when it is complete and compared.</summary>
    /// <param name="source">A file on HDFS.</param>
    /// <param name="localPath">Where to; its directory exists.</param>
    /// <param name="cancellation">Ends it; what arrived stays in <c>.incomplete</c> and is continued the next time.</param>
    /// <exception cref="RemoteException">There is no such file, HDFS cannot be reached, or what arrived is damaged.</exception>
    public async Task DownloadAsync(HdfsLocation source, string localPath, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(localPath);
        HdfsStatus status = await StatusAsync(source, cancellation).ConfigureAwait(false) is { IsDirectory: false } found
            ? found
            : throw new RemoteException(source.Text, "there is no such file");
        string incomplete = localPath + ".incomplete";
        await _http.CompleteAsync(
            source.Text, incomplete, status.Length, from => ReceiveAsync(source, incomplete, from, cancellation), cancellation).ConfigureAwait(false);
        try
        {
            await CompareAsync(incomplete, source, cancellation).ConfigureAwait(false);
        }
        catch (RemoteException)
        {
            File.Delete(incomplete);
            throw;
        }

        File.Move(incomplete, localPath, overwrite: true);
    }

    /// <summary>The files of a directory on HDFS and below it, by path; the file itself when it is one.</summary>
    /// <param name="location">A file or directory.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">There is no such thing, or HDFS cannot be reached.</exception>
    public async Task<IReadOnlyList<HdfsLocation>> ListAsync(HdfsLocation location, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(location);
        HdfsStatus status = await StatusAsync(location, cancellation).ConfigureAwait(false)
            ?? throw new RemoteException(location.Text, "there is no such file or directory");
        if (!status.IsDirectory)
        {
            return [location];
        }

        JsonElement answer = await JsonAsync(HttpMethod.Get, location, "LISTSTATUS", cancellation).ConfigureAwait(false);
        List<HdfsLocation> files = [];
        foreach ((string name, bool isDirectory) in Read(location, answer, root => root.GetProperty("FileStatuses").GetProperty("FileStatus")
            .EnumerateArray().Select(f => (f.GetProperty("pathSuffix").GetString()!, f.GetProperty("type").GetString() == "DIRECTORY")).ToList()))
        {
            RemoteException.ThrowIf(
                name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal), location.Text, "lists a file whose name cannot be one");
            files.AddRange(isDirectory ? await ListAsync(location.Child(name), cancellation).ConfigureAwait(false) : [location.Child(name)]);
        }

        files.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        return files;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private sealed record HdfsStatus(long Length, long BlockSize, bool IsDirectory);

    /// <summary>Creates the file, and appends what a broken connection left out.</summary>
    private async Task FillAsync(string localPath, HdfsLocation temporary, CancellationToken cancellation)
    {
        long size = new FileInfo(localPath).Length;
        long done = -1;
        for (int attempt = 1; ; attempt++)
        {
            Exception? broken = null;
            try
            {
                await SendDataAsync(localPath, temporary, done, cancellation).ConfigureAwait(false);
            }
            catch (RemoteException e) when (e.Status is null or HttpStatusCode.Forbidden || (int)e.Status >= 500)
            {
                // Forbidden too: after a broken connection the name node refuses for a while to append.
                broken = e;
            }

            long now = (await StatusAsync(temporary, cancellation).ConfigureAwait(false))?.Length ?? -1;
            if (now == size)
            {
                return;
            }

            if (now > size || (attempt >= _options.Attempts && now <= done))
            {
                throw broken as RemoteException ?? new RemoteException(temporary.Text, $"HDFS has {now} of {size} bytes");
            }

            attempt = now > done ? 0 : attempt;
            done = now;
            await Task.Delay(_http.Pause(attempt + 1), cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The two steps of CREATE and APPEND: the name node names a data node, which takes the data. <c>from</c> is the first byte
    /// of the local file that is sent; −1 creates the file.
    /// </summary>
    private async Task SendDataAsync(string localPath, HdfsLocation target, long from, CancellationToken cancellation)
    {
        (HttpMethod method, string operation) = from < 0 ? (HttpMethod.Put, "CREATE&overwrite=true") : (HttpMethod.Post, "APPEND");
        Uri node;
        using (HttpResponseMessage first = await _http.SendAsync(
            target.Text, () => new HttpRequestMessage(method, Address(target, operation)), cancellation, Redirects.Never).ConfigureAwait(false))
        {
            node = first.Headers.Location is { } location
                ? new Uri(new Uri(_endpoint), location)
                : throw new RemoteException(target.Text, "the name node names no data node", first.StatusCode);
        }

        (long start, long length) = (Math.Max(from, 0), new FileInfo(localPath).Length);
        // Not repeated by itself: part of the data may have arrived, and would arrive again.
        using HttpRequests once = new(new RequestPolicy(null, TimeSpan.Zero, 1, _options.Silence), _endpoint);
        using HttpResponseMessage second = await once.SendAsync(target.Text, () => new HttpRequestMessage(method, node)
        {
            Content = StreamedContent.OfFile(localPath, start, length - start),
        }, cancellation).ConfigureAwait(false);
    }

    private async Task ReceiveAsync(HdfsLocation source, string path, long from, CancellationToken cancellation)
    {
        string operation = FormattableString.Invariant($"OPEN&offset={from}");
        using HttpResponseMessage response = await _http.SendAsync(
            source.Text, () => new HttpRequestMessage(HttpMethod.Get, Address(source, operation)), cancellation).ConfigureAwait(false);
        await _http.SaveAsync(source.Text, response, path, FileMode.Append, cancellation).ConfigureAwait(false);
    }

    private async Task CompareAsync(string localPath, HdfsLocation remote, CancellationToken cancellation)
    {
        HdfsStatus? status = await StatusAsync(remote, cancellation).ConfigureAwait(false);
        JsonElement answer = await JsonAsync(HttpMethod.Get, remote, "GETFILECHECKSUM", cancellation).ConfigureAwait(false);
        (string algorithm, string bytes) = Read(remote, answer, root => (
            root.GetProperty("FileChecksum").GetProperty("algorithm").GetString()!, root.GetProperty("FileChecksum").GetProperty("bytes").GetString()!));
        string own = HdfsChecksum.Compute(localPath, algorithm, status?.BlockSize ?? 0)
            ?? throw new RemoteException(remote.Text, $"HDFS's checksum {algorithm} cannot be compared");
        RemoteException.ThrowIf(!bytes.EndsWith(own, StringComparison.OrdinalIgnoreCase), remote.Text,
            $"HDFS has another content than {localPath}: {algorithm} ends in {own} here, there it is {bytes}");
    }

    private async Task<HdfsStatus?> StatusAsync(HdfsLocation location, CancellationToken cancellation)
    {
        try
        {
            JsonElement answer = await JsonAsync(HttpMethod.Get, location, "GETFILESTATUS", cancellation).ConfigureAwait(false);
            return Read(location, answer, root =>
            {
                JsonElement status = root.GetProperty("FileStatus");
                return new HdfsStatus(
                    status.GetProperty("length").GetInt64(), status.GetProperty("blockSize").GetInt64(), status.GetProperty("type").GetString() == "DIRECTORY");
            });
        }
        catch (RemoteException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private async Task RemoveQuietlyAsync(HdfsLocation temporary)
    {
        try
        {
            using CancellationTokenSource patience = new(_options.Silence);
            await CommandAsync(HttpMethod.Delete, temporary, "DELETE", patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RemoteException or OperationCanceledException)
        {
            // The error that brought us here is the one to report.
        }
    }

    private async Task CommandAsync(HttpMethod method, HdfsLocation location, string operation, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await _http.SendAsync(
            location.Text, () => new HttpRequestMessage(method, Address(location, operation)), cancellation).ConfigureAwait(false);
    }

    private Task<JsonElement> JsonAsync(HttpMethod method, HdfsLocation location, string operation, CancellationToken cancellation) =>
        _http.JsonAsync(location.Text, () => new HttpRequestMessage(method, Address(location, operation)), cancellation);

    private string Address(HdfsLocation location, string operation)
    {
        string path = string.Join('/', location.Path.Split('/').Select(Uri.EscapeDataString));
        string who = _options.DelegationToken is { } token ? $"delegation={Uri.EscapeDataString(token)}" : $"user.name={Uri.EscapeDataString(_options.User)}";
        return $"{_endpoint}/webhdfs/v1{path}?op={operation}&{who}";
    }

    private static T Read<T>(HdfsLocation location, JsonElement answer, Func<JsonElement, T> read)
    {
        try
        {
            return read(answer);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new RemoteException(location.Text, "the answer of WebHDFS makes no sense", null, e);
        }
    }
}
