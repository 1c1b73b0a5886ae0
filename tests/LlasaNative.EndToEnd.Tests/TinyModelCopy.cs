using System.Text.Json.Nodes;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Copies of the tiny models, changed as other people's programs would have written them.</summary>
internal static class TinyModelCopy
{
    /// <summary>Makes one.</summary>
    /// <param name="source">Directory of the model.</param>
    /// <param name="target">Directory to create.</param>
    /// <param name="added">A tensor to store as float32 beside those there: its name, the one it is made of, and how; fewer values are fewer rows.</param>
    /// <param name="without">A tensor to leave out.</param>
    /// <param name="fields">Fields of the config to set; null removes one.</param>
    /// <returns>The target.</returns>
    public static string Make(
        string source, string target, (string Name, string From, Func<float[], float[]> Make)? added = null, string? without = null, params (string Name, JsonNode? Value)[] fields)
    {
        Directory.CreateDirectory(target);
        foreach (var file in Directory.GetFiles(source))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }

        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        foreach (var (name, value) in fields)
        {
            config.Remove(name);
            if (value is not null)
            {
                config[name] = value.DeepClone();
            }
        }

        File.WriteAllText(Path.Combine(target, "config.json"), config.ToJsonString());
        using var model = HuggingFaceDirectory.Open(source);
        List<TensorInfo> tensors = [.. model.Tensors.Where(t => t.Name != without)];
        float[] values = [];
        if (added is { } extra)
        {
            var shape = model.GetInfo(extra.From).Shape.ToArray();
            values = extra.Make(model.ReadFloats(extra.From));
            shape[0] = values.Length / shape[1..].Aggregate(1L, (a, b) => a * b);
            tensors.RemoveAll(t => t.Name == extra.Name);
            tensors.Add(new TensorInfo(extra.Name, TensorType.F32, shape));
        }

        using SafeTensorsWriter writer = new(Path.Combine(target, "model.safetensors"), tensors);
        foreach (var tensor in tensors)
        {
            if (added is { } made && tensor.Name == made.Name)
            {
                writer.Write(tensor.Name, values);
            }
            else
            {
                writer.WriteBytes(tensor.Name, model.GetBytes(tensor.Name));
            }
        }

        writer.Complete();
        return target;
    }

    /// <summary>Replaces a copy's <c>tokenizer.json</c> by the files that Transformers wrote before it.</summary>
    /// <param name="directory">The copy.</param>
    public static void SplitTokenizer(string directory)
    {
        var json = JsonNode.Parse(File.ReadAllBytes(Path.Combine(directory, "tokenizer.json")))!;
        var added = json["added_tokens"]!.AsArray();
        File.Delete(Path.Combine(directory, "tokenizer.json"));
        File.WriteAllText(Path.Combine(directory, "vocab.json"), json["model"]!["vocab"]!.ToJsonString());
        File.WriteAllText(Path.Combine(directory, "merges.txt"), "#version: 0.2\n" + string.Concat(json["model"]!["merges"]!.AsArray().Select(merge => $"{merge![0]} {merge[1]}\n")));
        File.WriteAllText(
            Path.Combine(directory, "added_tokens.json"), new JsonObject(added.Select(token => KeyValuePair.Create((string)token!["content"]!, (JsonNode?)(int)token["id"]!))).ToJsonString());
        File.WriteAllText(Path.Combine(directory, "special_tokens_map.json"), new JsonObject
        {
            ["additional_special_tokens"] = new JsonArray([.. added.Where(token => (bool)token!["special"]!).Select(token => token!["content"]!.DeepClone())]),
        }.ToJsonString());
    }
}
