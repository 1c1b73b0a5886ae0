namespace LlasaNative.Configuration;

/// <summary>An options record whose values can contradict each other.</summary>
public interface ICheckedOptions
{
    /// <summary>Every contradiction, in the words of the configuration.</summary>
    IEnumerable<string> Faults();
}
