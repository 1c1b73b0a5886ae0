using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Whisper.net;
using Whisper.net.Logger;

namespace LlasaNative.WhisperNet;

/// <summary>A ggml file of Whisper, loaded by the library that Whisper.net ships.</summary>
/// <remarks>
/// Flash attention is off: where the window is not a multiple of 256 positions it attends to padding. <b>Threads:</b> any; each
/// borrows a state of its own. <b>Lifetime:</b> dispose it once every state was returned.
/// </remarks>
internal sealed class GgmlModel(string path, GgmlHeader header, GgmlContextHandle context) : IDisposable
{
    private static readonly Lazy<nint> Library = new(LoadLibrary);
    private static volatile string _lastError = "";
    private readonly ConcurrentBag<GgmlState> _idle = [];

    static GgmlModel() => NativeLibrary.SetDllImportResolver(typeof(GgmlModel).Assembly, (_, _, _) => Library.Value);

    /// <summary>Path of the file.</summary>
    public string Path => path;

    /// <summary>Sizes and tokens.</summary>
    public GgmlHeader Header => header;

    /// <summary>Loads a file.</summary>
    /// <param name="path">Path of a ggml file.</param>
    /// <param name="device">Index of the card that a library for cards uses.</param>
    /// <exception cref="ModelFileException">It is missing, malformed or truncated.</exception>
    public static unsafe GgmlModel Load(string path, int device = 0)
    {
        var header = GgmlHeader.Read(path);
        _lastError = "";
        var defaults = NativeMethods.DefaultParameters();
        var parameters = *defaults;
        NativeMethods.FreeParameters(defaults);
        parameters.FlashAttention = 0;
        parameters.GpuDevice = device;
        var context = NativeMethods.Open(path, parameters);
        if (context.IsInvalid)
        {
            context.Dispose();
            throw new ModelFileException(path, null, _lastError.Length > 0 ? _lastError : "whisper.cpp cannot load it");
        }

        return new GgmlModel(path, header, context);
    }

    /// <summary>Borrows a state; disposing it returns it.</summary>
    public GgmlState Borrow()
    {
        if (_idle.TryTake(out var state))
        {
            return state;
        }

        var handle = NativeMethods.CreateState(context);
        if (handle.IsInvalid)
        {
            handle.Dispose();
            throw new LlasaException($"{Path}: whisper.cpp has no room for another state ({_lastError})");
        }

        return new GgmlState(this, context, handle);
    }

    /// <summary>Takes a state back.</summary>
    public void Return(GgmlState state) => _idle.Add(state);

    /// <summary>Says what whisper.cpp could not do.</summary>
    public LlasaException Failed(string what, int code) => new($"{Path}: whisper.cpp could not {what} ({code}{(_lastError.Length > 0 ? ": " + _lastError : "")})");

    public void Dispose()
    {
        while (_idle.TryTake(out var state))
        {
            state.Free();
        }

        context.Dispose();
    }

    /// <summary>Whisper.net knows which of its libraries suits the machine; loaded already, it is found by its name.</summary>
    private static nint LoadLibrary()
    {
        LogProvider.AddLogger((level, text) =>
        {
            if (level == WhisperLogLevel.Error && text is not null)
            {
                _lastError = text.Trim();
            }
        });
        _ = WhisperFactory.GetRuntimeInfo() ?? throw new LlasaException("Whisper.net found no library for this machine");
        return NativeLibrary.Load("libwhisper.so.1");
    }
}
