namespace LlasaNative.Rewards;

/// <summary>Calls somebody's component so that neither an exception nor a hang nor a NaN of it goes further.</summary>
/// <remarks><b>Threads:</b> one at a time. A call that hangs keeps its thread; the process does not wait for it to end.</remarks>
internal sealed class GuardedComponent(IRewardComponent component, TimeSpan timeout)
{
    private const int MostHangs = 8;
    private int _hangs;

    /// <summary>Whether so many calls hang that masking samples would only hide it.</summary>
    public bool IsLost => _hangs >= MostHangs;

    /// <summary>Judges samples, as many in a call as the component takes.</summary>
    /// <param name="inputs">The samples.</param>
    /// <returns>As they are judged, the place of each in the list, and a finite number or what went wrong.</returns>
    public IEnumerable<(int Index, double Value, string? Failure)> Score(IReadOnlyList<RewardInput> inputs)
    {
        var most = Math.Max(component.MostAtOnce, 1);
        var order = Enumerable.Range(0, inputs.Count);
        return (most == 1 ? order : order.OrderBy(i => inputs[i].Sample.Sound?.Length)).Chunk(most).SelectMany(indices => Answers(inputs, indices));
    }

    private IEnumerable<(int Index, double Value, string? Failure)> Answers(IReadOnlyList<RewardInput> inputs, int[] indices)
    {
        Outcome outcome = new();
        // A thread of its own: one of the pool that hangs would be missed by others.
        Thread thread = new(() => outcome.Run(component, [.. indices.Select(i => inputs[i])])) { IsBackground = true, Name = "reward component" };
        thread.Start();
        if (!thread.Join(timeout * indices.Length))
        {
            _hangs++;
            return indices.Select(i => (i, 0d, (string?)string.Create(CultureInfo.InvariantCulture, $"gave no answer within {(timeout * indices.Length).TotalSeconds:0.###} s")));
        }

        return outcome.Failure is null ? indices.Zip(outcome.Values).Select(of => (of.First, of.Second, Fault(of.Second)))
            : indices.Length == 1 ? [(indices[0], 0, outcome.Failure)]
            : indices.SelectMany(i => Answers(inputs, [i]));
    }

    private static string? Fault(double value) => double.IsFinite(value) ? null : string.Create(CultureInfo.InvariantCulture, $"returned {value}");

    private sealed class Outcome
    {
        public IReadOnlyList<double> Values { get; private set; } = [];

        public string? Failure { get; private set; }

        public void Run(IRewardComponent component, RewardInput[] inputs)
        {
            try
            {
                Values = inputs.Length == 1 ? [component.Score(inputs[0])] : component.Score(inputs);
                Failure = Values.Count == inputs.Length ? null : $"gave {Values.Count} numbers for {inputs.Length} samples";
            }
            catch (Exception e)
            {
                Failure = $"threw {e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}";
            }
        }
    }
}
