using LlasaNative.Rewards;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>A reward component of the user's own fails in the middle of a run.</summary>
public sealed class ComponentTests : FaultTests
{
    private static string Setting(Type type) => $"reward.components=utility=1,{type.Assembly.Location}:{type.FullName}=1";

    [TestCase(typeof(ThrowsLater), "threw InvalidOperationException: no more")]
    [TestCase(typeof(NaNLater), "returned NaN")]
    public void Component_ThatFails_StopsTheRunWithACheckpoint_FromWhichItGoesOn(Type type, string why)
    {
        var (whole, parts) = (Path.Combine(Folder, "whole"), Path.Combine(Folder, "parts"));
        LlasaRunner.RunWell(Run(whole, "--set", Setting(type), "--set", "run.save_every=0"));
        FailsLater.Limit = 6;   // in the second step
        try
        {
            var outcome = LlasaRunner.Run(Run(parts, "--set", Setting(type), "--set", "run.save_every=0"));
            Assert.Multiple(() =>
            {
                Assert.That(outcome.ExitCode, Is.EqualTo(1));
                Assert.That(outcome.Error, Does.Contain($"llasa: reward component `{type.Name}` {why}").And.Contains("after step 1, from which --resume auto goes on"));
            });
        }
        finally
        {
            FailsLater.Limit = int.MaxValue;
        }

        LlasaRunner.RunWell(Run(parts, "--set", Setting(type), "--set", "run.save_every=0"));
        AssertSame(Checkpoint(parts, Steps), Checkpoint(whole, Steps));
    }
}

/// <summary>A component that works for some calls.</summary>
public abstract class FailsLater : IRewardComponent
{
    private int _calls;

    /// <summary>Calls that go well. The library is loaded a second time for the run, so the number travels by environment.</summary>
    public static int Limit
    {
        get => int.Parse(Environment.GetEnvironmentVariable("LLASA_TEST_CALLS") ?? $"{int.MaxValue}", System.Globalization.CultureInfo.InvariantCulture);
        set => Environment.SetEnvironmentVariable("LLASA_TEST_CALLS", value.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <inheritdoc/>
    public string Name => GetType().Name;

    /// <inheritdoc/>
    public double Score(RewardInput input) => ++_calls > Limit ? Fail() : (input.Sample.Codes?.Length ?? 0) / 1000.0;

    private protected abstract double Fail();
}

/// <summary>Throws.</summary>
public sealed class ThrowsLater : FailsLater
{
    private protected override double Fail() => throw new InvalidOperationException("no more");
}

/// <summary>Gives no number.</summary>
public sealed class NaNLater : FailsLater
{
    private protected override double Fail() => double.NaN;
}
