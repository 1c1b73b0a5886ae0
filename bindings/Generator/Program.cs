// Generates the C# bindings and the native layout table from the C header:
//   --header llasa_native.h --out bindings/LlasaNative.Interop/Generated --layout native/src/abi/layout.g.inc [--clang clang]
using LlasaNative.BindingGenerator;

var options = new Dictionary<string, string> { ["--clang"] = "clang" };
for (var i = 0; i + 1 < args.Length; i += 2)
{
    options[args[i]] = args[i + 1];
}

if (!options.TryGetValue("--header", out var header) || !options.TryGetValue("--out", out var folder) ||
    !options.TryGetValue("--layout", out var layout))
{
    Console.Error.WriteLine("usage: --header FILE --out FOLDER --layout FILE [--clang PROGRAM]");
    return 2;
}

try
{
    var api = HeaderReader.Read(header, options["--clang"]);
    Directory.CreateDirectory(folder);
    foreach (var (file, text) in Emitter.Emit(api))
    {
        File.WriteAllText(Path.Combine(folder, file), text);
    }

    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(layout))!);
    File.WriteAllText(layout, Emitter.LayoutInclude(api));
    Console.WriteLine($"{api.Functions.Count} functions, {api.Structs.Count} structs, {api.Handles.Count} handles, {api.Constants.Count} constants");
    return 0;
}
catch (Exception e) when (e is NotSupportedException or InvalidOperationException or IOException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
