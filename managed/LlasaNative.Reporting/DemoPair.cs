namespace LlasaNative.Reporting;

/// <summary>One sentence as spoken before and after training.</summary>
/// <param name="Text">What should be said.</param>
/// <param name="Before">The sample before.</param>
/// <param name="After">The sample after.</param>
public sealed record DemoPair(string Text, DemoClip Before, DemoClip After);
