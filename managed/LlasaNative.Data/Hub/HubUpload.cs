namespace LlasaNative.Hub;

/// <summary>A local file and where it goes in a repository.</summary>
/// <param name="LocalPath">The file.</param>
/// <param name="Path">Its path in the repository, with slashes.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record HubUpload(string LocalPath, string Path);
