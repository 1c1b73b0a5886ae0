namespace LlasaNative.Http;

/// <summary>Which redirects are followed.</summary>
internal enum Redirects
{
    /// <summary>All, a few in a row, never from https to http.</summary>
    Follow,

    /// <summary>Those of the Hub that say a repository has another name now.</summary>
    Moved,

    /// <summary>None.</summary>
    Never,
}
