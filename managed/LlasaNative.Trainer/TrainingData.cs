using LlasaNative.Data;
using LlasaNative.Training;

namespace LlasaNative.Trainer;

/// <summary>Reads the texts of a command and drops or refuses those that do not fit its models.</summary>
internal static class TrainingData
{
    /// <summary>Texts of a file or directory; of the tiny world's split when none is named.</summary>
    public static PromptSet Read(string path, string split, DataOptions data) =>
        Places.Read(path.Length > 0 ? path : TinyWorld.Sentences(split), local => PromptSet.Read(local, data.TextField, data.FaultyRows, Report));

    /// <summary>The texts whose prompt, response and transcript fit the models.</summary>
    public static string[] Fitting(PromptSet prompts, GrpoModels models, int maxNewTokens, int maxPromptTokens = 0)
    {
        models.Listener.Announce(prompts.Texts);
        return [.. prompts.Fitting(text =>
        {
            _ = models.Policy.EncodePrompt(text, maxNewTokens, maxPromptTokens);
            models.Listener.CheckText(text);
        }).Texts];
    }

    /// <inheritdoc cref="Fitting(PromptSet, GrpoModels, int, int)"/>
    public static string[] Fitting(PromptSet prompts, GrpoOptions options, GrpoModels models) =>
        Fitting(prompts, models, Math.Max(options.Rollout.MaxNewTokens, options.ToEvaluation().MaxNewTokens), options.Data.MaxPromptTokens);

    /// <summary>Says on standard error that a row was left out.</summary>
    public static void Report(LlasaException fault) => Console.Error.WriteLine($"llasa: left out: {fault.Message}");
}
