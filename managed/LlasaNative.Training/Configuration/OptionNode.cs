namespace LlasaNative.Configuration;

/// <summary>A place in a tree of options.</summary>
/// <param name="Key">For example <c>rollout</c>, or <c>rollout.temperature</c>.</param>
/// <param name="Help">What was declared.</param>
/// <param name="Record">The record of a section; null of options.</param>
/// <param name="Entry">The option; null of sections.</param>
internal sealed record OptionNode(string Key, string Help, object? Record, OptionEntry? Entry);
