namespace LlasaNative.Trainer.Serving;

/// <summary>How clients are told of an error.</summary>
internal interface IErrorBody
{
    /// <summary>Media type of the body.</summary>
    string MediaType { get; }

    /// <summary>The status that goes with an error.</summary>
    int Status(ProblemException problem);

    /// <summary>The body.</summary>
    byte[] Write(ProblemException problem);
}
