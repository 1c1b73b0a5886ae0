namespace LlasaNative.Torch;

/// <summary>Moments and step number inside TorchSharp's AdamW.</summary>
internal static class AdamWState
{
    /// <summary>State of a parameter.</summary>
    /// <param name="optimiser">Of which.</param>
    /// <param name="index">Place of the parameter among those the optimiser was given.</param>
    public static AdamW.State Of(AdamW optimiser, int index) => (AdamW.State)optimiser.state_dict().State[index];

    /// <summary>Tells every parameter's state how many steps were taken: the number its bias correction goes by.</summary>
    public static void SetStep(AdamW optimiser, long step)
    {
        foreach (var state in optimiser.state_dict().State.Cast<AdamW.State>())
        {
            using var saved = Save(state);
            saved.Position = 0;
            saved.Write(BitConverter.GetBytes(step));
            saved.Position = 0;
            using BinaryReader reader = new(saved);
            state.LoadStateDict(reader);
        }
    }

    // The number is not public; the saved form, which begins with it, is.
    private static MemoryStream Save(AdamW.State state)
    {
        MemoryStream stream = new();
        using (BinaryWriter writer = new(stream, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            state.SaveStateDict(writer);
        }

        return stream;
    }
}
