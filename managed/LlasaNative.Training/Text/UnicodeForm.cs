namespace LlasaNative.Text;

/// <summary>The four Unicode normalisation forms.</summary>
public enum UnicodeForm
{
    /// <summary>Canonical decomposition, then composition.</summary>
    Nfc,

    /// <summary>Canonical decomposition.</summary>
    Nfd,

    /// <summary>Compatibility decomposition, then canonical composition.</summary>
    Nfkc,

    /// <summary>Compatibility decomposition.</summary>
    Nfkd,
}
