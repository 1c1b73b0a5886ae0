using System.Globalization;

namespace LlasaNative.Data.Parquet;

/// <summary>Turns a row of any file into one of verl's schema, or says what is wrong with it.</summary>
internal static class VerlConversion
{
    /// <param name="row">The row.</param>
    /// <param name="needsPrompt">Whether a row without turns is a fault; otherwise Llasa's own prompt stands in.</param>
    public static VerlRow ToRow(ParquetRow row, bool needsPrompt = true)
    {
        ParquetRow? reward = Group(row, "reward_model");
        ParquetRow? extra = Group(row, "extra_info");
        string? truth = Text(reward, "ground_truth", "reward_model.ground_truth");
        string? text = Text(extra, "text", "extra_info.text");
        if ((truth ?? text) is not string known)
        {
            throw Fault("reward_model.ground_truth", "neither this nor `extra_info.text` holds a text");
        }

        return new VerlRow
        {
            DataSource = Text(row, "data_source", "data_source") ?? string.Empty,
            Prompt = !needsPrompt && Value(row, "prompt") is null ? VerlRow.SpeechPrompt(text ?? known) : Prompt(row["prompt"]),
            Ability = Text(row, "ability", "ability") ?? string.Empty,
            RewardStyle = Text(reward, "style", "reward_model.style") ?? string.Empty,
            GroundTruth = truth ?? known,
            Split = Text(extra, "split", "extra_info.split") ?? string.Empty,
            Index = Index(Value(extra, "index")),
            Text = text ?? known,
            Language = Text(row, "language", "language"),
            Duration = Duration(Value(row, "duration")),
            Codes = Codes(Value(row, "codes")),
        };
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

    private static long? Index(object? value) => value switch
    {
        null => null,
        ulong and > long.MaxValue => throw Fault("extra_info.index", "the number is too large"),
        long or int or short or sbyte or byte or ushort or uint or ulong => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        _ => throw Fault("extra_info.index", $"{value.GetType().Name} where an integer is expected"),
    };

    /// <summary>A length in seconds; null stays null.</summary>
    public static double? Duration(object? value)
    {
        double? seconds = value switch
        {
            null => null,
            double or float or long or int or decimal => Convert.ToDouble(value, CultureInfo.InvariantCulture),
            Half half => (double)half,
            _ => throw Fault("duration", $"{value.GetType().Name} where a number is expected"),
        };
        return seconds is null || (double.IsFinite(seconds.Value) && seconds >= 0)
            ? seconds
            : throw Fault("duration", string.Create(CultureInfo.InvariantCulture, $"{seconds} s is no length of time"));
    }

    /// <summary>Speech codes; null stays null.</summary>
    public static int[]? Codes(object? value)
    {
        if (value is null)
        {
            return null;
        }

        if (value is not IReadOnlyList<object?> list)
        {
            throw Fault("codes", $"{value.GetType().Name} where a list of integers is expected");
        }

        int[] codes = new int[list.Count];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = list[i] is long or int or short or sbyte or byte or ushort or uint
                && Convert.ToInt64(list[i], CultureInfo.InvariantCulture) is >= 0 and <= int.MaxValue and long code
                ? (int)code
                : throw Fault("codes", $"entry {i} is no whole number from 0 on");
        }

        return codes;
    }

    private static ParquetRow? Group(ParquetRow row, string name) => Value(row, name) switch
    {
        null => null,
        ParquetRow group => group,
        object other => throw Fault(name, $"{other.GetType().Name} where a struct is expected"),
    };

    private static string? Text(ParquetRow? row, string name, string path) => Value(row, name) switch
    {
        null => null,
        string text => text,
        object other => throw Fault(path, $"{other.GetType().Name} where a text is expected"),
    };

    private static object? Value(ParquetRow? row, string name)
    {
        object? value = null;
        _ = row?.TryGetValue(name, out value);
        return value;
    }

    private static ParquetException Fault(string column, string message) => new(string.Empty, null, column, null, message);
}
