namespace LlasaNative.Torch;

/// <summary>The engine <c>torch</c>: trains policies of the native engine by TorchSharp, on the CPU.</summary>
/// <remarks>
/// Torch computes with as many threads as the native library. Not sealed, so that a class library of one line, with the libtorch of
/// its choice, is an engine. <b>Threads:</b> any.
/// </remarks>
public class TorchEngine : ITrainerEngine
{
    /// <inheritdoc/>
    public IPolicyTrainer CreateTrainer(IPolicy policy, TrainerSettings settings)
    {
        if (policy is not PolicyModel model)
        {
            throw new UsageException($"`trainer.engine`: torch trains policies of the native engine, not of {policy?.GetType().FullName}");
        }

        var device = NativeDevice.GetInfo();
        UsageException.ThrowIf(device.Backend is not "cpu",
            $"`trainer.engine`: torch trains on the CPU, and this policy is on {device.Backend}; take the native engine, or --backend cpu");
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Optimiser.Recompute == Recompute.Mlp || settings.Optimiser.OffloadMoments)
        {
            var option = settings.Optimiser.Recompute == Recompute.Mlp ? "`optimiser.recompute`: mlp" : "`optimiser.offload_moments`: true";
            throw new UsageException($"{option}, but torch has no such thing; take the native engine, or leave it out");
        }

        try
        {
            TorchSharp.torch.set_num_threads(device.NumThreads);
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or NotSupportedException or EntryPointNotFoundException)
        {
            var folder = Path.GetDirectoryName(typeof(TorchEngine).Assembly.Location);
            throw new LlasaException($"`trainer.engine`: torch's native libraries cannot be loaded from {folder}: {e.GetBaseException().Message}", e);
        }

        return new TorchPolicyTrainer(model, settings);
    }
}
