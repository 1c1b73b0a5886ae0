using System.Collections.Concurrent;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace LlasaNative.Onnx;

/// <summary>A model of one input and the output that is asked for.</summary>
/// <remarks>
/// One thread computes, so that numbers do not depend on the machine's. <b>Threads:</b> any. <b>Lifetime:</b> that of the process: a model is
/// loaded once, whoever asks for it.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as the process.")]
internal sealed class OnnxModel
{
    private static readonly ConcurrentDictionary<(string File, string Input, string Output), Lazy<OnnxModel>> Loaded = new();

    private readonly InferenceSession _session;

    private OnnxModel(string file, string input, string output)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        try
        {
            _session = new InferenceSession(file, options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new UsageException($"{file}: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        Input = Named("input", input, _session.InputMetadata.Keys);
        Output = Named("output", output, _session.OutputMetadata.Keys);
        if (_session.InputMetadata.Count > 1)
        {
            throw new UsageException($"{file}: it has the inputs {string.Join(", ", _session.InputMetadata.Keys)}, expected one");
        }

        if (_session.InputMetadata[Input].ElementType != typeof(float) || _session.OutputMetadata[Output].ElementType != typeof(float))
        {
            throw new UsageException($"{file}: `{Input}` is {_session.InputMetadata[Input].ElementType.Name} and `{Output}` {_session.OutputMetadata[Output].ElementType.Name}, expected Single");
        }

        string Named(string what, string name, IEnumerable<string> there) => name.Length == 0 ? there.First()
            : there.Contains(name) ? name : throw new UsageException($"{file}: it has no {what} `{name}`; it has {string.Join(", ", there)}");
    }

    /// <summary>Name of the input.</summary>
    public string Input { get; }

    /// <summary>Name of the output.</summary>
    public string Output { get; }

    /// <summary>Lengths of the input's dimensions; -1 where any is taken.</summary>
    public IReadOnlyList<int> Dimensions => _session.InputMetadata[Input].Dimensions;

    /// <summary>Loads a model.</summary>
    /// <param name="file">The file.</param>
    /// <param name="input">Name of the input; empty = the only one.</param>
    /// <param name="output">Name of the output; empty = the first.</param>
    /// <exception cref="UsageException">The file is no such model.</exception>
    public static OnnxModel Load(string file, string input, string output)
    {
        var path = File.Exists(file) ? Path.GetFullPath(file) : throw new UsageException($"`{file}`: no such file");
        return Loaded.GetOrAdd((path, input, output), key => new(() => new OnnxModel(key.File, key.Input, key.Output))).Value;
    }

    /// <summary>Computes the output.</summary>
    /// <param name="values">Of the input, in the order of its dimensions.</param>
    /// <param name="dimensions">Their lengths.</param>
    /// <returns>All values of the output.</returns>
    public float[] Run(float[] values, int[] dimensions)
    {
        using var results = _session.Run([NamedOnnxValue.CreateFromTensor(Input, new DenseTensor<float>(values, dimensions))], [Output]);
        return results[0].AsTensor<float>().ToArray();
    }
}
