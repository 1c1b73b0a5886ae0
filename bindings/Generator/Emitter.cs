using System.Globalization;

namespace LlasaNative.BindingGenerator;

/// <summary>Writes the declarations: enumerations, structs, handles, imports, layout.</summary>
internal static class Emitter
{
    public static IEnumerable<(string File, string Text)> Emit(CApi api) =>
    [
        ("Enums.g.cs", Enums(api)),
        ("Structs.g.cs", Structs(api)),
        ("Handles.g.cs", Handles(api)),
        ("NativeMethods.g.cs", Imports(api)),
        ("Native.g.cs", WrapperEmitter.Emit(api)),
        ("NativeLayout.g.cs", Layout(api)),
    ];

    /// <summary>Lines for native/src/abi: the layout as the C compiler sees it.</summary>
    public static string LayoutInclude(CApi api)
    {
        var lines = new List<string> { $"// generated from {api.HeaderName} {api.Fingerprint}" };
        foreach (var s in api.Structs)
        {
            lines.Add($"LLASA_LAYOUT_SIZE({s.Name})");
            lines.AddRange(s.Fields.Select(f => $"LLASA_LAYOUT_FIELD({s.Name}, {f.Name})"));
        }

        return string.Join('\n', lines) + "\n";
    }

    private static string Enums(CApi api)
    {
        var code = new CodeWriter(api);
        var left = api.Constants.ToList();
        foreach (var (name, doc, macros) in Annotations.Enums)
        {
            code.Line();
            code.Doc(doc);
            code.Open($"public enum {name}");
            foreach (var constant in api.Constants.Where(c => macros.Any(m => Matches(c.Name, m))))
            {
                var prefix = macros.First(m => Matches(constant.Name, m));
                var member = prefix.EndsWith('_') ? constant.Name[prefix.Length..] : constant.Name["LLASA_".Length..];
                code.Doc(constant.Doc, constant.Name + ".");
                code.Line(string.Create(CultureInfo.InvariantCulture, $"{Names.Pascal(member)} = {constant.Value},"));
                left.Remove(constant);
            }

            code.Close();
        }

        code.Line();
        code.Doc("Constants of the header that belong to no enumeration.");
        code.Open("public static class NativeConstants");
        foreach (var constant in left)
        {
            code.Doc(constant.Doc, constant.Name + ".");
            code.Line(string.Create(CultureInfo.InvariantCulture,
                $"public const int {Names.Pascal(constant.Name["LLASA_".Length..])} = {constant.Value};"));
        }

        code.Close();
        return code.ToString();
    }

    private static bool Matches(string constant, string macro) =>
        macro.EndsWith('_') ? constant.StartsWith(macro, StringComparison.Ordinal) : constant == macro;

    private static string Structs(CApi api)
    {
        var code = new CodeWriter(api, "System.Runtime.CompilerServices", "System.Runtime.InteropServices");
        foreach (var s in api.Structs)
        {
            var raw = s.HasPointers(api);
            var name = Names.Struct(api, s);
            code.Line();
            code.Doc(s.Doc, $"The native struct {s.Name}.");
            code.Line("[StructLayout(LayoutKind.Sequential)]");
            code.Open($"{(raw ? "internal unsafe" : "public")} partial struct {name}");
            foreach (var field in s.Fields)
            {
                Field(api, code, s, field);
            }

            code.Line();
            Construction(api, code, s, name, raw);
            code.Close();
        }

        foreach (var (element, length) in api.Structs.SelectMany(s => s.Fields).Where(f => f.Type.ArrayLength > 0)
            .Select(f => (f.Type.Name, f.Type.ArrayLength)).Distinct())
        {
            code.Line();
            code.Doc($"{length} elements in a row, as in the C struct; indexable and convertible to a span.");
            code.Line($"[InlineArray({length})]");
            code.Open($"{(element == "char" ? "internal" : "public")} struct {ArrayType(element, length)}");
            code.Line($"private {Names.Primitive(element)} _first;");
            code.Close();
        }

        return code.ToString();
    }

    private static string ArrayType(string element, int length) => $"{Names.Pascal(Names.Primitive(element))}Array{length}";

    private static void Field(CApi api, CodeWriter code, CStruct s, CVariable field)
    {
        var name = Names.Pascal(field.Name);
        var hidden = field.Name is "struct_size" or "reserved" ? "internal" : "public";
        code.Doc(field.Doc, field.Name + ".");
        if (field.Type is { Name: "char", ArrayLength: > 0 })
        {
            code.Line($"internal {ArrayType("char", field.Type.ArrayLength)} {name}Utf8;");
            code.Doc(field.Doc, field.Name + ".");
            code.Line($"public readonly string {name} => Checks.Text({name}Utf8);");
        }
        else if (field.Type.ArrayLength > 0)
        {
            code.Line($"public {ArrayType(field.Type.Name, field.Type.ArrayLength)} {name};");
        }
        else
        {
            code.Line($"{hidden} {Names.Blittable(api, field.Type, $"{s.Name}.{field.Name}")} {name};");
        }
    }

