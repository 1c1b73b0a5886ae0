using System.Diagnostics;

namespace LlasaNative.Data.Parquet;

/// <summary>The columns of a file, as a tree of fields.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class ParquetSchema
{
    /// <summary>Deepest tree that is accepted; a level takes one byte.</summary>
    internal const int MaxDepth = 64;

    private readonly List<ParquetField> _columns = [];

    /// <summary>Creates a schema.</summary>
    /// <param name="fields">The fields below the root, in order.</param>
    public ParquetSchema(params ParquetField[] fields)
        : this(new ParquetField("schema", ParquetRepetition.Required) { Children = fields }, true)
    {
    }

    private ParquetSchema(ParquetField root, bool isRoot)
    {
        Debug.Assert(isRoot, "only tells this constructor from the public one");
        Root = root;
        root.Attach(null, _columns);
    }

    internal static ParquetSchema FromRoot(ParquetField root) => new(root, true);

    /// <summary>The group that holds all fields.</summary>
    public ParquetField Root { get; }

    /// <summary>The fields below the root, in order.</summary>
    public IReadOnlyList<ParquetField> Fields => Root.Children;

    /// <summary>All leaves, in the order of their column chunks.</summary>
    public IReadOnlyList<ParquetField> Columns => _columns;

    /// <summary>Finds a field by its dotted path.</summary>
    /// <param name="path">As <c>prompt.list.element.role</c>; a group is found as well as a leaf.</param>
    /// <returns>The field; null when there is none.</returns>
    public ParquetField? Find(string path)
    {
        return Search(Root, path);

        static ParquetField? Search(ParquetField parent, string path)
        {
            foreach (ParquetField child in parent.Children)
            {
                if (!path.StartsWith(child.Name, StringComparison.Ordinal))
                {
                    continue;
                }

                string rest = path[child.Name.Length..];
                if (rest.Length == 0)
                {
                    return child;
                }

                // A name may itself contain dots, so several children can be on the way.
                if (rest[0] == '.' && Search(child, rest[1..]) is { } found)
                {
                    return found;
                }
            }

            return null;
        }
    }
}
