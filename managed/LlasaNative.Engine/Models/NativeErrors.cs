namespace LlasaNative.Models;

/// <summary>Puts the file's name on what the native library says about a model; a full, lost or missing device is not the file's fault.</summary>
internal static class NativeErrors
{
    public static T AboutFile<T>(string path, string? field, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (NativeException e) when (e.Status is not (LlasaStatus.OutOfMemory or LlasaStatus.Device or LlasaStatus.NoDevice))
        {
            throw new ModelFileException(path, field, e.Message, e);
        }
    }

    public static void AboutFile(string path, string? field, Action call) => AboutFile(path, field, () =>
    {
        call();
        return 0;
    });
}
