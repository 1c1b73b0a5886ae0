// Tasks, from the native library up. ./build.sh calls this file; each step's output is in artifacts/logs.
#load "cmake/steps.cake"
#load "cmake/cuda.cake"

var target = Argument("target", "Default");
var configuration = Argument("configuration", "Release");
var seed = Argument<int?>("seed", null);
var filter = Argument<string>("filter", null);            // of native tests, as --gtest_filter
var thorough = Argument("thorough", false);               // Test: what takes long, too; the whole suite on the simulator, under sanitizers; nvcc
var strict = Argument("strict", thorough);                // warnings of g++, nvcc and C#'s analysers are errors
var kernels = !Argument("without-kernels", false);         // Test: nothing on the simulator
var torch = Argument("with-torch", false);                // Test, Package: the TorchSharp engine, whose packages take 600 MB
var jobs = Argument("jobs", System.Environment.ProcessorCount);

var root = MakeAbsolute(Directory(".")).FullPath;
var logs = $"{root}/artifacts/logs";
var results = $"{root}/artifacts/test";
var packages = $"{root}/artifacts/package";
var generator = "bindings/Generator/LlasaNative.BindingGenerator.csproj";
var trainer = "managed/LlasaNative.Trainer/LlasaNative.Trainer.csproj";
var generated = "bindings/LlasaNative.Interop/Generated";
var layout = "native/src/abi/layout.g.inc";
// What the program runs on: the tests' build if there is one, else a build of the library alone.
var library = DirectoryExists("build/native/cpu") ? "cpu" : "cpu-library";
var tally = new Tally();
var beside = new List<System.Threading.Tasks.Task>();   // what runs beside other tasks; at the end it is waited for

bool IsTorch(FilePath project) => project.GetFilenameWithoutExtension().ToString() == "TorchSharp.Tests";
// Whether its packages were restored: what failed then is the code's fault.
bool HasTorch() => FileExists("tests/TorchSharp.Tests/obj/project.assets.json")
    && !System.IO.File.ReadAllText("tests/TorchSharp.Tests/obj/project.assets.json").Contains("\"code\": \"NU1");

bool IsTest() => target is "Default" or "EndToEnd" or "Managed-Tests" or "Test-Cudasim" or "Test-Kernels" || target.EndsWith("Test");   // ends with the counts

// ------------------------------------------------------------------------------------------------- native
// Other targets than Test build every test.
Task("Native-Configure").Does(() => Configure("cpu", "-DLLASA_BUILD_TESTS=ON -DLLASA_BUILD_BENCH=OFF " +
    $"-DLLASA_LONG_TESTS={(thorough || target is not ("Default" or "Test") ? "ON" : "OFF")}"));

Task("Native-Build").IsDependentOn("Native-Configure").Does(() => Build("cpu"));

Task("Native-Library").Does(() =>
{
    Configure(library);
    Build(library, "--target llasa_cpu");
});

// Much of it is processes that wait for one another: what comes next runs beside it.
Task("Native-Test").IsDependentOn("Native-Build").Does(() => beside.Add(System.Threading.Tasks.Task.Run(() => NativeTests("cpu"))));

// The CPU's code under AddressSanitizer with UBSan; then what runs on the simulator, the kernels included.
Task("Sanitize").IsDependentOn("Native-Library-For-Tests").Does(() =>
{
    Configure("asan");
    Build("asan");
    NativeTests("asan");
    BuildCudasim("cudasim-asan-kernels");
    CudasimTests("cudasim-asan-kernels", "artifacts/sanitize");
    tally.ThrowIfFailed();
});

// The CPU's code under ThreadSanitizer.
Task("Sanitize-Threads").Does(() =>
{
    Configure("tsan");
    Build("tsan");
    NativeTests("tsan");
    tally.ThrowIfFailed();
});

