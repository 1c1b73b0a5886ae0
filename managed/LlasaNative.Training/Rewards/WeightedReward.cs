namespace LlasaNative.Rewards;

/// <summary>The reward of a run: the weighted components, each with what the formula says of the sample.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class WeightedReward
{
    private readonly RewardModel _formula;
    private readonly RewardOptions _options;
    private readonly List<Weighted> _components = [];

    /// <summary>Prepares the formula and loads the components.</summary>
    /// <param name="options">All settings.</param>
    /// <exception cref="UsageException">A setting is out of range, or a component cannot be loaded.</exception>
    public WeightedReward(RewardOptions options)
    {
        _formula = new RewardModel(options);
        _options = options;
        List<string> faults = [];
        var entries = ComponentList.Parse(options.Components, faults);
        foreach (var (name, _, weight) in faults.Count == 0 ? entries : [])
        {
            var component = RewardComponents.Create(name);
            faults.AddRange(component.Faults());
            var guard = RewardComponents.IsOwn(name) ? null : new GuardedComponent(component, TimeSpan.FromSeconds(options.TimeoutSeconds));
            _components.Add(new Weighted(RewardComponents.IsOwn(name) ? name.Name : component.Name, component, guard, weight));
        }

        if (faults.Count > 0)
        {
            throw new UsageException("reward.components: " + string.Join("; ", faults));
        }
    }

    /// <summary>Whether a component is somebody's own and may want to hear the sound.</summary>
    public bool WantsSound => _components.Exists(c => c.Guard is not null);

    /// <summary>Whether a component judges how something is said.</summary>
    public bool WantsProsody => _components.Exists(c => c.Component.NeedsProsody);

    /// <summary>Judges one sample.</summary>
    /// <param name="sample">What is known about it.</param>
    /// <exception cref="RewardUnavailableException">A component failed and <see cref="RewardOptions.OnFailure"/> says to stop.</exception>
    public RewardBreakdown Score(SpeechSample sample) => Score([sample])[0];

    /// <summary>Judges samples.</summary>
    /// <param name="samples">What is known about each.</param>
    /// <exception cref="RewardUnavailableException">A component failed and <see cref="RewardOptions.OnFailure"/> says to stop.</exception>
    public RewardBreakdown[] Score(IReadOnlyList<SpeechSample> samples)
    {
        RewardBreakdown[] judged = [.. samples.Select(_formula.Score)];
        var parts = judged.Select(_ => new List<RewardPart>(_components.Count)).ToArray();
        foreach (var (name, component, guard, weight) in _components)
        {
            int[] open = [.. Enumerable.Range(0, judged.Length).Where(i => !judged[i].Masked)];
            RewardInput[] inputs = [.. open.Select(i => new RewardInput(samples[i], judged[i], _options.MaxTokens))];
            foreach (var (place, value, failure) in guard?.Score(inputs) ?? inputs.Select((input, k) => (k, component.Score(input), (string?)null)))
            {
                var i = open[place];
                if (failure is null)
                {
                    parts[i].Add(new RewardPart(name, value, weight));
                    continue;
                }

                var hopeless = guard!.IsLost ? "; too many calls hang to go on" : "";
                judged[i] = _options.OnFailure == ComponentFailure.Stop || guard.IsLost
                    ? throw new RewardUnavailableException($"reward component `{name}` {failure}, for the text `{samples[i].Reference}`{hopeless}")
                    : judged[i] with { Reward = 0, Masked = true, Reason = RewardReason.ComponentFailed, Parts = parts[i] };
            }
        }

        return [.. judged.Select((formula, i) => formula.Masked ? formula : formula with { Reward = parts[i].Sum(p => p.Weight * p.Value), Parts = parts[i] })];
    }

    private sealed record Weighted(string Name, IRewardComponent Component, GuardedComponent? Guard, double Weight);
}
