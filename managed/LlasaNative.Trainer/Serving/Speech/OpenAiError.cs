namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Errors as OpenAI's API has them: <c>{"error": {"message", "type", "param", "code"}}</c>.</summary>
internal sealed class OpenAiError : IErrorBody
{
    public string MediaType => "application/json";

    /// <summary>A request that asks for something that is not possible here.</summary>
    /// <param name="parameter">The field at fault; null = no single one.</param>
    /// <param name="message">What was expected, what came.</param>
    public static ProblemException Invalid(string? parameter, string message) => new(400, "invalid_request", "The request cannot be answered", message) { Parameter = parameter };

    /// <remarks>OpenAI's API says 400 of whatever is wrong with a request's contents.</remarks>
    public int Status(ProblemException problem) => problem.Problem.Status == 422 ? 400 : problem.Problem.Status;

    public byte[] Write(ProblemException problem) => JsonSerializer.SerializeToUtf8Bytes(
        new ErrorAnswer(new ErrorDetail(
            problem.Message,
            Status(problem) switch { 429 => "rate_limit_error", >= 500 => "server_error", 401 => "authentication_error", _ => "invalid_request_error" },
            problem.Parameter,
            problem.Problem.Type[(problem.Problem.Type.LastIndexOf(':') + 1)..].Replace('-', '_'))),
        SpeechJson.Default.ErrorAnswer);
}
