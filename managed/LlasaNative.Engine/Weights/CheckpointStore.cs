using System.IO.Hashing;

namespace LlasaNative.Weights;

/// <summary>
/// A directory of checkpoints <c>step-000123</c>, each either complete or not there, with a file <c>latest</c> that names
/// the newest.
/// </summary>
/// <remarks>
/// <para>A checkpoint is written into <c>step-000123.tmp</c>, flushed to the disk and renamed; a process that is killed at
/// any point leaves the earlier checkpoints as they were. When saving fails, what was written is removed. Size and CRC-32C of
/// every file are in the manifest, so that a checkpoint that the disk has damaged is not taken for a sound one.</para>
/// <para><b>Threads:</b> one at a time, one process per directory.</para>
/// </remarks>
/// <example>
/// <code>
/// CheckpointStore store = new("runs/demo/checkpoints", keep: 3);
/// store.Save(step, directory => policy.Save(directory));
/// CheckpointInfo? newest = store.FindLatest((path, reason) => Console.Error.WriteLine($"{path}: {reason}"));
/// </code>
/// </example>
public sealed class CheckpointStore
{
    /// <summary>Name of the file, written last, that lists a checkpoint's files, their sizes and checksums.</summary>
    public const string ManifestName = "checkpoint.json";

    private const string Prefix = "step-";
    private const string TemporarySuffix = ".tmp";
    private const string ReplacedSuffix = ".old";
    private const string LatestName = "latest";
    private const string BestName = "best";
    private readonly string _root;
    private readonly int _keep;

