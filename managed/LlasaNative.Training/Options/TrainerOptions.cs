namespace LlasaNative.Training;

/// <summary>What trains the policy.</summary>
public sealed record TrainerOptions
{
    [Option("What computes gradients and AdamW's steps. Checkpoints are the same, so a run may go on under another engine; its numbers then differ by rounding.",
        Takes = "native; an engine in the folder engines/ beside the program: torch; or library.dll:Type", FreeOnResume = true)]
    public string Engine { get; init; } = "native";

    [Option("Have each of several ranks hold its part of the weights and gradients, as of the moments, and of a reference: a layer is brought together when its turn comes, all of them for rollouts. For models that do not fit one card; native engine, no adapter.", FreeOnResume = true)]
    public bool ShardWeights { get; init; }
}
