using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>Chooses and loads libllasa_cpu or libllasa_cuda, once per process.</summary>
/// <remarks>
/// Looked for in this order: the folder LLASA_NATIVE_DIR, runtimes/linux-x64/native beside this assembly, the
/// assembly's folder, and build/native/&lt;preset&gt; of a source tree around the program.
/// </remarks>
internal static unsafe class LibraryResolver
{
    /// <summary>The name P/Invokes use; never a file.</summary>
    public const string LibraryName = "llasa_native";

    private static readonly Lock Gate = new();
    private static NativeBackend? _choice;
    private static NativeBackend _loaded;
    private static nint _library;

    /// <summary>File the library was loaded from, null before that.</summary>
    public static string? LoadedPath { get; private set; }

    /// <summary>Why a machine with a device computes on its processors, when nobody asked for either; null otherwise.</summary>
    public static string? WhyNotCuda { get; private set; }

    /// <summary>Called by the static constructor of <see cref="NativeMethods"/>.</summary>
    public static void Register() => NativeLibrary.SetDllImportResolver(typeof(LibraryResolver).Assembly, Resolve);

    public static void Choose(NativeBackend backend)
    {
        lock (Gate)
        {
            if (_library != 0 && backend != NativeBackend.Auto && backend != _loaded)
            {
                throw new InvalidOperationException($"cannot change to {backend}: {LoadedPath} is loaded already");
            }

            _choice = backend;
        }
    }

    /// <summary>Backend named by LLASA_BACKEND, or Auto.</summary>
    internal static NativeBackend FromEnvironment(string? value) => value?.Trim().ToLowerInvariant() switch
    {
        null or "" or "auto" => NativeBackend.Auto,
        "cpu" => NativeBackend.Cpu,
        "cuda" => NativeBackend.Cuda,
        "cudasim" => NativeBackend.CudaSim,
        _ => throw new ArgumentException($"LLASA_BACKEND is `{value}`, expected auto, cpu or cuda"),
    };

    /// <summary>Where a backend's library may be, best first.</summary>
    internal static IEnumerable<string> Candidates(string backend, string? overrideFolder, string assemblyFolder, string programFolder)
    {
        var file = $"libllasa_{backend}.so";
        if (!string.IsNullOrEmpty(overrideFolder))
        {
            yield return Path.Combine(overrideFolder, file);
        }

        yield return Path.Combine(assemblyFolder, "runtimes", "linux-x64", "native", file);
        yield return Path.Combine(assemblyFolder, file);
        for (var folder = new DirectoryInfo(programFolder); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LlasaNative.sln")))
            {
                yield return Path.Combine(folder.FullName, "build", "native", backend, file);
                yield return Path.Combine(folder.FullName, "build", "native", $"{backend}-library", file);
            }
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != LibraryName)
        {
            return 0;
        }

        lock (Gate)
        {
            return _library != 0 ? _library : _library = Load(_choice ?? FromEnvironment(Environment.GetEnvironmentVariable("LLASA_BACKEND")));
        }
    }

    private static nint Load(NativeBackend choice)
    {
        if (choice == NativeBackend.CudaSim)
        {
            return Open(Find("cudasim", out var places) ?? throw new DllNotFoundException(places), choice);
        }

        if (choice != NativeBackend.Cpu)
        {
            if (ProblemWithCuda(out var cuda, out var path, out var hasDevice) is not { } problem)
            {
                return Use(cuda, path!, NativeBackend.Cuda);
            }

            if (choice == NativeBackend.Cuda)
            {
                throw new DllNotFoundException($"the cuda backend cannot be used: {problem}; `--backend cpu` computes without a GPU");
            }

            WhyNotCuda = hasDevice ? problem : null;
        }

        return Open(Find("cpu", out var searched) ?? throw new DllNotFoundException(searched), NativeBackend.Cpu);
    }

    private static string? Find(string backend, out string searched)
    {
        var places = Candidates(backend, Environment.GetEnvironmentVariable("LLASA_NATIVE_DIR"),
            AppContext.BaseDirectory, AppContext.BaseDirectory).ToList();
        searched = $"libllasa_{backend}.so was not found; looked for {string.Join(", ", places)}";
        return places.FirstOrDefault(File.Exists);
    }

    private static nint Open(string path, NativeBackend backend)
    {
        var library = NativeLibrary.Load(path);
        if (ProblemWithVersion(library, path) is { } problem)
        {
            throw new DllNotFoundException(problem);
        }

        return Use(library, path, backend);
    }

    private static nint Use(nint library, string path, NativeBackend backend)
    {
        LoadedPath = path;
        _loaded = backend;
        return library;
    }

    private static string? ProblemWithVersion(nint library, string path)
    {
        if (!NativeLibrary.TryGetExport(library, "llasa_abi_version", out var export))
        {
            return $"{path} does not export llasa_abi_version";
        }

        var version = ((delegate* unmanaged[Cdecl]<uint>)export)();
        return version >> 16 == NativeConstants.AbiMajor && (version & 0xffff) >= NativeConstants.AbiMinor ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{path} has ABI {version >> 16}.{version & 0xffff}, expected {NativeConstants.AbiMajor}.{NativeConstants.AbiMinor} or a later minor");
    }

    /// <summary>What keeps CUDA from being used, null when nothing does: then the library is loaded and has found its device.</summary>
    private static string? ProblemWithCuda(out nint library, out string? path, out bool hasDevice)
    {
        library = 0;
        path = null;
        hasDevice = false;
        if (!NativeLibrary.TryLoad("libcuda.so.1", out var driver))
        {
            return "the CUDA driver (libcuda.so.1) is not installed";
        }

        if (!NativeLibrary.TryGetExport(driver, "cuInit", out var init) || !NativeLibrary.TryGetExport(driver, "cuDeviceGetCount", out var getCount))
        {
            return "libcuda.so.1 is not a CUDA driver";
        }

        const int NoDevice = 100;
        var status = ((delegate* unmanaged[Cdecl]<uint, int>)init)(0);
        var count = 0;
        if (status is not (0 or NoDevice))
        {
            return string.Create(CultureInfo.InvariantCulture, $"the CUDA driver does not start (cuInit returned {status})");
        }

        if (status == NoDevice || ((delegate* unmanaged[Cdecl]<int*, int>)getCount)(&count) != 0 || count == 0)
        {
            return "the CUDA driver finds no device";
        }

        hasDevice = true;
        path = Find("cuda", out var searched);
        if (path is null)
        {
            return searched;
        }

        try
        {
            library = NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return $"{path} cannot be loaded: {e.Message.ReplaceLineEndings(" ").Trim()}";
        }

        return ProblemWithVersion(library, path) ?? ProblemWithDevice(library);
    }

    /// <summary>What the library itself says: a driver too old for it, a card it has no code for, LLASA_DEVICE out of range.</summary>
    private static string? ProblemWithDevice(nint library)
    {
        var info = NativeDeviceInfo.Create();
        var getInfo = (delegate* unmanaged[Cdecl]<NativeDeviceInfo*, LlasaStatus>)NativeLibrary.GetExport(library, "llasa_get_device_info");
        if (getInfo(&info) == LlasaStatus.Ok)
        {
            return null;
        }

        var message = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)NativeLibrary.GetExport(library, "llasa_last_error"))()) ?? "";
        const string Prefix = "llasa_get_device_info: ";
        return message.StartsWith(Prefix, StringComparison.Ordinal) ? message[Prefix.Length..] : message;
    }
}
