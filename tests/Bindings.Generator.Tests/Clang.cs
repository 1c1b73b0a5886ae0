using System.ComponentModel;
using System.Diagnostics;

namespace LlasaNative.BindingGenerator.Tests;

/// <summary>Reads C text through clang; tests that need it are skipped, loudly, where it is not installed.</summary>
internal static class Clang
{
    public static string RepositoryRoot { get; } = FindRoot();

    public static CApi Read(string source)
    {
        Require();
        var file = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():n}.h");
        File.WriteAllText(file, "#include <stdint.h>\n" + source);
        try
        {
            return HeaderReader.Read(file, "clang");
        }
        finally
        {
            File.Delete(file);
        }
    }

    public static void Require()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("clang", "--version") { RedirectStandardOutput = true })!;
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
        }
        catch (Win32Exception)
        {
            Assert.Ignore("clang is not installed");
        }
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "LlasaNative.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("LlasaNative.sln");
    }
}
