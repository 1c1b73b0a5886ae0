using System.Globalization;

namespace LlasaNative.Rewards;

/// <summary>Calls somebody's component so that neither an exception nor a hang nor a NaN of it goes further.</summary>
/// <remarks><b>Threads:</b> one at a time. A call that hangs keeps its thread; the process does not wait for it to end.</remarks>
internal sealed class GuardedComponent(IRewardComponent component, TimeSpan timeout)
{
    private const int MostHangs = 8;
    private int _hangs;

    /// <summary>Judges one sample.</summary>
    /// <param name="input">The sample.</param>
    /// <param name="failure">What went wrong; null when nothing did.</param>
    /// <returns>A finite number; 0 after a failure.</returns>
    public double Score(RewardInput input, out string? failure)
    {
        Outcome outcome = new();
        // A thread of its own: one of the pool that hangs would be missed by others.
        Thread thread = new(() => outcome.Run(component, input)) { IsBackground = true, Name = "reward component" };
        thread.Start();
        failure = !thread.Join(timeout) ? Hung() : outcome.Failure;
        return failure is null ? outcome.Value : 0;
    }

    /// <summary>Whether so many calls hang that masking samples would only hide it.</summary>
    public bool IsLost => _hangs >= MostHangs;

    private string Hung()
    {
        _hangs++;
        return string.Create(CultureInfo.InvariantCulture, $"gave no answer within {timeout.TotalSeconds:0.###} s");
    }

    private sealed class Outcome
    {
        public double Value { get; private set; }

        public string? Failure { get; private set; } = "gave no answer";

        public void Run(IRewardComponent component, RewardInput input)
        {
            try
            {
                Value = component.Score(input);
                Failure = double.IsFinite(Value) ? null : string.Create(CultureInfo.InvariantCulture, $"returned {Value}");
            }
            catch (Exception e)
            {
                Failure = $"threw {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}";
            }
        }
    }
}
