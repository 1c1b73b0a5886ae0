using System.Security.Cryptography;

namespace LlasaNative.Data;

/// <summary>Makes <c>train.parquet</c> and <c>test.parquet</c> in verl's schema from texts.</summary>
/// <remarks>
/// <para>Sources are read twice: once to choose, once to write. Memory grows by 16 bytes per distinct text, not by the texts.</para>
/// <para><b>Threads:</b> one at a time per directory.</para>
/// </remarks>
/// <example>
/// <code>
/// PreparationSummary summary = DatasetPreparation.Prepare(["sentences.txt"], "data", new PreparationOptions { TestRatio = 0.05 });
/// Console.Write(summary.ToTable());
/// </code>
/// </example>
public static class DatasetPreparation
{
    /// <summary>Name of the training set.</summary>
    public const string TrainFile = "train.parquet";

    /// <summary>Name of the test set.</summary>
    public const string TestFile = "test.parquet";

    private const byte Dropped = 0;
    private const byte ToTrain = 1;
    private const byte ToTest = 2;

    private static readonly string[] _dummyTrain =
    [
        "Hello, this is a dummy training sentence for TTS.",
        "The weather is nice today.",
        "Speech synthesis turns text into sound.",
        "안녕하세요, 오늘 날씨가 좋네요.",
        "The train runs across the whole country.",
    ];

    private static readonly string[] _dummyTest = ["This sentence is only for testing.", "만나서 반갑습니다."];

    /// <summary>Prepares a data set.</summary>
    /// <param name="sources">Files, and directories of which all files are read (see <see cref="DataFiles"/>); at least one.</param>
    /// <param name="directory">Where both files go; it is made when it does not exist.</param>
    /// <param name="options">What to keep and how to split; null for the defaults.</param>
    /// <param name="cancellation">Ends the work between two entries; then neither file is changed.</param>
    /// <returns>What was kept and dropped.</returns>
    /// <exception cref="UsageException">A directory holds nothing to read, an option is out of range, or nothing is left.</exception>
    /// <exception cref="LlasaException">A source does not exist or is damaged, or the files cannot be written.</exception>
    public static PreparationSummary Prepare(
        IReadOnlyList<string> sources, string directory, PreparationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(directory);
        options ??= new PreparationOptions();
        UsageException.ThrowIf(sources.Count == 0, "nothing to prepare: give a file or directory");
        UsageException.ThrowIf(options.TestRatio is not (>= 0 and <= 1) || options.MaxLength < 1,
            $"the test ratio must be from 0 to 1 (it is {options.TestRatio}), the longest prompt at least 1");
        string[] files = [.. sources.SelectMany(source => DataFiles.Find(source).Paths)];
        Choice choice = Choose(files, options, cancellation);
        if (choice.Places.All(place => place == Dropped))
        {
            throw new UsageException($"nothing is left of {choice.Summary.Read} entries:\n{choice.Summary.ToTable()}".ReplaceLineEndings("; "));
        }

        Write(files, directory, options, choice, cancellation);
        return choice.Summary;
    }

    /// <summary>Writes a small set of five training rows and two test rows, to try things out.</summary>
    /// <param name="directory">Where both files go; it is made when it does not exist.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="LlasaException">The files cannot be written.</exception>
    public static PreparationSummary WriteDummy(string directory, PreparationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        options ??= new PreparationOptions();
        MakeDirectory(directory);
        VerlFile.Write(Path.Combine(directory, TrainFile), Rows(_dummyTrain, "train"), options.Parquet);
        VerlFile.Write(Path.Combine(directory, TestFile), Rows(_dummyTest, "test"), options.Parquet);
        return new PreparationSummary(_dummyTrain.Length + _dummyTest.Length, _dummyTrain.Length, _dummyTest.Length, 0, 0, 0, 0);

        VerlRow[] Rows(string[] texts, string split) =>
            [.. texts.Select((text, index) => VerlRow.ForText(text, options.DataSource, split, index))];
    }

    private sealed record Choice(List<byte> Places, VerlColumns Optional, PreparationSummary Summary);

