using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlasaNative.Training;

/// <summary>Brings the ranks' samples together: from then on every rank knows all of them, and computes what follows from all as one process does.</summary>
/// <remarks>
/// A sample is some kilobytes, where a gradient is gigabytes: what comes after it (flat groups, masks, advantages, token means, metrics)
/// needs no rule of its own for several ranks.
/// </remarks>
internal static class GroupExchange
{
    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, IgnoreReadOnlyProperties = true, Converters = { new Floats() },
    };

    /// <summary>Judges this rank's samples; where one rank must give the step up, all do, before anybody waits for its samples.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="judge">Judges what this one drew.</param>
    /// <exception cref="RewardUnavailableException">A component failed on any rank.</exception>
    public static DrawnGroups Agree(this IWorld world, Func<DrawnGroups> judge)
    {
        if (world.Size == 1)
        {
            return judge();
        }

        DrawnGroups? mine = null;
        var failure = "";
        try
        {
            mine = judge();
        }
        catch (RewardUnavailableException e)
        {
            failure = e.Message;
        }

        return Array.Find(world.AllGather(Encoding.UTF8.GetBytes(failure)), said => said.Length > 0) is { } first
            ? throw new RewardUnavailableException(Encoding.UTF8.GetString(first)) : mine!;
    }

    /// <summary>The groups of all ranks, in their order.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="mine">What this one drew, which may be nothing.</param>
    /// <param name="keepSound">Whether sounds are wanted: they are a hundred times as large as the rest.</param>
    public static DrawnGroups Gather(this IWorld world, DrawnGroups mine, bool keepSound)
    {
        if (world.Size == 1)
        {
            return mine;
        }

        mine = mine with { Recognised = [.. mine.Recognised.Select(h => h with { Sound = keepSound ? h.Sound : null, VoiceSound = null })] };
        return Exchange(world, mine).Where(theirs => theirs.Judged.Length > 0)
            .Aggregate((all, theirs) => all.Select([.. Enumerable.Range(0, all.Groups)], theirs));
    }

    /// <summary>The records of all ranks, in their order.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="mine">This one's.</param>
    public static List<SampleRecord> Gather(this IWorld world, List<SampleRecord> mine) =>
        world.Size == 1 ? mine : [.. Exchange(world, mine).SelectMany(theirs => theirs)];

    private static IEnumerable<T> Exchange<T>(IWorld world, T mine) =>
        world.AllGather(JsonSerializer.SerializeToUtf8Bytes(mine, Json)).Select(part => JsonSerializer.Deserialize<T>(part, Json)!);

    /// <summary>As they are in memory, in base64: a sound as a list of numbers is two times as long.</summary>
    private sealed class Floats : JsonConverter<float[]>
    {
        public override float[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            MemoryMarshal.Cast<byte, float>(reader.GetBytesFromBase64()).ToArray();

        public override void Write(Utf8JsonWriter writer, float[] value, JsonSerializerOptions options) =>
            writer.WriteBase64StringValue(MemoryMarshal.AsBytes(value.AsSpan()));
    }
}
