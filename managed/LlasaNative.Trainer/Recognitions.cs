using LlasaNative.Recognition.Remote;
using LlasaNative.Trainer.Commands;

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
        ? NativeEngine.Load(options.Models, options.Prompt, options.ToScoring(training), frozen)
        : NativeEngine.Load(options.Models, options.Prompt, () => Connect(options, options.ToScoring(training), cancellation), frozen);

    /// <summary>Loads the recogniser that evaluations hear beside the one that rewards; null when none is named.</summary>
    public static SecondEar? LoadSecondEar(GrpoOptions options)
    {
        if (options.Evaluation.Recogniser.Length == 0)
        {
            return null;
        }

        // Where the reward ends is no matter of an ear that does not reward: it hears everything.
        var path = Places.Model(options.Evaluation.Recogniser);
        var recogniser = RecogniserEngines.Load(path, options.ToScoring() with { Bound = null, EarlyEnd = EarlyEnd.Never }, options.Models.ScoringType);
        return new SecondEar(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))), recogniser, options.ToReward());
    }

    private static RemoteRecognition Connect(GrpoOptions options, ScoringOptions scoring, CancellationToken cancellation)
    {
        var token = HttpArguments.ReadToken(null, new ServerOptions().TokenVariable);
        return RemoteRecognition.Connect(options.RewardServer, scoring, token, fault => Console.Error.WriteLine($"llasa: {fault}"), cancellation);
    }
}
