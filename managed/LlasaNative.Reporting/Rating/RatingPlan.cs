using System.Buffers.Binary;
using System.Security.Cryptography;
using LlasaNative.Data;

namespace LlasaNative.Reporting.Rating;

/// <summary>In which order a rater hears pairs, which sample stands on the left, and which pairs come twice.</summary>
/// <remarks>All of it follows from the seed and the rater's name, so that a rater who comes back goes on where they were. <b>Threads:</b> immutable.</remarks>
public sealed class RatingPlan
{
    private readonly (int Pair, bool IsRepeat, bool Swapped)[] _places;

    /// <summary>Makes a plan.</summary>
    /// <param name="pairs">Number of pairs.</param>
    /// <param name="rater">Who listens.</param>
    /// <param name="repeats">Share of the pairs that come a second time, 0 to 1, with sides changed.</param>
    /// <param name="seed">The same for all raters.</param>
    public RatingPlan(int pairs, string rater, double repeats, long seed)
    {
        ArgumentNullException.ThrowIfNull(rater);
        var name = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(rater)));
        var key = Philox.Draw(name, (ulong)seed, 0).First;
        var order = Philox.Permutation(key, 0, pairs);
        var again = Philox.Permutation(key, 1, pairs).Take((int)Math.Round(repeats * pairs)).ToArray();
        bool Left(int pair) => Philox.Below(key, 2, (ulong)pair, 2) == 1;
        // After everything else: as long as can be after the first time.
        _places = [.. order.Select(pair => (pair, false, Left(pair))), .. again.Select(pair => (pair, true, !Left(pair)))];
    }

    /// <summary>Judgements in all.</summary>
    public int Count => _places.Length;

    /// <summary>What comes at a place.</summary>
    /// <param name="place">From 0.</param>
    public (int Pair, bool IsRepeat, bool Swapped) this[int place] => _places[place];

    /// <summary>The first place that is not judged yet; <see cref="Count"/> when all are.</summary>
    /// <param name="given">The rater's judgements.</param>
    public int Next(IEnumerable<PairRating> given)
    {
        var judged = given.Select(r => (r.Pair, r.IsRepeat)).ToHashSet();
        var next = Array.FindIndex(_places, place => !judged.Contains((place.Pair, place.IsRepeat)));
        return next < 0 ? Count : next;
    }
}
