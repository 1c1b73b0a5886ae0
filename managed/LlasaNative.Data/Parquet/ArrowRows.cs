using System.Numerics;
using Apache.Arrow;
using Apache.Arrow.Arrays;
using Apache.Arrow.Types;

namespace LlasaNative.Data.Parquet;

/// <summary>The columns of a batch, as rows.</summary>
internal sealed class ArrowRows
{
    private static readonly UTF8Encoding _strictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly Func<int, object?> _row;

    public ArrowRows(RecordBatch batch) => _row = Struct(batch.Schema.FieldsList, [.. batch.Arrays], string.Empty);

    public ParquetRow this[int index] => (ParquetRow)_row(index)!;

    // One delegate per column: what a value becomes is decided once, by the column's type.
    private static Func<int, object?> Values(IArrowArray array, string path)
    {
        Func<int, object?> value = array switch
        {
            NullArray => static _ => null,
            BooleanArray a => i => a.GetValue(i),
            Int8Array a => i => a.Values[i],
            Int16Array a => i => a.Values[i],
            Int32Array a => i => a.Values[i],
            Int64Array a => i => a.Values[i],
            UInt8Array a => i => a.Values[i],
            UInt16Array a => i => a.Values[i],
            UInt32Array a => i => a.Values[i],
            UInt64Array a => i => a.Values[i],
            HalfFloatArray a => i => a.Values[i],
            FloatArray a => i => a.Values[i],
            DoubleArray a => i => a.Values[i],
            Date32Array a => i => Day(a.Values[i], path),
            Time32Array a => i => new ParquetTime(a.Values[i], ((Time32Type)a.Data.DataType).Unit),
            Time64Array a => i => new ParquetTime(a.Values[i], ((Time64Type)a.Data.DataType).Unit),
            TimestampArray a => i => new ParquetTime(a.Values[i], ((TimestampType)a.Data.DataType).Unit),
            DurationArray a => i => new ParquetTime(a.Values[i], ((DurationType)a.Data.DataType).Unit),
            StringArray a => i => Text(a.GetBytes(i), path),
            LargeStringArray a => i => Text(a.GetBytes(i), path),
            StringViewArray a => i => Text(a.GetBytes(i), path),
            Decimal128Array a => i => new ParquetDecimal(new BigInteger(a.ValueBuffer.Span.Slice((a.Offset + i) * 16, 16)), a.Scale),
            Decimal256Array a => i => new ParquetDecimal(new BigInteger(a.ValueBuffer.Span.Slice((a.Offset + i) * 32, 32)), a.Scale),
            FixedSizeBinaryArray a => i => a.GetBytes(i).ToArray(),
            BinaryArray a => i => a.GetBytes(i).ToArray(),
            LargeBinaryArray a => i => a.GetBytes(i).ToArray(),
            BinaryViewArray a => i => a.GetBytes(i).ToArray(),
            MapArray a => Map(a, path),
            ListArray a => List(i => a.ValueOffsets[i], Values(a.Values, path + ".list.element")),
            LargeListArray a => List(i => checked((int)a.ValueOffsets[i]), Values(a.Values, path + ".list.element")),
            FixedSizeListArray a => FixedList(a, path),
            StructArray a => Struct(((StructType)a.Data.DataType).Fields, [.. a.Fields], path + "."),
            DictionaryArray a => Dictionary(a, path),
            ExtensionArray a => Values(a.Storage, path),
            _ => throw new ParquetException(string.Empty, null, path, null, $"values of type {array.Data.DataType.Name} are not supported"),
        };
        return array.NullCount == 0 ? value : i => array.IsNull(i) ? null : value(i);
    }

    private static Func<int, object?> Struct(IReadOnlyList<Field> fields, IArrowArray[] arrays, string prefix)
    {
        string[] names = [.. fields.Select(field => field.Name)];
        Func<int, object?>[] values = [.. arrays.Select((array, i) => Values(array, prefix + names[i]))];
        return row => new ParquetRow(names, System.Array.ConvertAll(values, value => value(row)));
    }

    private static Func<int, object?> List(Func<int, int> offset, Func<int, object?> element) => i =>
    {
        int start = offset(i);
        object?[] items = new object?[offset(i + 1) - start];
        for (int k = 0; k < items.Length; k++)
        {
            items[k] = element(start + k);
        }

        return items;
    };

    private static Func<int, object?> FixedList(FixedSizeListArray array, string path)
    {
        int size = ((FixedSizeListType)array.Data.DataType).ListSize;
        return List(i => (array.Offset + i) * size, Values(array.Values, path + ".list.element"));
    }

    private static Func<int, object?> Map(MapArray array, string path)
    {
        Func<int, object?> keys = Values(array.Keys, path + ".key_value.key");
        Func<int, object?> values = Values(array.Values, path + ".key_value.value");
        return i =>
        {
            int start = array.ValueOffsets[i];
            KeyValuePair<object?, object?>[] pairs = new KeyValuePair<object?, object?>[array.ValueOffsets[i + 1] - start];
            for (int k = 0; k < pairs.Length; k++)
            {
                pairs[k] = new KeyValuePair<object?, object?>(keys(start + k), values(start + k));
            }

            return pairs;
        };
    }

    private static Func<int, object?> Dictionary(DictionaryArray array, string path)
    {
        Func<int, object?> indices = Values(array.Indices, path);
        Func<int, object?> values = Values(array.Dictionary, path);
        return i => values(Convert.ToInt32(indices(i), CultureInfo.InvariantCulture));
    }

    private static string Text(ReadOnlySpan<byte> bytes, string path)
    {
        try
        {
            return _strictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new ParquetException(string.Empty, null, path, null, "a text is not valid UTF-8", e);
        }
    }

    private static DateOnly Day(int days, string path)
    {
        long day = DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber + (long)days;
        return day >= 0 && day <= DateOnly.MaxValue.DayNumber
            ? DateOnly.FromDayNumber((int)day)
            : throw new ParquetException(string.Empty, null, path, null, $"day {days} since 1970 is outside the years 1 to 9999");
    }
}
