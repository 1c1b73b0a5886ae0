namespace LlasaNative.Training;

/// <summary>What an update came to.</summary>
/// <param name="GradNorm">L2 norm of the gradient before clipping.</param>
/// <param name="GradScale">Factor that clipping applied.</param>
/// <param name="Skipped">Whether nothing was changed, because the gradient was not finite.</param>
public sealed record UpdateStats(double GradNorm, double GradScale, bool Skipped);
