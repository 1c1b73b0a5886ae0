using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving;

/// <summary>Serves pairs to people who listen and choose, and keeps what they chose.</summary>
/// <remarks>
/// A choice is on the disk before the page is told of it. The page never learns which sample stands where: sounds are asked for by place
/// and side. Only JSON of this page's own origin is taken. <b>Threads:</b> any; one choice at a time. Dispose stops it.
/// </remarks>
/// <param name="pairs">The pairs.</param>
/// <param name="book">Keeps the choices; the caller disposes it after this.</param>
/// <param name="sound">Path of the WAV of a pair's first sample, or of its second one (true).</param>
/// <param name="voice">Path of the WAV of the voice that a pair's samples go on in; null where there is none.</param>
/// <param name="repeats">Share of the pairs that come twice.</param>
/// <param name="seed">Decides orders and sides.</param>
/// <param name="port">Port on the loopback interface; 0 = a free one.</param>
/// <param name="clock">Says when; null for the system's.</param>
internal sealed class RatingServer(
    IReadOnlyList<SpeechPair> pairs, RatingBook book, Func<int, bool, string> sound, Func<int, string?> voice, double repeats, long seed,
    int port, TimeProvider? clock = null)
    : PageServer("the rating page", port, DashboardPage.ContentSecurityPolicy, 4096, HttpMethods.Get, HttpMethods.Head, HttpMethods.Post)
{
    private readonly Lock _lock = new();

    protected override Task AnswerAsync(HttpContext context, string[] path)
    {
        var isPost = HttpMethods.IsPost(context.Request.Method);
        return (path, isPost) switch
        {
            ([""], false) => SendAsync(context, "text/html; charset=utf-8", Encoding.UTF8.GetBytes(RatingPage.ToHtml())),
            ([var file], false) when RatingPage.Assets.Contains(file) => SendAsync(context, TypeOf(file), Encoding.UTF8.GetBytes(RatingPage.ReadAsset(file))),
            (["api", "next"], false) when RaterOf(context.Request.Query["rater"]) is { } rater => SendNextAsync(context, rater),
            (["api", "sounds", var name, var place, var side], false)
                when RaterOf(name) is { } rater && side is "left" or "right" or "voice" && FindSound(rater, place, side) is { } file =>
                TypedResults.PhysicalFile(file, "audio/wav", enableRangeProcessing: true).ExecuteAsync(context),
            (["api", "choices"], true) => TakeAsync(context),
            _ => NotFound(context),
        };
    }

    private static string? RaterOf(string? name) => name?.Trim() is { Length: > 0 and <= 60 } rater ? rater : null;

    private RatingPlan Plan(string rater) => new(pairs.Count, rater, repeats, seed);

    private PairRating[] Of(string rater) => [.. book.Ratings.Where(r => r.Rater == rater)];

    private string? FindSound(string rater, string place, string side)
    {
        var plan = Plan(rater);
        return !int.TryParse(place, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number >= plan.Count ? null
            : side == "voice" ? voice(plan[number].Pair) : sound(plan[number].Pair, (side == "right") != plan[number].Swapped);
    }

    private Task SendNextAsync(HttpContext context, string rater)
    {
        var plan = Plan(rater);
        int place;
        lock (_lock)
        {
            place = plan.Next(Of(rater));
        }

        var pair = place < plan.Count ? plan[place].Pair : (int?)null;
        return SendJsonAsync(context, new
        {
            Place = place,
            plan.Count,
            Text = pair is null ? null : pairs[pair.Value].First.Text,
            Voice = pair is null ? null : (bool?)(voice(pair.Value) is not null),
        });
    }

    private async Task TakeAsync(HttpContext context)
    {
        // What a form of another page can send is no JSON, and a script of another page names its origin.
        var origin = context.Request.Headers.Origin.ToString();
        if (!context.Request.HasJsonContentType() || (origin.Length > 0 && origin != $"{context.Request.Scheme}://{context.Request.Host}"))
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, "this page alone may choose");
            return;
        }

        string? rater;
        string choice;
        int place;
        double seconds;
        try
        {
            using var document = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
            var root = document.RootElement;
            (rater, choice, place, seconds) = (RaterOf(root.GetProperty("rater").GetString()), root.GetProperty("choice").GetString() ?? "", root.GetProperty("place").GetInt32(), root.GetProperty("seconds").GetDouble());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "expected rater, place, choice and seconds");
            return;
        }

        if (rater is null || choice is not ("left" or "right" or "equal" or "bad"))
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"choice `{choice}` of rater `{rater}`, expected a name and left, right, equal or bad");
            return;
        }

        lock (_lock)
        {
            var plan = Plan(rater);
            // Another place than the next: a second window, or an answer that got lost on its way. The page goes on at the next one.
            if (place == plan.Next(Of(rater)) && place < plan.Count)
            {
                var (pair, isRepeat, swapped) = plan[place];
                var now = (clock ?? TimeProvider.System).GetUtcNow();
                book.Add(new PairRating(pair, rater, ChoiceOf(choice, swapped), isRepeat, swapped, Math.Clamp(seconds, 0, 86_400), now));
            }
        }

        await SendNextAsync(context, rater);
    }

    private static RatingChoice ChoiceOf(string choice, bool swapped) => choice switch
    {
        "left" => swapped ? RatingChoice.B : RatingChoice.A,
        "right" => swapped ? RatingChoice.A : RatingChoice.B,
        "equal" => RatingChoice.Equal,
        "bad" => RatingChoice.BothBad,
        _ => throw new ArgumentOutOfRangeException(nameof(choice), choice, "expected left, right, equal or bad"),
    };

    private static Task RefuseAsync(HttpContext context, int status, string why)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(why, context.RequestAborted);
    }
}
