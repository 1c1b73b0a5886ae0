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
            var missing = MissingForCuda(out var cuda);
            if (missing.Length == 0)
            {
                return Open(cuda!, NativeBackend.Cuda);
            }

            if (choice == NativeBackend.Cuda)
            {
                throw new DllNotFoundException($"the cuda backend cannot be used: {missing}; `--backend cpu` computes without a GPU");
            }
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
        if (!NativeLibrary.TryGetExport(library, "llasa_abi_version", out var export))
        {
            throw new DllNotFoundException($"{path} does not export llasa_abi_version");
        }

        var version = ((delegate* unmanaged[Cdecl]<uint>)export)();
        if (version >> 16 != NativeConstants.AbiMajor || (version & 0xffff) < NativeConstants.AbiMinor)
        {
            throw new DllNotFoundException(string.Create(CultureInfo.InvariantCulture,
                $"{path} has ABI {version >> 16}.{version & 0xffff}, expected {NativeConstants.AbiMajor}.{NativeConstants.AbiMinor} or a later minor"));
        }

        LoadedPath = path;
        _loaded = backend;
        return library;
    }

    /// <summary>What keeps CUDA from being used; empty when nothing does.</summary>
    private static string MissingForCuda(out string? library)
    {
        library = null;
        if (!NativeLibrary.TryLoad("libcuda.so.1", out var driver))
        {
            return "the CUDA driver (libcuda.so.1) is not installed";
        }

        var count = 0;
        if (!NativeLibrary.TryGetExport(driver, "cuInit", out var init) ||
            !NativeLibrary.TryGetExport(driver, "cuDeviceGetCount", out var getCount) ||
            ((delegate* unmanaged[Cdecl]<uint, int>)init)(0) != 0 ||
            ((delegate* unmanaged[Cdecl]<int*, int>)getCount)(&count) != 0 || count == 0)
        {
            return "the CUDA driver finds no device";
        }

        library = Find("cuda", out var searched);
        return library is null ? searched : "";
    }
}
