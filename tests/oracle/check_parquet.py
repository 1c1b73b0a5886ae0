"""Reads Parquet files that this program wrote with pyarrow and compares every value with JSON lines beside them.

    python3 tests/oracle/check_parquet.py FOLDER

FOLDER has pairs NAME.parquet and NAME.jsonl, rows in the form that gen_parquet.py describes. The writer's tests fill one:

    mkdir out && LLASA_PARQUET_OUT=$PWD/out dotnet test tests/LlasaNative.Tests --filter FullyQualifiedName~ParquetWriterTests

Also compared: the statistics of each column chunk with those that pyarrow computes, and the checksums of the pages.
Exit code 0: all equal; 1: not; 2: nothing to compare.
"""

import json
import os
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from gen_parquet import plain


def rows_of(table):
    columns = []
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_time32(field.type):
            column = column.cast(pa.int32())
        elif pa.types.is_time64(field.type) or pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        columns.append([plain(value, field.type) for value in column.to_pylist()])
    names = table.schema.names
    return [{name: column[i] for name, column in zip(names, columns)} for i in range(table.num_rows)]


def check_statistics(path):
    """Bounds of flat columns must be those of the data."""
    file = pq.ParquetFile(path)
    compared = 0
    for group in range(file.num_row_groups):
        meta = file.metadata.row_group(group)
        table = file.read_row_group(group)
        for index in range(meta.num_columns):
            chunk = meta.column(index)
            if "." in chunk.path_in_schema or chunk.statistics is None:
                continue
            column = table.column(chunk.path_in_schema)
            assert chunk.statistics.null_count == column.null_count, (path, chunk.path_in_schema, "null count")
            if not chunk.statistics.has_min_max:
                continue
            if pa.types.is_temporal(column.type):
                continue  # not all of these fit Python's types
            values = [value for value in column.to_pylist() if value is not None and value == value]  # NaN has no order
            found, bounds = (chunk.statistics.min, chunk.statistics.max), (min(values), max(values))
            if pa.types.is_float16(column.type):  # pyarrow gives these as bytes
                found = tuple(struct.unpack("<e", bound)[0] for bound in found)
            assert found == bounds, (path, chunk.path_in_schema, found, bounds)
            compared += 1
    return compared


def main():
    folder = sys.argv[1]
    names = sorted(name[:-len(".parquet")] for name in os.listdir(folder) if name.endswith(".parquet"))
    failures = bounds = 0
    for name in names:
        path = os.path.join(folder, name + ".parquet")
        try:
            with open(os.path.join(folder, name + ".jsonl"), encoding="utf-8") as file:
                expected = [json.loads(line) for line in file if line.strip()]
            found = json.loads(json.dumps(rows_of(pq.read_table(path, page_checksum_verification=True))))
            assert len(found) == len(expected), f"{len(found)} rows instead of {len(expected)}"
            for i, (got, wanted) in enumerate(zip(found, expected)):
                assert got == wanted, f"row {i}: {got} instead of {wanted}"
            bounds += check_statistics(path)
        except (AssertionError, OSError, pa.ArrowException) as error:
            failures += 1
            print(f"FAIL {name}: {str(error)[:400]}")
    print(f"{len(names) - failures} of {len(names)} files equal, {bounds} pairs of bounds compared (pyarrow {pa.__version__})")
    return 2 if not names else 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
