namespace LlasaNative.Training;

/// <summary>Independent keys of random numbers, all made from the seed of a run.</summary>
public static class Seeds
{
    /// <summary>Key of the order of training texts.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong DataOrder(long seed) => Derive(seed, 1);

    /// <summary>Key of the samples drawn while training.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong Rollouts(long seed) => Derive(seed, 2);

    /// <summary>Key of the samples drawn by evaluations: the same before and after training.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong Evaluation(long seed) => Derive(seed, 3);

    /// <summary>Key of the order in which a step's groups are used.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong UpdateOrder(long seed) => Derive(seed, 5);

    /// <summary>Key of what an adapter begins with.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong Adapter(long seed) => Derive(seed, 6);

    /// <summary>Key of the resamples of a confidence interval.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong Bootstrap(long seed) => Derive(seed, 4);

    /// <summary>Key of which voice a text is said in.</summary>
    /// <param name="seed">Of the run.</param>
    public static ulong Voices(long seed) => Derive(seed, 7);

    /// <summary>Key of which samples become pairs.</summary>
    /// <param name="seed">Of the command.</param>
    public static ulong Pairs(long seed) => Derive(seed, 8);

    private static ulong Derive(long seed, ulong purpose) => Philox.Draw((ulong)seed, purpose, 0).First;
}
