namespace LlasaNative;

/// <summary>Things that somebody else owns when all goes well, and nobody when something fails before.</summary>
public static class Ownership
{
    /// <summary>Makes something that takes a thing over.</summary>
    /// <typeparam name="T">Kind of the thing.</typeparam>
    /// <typeparam name="TResult">What takes it over.</typeparam>
    /// <param name="owned">The thing; disposed when <paramref name="make"/> throws.</param>
    /// <param name="make">Makes it.</param>
    public static TResult DisposeOnFailure<T, TResult>(this T owned, Func<T, TResult> make)
        where T : IDisposable
    {
        ArgumentNullException.ThrowIfNull(make);
        try
        {
            return make(owned);
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <summary>Makes a thing ready for who is to own it.</summary>
    /// <typeparam name="T">Kind of the thing.</typeparam>
    /// <param name="owned">The thing; disposed when <paramref name="prepare"/> throws.</param>
    /// <param name="prepare">Prepares it.</param>
    /// <returns>The thing.</returns>
    public static T DisposeOnFailure<T>(this T owned, Action<T> prepare)
        where T : IDisposable => owned.DisposeOnFailure(thing =>
        {
            prepare(thing);
            return thing;
        });
}
