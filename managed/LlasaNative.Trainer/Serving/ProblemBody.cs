namespace LlasaNative.Trainer.Serving;

/// <summary>Errors as RFC 9457 has them.</summary>
internal sealed class ProblemBody : IErrorBody
{
    public string MediaType => Problem.MediaType;

    public int Status(ProblemException problem) => problem.Problem.Status;

    public byte[] Write(ProblemException problem) => JsonSerializer.SerializeToUtf8Bytes(problem.Problem, WireJson.Default.Problem);
}