// ---------------------------------------------------------------------------------------------------- cuda
// What the tests on the simulator compare with.
Task("Native-Library-For-Tests").IsDependentOn("Native-Configure").Does(() => Build("cpu", "--target llasa_cpu"));

// The simulator checks the kernels, AddressSanitizer and UBSan the host's code that calls them.
Task("Test-Cudasim").IsDependentOn("Native-Library-For-Tests").Does(() =>
{
    BuildCudasim("cudasim-asan");
    ThrowIfManagedBuildFailed();   // or the next quarter of an hour would end there
    CudasimTests("cudasim-asan", "artifacts/test-cudasim");
});

// Every kernel once, checked by the simulator alone: what a newcomer's test has time for.
Task("Test-Kernels").WithCriteria(kernels).IsDependentOn("Native-Build").Does(() =>
{
    BuildCudasim("cudasim-kernels", "--target llasa_cudasim_tests");
    CudasimTests("cudasim-kernels", "artifacts/test-kernels");
});

// What build.sh asks of a machine before it builds.
Task("Machine-Test").Does(() =>
{
    foreach (var script in GetFiles("tests/machine/*_test.sh"))
    {
        tally.AddScript(Run($"test-{script.GetFilenameWithoutExtension()}", "bash", script.FullPath, check: false));
    }
});

Task("Cuda-Compile").Does(CompileForCuda);

Task("Cuda-Archs").Does(CompileForEveryArchitecture);

// ----------------------------------------------------------------------------------------------- bindings
Task("Bindings-Generate").Does(() => Generate(generated, layout));

// ------------------------------------------------------------------------------------------------ managed
System.Threading.Tasks.Task managedBuild = null;
System.Threading.Tasks.Task ManagedBuild() => managedBuild ??=
    System.Threading.Tasks.Task.Run(() => Run("managed-build", "dotnet", $"build LlasaNative.sln -c {configuration} -v q"));

void ThrowIfManagedBuildFailed()
{
    if (managedBuild?.IsFaulted == true)
    {
        managedBuild.GetAwaiter().GetResult();
    }
}

// It leaves cores idle that the native build can use.
Task("Managed-Build-Begins").Does(() => { ManagedBuild(); });

Task("Managed-Build").Does(() => ManagedBuild().GetAwaiter().GetResult());

Task("Managed-Test").IsDependentOn("Native-Build").IsDependentOn("Managed-Build").Does(() =>
    ManagedTests(GetFiles("tests/**/*.Tests.csproj").Where(p => !IsEndToEnd(p) && !IsTorch(p))));

// An engine is a folder beside the program, or in build/engines of the sources: docs/extending.md.
Task("Engine-Torch").Does(() => PublishEngine("torch", "LlasaNative.TorchSharp", apart: true));

Task("Engine-Onnx").Does(() => PublishEngine("onnx", "LlasaNative.Onnx", apart: false));

Task("Engine-WhisperNet").Does(() => PublishEngine("whispernet", "LlasaNative.WhisperNet", apart: false));

// Not in the solution: its packages are large, and whoever cannot have them goes on without, loudly.
Task("Torch-Test").WithCriteria(torch).IsDependentOn("Native-Build").IsDependentOn("Managed-Build").Does(() =>
{
    var project = GetFiles("tests/TorchSharp.Tests/*.csproj").Single();
    try
    {
        Run("torch-build", "dotnet", $"build {project} -c {configuration} -v q");
        PublishEngine("torch", "LlasaNative.TorchSharp", apart: true);
    }
    catch (Exception e) when (!HasTorch())
    {
        Warning("SKIPPED: the TorchSharp engine, for its packages could not be restored: " + e.Message);
        return;
    }

    ManagedTests([project]);
});

Task("EndToEnd").IsDependentOn("Native-Build").IsDependentOn("Managed-Build").IsDependentOn("Engine-WhisperNet").IsDependentOn("Engine-Onnx").Does(() =>
    ManagedTests(GetFiles("tests/**/*.Tests.csproj").Where(IsEndToEnd)));

