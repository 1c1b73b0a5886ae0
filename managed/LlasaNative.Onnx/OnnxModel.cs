using System.Collections.Concurrent;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace LlasaNative.Onnx;

/// <summary>A model of one input, perhaps with another for the lengths of sounds, and the output that is asked for.</summary>
/// <remarks>
/// One thread computes, so that numbers do not depend on the machine's. <b>Threads:</b> any. <b>Lifetime:</b> that of the process: a model is
/// loaded once, whoever asks for it.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as the process.")]
internal sealed class OnnxModel
{
    private static readonly ConcurrentDictionary<(string File, string Input, string Lengths, string Output), Lazy<OnnxModel>> Loaded = new();

    private readonly InferenceSession _session;
    private int _runs;

    private OnnxModel(string file, string input, string lengths, string output)
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

        var inputs = _session.InputMetadata;
        Lengths = lengths.Length == 0 ? "" : Named("input", lengths, inputs.Keys);
        string[] others = [.. inputs.Keys.Where(n => n != Lengths)];
        Input = Named("input", input, others);
        Output = Named("output", output, _session.OutputMetadata.Keys);
        UsageException.ThrowIf(
            others.Length > 1, $"{file}: it has the inputs {string.Join(", ", inputs.Keys)}, expected one, and one that `lengths` names");
        UsageException.ThrowIf(
            Lengths.Length > 0 && inputs[Lengths].ElementType != typeof(long), $"{file}: `{Lengths}` is {inputs[Lengths].ElementType.Name}, expected Int64");
        UsageException.ThrowIf(inputs[Input].ElementType != typeof(float) || _session.OutputMetadata[Output].ElementType != typeof(float),
            $"{file}: `{Input}` is {inputs[Input].ElementType.Name} and `{Output}` {_session.OutputMetadata[Output].ElementType.Name}, expected Single");

        string Named(string what, string name, IEnumerable<string> there) => name.Length == 0 ? there.First()
            : there.Contains(name) ? name : throw new UsageException($"{file}: it has no {what} `{name}`; it has {string.Join(", ", there)}");
    }

    /// <summary>Name of the input.</summary>
    public string Input { get; }

    /// <summary>Name of the output.</summary>
    public string Output { get; }

    /// <summary>Name of the input for lengths; empty = it has none.</summary>
    public string Lengths { get; }

    /// <summary>How often it has been run.</summary>
    public int Runs => _runs;

    /// <summary>Whether input and output begin with a dimension of any length, which may be that of a batch.</summary>
    public bool HasBatches => Dimensions is [-1, ..] && _session.OutputMetadata[Output].Dimensions is [-1, ..];

    /// <summary>Lengths of the input's dimensions; -1 where any is taken.</summary>
    public IReadOnlyList<int> Dimensions => _session.InputMetadata[Input].Dimensions;

    /// <summary>Loads a model.</summary>
    /// <param name="file">The file.</param>
    /// <param name="input">Name of the input; empty = the only one.</param>
    /// <param name="lengths">Name of the input for lengths; empty = none.</param>
    /// <param name="output">Name of the output; empty = the first.</param>
    /// <exception cref="UsageException">The file is no such model.</exception>
    public static OnnxModel Load(string file, string input, string lengths, string output)
    {
        var path = File.Exists(file) ? Path.GetFullPath(file) : throw new UsageException($"`{file}`: no such file");
        return Loaded.GetOrAdd((path, input, lengths, output), key => new(() => new OnnxModel(key.File, key.Input, key.Lengths, key.Output))).Value;
    }

    /// <summary>Computes the output.</summary>
    /// <param name="values">Of the input, in the order of its dimensions.</param>
    /// <param name="dimensions">Their lengths.</param>
    /// <param name="lengths">Of each of the sounds that it holds.</param>
    /// <returns>The values of the output for each sound; null where it does not have one for each.</returns>
    public float[][]? Run(float[] values, int[] dimensions, long[] lengths)
    {
        List<NamedOnnxValue> inputs = [NamedOnnxValue.CreateFromTensor(Input, new DenseTensor<float>(values, dimensions))];
        if (Lengths.Length > 0)
        {
            inputs.Add(NamedOnnxValue.CreateFromTensor(Lengths, new DenseTensor<long>(lengths, [lengths.Length])));
        }

        Interlocked.Increment(ref _runs);
        using var results = _session.Run(inputs, [Output]);
        var output = results[0].AsTensor<float>();
        return lengths.Length == 1 ? [[.. output]] : output.Rank > 0 && output.Dimensions[0] == lengths.Length ? [.. output.Chunk((int)output.Length / lengths.Length)] : null;
    }
}
