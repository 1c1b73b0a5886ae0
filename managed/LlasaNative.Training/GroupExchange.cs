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
    private static readonly JsonSerializerOptions Json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

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
    /// <param name="samplesPerPrompt">Samples of a group.</param>
    /// <param name="keepSound">Whether sounds are wanted: they are a hundred times as large as the rest.</param>
    public static DrawnGroups Gather(this IWorld world, DrawnGroups mine, int samplesPerPrompt, bool keepSound)
    {
        if (world.Size == 1)
        {
            return mine;
        }

        using MemoryStream stream = new();
        using (BinaryWriter writer = new(stream, Encoding.UTF8, leaveOpen: true))
        {
            Write(writer, mine, keepSound);
        }

        DrawnGroups? all = null;
        foreach (var part in world.AllGather(stream.GetBuffer().AsSpan(0, (int)stream.Length)))
        {
            using BinaryReader reader = new(new MemoryStream(part));
            if (Read(reader, samplesPerPrompt) is { } theirs)
            {
                all = all?.Select([.. Enumerable.Range(0, all.Groups)], theirs) ?? theirs;
            }
        }

        return all ?? throw new InvalidOperationException("no rank drew anything");
    }

    /// <summary>The records of all ranks, in their order.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="mine">This one's.</param>
    public static List<SampleRecord> Gather(this IWorld world, List<SampleRecord> mine) => world.Size == 1 ? mine
        : [.. world.AllGather(JsonSerializer.SerializeToUtf8Bytes(mine, Json)).SelectMany(part => JsonSerializer.Deserialize<List<SampleRecord>>(part, Json)!)];

    private static void Write(BinaryWriter writer, DrawnGroups groups, bool keepSound)
    {
        var count = groups.Judged.Length == 0 ? 0 : groups.Groups;
        writer.Write(count);
        for (var g = 0; g < count; g++)
        {
            Write(writer, groups.Samples.Prompt(g));
        }

        writer.Write(JsonSerializer.Serialize(groups.Pairs, Json));
        for (var i = 0; i < groups.Samples.Count; i++)
        {
            var sample = groups.Samples[i];
            writer.Write(groups.Texts[i]);
            Write(writer, sample.Tokens.Span);
            Write(writer, sample.LogProbs.Span);
            Write(writer, sample.DrawLogProbs.Span);
            writer.Write(sample.Ended);
            Write<int>(writer, groups.Codes[i]);
            Write<float>(writer, keepSound ? groups.Recognised[i].Sound ?? [] : []);
            writer.Write(JsonSerializer.Serialize(groups.Recognised[i] with { Sound = null, VoiceSound = null }, Json));
            writer.Write(JsonSerializer.Serialize(groups.Judged[i], Json));
            Write<float>(writer, groups.Reference.Length > 0 ? groups.Reference[i] : []);
            Write<double>(writer, groups.Charges.Length > 0 ? [groups.Charges[i]] : []);
        }
    }

    private static DrawnGroups? Read(BinaryReader reader, int samplesPerPrompt)
    {
        var count = reader.ReadInt32();
        if (count == 0)
        {
            return null;
        }

        int[][] prompts = [.. Enumerable.Range(0, count).Select(_ => ReadArray<int>(reader))];
        var pairs = JsonSerializer.Deserialize<JudgedPair?[]>(reader.ReadString(), Json)!;
        List<string> texts = [];
        List<DrawnResponse> samples = [];
        List<int[]> codes = [];
        List<RecognisedSample> recognised = [];
        List<Judgement> judged = [];
        List<float[]> reference = [];
        List<double> charges = [];
        for (var i = 0; i < count * samplesPerPrompt; i++)
        {
            texts.Add(reader.ReadString());
            samples.Add(new DrawnResponse(ReadArray<int>(reader), ReadArray<float>(reader), ReadArray<float>(reader), reader.ReadBoolean()));
            codes.Add(ReadArray<int>(reader));
            var sound = ReadArray<float>(reader);
            var heard = JsonSerializer.Deserialize<RecognisedSample>(reader.ReadString(), Json)!;
            recognised.Add(sound.Length > 0 ? heard with { Sound = sound } : heard);
            judged.Add(JsonSerializer.Deserialize<Judgement>(reader.ReadString(), Json)!);
            reference.Add(ReadArray<float>(reader));
            charges.AddRange(ReadArray<double>(reader));
        }

        return new DrawnGroups([.. texts], new RolloutBatch(prompts, samples), [.. codes], recognised, [.. judged])
        {
            Pairs = pairs,
            Reference = charges.Count > 0 ? [.. reference] : [],
            Charges = [.. charges],
        };
    }

    private static void Write<T>(BinaryWriter writer, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        writer.Write(values.Length);
        writer.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values));
    }

    private static T[] ReadArray<T>(BinaryReader reader)
        where T : unmanaged
    {
        var values = new T[reader.ReadInt32()];
        reader.BaseStream.ReadExactly(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