// Both at once, for much of either waits for a process to start.
Task("Managed-Tests").IsDependentOn("Native-Build").IsDependentOn("Managed-Build").IsDependentOn("Engine-WhisperNet").IsDependentOn("Engine-Onnx").Does(() =>
    ManagedTests(GetFiles("tests/**/*.Tests.csproj").Where(p => !IsTorch(p)).OrderByDescending(IsEndToEnd)));

var test = Task("Test")
    .IsDependentOn("Managed-Build-Begins")
    .IsDependentOn("Native-Test")
    .IsDependentOn("Machine-Test")
    .IsDependentOn(thorough ? "Test-Cudasim" : "Test-Kernels")
    .IsDependentOn("Managed-Tests")   // that the bindings are the header's, too: Bindings.Generator.Tests
    .IsDependentOn("Torch-Test");
if (thorough)
{
    test.IsDependentOn("Cuda-Compile");
}

// The long version of what EndToEnd runs in short; counts in artifacts/faults, see docs/reliability.md.
Task("Faults").IsDependentOn("Native-Library").IsDependentOn("Managed-Build").Does(() =>
{
    CleanDirectory("artifacts/faults");
    var environment = NativeFrom(library);
    environment["LLASA_FAULT_KILLS"] = $"{Argument("kills", 120)}";
    environment["LLASA_FAULT_SEED"] = $"{seed ?? 1}";
    environment["LLASA_FAULT_REPORTS"] = $"{root}/artifacts/faults";
    Show("dotnet", $"test tests/LlasaNative.EndToEnd.Tests -c {configuration} --no-build --filter TestCategory=Faults " +
        $"--logger console;verbosity=detailed --logger trx;LogFileName={root}/artifacts/faults/faults.trx", environment);
    environment["LLASA_FUZZ_COUNT"] = "10000";
    environment["LLASA_PARQUET_ROWS"] = "4000000";
    Show("dotnet", $"test tests/LlasaNative.Tests -c {configuration} --no-build --filter FullyQualifiedName~ParquetFuzz|Name~KeepMemoryFlat " +
        $"--logger console;verbosity=detailed --logger trx;LogFileName={root}/artifacts/faults/parquet.trx", environment);
});

// --------------------------------------------------------------------------------------------- using it all
Task("Trainer").Does(() => Run("trainer-build", "dotnet", $"build {trainer} -c {configuration} -v q"));

Task("Demo").IsDependentOn("Native-Library").IsDependentOn("Trainer").Does(() =>
    Llasa("demo --out artifacts/demo" + Passed("seed") + Passed("steps") + Passed("minutes")));

Task("Bench").IsDependentOn("Native-Library").IsDependentOn("Trainer").Does(() =>
{
    if (Argument("peers", false))   // beside llama.cpp, whisper.cpp and PyTorch
    {
        Run("peers-build", "dotnet", $"build tests/peers/Peers.csproj -c {configuration} -v q");
        Show("dotnet", $"tests/peers/bin/{configuration}/net10.0/Peers.dll --llasa {LlasaProgram}" + Passed("rows") + Passed("rounds") + Passed("threads"));
        return;
    }

    Configure("cpu", "-DLLASA_BUILD_BENCH=ON -DLLASA_BUILD_TESTS=OFF");
    Build("cpu");
    EnsureDirectoryExists("artifacts/bench");
    foreach (var program in GetFiles("build/native/cpu/bench/*_bench"))
    {
        var name = program.GetFilename();
        Show(program.FullPath, $"--benchmark_out=artifacts/bench/{name}.json --benchmark_out_format=json");
    }

    Llasa("bench --out artifacts/bench");
});

