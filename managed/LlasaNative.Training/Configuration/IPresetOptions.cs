namespace LlasaNative.Configuration;

/// <summary>An options record one of whose plain keys stands for the values of many.</summary>
public interface IPresetOptions
{
    /// <summary>Values that those which are written down win over; read once the plain keys are set.</summary>
    IEnumerable<OptionAssignment> Preset();
}