    private static void Construction(CApi api, CodeWriter code, CStruct s, string name, bool raw)
    {
        if (api.Functions.Any(f => f.Name == s.Name + "_init"))
        {
            code.Doc("The defaults of the native library.");
            code.Open($"public static unsafe {name} CreateDefault()");
            code.Line($"{name} value;");
            code.Line($"NativeMethods.{s.Name}_init(&value);");
            code.Line("return value;");
        }
        else
        {
            code.Doc("An empty struct that knows its size.");
            code.Open($"internal static {(raw ? "" : "unsafe ")}{name} Create()");
            code.Line($"return new {name} {{ StructSize = (uint)sizeof({name}) }};");
        }

        code.Close();
    }

    private static string Handles(CApi api)
    {
        var code = new CodeWriter(api, "System.Runtime.InteropServices");
        foreach (var handle in api.Handles)
        {
            var name = Names.Handle(handle.Name);
            code.Line();
            code.Doc(handle.Doc, $"Owns a native {handle.Name}.");
            code.Open($"public sealed class {name} : SafeHandle");
            code.Doc("Makes an invalid handle; the native library fills it in.");
            code.Open($"public {name}() : base(0, ownsHandle: true)");
            code.Close();
            code.Line();
            code.Line("/// <inheritdoc/>");
            code.Line("public override bool IsInvalid => handle == 0;");
            code.Line();
            code.Line("/// <inheritdoc/>");
            code.Open("protected override bool ReleaseHandle()");
            code.Line($"NativeMethods.{handle.Name}_destroy(handle);");
            code.Line("return true;");
            code.Close();
            code.Close();
        }

        return code.ToString();
    }

    private static string Imports(CApi api)
    {
        var code = new CodeWriter(api, "System.Runtime.CompilerServices", "System.Runtime.InteropServices");
        code.Line();
        code.Doc("The native functions as they are.");
        code.Open("internal static unsafe partial class NativeMethods");
        foreach (var function in api.Functions)
        {
            code.Line("[LibraryImport(LibraryResolver.LibraryName, StringMarshalling = StringMarshalling.Utf8)]");
            code.Line("[UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]");
            var parameters = function.Parameters.Select(p => $"{ImportType(api, function, p)} {Names.Camel(p.Name)}");
            var returns = Names.Blittable(api, function.Returns, "");
            code.Line($"internal static partial {returns} {function.Name}({string.Join(", ", parameters)});");
            code.Line();
        }

        code.Close();
        return code.ToString();
    }

    private static string ImportType(CApi api, CFunction function, CVariable p)
    {
        if (api.Handles.Any(h => h.Name == p.Type.Name))
        {
            return p.Type.Pointers == 2 ? "out " + Names.Handle(p.Type.Name)
                : function.Name.EndsWith("_destroy", StringComparison.Ordinal) ? "nint"
                : Names.Handle(p.Type.Name);
        }

        return p.Type is { Name: "char", IsConst: true, Pointers: 1 }
            ? "string"
            : Names.Blittable(api, p.Type, $"{function.Name}.{p.Name}");
    }

    private static string Layout(CApi api)
    {
        var code = new CodeWriter(api);
        code.Line();
        code.Doc("Sizes and offsets of the structs as C# lays them out, to be compared with llasa_struct_layout.");
        code.Open("internal static unsafe class NativeLayout");
        code.Doc("Names as llasa_struct_layout takes them, with bytes.");
        code.Open("public static IReadOnlyList<(string Name, long Bytes)> Entries()");
        code.Line("var entries = new List<(string, long)>();");
        foreach (var s in api.Structs)
        {
            code.Open();
            code.Line($"{Names.Struct(api, s)} value = default;");
            code.Line("var start = (byte*)&value;");
            code.Line($"entries.Add((\"{s.Name}\", sizeof({Names.Struct(api, s)})));");
            foreach (var field in s.Fields)
            {
                var member = Names.Pascal(field.Name) + (field.Type is { Name: "char", ArrayLength: > 0 } ? "Utf8" : "");
                code.Line($"entries.Add((\"{s.Name}.{field.Name}\", (byte*)&value.{member} - start));");
            }

            code.Close();
        }

        code.Line("return entries;");
        code.Close();
        code.Close();
        return code.ToString();
    }
}
