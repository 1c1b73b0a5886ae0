using LlasaNative.Configuration;

namespace LlasaNative.Reporting.Rating;

/// <summary>Judgements as lines of <c>preferences.jsonl</c>: each is on the disk before anybody is told that it was taken.</summary>
/// <remarks>A line that a crash cut off is dropped when the file is opened; nobody was told of it. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public sealed class RatingBook : IDisposable
{
    private readonly JsonLines _lines;
    private readonly List<PairRating> _ratings;
    private readonly string _pairs;

    /// <summary>Opens or begins a book.</summary>
    /// <param name="path">The file.</param>
    /// <param name="pairs">Fingerprint of the pairs: judgements of others are not mixed with these.</param>
    /// <exception cref="LlasaException">The file cannot be read or written, a line is none of a book's, or it is of other pairs.</exception>
    public RatingBook(string path, string pairs)
    {
        _pairs = pairs;
        (_ratings, var length) = ReadLines(path, pairs);
        _lines = new JsonLines(path, length);
    }

    /// <summary>All judgements, in order.</summary>
    public IReadOnlyList<PairRating> Ratings => _ratings;

    /// <summary>Takes a judgement; returns when a power cut does not take it away.</summary>
    /// <param name="rating">The judgement.</param>
    public void Add(PairRating rating)
    {
        ArgumentNullException.ThrowIfNull(rating);
        _lines.Append(new
        {
            Pairs = _pairs,
            rating.Pair,
            rating.Rater,
            Choice = OptionNames.Of(rating.Choice),
            Repeat = rating.IsRepeat,
            rating.Swapped,
            Seconds = Math.Round(rating.Seconds, 3),
            At = rating.At.ToString("O", CultureInfo.InvariantCulture),
        });
        _lines.FlushToDisk();
        _ratings.Add(rating);
    }

    /// <summary>Reads a book, which may be open for writing meanwhile, and leaves it as it is.</summary>
    /// <param name="path">The file; one that is not there has no judgements.</param>
    /// <param name="pairs">Fingerprint of the pairs.</param>
    /// <returns>All judgements that are written whole, in order.</returns>
    /// <exception cref="LlasaException">The file cannot be read, a line is none of a book's, or it is of other pairs.</exception>
    public static IReadOnlyList<PairRating> Read(string path, string pairs) => ReadLines(path, pairs).Ratings;

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    /// <summary>The judgements, and where the last of them ends.</summary>
    private static (List<PairRating> Ratings, long Length) ReadLines(string path, string pairs)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(pairs);
        byte[] bytes;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using MemoryStream copy = new();
            file.CopyTo(copy);
            bytes = copy.ToArray();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return ([], 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LlasaException($"{path}: cannot be read: {e.Message}", e);
        }

        var length = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        return ([.. System.Text.Encoding.UTF8.GetString(bytes, 0, length).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select((line, i) => Parse(path, pairs, i + 1, line))], length);
    }

    private static PairRating Parse(string path, string pairs, long number, string line)
    {
        try
        {
            var root = JsonElement.Parse(line);
            return root.GetProperty("pairs").GetString() != pairs ? throw new LlasaException($"{path}: line {number}: is about other pairs, whose fingerprint is {root.GetProperty("pairs").GetString()} and not {pairs}")
                : new PairRating(
                    root.GetProperty("pair").GetInt32(), root.GetProperty("rater").GetString()!, OptionNames.Parse<RatingChoice>(root.GetProperty("choice").GetString()!), root.GetProperty("repeat").GetBoolean(),
                    root.GetProperty("swapped").GetBoolean(), root.GetProperty("seconds").GetDouble(), DateTimeOffset.Parse(root.GetProperty("at").GetString()!, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new LlasaException($"{path}: line {number}: is no judgement of `llasa rate`: {e.Message}", e);
        }
    }
}
