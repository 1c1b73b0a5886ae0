namespace LlasaNative.Data;

/// <summary>What data are read for, which decides the files of a directory whose names say splits.</summary>
public enum DataSplit
{
    /// <summary>Every file, whatever its name.</summary>
    All,

    /// <summary>Training: the files of the training split.</summary>
    Train,

    /// <summary>Evaluation while training: the validation split, else the test split.</summary>
    Validation,

    /// <summary>Evaluation: the test split, else the validation split.</summary>
    Test,
}