    private static Choice Choose(string[] files, PreparationOptions options, CancellationToken cancellation)
    {
        List<byte> places = [];
        HashSet<UInt128> seen = [];
        (long empty, long duplicate, long tooLong, long malformed) = (0, 0, 0, 0);
        VerlColumns optional = VerlColumns.None;
        foreach (SourceRow row in files.SelectMany(file => TextSource.Read(file, options.TextColumn)))
        {
            cancellation.ThrowIfCancellationRequested();
            string text = row.Text.Trim();
            byte place = Dropped;
            if (row.Fault is { } fault)
            {
                if (!options.SkipMalformed)
                {
                    throw fault;
                }

                malformed++;
                options.OnMalformed?.Invoke(fault);
            }
            else if (text.Length == 0)
            {
                empty++;
            }
            else if (options.MaxLength is int longest && options.Length(Make(text, row, options, "train", 0)) > longest)
            {
                tooLong++;
            }
            else if (options.Deduplicate && !seen.Add(Fingerprint(text)))
            {
                duplicate++;
            }
            else
            {
                place = ToTrain;
                optional |= VerlFile.Optional(Make(text, row, options, "train", 0));
            }

            places.Add(place);
        }

        long test = MoveToTest(places, options);
        long train = places.LongCount(place => place == ToTrain);
        return new Choice(
            places, optional, new PreparationSummary(places.Count, train, test, empty, duplicate, tooLong, malformed));
    }

    // Selection sampling: every subset of that size is equally likely, and one pass in order is enough.
    private static long MoveToTest(List<byte> places, PreparationOptions options)
    {
        long left = places.LongCount(place => place == ToTrain);
        long wanted = (long)Math.Round(left * options.TestRatio, MidpointRounding.AwayFromZero);
        if (options.TestRatio is > 0 and < 1 && left >= 2)
        {
            wanted = Math.Clamp(wanted, 1, left - 1);
        }

        (long test, ulong state) = (wanted, options.Seed);
        for (int i = 0; i < places.Count; i++)
        {
            if (places[i] != ToTrain)
            {
                continue;
            }

            if (Draw(ref state, left--) < (ulong)wanted)
            {
                places[i] = ToTest;
                wanted--;
            }
        }

        return test;
    }

    // SplitMix64; the product's upper half is uniform below the limit up to 2⁻⁶⁴ of it.
    private static ulong Draw(ref ulong state, long limit)
    {
        unchecked
        {
            state += 0x9E3779B97F4A7C15;
            ulong z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return Math.BigMul(z ^ (z >> 31), (ulong)limit, out _);
        }
    }

    private static void Write(
        string[] files, string directory, PreparationOptions options, Choice choice, CancellationToken cancellation)
    {
        MakeDirectory(directory);
        Apache.Arrow.Schema schema = VerlFile.Schema(choice.Optional);
        using ParquetWriter train = ParquetWriter.Create(Path.Combine(directory, TrainFile), schema, options.Parquet);
        using ParquetWriter test = ParquetWriter.Create(Path.Combine(directory, TestFile), schema, options.Parquet);
        int entry = 0;
        foreach (SourceRow row in files.SelectMany(file => TextSource.Read(file, options.TextColumn)))
        {
            cancellation.ThrowIfCancellationRequested();
            byte place = entry < choice.Places.Count ? choice.Places[entry] : Dropped;
            entry++;
            if (place != Dropped)
            {
                (ParquetWriter writer, string split) = place == ToTest ? (test, "test") : (train, "train");
                VerlRow made = Make(row.Text.Trim(), row, options, split, writer.RowCount);
                writer.Write(VerlFile.Values(made, choice.Optional));
            }
        }

        if (entry != choice.Places.Count)
        {
            throw new DataFileException($"the sources changed while they were read: {entry} entries, {choice.Places.Count} before");
        }

        train.Complete();
        test.Complete();
    }

    private static VerlRow Make(string text, SourceRow row, PreparationOptions options, string split, long index) =>
        VerlRow.ForText(text, options.DataSource, split, index) with { Language = row.Language, Duration = row.Duration, Codes = row.Codes };

    private static void MakeDirectory(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(directory, null, $"cannot be made: {e.Message}", e);
        }
    }

    private static UInt128 Fingerprint(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
