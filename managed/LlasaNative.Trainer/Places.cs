namespace LlasaNative.Trainer;

/// <summary>Models and data that a user names: directories and files, or places on the Hub and HDFS, which are fetched.</summary>
internal static class Places
{
    /// <summary>The directory of a model.</summary>
    public static string Model(string place)
    {
        if (!RemoteData.IsRemote(place))
        {
            return place;
        }

        using StopSignal stop = new(atOnce: true);
        using RemoteData remote = new(Note);
        return remote.FetchModel(place, stop.Abort);
    }

    /// <summary>Reads data; what was fetched for the time being is gone when this returns.</summary>
    /// <param name="place">A file or directory, here or elsewhere.</param>
    /// <param name="split">What the data are read for, which chooses among a directory's files.</param>
    public static T Read<T>(string place, DataSplit split, Func<DataFiles, T> read)
    {
        if (!RemoteData.IsRemote(place))
        {
            return read(DataFiles.Find(place, split));
        }

        using StopSignal stop = new(atOnce: true);
        using RemoteData remote = new(Note);
        return read(DataFiles.Find(remote.Fetch(place, split, stop.Abort), split));
    }

    public static void Note(string text) => Console.Error.WriteLine(text);
}