Task("Package").IsDependentOn("Native-Library").Does(() =>
{
    CleanDirectory(packages);
    EnsureDirectoryExists($"{root}/build/package");
    string Stripped(string preset, string file)
    {
        Run($"strip-{preset}", "strip", $"--strip-unneeded -o build/package/{file} build/native/{preset}/{file}");
        Information("{0,10:n0} bytes  {1}", Context.FileSystem.GetFile($"build/package/{file}").Length, file);
        return $"{root}/build/package/{file}";
    }

    var native = Stripped(library, "libllasa_cpu.so");
    var cuda = CudaLibraryForPackage() ? Stripped("cuda-archs", "libllasa_cuda.so") : "";
    foreach (var project in new[] { "bindings/LlasaNative.Interop", "managed/LlasaNative.Training", "managed/LlasaNative.Engine", "managed/LlasaNative.Data",
        "managed/LlasaNative.Reporting", "managed/LlasaNative.RewardServer", "managed/LlasaNative.WhisperNet", "managed/LlasaNative.Onnx" }.Concat(torch ? ["managed/LlasaNative.TorchSharp"] : []))
    {
        Run("pack", "dotnet", $"pack {project} -c {configuration} -v q -p:NativeLibraryFile={native} -p:CudaLibraryFile={cuda} -o {packages}");
    }

    var version = System.Xml.Linq.XDocument.Load("Directory.Build.props").Descendants("Version").First().Value;
    var name = $"llasa-{version}-linux-x64";
    var folder = $"{root}/build/package/{name}";
    CleanDirectory(folder);
    Run("publish", "dotnet", $"publish {trainer} -c {configuration} -r linux-x64 --self-contained -v q " +
        $"-p:PublishSingleFile=true -p:DebugType=none -p:GenerateDocumentationFile=false -o {folder}");
    CopyFileToDirectory(native, folder);
    if (cuda.Length > 0)
    {
        CopyFileToDirectory(cuda, folder);
    }

    CopyFiles("./{LICENSE,README.md,THIRD-PARTY-NOTICES.md}", folder);
    EnsureDirectoryExists($"{folder}/assets");
    CopyDirectory("assets/tiny", $"{folder}/assets/tiny");
    Run("archive", "tar", $"--sort=name --owner=0 --group=0 --numeric-owner --exclude=assets/tiny/recipe -C build/package -czf {packages}/{name}.tar.gz {name}");
    foreach (var (engine, project) in new[] { ("whispernet", "LlasaNative.WhisperNet"), ("onnx", "LlasaNative.Onnx"), ("torch", "LlasaNative.TorchSharp") }.Take(torch ? 3 : 2))
    {
        PublishEngine(engine, project, apart: engine == "torch");
        Run($"archive-{engine}", "tar", $"--sort=name --owner=0 --group=0 --numeric-owner --transform=s,^engines,{name}/engines, " +
            $"-C build -czf {packages}/{name}-engine-{engine}.tar.gz engines/{engine}");
    }

    foreach (var file in GetFiles($"{packages}/*"))
    {
        Information("{0,10:n0} bytes  {1}", Context.FileSystem.GetFile(file).Length, file.GetFilename());
    }
});

Task("Format-Check").Does(() =>
{
    if (Context.Tools.Resolve("clang-format") is { } clangFormat)
    {
        var sources = GetFiles("native/**/*.{h,cc,c,cu,cuh}").Select(f => f.FullPath);
        Run("clang-format", clangFormat.FullPath, "--dry-run -Werror " + string.Join(' ', sources));
    }
    else
    {
        Warning("clang-format is not here: native code is not checked");
    }

    Run("dotnet-format", "dotnet", "format whitespace LlasaNative.sln --verify-no-changes --no-restore");
});

Task("Default").IsDependentOn("Test");

try
{
    RunTarget(target);
    System.Threading.Tasks.Task.WaitAll(beside);
}
catch (Exception) when (IsTest())
{
    tally.Add(0, 1, 0);   // a build that broke; Cake has said what
}

if (IsTest())
{
    Console.WriteLine(tally);
    Console.Out.Flush();
    System.Environment.Exit(tally.HasFailed ? 1 : 0);
}
