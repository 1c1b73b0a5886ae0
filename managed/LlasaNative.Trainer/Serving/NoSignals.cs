using Microsoft.Extensions.Hosting;

namespace LlasaNative.Trainer.Serving;

/// <summary>Leaves Ctrl-C to the program: a server inside a training run must not end with the first one.</summary>
internal sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
