namespace LlasaNative.Reporting.Drawing;

/// <summary>What of a text stands where it was put.</summary>
public enum TextAnchor
{
    /// <summary>Its start.</summary>
    Start,

    /// <summary>Its middle.</summary>
    Middle,

    /// <summary>Its end.</summary>
    End,
}
