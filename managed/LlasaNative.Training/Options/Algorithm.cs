namespace LlasaNative.Training;

/// <summary>A preset: the settings that make the loop one of the known algorithms. Each can still be set otherwise.</summary>
public enum Algorithm
{
    /// <summary>GRPO, arXiv 2402.03300, as verl computes it: the defaults.</summary>
    Grpo,

    /// <summary>Dr.GRPO, arXiv 2503.20783.</summary>
    DrGrpo,

    /// <summary>DAPO, arXiv 2503.14476.</summary>
    Dapo,

    /// <summary>GSPO, arXiv 2507.18071.</summary>
    Gspo,

    /// <summary>RLOO, arXiv 2402.14740.</summary>
    Rloo,

    /// <summary>REINFORCE++, arXiv 2501.03262.</summary>
    ReinforcePlusPlus,
}
