namespace LlasaNative.BindingGenerator;

/// <summary>Writes the class Native: one checked method for each function that returns a status.</summary>
internal static class WrapperEmitter
{
    public static string Emit(CApi api)
    {
        var code = new CodeWriter(api);
        code.Line();
        code.Doc("The native functions with spans for arrays; each throws NativeException when its status is not Ok.");
        code.Open("public static unsafe partial class Native");
        foreach (var function in api.Functions.Where(f =>
            f.Returns.Name == "llasa_status" && !Annotations.HandWritten.Contains(f.Name)))
        {
            Method(api, code, function);
        }

        code.Close();
        return code.ToString();
    }

    private static void Method(CApi api, CodeWriter code, CFunction function)
    {
        var parts = function.Parameters.Select(p => Part.Of(api, function, p)).ToList();
        var outputs = parts.Where(p => p.Output.Length > 0).ToList();
        var returns = outputs.Count == 1 ? outputs[0].Output : "void";
        var parameters = parts.Where(p => p.Parameter.Length > 0).Select(p => p.Parameter)
            .Concat(outputs.Count > 1 ? outputs.Select(o => $"out {o.Output} {o.Name}") : []);

        code.Doc(function.Doc, $"Calls {function.Name}.");
        code.Open($"public static {returns} {Names.Function(function.Name)}({string.Join(", ", parameters)})");
        foreach (var check in parts.Where(p => p.Check.Length > 0))
        {
            code.Line(check.Check);
        }

        foreach (var output in outputs.Where(o => o.Prepare.Length > 0))
        {
            code.Line(output.Prepare);
        }

        var pins = parts.Where(p => p.Pin.Length > 0).ToList();
        foreach (var pin in pins)
        {
            code.Line(pin.Pin);
        }

        var call = $"Check(NativeMethods.{function.Name}({string.Join(", ", parts.Select(p => p.Argument))}));";
        if (pins.Count > 0)
        {
            code.Open();
            code.Line(call);
            code.Close();
        }
        else
        {
            code.Line(call);
        }

        foreach (var output in outputs)
        {
            code.Line(outputs.Count == 1 ? $"return {output.Value};" : $"{output.Name} = {output.Value};");
        }

        code.Close();
        code.Line();
    }

    /// <summary>How one C parameter appears in the wrapper.</summary>
    private sealed record Part(string Name, string Argument)
    {
        public string Parameter { get; init; } = "";

        public string Output { get; init; } = "";

        public string Prepare { get; init; } = "";

        public string Value { get; init; } = "";

        public string Pin { get; init; } = "";

        public string Check { get; init; } = "";

        public static Part Of(CApi api, CFunction function, CVariable p)
        {
            var name = Names.Camel(p.Name);
            var key = $"{function.Name}.{p.Name}";
            var type = p.Type;
            if (api.Handles.Any(h => h.Name == type.Name))
            {
                var handle = Names.Handle(type.Name);
                return type.Pointers == 2
                    ? new Part(name, $"out {name}") { Output = handle, Prepare = $"{handle} {name};", Value = name }
                    : new Part(name, name) { Parameter = $"{handle} {name}", Check = $"ArgumentNullException.ThrowIfNull({name});" };
            }

            if (Annotations.Arrays.TryGetValue(key, out var rule))
            {
                return rule.StartsWith('#')
                    ? new Part(name, $"{rule[1..]}.Length")
                    : Array(name, type, rule);
            }

            if (type.Pointers == 0)
            {
                return new Part(name, name) { Parameter = $"{Names.Blittable(api, type, key)} {name}" };
            }

            if (type is { Name: "char", IsConst: true, Pointers: 1 })
            {
                return new Part(name, name) { Parameter = $"string {name}", Check = $"ArgumentNullException.ThrowIfNull({name});" };
            }

            if (api.Structs.FirstOrDefault(s => s.Name == type.Name) is { } s && !s.HasPointers(api))
            {
                var structName = Names.Struct(api, s);
                return type.IsConst
                    ? new Part(name, $"{name}Pointer") { Parameter = $"in {structName} {name}", Pin = $"fixed ({structName}* {name}Pointer = &{name})" }
                    : new Part(name, $"&{name}Value") { Output = structName, Prepare = $"var {name}Value = {structName}.Create();", Value = $"{name}Value" };
            }

            if (Annotations.ScalarOutputs.Contains(p.Name))
            {
                var scalar = Names.Primitive(type.Name);
                return new Part(name, $"&{name}Value") { Output = scalar, Prepare = $"{scalar} {name}Value;", Value = $"{name}Value" };
            }

            throw new NotSupportedException($"{key}: say in Annotations.cs how long this array is, or that the function is wrapped by hand");
        }

        private static Part Array(string name, CType type, string rule)
        {
            var element = type.Name == "void" ? "byte" : Names.Primitive(type.Name);
            var optional = rule.StartsWith('?');
            var length = optional ? rule[1..] : rule;
            var check = length.Length == 0 ? ""
                : $"Checks.{(optional ? "OptionalLength" : "Length")}({name}.Length, {length}, nameof({name}));";
            return new Part(name, $"{name}Pointer")
            {
                Parameter = $"{(type.IsConst ? "ReadOnlySpan" : "Span")}<{element}> {name}",
                Pin = $"fixed ({element}* {name}Pointer = {name})",
                Check = check,
            };
        }
    }
}
