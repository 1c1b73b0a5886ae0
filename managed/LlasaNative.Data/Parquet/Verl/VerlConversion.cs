namespace LlasaNative.Data.Parquet;

/// <summary>Turns a row of any file into one of verl's schema, or says what is wrong with it.</summary>
internal static class VerlConversion
{
    /// <param name="row">The row.</param>
    /// <param name="needsPrompt">Whether a row without turns is a fault; otherwise Llasa's own prompt stands in, and only what speech needs is judged.</param>
    public static VerlRow ToRow(ParquetRow row, bool needsPrompt = true)
    {
        string? text = Text("extra_info.text");
        string? truth = Text("reward_model.ground_truth");
        if ((truth ?? text ?? (needsPrompt ? null : Spoken(row.Find("prompt")))) is not string known)
        {
            throw Fault("reward_model.ground_truth", "neither this nor `extra_info.text` holds a text");
        }

        return new VerlRow(
            DataSource: Text("data_source") ?? string.Empty,
            Prompt: needsPrompt ? Prompt(row.Find("prompt")) : VerlRow.SpeechPrompt(text ?? known),
            Ability: Text("ability") ?? string.Empty,
            RewardStyle: Text("reward_model.style") ?? string.Empty,
            GroundTruth: truth ?? known,
            Split: Text("extra_info.split") ?? string.Empty,
            Index: Index(row.Find("extra_info.index")),
            Text: text ?? known,
            Language: Text("language"),
            Duration: Duration(row.Find("duration")),
            Codes: Codes(row.Find("codes")));

        // A value that is no text is a fault where the whole schema is asked for, and as good as none where it is not.
        string? Text(string path) => row.Find(path) switch
        {
            null => null,
            string text => text,
            _ when !needsPrompt => null,
            var value => throw Fault(path, $"{value.GetType().Name} where a text is expected"),
        };
    }

    // The text between the marks of Llasa's prompt, for rows that have it nowhere else.
    private static string? Spoken(object? prompt)
    {
        IEnumerable<string> turns = prompt is string all ? [all]
            : prompt is IReadOnlyList<object?> list ? list.OfType<ParquetRow>().Select(turn => turn.Find("content")).OfType<string>() : [];
        foreach (string turn in turns)
        {
            int start = turn.IndexOf(VerlRow.TextStart, StringComparison.Ordinal) + VerlRow.TextStart.Length;
            int end = turn.IndexOf(VerlRow.TextEnd, StringComparison.Ordinal);
            if (start >= VerlRow.TextStart.Length && end > start)
            {
                return turn[start..end];
            }
        }

        return null;
    }

    private static VerlMessage[] Prompt(object? value)
    {
        if (value is not IReadOnlyList<object?> { Count: > 0 } turns)
        {
            throw Fault("prompt", value is null ? "it is null" : "it is empty or no list");
        }

        VerlMessage[] result = new VerlMessage[turns.Count];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = turns[i] is ParquetRow turn && turn.Find("role") is string role && turn.Find("content") is string content
                ? new VerlMessage(role, content)
                : throw Fault("prompt", $"turn {i} lacks its role or content");
        }

        return result;
    }

    // Of any type, as people have them; what is no whole number is no number within a split.
    private static long? Index(object? value) => Number(value) is { } number && double.IsInteger(number) && Math.Abs(number) < 1L << 53
        ? (long)number
        : value is string text && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long parsed) ? parsed : null;

    /// <summary>A length in seconds; null stays null, and so does NaN, as pandas writes what is missing.</summary>
    public static double? Duration(object? value)
    {
        if (value is null)
        {
            return null;
        }

        double seconds = Number(value) ?? throw Fault("duration", $"{value.GetType().Name} where a number is expected");
        return double.IsNaN(seconds) ? null
            : double.IsFinite(seconds) && seconds >= 0 ? seconds
            : throw Fault("duration", string.Create(CultureInfo.InvariantCulture, $"{seconds} s is no length of time"));
    }

    // A number of whatever type; null for anything else.
    private static double? Number(object? value) => value switch
    {
        double or float or long or int or short or sbyte or byte or ushort or uint or ulong or decimal => Convert.ToDouble(value, CultureInfo.InvariantCulture),
        Half half => (double)half,
        ParquetDecimal big => double.Parse(big.ToString(), CultureInfo.InvariantCulture),
        _ => null,
    };

    /// <summary>Speech codes; null stays null.</summary>
    public static int[]? Codes(object? value, string column = "codes")
    {
        if (value is null)
        {
            return null;
        }

        if (value is not IReadOnlyList<object?> list)
        {
            throw Fault(column, $"{value.GetType().Name} where a list of integers is expected");
        }

        int[] codes = new int[list.Count];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = list[i] is long or int or short or sbyte or byte or ushort or uint
                && Convert.ToInt64(list[i], CultureInfo.InvariantCulture) is >= 0 and <= int.MaxValue and long code
                ? (int)code
                : throw Fault(column, $"entry {i} is no whole number from 0 on");
        }

        return codes;
    }

    private static ParquetException Fault(string column, string message) => new(string.Empty, null, column, null, message);
}
