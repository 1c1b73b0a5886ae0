using System.Buffers;
using System.Security.Cryptography;

namespace LlasaNative.Hub;

/// <summary>What the Hub says about a file before it is fetched.</summary>
/// <param name="ETag">SHA-256 of a large file, git's SHA-1 of a small one; also the name of its blob.</param>
/// <param name="Size">Bytes.</param>
internal sealed record HubFile(string ETag, long Size)
{
    /// <summary>Reads the headers of the Hub's answer to HEAD; a redirect is an answer too.</summary>
    public static HubFile Of(string place, HttpResponseMessage response)
    {
        string? tag = Header(response, "X-Linked-Etag") ?? response.Headers.ETag?.Tag ?? Header(response, "ETag");
        tag = tag is null ? null : tag.Replace("W/", "", StringComparison.Ordinal).Trim('"');
        if (tag is not { Length: > 0 and <= 128 } || !tag.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
        {
            throw new RemoteException(place, "the Hub gives no usable ETag for it", response.StatusCode);
        }

        string? linked = Header(response, "X-Linked-Size");
        long? size = linked is not null && long.TryParse(linked, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : response.StatusCode == HttpStatusCode.OK ? response.Content.Headers.ContentLength : null;
        return new HubFile(tag, size ?? throw new RemoteException(place, "the Hub does not say how long it is", response.StatusCode));
    }

    /// <summary>Whether the content of a file is what the ETag promises; true when the ETag is no checksum.</summary>
    public async Task<bool> MatchesAsync(string path, CancellationToken cancellation)
    {
        bool isHexadecimal = ETag.All(char.IsAsciiHexDigit);
        if (!isHexadecimal || ETag.Length is not (40 or 64))
        {
            return true;
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(ETag.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (ETag.Length == 40)
        {
            hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {Size}\0")));
        }

        using FileStream file = File.OpenRead(path);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (int got; (got = await file.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
            {
                hash.AppendData(buffer, 0, got);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return string.Equals(Convert.ToHexStringLower(hash.GetHashAndReset()), ETag, StringComparison.OrdinalIgnoreCase);
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
}
