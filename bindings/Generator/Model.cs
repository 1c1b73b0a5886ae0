namespace LlasaNative.BindingGenerator;

/// <summary>Everything the emitters need to know of a C header.</summary>
internal sealed record CApi(
    string HeaderName,
    string Fingerprint,
    IReadOnlyList<CConstant> Constants,
    IReadOnlyList<COpaque> Handles,
    IReadOnlyList<CStruct> Structs,
    IReadOnlyList<CCallback> Callbacks,
    IReadOnlyList<CFunction> Functions);

/// <summary>An integer macro.</summary>
internal sealed record CConstant(string Name, long Value, string Doc);

/// <summary>A struct that is declared but never defined.</summary>
internal sealed record COpaque(string Name, string Doc);

internal sealed record CStruct(string Name, string Doc, IReadOnlyList<CVariable> Fields)
{
    /// <summary>Whether a field points somewhere: such a struct is not offered to callers as it is.</summary>
    public bool HasPointers(CApi api) =>
        Fields.Any(f => f.Type.Pointers > 0 || api.Callbacks.Any(c => c.Name == f.Type.Name));
}

internal sealed record CCallback(string Name, CType Returns, IReadOnlyList<CType> Parameters);

internal sealed record CFunction(string Name, string Doc, CType Returns, IReadOnlyList<CVariable> Parameters);

/// <summary>A field or a parameter.</summary>
internal sealed record CVariable(string Name, CType Type, string Doc);

/// <summary>A C type as far as this ABI uses it: <c>[const] name [*...] [[length]]</c>.</summary>
internal sealed record CType(string Name, bool IsConst, int Pointers, int ArrayLength)
{
    /// <summary>Reads clang's spelling, such as <c>const int64_t *</c> or <c>char[16]</c>.</summary>
    public static CType Parse(string spelling)
    {
        var array = 0;
        var text = spelling.Trim();
        if (text.EndsWith(']'))
        {
            var open = text.IndexOf('[', StringComparison.Ordinal);
            array = int.Parse(text[(open + 1)..^1], System.Globalization.CultureInfo.InvariantCulture);
            text = text[..open];
        }

        var pointers = text.Count(c => c == '*');
        text = text.Replace("*", "", StringComparison.Ordinal).Trim();
        var isConst = text.StartsWith("const ", StringComparison.Ordinal);
        text = isConst ? text["const ".Length..] : text;
        text = text.StartsWith("struct ", StringComparison.Ordinal) ? text["struct ".Length..] : text;
        return new CType(text.Trim(), isConst, pointers, array);
    }
}
