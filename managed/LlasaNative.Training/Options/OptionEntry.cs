namespace LlasaNative.Training;

/// <summary>One configurable value of an options record: its key, meaning, default and how to read and check it.</summary>
/// <typeparam name="T">The options record.</typeparam>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class OptionEntry<T>
{
    internal OptionEntry(
        string key, string help, string allowed, Func<T, string> get, Func<T, string, T> set, Func<T, string?> check)
    {
        Key = key;
        Help = help;
        Allowed = allowed;
        Get = get;
        Set = set;
        Check = check;
    }

    /// <summary>Section and name, for example <c>rollout.temperature</c>.</summary>
    public string Key { get; }

    /// <summary>What it does, in one sentence.</summary>
    public string Help { get; }

    /// <summary>The values it takes, for people.</summary>
    public string Allowed { get; }

    /// <summary>Reads the value as text.</summary>
    public Func<T, string> Get { get; }

    /// <summary>Returns options with the value replaced; throws <see cref="FormatException"/> when the text is not a value.</summary>
    internal Func<T, string, T> Set { get; }

    /// <summary>What is wrong with the present value; null when nothing is.</summary>
    internal Func<T, string?> Check { get; }
}
