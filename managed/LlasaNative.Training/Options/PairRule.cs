namespace LlasaNative.Training;

/// <summary>Which of two samples of a text is the better.</summary>
public enum PairRule
{
    /// <summary>The one with the larger reward.</summary>
    Reward,

    /// <summary>The one with the lower character error rate.</summary>
    Cer,

    /// <summary>Clear and lively: of two without errors, the one whose spread of pitch and pace lie nearer those that are wanted.</summary>
    Lively,

    /// <summary>Neither: pairs are drawn by chance, for people to judge.</summary>
    Random,
}
