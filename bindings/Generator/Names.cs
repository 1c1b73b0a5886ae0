using System.Globalization;

namespace LlasaNative.BindingGenerator;

/// <summary>C names and types in C# spelling.</summary>
internal static class Names
{
    public static string Pascal(string snake) => string.Concat(snake.Split('_', StringSplitOptions.RemoveEmptyEntries)
        .Select(word => word.ToLowerInvariant() switch
        {
            "logprob" => "LogProb",
            "logprobs" => "LogProbs",
            "bf16" => "BF16",
            var w => char.ToUpper(w[0], CultureInfo.InvariantCulture) + w[1..],
        }));

    /// <summary>Parameter name; the C parameter `out` is a created handle, and a keyword here.</summary>
    public static string Camel(string snake)
    {
        if (snake == "out")
        {
            return "created";
        }

        var pascal = Pascal(snake);
        return char.ToLower(pascal[0], CultureInfo.InvariantCulture) + pascal[1..];
    }

    /// <summary>llasa_policy_create in the class Native: PolicyCreate.</summary>
    public static string Function(string name) => Pascal(name["llasa_".Length..]);

    public static string Handle(string name) => Pascal(name["llasa_".Length..]) + "Handle";

    public static string Struct(CApi api, CStruct s) => s.HasPointers(api)
        ? Pascal(s.Name["llasa_".Length..]) + "Raw"
        : "Native" + Pascal(s.Name["llasa_".Length..]);

    /// <summary>A blittable type: what crosses the boundary.</summary>
    public static string Blittable(CApi api, CType type, string owner)
    {
        if (api.Callbacks.FirstOrDefault(c => c.Name == type.Name) is { } callback)
        {
            var types = callback.Parameters.Append(callback.Returns).Select(t => Blittable(api, t, ""));
            return $"delegate* unmanaged[Cdecl]<{string.Join(", ", types)}>";
        }

        var element = Annotations.EnumTyped.GetValueOrDefault(owner) ?? Annotations.EnumTyped.GetValueOrDefault(type.Name) ??
            (api.Structs.FirstOrDefault(s => s.Name == type.Name) is { } s ? Struct(api, s)
            : api.Handles.Any(h => h.Name == type.Name) ? "void"
            : Primitive(type.Name));
        return element + new string('*', type.Pointers);
    }

    public static string Primitive(string c) => c switch
    {
        "void" => "void",
        "char" or "uint8_t" => "byte",
        "int32_t" => "int",
        "uint32_t" => "uint",
        "int64_t" => "long",
        "uint64_t" => "ulong",
        "float" => "float",
        "double" => "double",
        _ => throw new NotSupportedException($"the type `{c}` may not cross the ABI"),
    };
}
