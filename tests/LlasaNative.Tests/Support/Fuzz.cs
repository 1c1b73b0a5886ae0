using System.Globalization;

namespace LlasaNative.Tests.Support;

/// <summary>Damages files on purpose; a reader may accept the result or throw <see cref="LlasaException"/>, nothing else.</summary>
internal static class Fuzz
{
    /// <summary>Truncations and random changes of a valid file, the same for the same seed.</summary>
    public static IEnumerable<byte[]> Variants(byte[] valid, int seed, int count)
    {
        Random random = new(seed);
        for (int i = 0; i < count; i++)
        {
            if (i % 4 == 0)
            {
                yield return valid[..random.Next(valid.Length)];
                continue;
            }

            byte[] copy = [.. valid];
            // Half of the changes hit the first part, where headers live.
            int reach = i % 2 == 0 ? copy.Length : Math.Min(copy.Length, 400);
            for (int k = random.Next(1, 4); k > 0; k--)
            {
                copy[random.Next(reach)] = i % 3 == 0 ? (byte)"0123456789{}[]\",:-"[random.Next(18)] : (byte)random.Next(256);
            }

            yield return copy;
        }
    }

    /// <remarks><c>LLASA_FUZZ_COUNT</c> may make it fewer variants.</remarks>
    public static void AssertOnlyLlasaExceptions(byte[] valid, int seed, int count, Action<byte[]> read)
    {
        TestContext.Out.WriteLine($"seed {seed}");
        var most = int.TryParse(Environment.GetEnvironmentVariable("LLASA_FUZZ_COUNT"), CultureInfo.InvariantCulture, out var given) ? given : count;
        foreach (byte[] variant in Variants(valid, seed, Math.Min(count, most)))
        {
            try
            {
                read(variant);
            }
            catch (LlasaException e)
            {
                Assert.That(e.Message, Does.Not.Contain('\n'), "an error must be one line");
            }
        }
    }
}