    /// <summary>Uses a directory; it is created when the first checkpoint is saved.</summary>
    /// <param name="root">The directory that holds the checkpoints.</param>
    /// <param name="keep">How many of the newest checkpoints stay; 0 keeps all.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="keep"/> is negative.</exception>
    public CheckpointStore(string root, int keep = 3)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentOutOfRangeException.ThrowIfNegative(keep);
        _root = root;
        _keep = keep;
    }

    /// <summary>Saves a checkpoint; one with the same step is replaced.</summary>
    /// <param name="step">Training step, at least 0.</param>
    /// <param name="writeFiles">Writes all files into the directory it is given; may throw to give up.</param>
    /// <param name="best">Step of the checkpoint that stays whatever its age, and that <c>best</c> names; null for none.</param>
    /// <returns>The finished checkpoint.</returns>
    /// <exception cref="ModelFileException">Writing failed, for example because the disk is full; nothing is left behind.</exception>
    public CheckpointInfo Save(long step, Action<string> writeFiles, long? best = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentNullException.ThrowIfNull(writeFiles);
        string final = Path.Combine(_root, DirectoryName(step));
        string temporary = final + TemporarySuffix;
        try
        {
            Recover();
            Remove(temporary);
            Directory.CreateDirectory(temporary);
            writeFiles(temporary);
            WriteManifest(temporary, step);
            DurableFiles.FlushTree(temporary);
            Publish(temporary, final);
            DurableFiles.ReplaceText(Path.Combine(_root, LatestName), DirectoryName(step) + "\n");
            NameBest(best);
            Prune(step, best);
        }
        catch (Exception e)
        {
            TryRemove(temporary);
            if (FileErrors.IsWriteFailure(e))
            {
                throw new ModelFileException(final, null, $"the checkpoint could not be saved: {e.Message}", e);
            }

            throw;
        }

        return new CheckpointInfo(step, final);
    }

    /// <summary>Finds the newest complete checkpoint.</summary>
    /// <param name="onSkipped">Told path and reason of each newer one that is not complete; may be null.</param>
    /// <returns>Null when no checkpoint was ever finished.</returns>
    /// <exception cref="ModelFileException">
    /// The directory cannot be read, or holds finished checkpoints all of which are damaged: starting anew by itself would
    /// replace a run that somebody may want to rescue.
    /// </exception>
    public CheckpointInfo? FindLatest(Action<string, string>? onSkipped = null)
    {
        List<(long Step, string Path)> candidates = Candidates();
        string? damaged = null;
        for (int i = candidates.Count - 1; i >= 0; i--)
        {
            (long step, string path) = candidates[i];
            bool isFinished = !path.EndsWith(TemporarySuffix, StringComparison.Ordinal);
            string? reason = isFinished ? Fault(path, step, readContent: true) : "was not finished";
            if (reason is null)
            {
                return new CheckpointInfo(step, path);
            }

            damaged ??= isFinished ? reason : null;
            onSkipped?.Invoke(path, reason);
        }

        return damaged is null
            ? null
            : throw new ModelFileException(_root, null, $"no checkpoint is sound, the newest because {damaged}; start anew with --resume never");
    }

    /// <summary>Refuses a directory that is not a complete, undamaged checkpoint.</summary>
    /// <param name="path">The directory.</param>
    /// <exception cref="ModelFileException">It is not; the message says why.</exception>
    public static void RequireComplete(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ModelFileException.ThrowIf(!Directory.Exists(path), path, null, "no such directory");
        if (Fault(path, null, readContent: true) is string reason)
        {
            throw new ModelFileException(path, null, $"not a checkpoint that can be resumed: {reason}");
        }
    }

    /// <summary>Removes a checkpoint; cut short, it leaves nothing that is taken for one.</summary>
    /// <param name="checkpoint">A checkpoint of a store that is not saving.</param>
    /// <exception cref="ModelFileException">It cannot be removed.</exception>
    public static void Remove(CheckpointInfo checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        FileErrors.Writing(checkpoint.Path, () => Remove(checkpoint.Path));
    }

    /// <summary>
    /// Puts right what a killed process left: checkpoints that were not finished, older ones that are not to be kept, and
    /// <c>latest</c> where it does not name the one in use.
    /// </summary>
    /// <param name="newest">Step of the checkpoint that is in use, -1 for none; later ones are left alone.</param>
    /// <param name="best">As <see cref="Save"/> was told; null for none.</param>
    /// <exception cref="ModelFileException"><c>latest</c> cannot be written.</exception>
    public void Tidy(long newest, long? best = null)
    {
        if (!Directory.Exists(_root))
        {
            return;   // nothing was ever saved
        }

        string latest = Path.Combine(_root, LatestName), name = DirectoryName(newest) + "\n";
        FileErrors.Writing(latest, () =>
        {
            File.Delete(latest + TemporarySuffix);
            if (newest >= 0 && Directory.Exists(Path.Combine(_root, DirectoryName(newest))) && (!File.Exists(latest) || File.ReadAllText(latest) != name))
            {
                DurableFiles.ReplaceText(latest, name);
            }

            NameBest(best);
        });
        foreach ((long _, string path) in Candidates().Where(c => c.Path.EndsWith(TemporarySuffix, StringComparison.Ordinal)))
        {
            TryRemove(path);
        }

        Prune(newest, best);
    }

    /// <summary>Whether a checkpoint has another one beside it.</summary>
    /// <param name="checkpoint">Its directory.</param>
    /// <param name="step">Step of the other one.</param>
    public static bool Exists(string checkpoint, long step) =>
        File.Exists(Path.Combine(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint)))!, DirectoryName(step), ManifestName));

    /// <summary>All checkpoints whose files have their sizes, oldest first; contents are not read.</summary>
    /// <exception cref="ModelFileException">The directory cannot be read.</exception>
    public IReadOnlyList<CheckpointInfo> List() =>
        [.. Candidates()
            .Where(c => !c.Path.EndsWith(TemporarySuffix, StringComparison.Ordinal) && Fault(c.Path, c.Step, readContent: false) is null)
            .Select(c => new CheckpointInfo(c.Step, c.Path))];

    private static string DirectoryName(long step) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D6}");

    private static void WriteManifest(string directory, long step)
    {
        SortedDictionary<string, long> files = new(StringComparer.Ordinal);
        SortedDictionary<string, uint> checksums = new(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(directory, file).Replace('\\', '/');
            files[name] = new FileInfo(file).Length;
            checksums[name] = Checksum(file);
        }

        Manifest manifest = new(step, files, checksums);
        File.WriteAllText(Path.Combine(directory, ManifestName), JsonSerializer.Serialize(manifest, JsonWriting.Indented) + "\n");
    }

    private static uint Checksum(string path)
    {
        using FileStream file = File.OpenRead(path);
        Crc32 crc = new(Crc32ParameterSet.Crc32C);
        crc.Append(file);
        return crc.GetCurrentHashAsUInt32();
    }

    /// <summary>Why a directory is not a complete checkpoint; null when it is.</summary>
    private static string? Fault(string path, long? step, bool readContent)
    {
        string manifestPath = Path.Combine(path, ManifestName);
        if (!File.Exists(manifestPath))
        {
            return $"has no {ManifestName}";
        }

        try
        {
            Manifest? manifest = JsonSerializer.Deserialize<Manifest>(File.ReadAllBytes(manifestPath), JsonWriting.Indented);
            if (manifest?.Files is null || (step is not null && manifest.Step != step))
            {
                return $"its {ManifestName} does not belong to it";
            }

            foreach ((string name, long length) in manifest.Files)
            {
                FileInfo file = new(Path.Combine(path, name));
                if (!file.Exists)
                {
                    return $"{name} is missing";
                }

                if (file.Length != length)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"{name} has {file.Length} bytes, expected {length}");
                }

                // A checkpoint of an earlier version has no checksums.
                if (readContent && manifest.Crc32C?.TryGetValue(name, out uint expected) == true && Checksum(file.FullName) != expected)
                {
                    return $"{name} is damaged: its checksum is another than when it was saved";
                }
            }

            return null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return $"its {ManifestName} cannot be read";
        }
    }

    private static void Publish(string temporary, string final)
    {
        string replaced = final + ReplacedSuffix;
        if (Directory.Exists(final))
        {
            Directory.Move(final, replaced);
        }

        Directory.Move(temporary, final);
        DurableFiles.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(final))!);
        Remove(replaced);
    }

    private static void Remove(string directory)
    {
        if (!Directory.Exists(directory))
        {
            return;
        }

        // Renamed first: a removal that is cut short leaves something unfinished, not something damaged.
        string unfinished = directory.EndsWith(TemporarySuffix, StringComparison.Ordinal) ? directory
            : (directory.EndsWith(ReplacedSuffix, StringComparison.Ordinal) ? directory[..^ReplacedSuffix.Length] : directory) + TemporarySuffix;
        if (unfinished != directory)
        {
            Remove(unfinished);
            Directory.Move(directory, unfinished);
        }

        Directory.Delete(unfinished, recursive: true);
    }

    private static void TryRemove(string directory)
    {
        try
        {
            Remove(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is left is not finished, so nothing takes it for a checkpoint.
        }
    }

    /// <summary>Undoes a replacement that was cut between its two renames.</summary>
    private void Recover()
    {
        if (!Directory.Exists(_root))
        {
            return;
        }

        foreach (string replaced in Directory.GetDirectories(_root, Prefix + "*" + ReplacedSuffix))
        {
            string final = replaced[..^ReplacedSuffix.Length];
            if (Directory.Exists(final))
            {
                Remove(replaced);
            }
            else
            {
                Directory.Move(replaced, final);
            }
        }
    }

    private void NameBest(long? best)
    {
        string path = Path.Combine(_root, BestName);
        if (best is long step)
        {
            DurableFiles.ReplaceText(path, DirectoryName(step) + "\n");
        }
        else
        {
            File.Delete(path);
        }
    }

    private void Prune(long newest, long? best)
    {
        if (_keep == 0)
        {
            return;
        }

        // Later steps than the one just saved belong to an abandoned run and are left alone.
        List<(long Step, string Path)> older = [.. Candidates().Where(c => c.Step <= newest)];
        List<(long Step, string Path)> complete = [.. older.Where(c => !c.Path.EndsWith(TemporarySuffix, StringComparison.Ordinal))];
        foreach ((long _, string path) in complete.SkipLast(_keep).Where(c => c.Step != best).Concat(older.Except(complete)))
        {
            // What cannot be removed now is tried again next time; the new checkpoint is safe already.
            TryRemove(path);
        }
    }

    private List<(long Step, string Path)> Candidates()
    {
        List<(long Step, string Path)> found = [];
        try
        {
            Recover();
            if (!Directory.Exists(_root))
            {
                return found;
            }

            foreach (string path in Directory.GetDirectories(_root, Prefix + "*"))
            {
                string name = Path.GetFileName(path);
                string digits = name.EndsWith(TemporarySuffix, StringComparison.Ordinal) ? name[..^TemporarySuffix.Length] : name;
                if (long.TryParse(digits.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step))
                {
                    found.Add((step, path));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Unreadable(_root, e);
        }

        found.Sort((a, b) => a.Step != b.Step ? a.Step.CompareTo(b.Step) : string.CompareOrdinal(b.Path, a.Path));
        return found;
    }

    private sealed record Manifest(long Step, SortedDictionary<string, long> Files, SortedDictionary<string, uint>? Crc32C = null);
}
