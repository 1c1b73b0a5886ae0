using LlasaNative.Reporting.Rating;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Reporting;

/// <summary>What becomes of judgements: kept, counted, compared.</summary>
public sealed class RatingTests
{
    private static PairRating Rating(int pair, RatingChoice choice, string rater = "anna", bool repeat = false) =>
        new(pair, rater, choice, repeat, pair % 2 == 0, 1.5, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    [Test]
    public void Book_GoesOnWhereACrashCutItOff()
    {
        using TemporaryDirectory folder = new();
        var path = folder.File("preferences.jsonl");
        PairRating[] ratings = [Rating(3, RatingChoice.BothBad), Rating(4, RatingChoice.A, "ben", repeat: true)];
        using (RatingBook book = new(path, "abc"))
        {
            book.Add(ratings[0]);
            book.Add(ratings[1]);
        }

        File.AppendAllText(path, "{\"pairs\":\"abc\",\"pair\":5,\"ra");   // what a power cut leaves
        using (RatingBook again = new(path, "abc"))
        {
            Assert.That(again.Ratings, Is.EqualTo(ratings));
            again.Add(Rating(6, RatingChoice.Equal));
        }

        using (RatingBook last = new(path, "abc"))
        {
            Assert.That(last.Ratings.Select(r => r.Pair), Is.EqualTo(new[] { 3, 4, 6 }));
        }

        Assert.That(() => new RatingBook(path, "def"), Throws.TypeOf<LlasaException>().With.Message.Contains("line 1: is about other pairs, whose fingerprint is abc and not def"));
        File.AppendAllText(path, "hello\n");
        Assert.That(() => new RatingBook(path, "abc"), Throws.TypeOf<LlasaException>().With.Message.Contains("line 4: is no judgement"));
    }

    [Test]
    public void Read_LeavesABookAsItIs_WhileOneWritesIt()
    {
        using TemporaryDirectory folder = new();
        var path = folder.File("preferences.jsonl");
        Assert.That(RatingBook.Read(path, "abc"), Is.Empty);
        Assert.That(File.Exists(path), Is.False, "reading makes none");
        using (RatingBook book = new(path, "abc"))
        {
            book.Add(Rating(3, RatingChoice.A));
            Assert.That(RatingBook.Read(path, "abc"), Is.EqualTo(book.Ratings));
            book.Add(Rating(4, RatingChoice.B));
        }

        File.AppendAllText(path, "{\"pairs\":\"abc\",\"pair\":5,\"ra");
        var before = File.ReadAllBytes(path);
        Assert.That(RatingBook.Read(path, "abc").Select(r => r.Pair), Is.EqualTo(new[] { 3, 4 }));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(before), "and cuts nothing off");
        Assert.That(() => RatingBook.Read(path, "def"), Throws.TypeOf<LlasaException>().With.Message.Contains("is about other pairs"));
        Assert.That(() => RatingBook.Read(folder.Path, "abc"), Throws.TypeOf<LlasaException>().With.Message.Contains("cannot be read"));
    }

