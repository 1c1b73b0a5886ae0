namespace LlasaNative.Data.Parquet;

/// <summary>Builds the schema's tree from the flattened list of the footer.</summary>
internal static class SchemaTree
{
    public static ParquetSchema Build(IReadOnlyList<SchemaElement> elements)
    {
        if (elements.Count == 0)
        {
            throw new ParquetException("the schema is empty");
        }

        int next = 1;
        ParquetField root = new(elements[0].Name, ParquetRepetition.Required)
        {
            Children = Children(elements, elements[0].ChildCount, ref next, 1),
        };
        return next == elements.Count
            ? ParquetSchema.FromRoot(root)
            : throw new ParquetException($"the schema has {elements.Count} elements but its tree holds {next}");
    }

    private static ParquetField[] Children(IReadOnlyList<SchemaElement> elements, int count, ref int next, int depth)
    {
        if (depth > ParquetSchema.MaxDepth)
        {
            throw new ParquetException($"the schema is deeper than {ParquetSchema.MaxDepth} levels");
        }

        if (count < 0 || count > elements.Count - next)
        {
            throw new ParquetException($"a group of the schema claims {count} fields, {elements.Count - next} are left");
        }

        ParquetField[] children = new ParquetField[count];
        for (int i = 0; i < count; i++)
        {
            children[i] = next < elements.Count
                ? Field(elements, ref next, depth)
                : throw new ParquetException("the schema ends inside a group");
        }

        return children;
    }

    private static ParquetField Field(IReadOnlyList<SchemaElement> elements, ref int next, int depth)
    {
        SchemaElement element = elements[next++];
        ParquetLogicalType logical = element.Logical is { Kind: not ParquetLogicalKind.None } known
            ? known
            : LogicalTypeFormat.FromConverted(element.ConvertedType, element.Scale, element.Precision);
        if (element.Type is not ParquetPhysicalType type)
        {
            return new ParquetField(element.Name, element.Repetition)
            {
                LogicalType = logical,
                Children = Children(elements, element.ChildCount, ref next, depth + 1),
            };
        }

        if (element.ChildCount > 0)
        {
            throw new ParquetException($"`{element.Name}` has a stored type and fields");
        }

        // A meaning that does not fit is dropped, as others do: the stored values are still right.
        return ParquetField.Leaf(
            element.Name,
            type,
            SchemaRules.Fits(type, element.TypeLength, logical) is null ? logical : ParquetLogicalType.None,
            element.Repetition,
            type == ParquetPhysicalType.FixedLengthByteArray ? element.TypeLength : 0);
    }

    /// <summary>The flattened list of a schema, root first.</summary>
    public static List<ParquetField> Flatten(ParquetSchema schema)
    {
        List<ParquetField> result = [];
        Add(schema.Root);
        return result;

        void Add(ParquetField field)
        {
            result.Add(field);
            foreach (ParquetField child in field.Children)
            {
                Add(child);
            }
        }
    }
}
