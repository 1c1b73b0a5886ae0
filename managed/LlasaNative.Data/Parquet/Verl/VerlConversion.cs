namespace LlasaNative.Data.Parquet;

/// <summary>Turns a row of any file into one of verl's schema, or says what is wrong with it.</summary>
internal static class VerlConversion
{
    /// <param name="row">The row.</param>
    /// <param name="needsPrompt">Whether a row without turns is a fault; otherwise Llasa's own prompt stands in, and only what speech needs is judged.</param>
    public static VerlRow ToRow(ParquetRow row, bool needsPrompt = true)
    {
        object? reward = Value(row, "reward_model");
        object? extra = Value(row, "extra_info");
        string? text = Text(Value(extra, "text"), "extra_info.text", needsPrompt);
        string? truth = Text(Value(reward, "ground_truth"), "reward_model.ground_truth", needsPrompt);
        if ((truth ?? text ?? (needsPrompt ? null : Spoken(Value(row, "prompt")))) is not string known)
        {
            throw Fault("reward_model.ground_truth", "neither this nor `extra_info.text` holds a text");
        }

        return new VerlRow
        {
            DataSource = Text(Value(row, "data_source"), "data_source", needsPrompt) ?? string.Empty,
            Prompt = needsPrompt ? Prompt(Value(row, "prompt")) : VerlRow.SpeechPrompt(text ?? known),
            Ability = Text(Value(row, "ability"), "ability", needsPrompt) ?? string.Empty,
            RewardStyle = Text(Value(reward, "style"), "reward_model.style", needsPrompt) ?? string.Empty,
            GroundTruth = truth ?? known,
            Split = Text(Value(extra, "split"), "extra_info.split", needsPrompt) ?? string.Empty,
            Index = Index(Value(extra, "index")),
            Text = text ?? known,
            Language = Text(Value(row, "language"), "language", needsPrompt),
            Duration = Duration(Value(row, "duration")),
            Codes = Codes(Value(row, "codes")),
        };
    }

    // The text between the marks of Llasa's prompt, for rows that have it nowhere else.
    private static string? Spoken(object? prompt)
    {
        IEnumerable<string> turns = prompt is string all ? [all]
            : prompt is IReadOnlyList<object?> list ? list.Select(turn => Value(turn, "content")).OfType<string>() : [];
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
            result[i] = turns[i] is ParquetRow turn
                && Value(turn, "role") is string role && Value(turn, "content") is string content
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

    // A value that is no text is a fault where the whole schema is asked for, and as good as none where it is not.
    private static string? Text(object? value, string path, bool isJudged) => value switch
    {
        null => null,
        string text => text,
        _ when !isJudged => null,
        _ => throw Fault(path, $"{value.GetType().Name} where a text is expected"),
    };

    private static object? Value(object? row, string name)
    {
        object? value = null;
        _ = (row as ParquetRow)?.TryGetValue(name, out value);
        return value;
    }

    private static ParquetException Fault(string column, string message) => new(string.Empty, null, column, null, message);
}