    [Test]
    public void Plan_HasEveryPairOnce_AndRepeatsWithChangedSidesAtTheEnd()
    {
        RatingPlan plan = new(200, "anna", 0.1, 1), same = new(200, "anna", 0.1, 1), other = new(200, "ben", 0.1, 1);
        var places = Enumerable.Range(0, plan.Count).Select(i => plan[i]).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(plan.Count, Is.EqualTo(220));
            Assert.That(places.Take(200).Select(p => p.Pair).Order(), Is.EqualTo(Enumerable.Range(0, 200)));
            Assert.That(places.Skip(200), Has.All.Matches<(int Pair, bool IsRepeat, bool Swapped)>(p => p.IsRepeat && places.Any(q => q == (p.Pair, false, !p.Swapped))));
            Assert.That(Enumerable.Range(0, 220).Select(i => same[i]), Is.EqualTo(places), "a rater who comes back");
            Assert.That(Enumerable.Range(0, 200).Count(i => other[i] == places[i]), Is.LessThan(20), "another order for another rater");
            // A fair coin thrown 200 times is outside of 60 to 140 with a chance of less than 2e-8.
            Assert.That(places.Take(200).Count(p => p.Swapped), Is.InRange(60, 140));
            Assert.That(plan.Next([]), Is.Zero);
            Assert.That(plan.Next(places.Take(7).Select(p => Rating(p.Pair, RatingChoice.A, repeat: p.IsRepeat))), Is.EqualTo(7));
            Assert.That(plan.Next(places.Select(p => Rating(p.Pair, RatingChoice.A, repeat: p.IsRepeat))), Is.EqualTo(220));
        });
    }

    [Test]
    public void Alpha_OfKrippendorffsExample_IsThePublishedOne()
    {
        // "Computing Krippendorff's Alpha-Reliability" (2011), part C: four observers, twelve units, 0 = missing; nominal alpha 0.743.
        int[][] observers =
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ];
        IReadOnlyList<int>[] units = [.. Enumerable.Range(0, 12).Select(u => (IReadOnlyList<int>)[.. observers.Select(o => o[u]).Where(v => v > 0)])];
        Assert.Multiple(() =>
        {
            Assert.That(Agreement.Alpha(units), Is.EqualTo(0.743).Within(0.0005));
            Assert.That(Agreement.Alpha([[1, 1], [2, 2]]), Is.EqualTo(1));
            Assert.That(Agreement.Alpha([[1], [2]]), Is.NaN, "nothing was judged twice");
            Assert.That(Agreement.Alpha([[1, 1], [1, 1]]), Is.NaN, "all said one thing of everything");
        });
    }

    [Test]
    public void Consistency_ComparesWhatWasSaidBothTimes()
    {
        PairRating[] ratings =
        [
            Rating(1, RatingChoice.A), Rating(2, RatingChoice.B), Rating(3, RatingChoice.Equal),
            Rating(1, RatingChoice.A, repeat: true), Rating(2, RatingChoice.A, repeat: true),
        ];
        Assert.That(Agreement.Consistency(ratings), Is.EqualTo(0.5));
        Assert.That(Agreement.Consistency(ratings.Take(3)), Is.NaN);
    }

    [Test]
    public void Elo_OfTwo_IsTheLogOddsOfTheirWins()
    {
        // 30 wins to 10, and half a win each way: odds 30.5 to 10.5.
        BradleyTerry.Meeting[] meetings = [.. Enumerable.Range(0, 40).Select(i => new BradleyTerry.Meeting(0, 1, i < 30 ? 1 : 0))];
        var elo = BradleyTerry.Elo(2, meetings);
        Assert.That(elo[0] - elo[1], Is.EqualTo(400 * Math.Log10(30.5 / 10.5)).Within(1e-6));
        Assert.That(elo.Average(), Is.EqualTo(1000).Within(1e-9));
    }

    [Test]
    public void Elo_OfSeveral_IsWhereExpectedWinsAreThoseThatWereSeen()
    {
        (int, int, double)[] games = [(0, 1, 1), (0, 1, 1), (0, 1, 0), (1, 2, 1), (1, 2, 0.5), (0, 2, 1), (0, 2, 0.5), (3, 3, 1)];
        BradleyTerry.Meeting[] meetings = [.. games.Select(g => new BradleyTerry.Meeting(g.Item1, g.Item2, g.Item3))];
        var elo = BradleyTerry.Elo(4, meetings);
        double Expected(int i, int j) => 1 / (1 + Math.Pow(10, (elo[j] - elo[i]) / 400));
        // Games of 0: three with 1 and two with 2, and one more with each from the prior, of which half a win.
        Assert.Multiple(() =>
        {
            Assert.That((4 * Expected(0, 1)) + (3 * Expected(0, 2)), Is.EqualTo(2 + 1.5 + 1).Within(1e-6));
            Assert.That((4 * Expected(1, 0)) + (3 * Expected(1, 2)), Is.EqualTo(1 + 1.5 + 1).Within(1e-6));
            Assert.That(elo[0], Is.GreaterThan(elo[1]).And.GreaterThan(elo[2]));
        });
    }

    [Test]
    public void Elo_HasIntervals_ThatShrinkWithMorePairs()
    {
        IReadOnlyList<BradleyTerry.Meeting>[] Pairs(int count) => [.. Enumerable.Range(0, count).Select(i => (IReadOnlyList<BradleyTerry.Meeting>)[new BradleyTerry.Meeting(0, 1, i % 3 == 0 ? 0 : 1)])];
        var (few, many) = (BradleyTerry.Elo(2, Pairs(30), 1, 200)[0], BradleyTerry.Elo(2, Pairs(480), 1, 200)[0]);
        Assert.Multiple(() =>
        {
            Assert.That(few.Value, Is.InRange(few.Low, few.High));
            Assert.That(many.Low, Is.GreaterThan(1000), "two of three prefer it");
            // A quarter by the square root of 16; the bounds of 200 resamples wobble.
            Assert.That(many.High - many.Low, Is.LessThan((few.High - few.Low) / 2));
        });
    }
}
