using LlasaNative.Configuration;
using LlasaNative.Engine;
using LlasaNative.Recognition;
using LlasaNative.Recognition.Remote;
using LlasaNative.Models;
using LlasaNative.Trainer.Commands;
using LlasaNative.Training;

namespace LlasaNative.Trainer;

/// <summary>Chooses who listens: models in this process, or reward servers.</summary>
internal static class Recognitions
{
    /// <summary>Environment variable with the URLs of reward servers, as the reference trainer reads it.</summary>
    public const string Variable = "WHISPER_SERVER";

    /// <summary>What the environment says about reward servers; the configuration and the command line win over it.</summary>
    public static IEnumerable<OptionAssignment> FromEnvironment() =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } servers ? [new OptionAssignment("reward_server.servers", servers, Variable)] : [];

    /// <summary>Loads models; with reward servers, the policy alone. training: for a run; frozen: the policy's own weights stay as they are.</summary>
    public static GrpoModels Load(GrpoOptions options, bool training, bool frozen, CancellationToken cancellation) => options.RewardServer.Urls.Count == 0
        ? LoadHere(options, training, frozen)
        : NativeEngine.Load(options.Models, options.Prompt, () => Connect(options, options.ToScoring(training), cancellation), frozen);

    /// <summary>Loads models, to listen in this process.</summary>
    public static GrpoModels LoadHere(GrpoOptions options, bool training, bool frozen) =>
        NativeEngine.Load(options.Models, options.Prompt, () => LoadHere(options.Models, options.ToScoring(training)), frozen);

    /// <summary>Loads codec and recogniser.</summary>
    public static LocalRecognition LoadHere(ModelOptions models, ScoringOptions scoring) =>
        NativeEngine.LoadRecognition(models, scoring, () => LoadRecogniser(models.Recogniser, scoring, models.ScoringType));

    /// <summary>Loads a recogniser by the engine that its name asks for.</summary>
    public static IRecogniser LoadRecogniser(string path, ScoringOptions scoring, ComputeType type) => NativeRecogniser.Load(path, scoring, type);

    private static RemoteRecognition Connect(GrpoOptions options, ScoringOptions scoring, CancellationToken cancellation)
    {
        var token = ServeRewardCommand.ReadToken(null);
        return RemoteRecognition.Connect(options.RewardServer, scoring, token, fault => Console.Error.WriteLine($"llasa: {fault}"), cancellation);
    }
}
