"""Writes the fixture `tests/fixtures/parquet/all_types`: small files that pyarrow wrote, with the rows they hold.

    python3 tests/oracle/gen_parquet.py [FOLDER]

Each file holds the same table of every type, with nulls at every level, in another encoding, compression or page version.
The rows are JSON lines: times as counts of their unit, bytes as hexadecimal, decimals, days and UUIDs as text, maps as lists of
pairs, and "NaN", "Infinity", "-Infinity" for what JSON has no number for.
"""

import datetime
import decimal
import json
import math
import os
import random
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 70
SEED = 20
FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "fixtures", "parquet", "all_types")

TEXTS = ["", "a", "ab", "abc", "naïve", "안녕하세요", "👍🏽", "prefix one", "prefix two", "prefix two and more", "\x00nul", "x" * 90]
DECIMALS = {"decimal9": (9, 2), "decimal18": (18, 6), "decimal28": (28, 10), "decimal38": (38, 0), "decimal60": (60, 30)}
SCHEMA = pa.schema([
    ("flag", pa.bool_()), ("i8", pa.int8()), ("i16", pa.int16()), ("i32", pa.int32()), ("i64", pa.int64()),
    ("u8", pa.uint8()), ("u16", pa.uint16()), ("u32", pa.uint32()), ("u64", pa.uint64()),
    ("f16", pa.float16()), ("f32", pa.float32()), ("f64", pa.float64()),
    ("text", pa.string()), ("bytes", pa.binary()), ("fixed", pa.binary(5)),
    *[(name, pa.decimal128(*size) if size[0] <= 38 else pa.decimal256(*size)) for name, size in DECIMALS.items()],
    ("day", pa.date32()), ("t_ms", pa.time32("ms")), ("t_us", pa.time64("us")), ("t_ns", pa.time64("ns")),
    ("ts_ms", pa.timestamp("ms")), ("ts_us", pa.timestamp("us", tz="UTC")), ("ts_ns", pa.timestamp("ns")),
    ("nothing", pa.null()),
    pa.field("required", pa.int32(), nullable=False),
    ("ints", pa.list_(pa.int64())),
    ("texts", pa.list_(pa.list_(pa.string()))),
    ("point", pa.struct([("x", pa.float64()), ("label", pa.struct([("name", pa.string()), ("tags", pa.list_(pa.string()))]))])),
    ("people", pa.list_(pa.struct([("name", pa.string()), pa.field("age", pa.int32(), nullable=False), ("nicks", pa.list_(pa.string()))]))),
    ("scores", pa.map_(pa.string(), pa.int32())),
    ("deep", pa.map_(pa.int64(), pa.list_(pa.struct([("k", pa.string()), ("v", pa.map_(pa.string(), pa.float32()))])))),
])


def rows(rng):
    def maybe(make, share=0.2):
        return None if rng.random() < share else make()

    def integer(bits, signed):
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        return rng.choice([low, high, 0, 1, rng.randint(low, high), rng.randint(max(low, -9), 9)])

    def text():
        return rng.choice(TEXTS)

    def items(make, most=4):
        return [make() for _ in range(rng.randint(0, most))]

    def real():
        return rng.choice([0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan, rng.randint(-1000, 1000) / 8])

    def number(precision, scale):
        digits = rng.choice([0, 1, -1, 10 ** precision - 1, 1 - 10 ** precision, rng.randint(-10 ** precision + 1, 10 ** precision - 1)])
        return decimal.Decimal(digits).scaleb(-scale, decimal.Context(prec=100))

    for _ in range(ROWS):
        row = {"flag": maybe(lambda: rng.random() < 0.5)}
        for name, bits, signed in [("i8", 8, 1), ("i16", 16, 1), ("i32", 32, 1), ("i64", 64, 1), ("u8", 8, 0), ("u16", 16, 0), ("u32", 32, 0), ("u64", 64, 0)]:
            row[name] = maybe(lambda bits=bits, signed=signed: integer(bits, signed))
        row |= {name: maybe(real) for name in ("f16", "f32", "f64")}
        row |= {"text": maybe(text), "bytes": maybe(lambda: rng.randbytes(rng.randint(0, 6))), "fixed": maybe(lambda: rng.randbytes(5))}
        row |= {name: maybe(lambda size=size: number(*size)) for name, size in DECIMALS.items()}
        row["day"] = maybe(lambda: datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.choice([0, -1, -719162, 2932896, rng.randint(-9999, 99999)])))
        row |= {"t_ms": maybe(lambda: rng.randint(0, 86399999)), "t_us": maybe(lambda: rng.randint(0, 86399999999)), "t_ns": maybe(lambda: rng.randint(0, 86399999999999))}
        row |= {name: maybe(lambda: rng.choice([0, -1, rng.randint(-2 ** 61, 2 ** 61) // scale])) for name, scale in (("ts_ms", 10 ** 6), ("ts_us", 10 ** 3), ("ts_ns", 1))}
        row |= {"nothing": None, "required": integer(32, 1)}
        row["ints"] = maybe(lambda: items(lambda: maybe(lambda: integer(64, 1))))
        row["texts"] = maybe(lambda: items(lambda: maybe(lambda: items(lambda: maybe(text)))))
        row["point"] = maybe(lambda: {"x": maybe(lambda: rng.randint(0, 9) / 4), "label": maybe(lambda: {"name": maybe(text), "tags": maybe(lambda: items(text))})})
        row["people"] = maybe(lambda: items(lambda: maybe(lambda: {"name": maybe(text), "age": rng.randint(0, 99), "nicks": maybe(lambda: items(lambda: maybe(text)))})))
        row["scores"] = maybe(lambda: [(text(), maybe(lambda: integer(32, 1))) for _ in range(rng.randint(0, 3))])
        row["deep"] = maybe(lambda: [(integer(64, 1), maybe(lambda: items(lambda: maybe(lambda: {
            "k": maybe(text), "v": maybe(lambda: [(text(), maybe(lambda: rng.randint(0, 9) / 2)) for _ in range(rng.randint(0, 2))])}, 0.1), 3), 0.1)) for _ in range(rng.randint(0, 2))])
        yield row


def plain(value, kind):
    """A Python value as the JSON described above."""
    if value is None:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (datetime.date, uuid.UUID)):
        return str(value)
    if pa.types.is_map(kind):
        return [[plain(k, kind.key_type), plain(v, kind.item_type)] for k, v in value]
    if pa.types.is_list(kind):
        return [plain(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: plain(value[field.name], field.type) for field in kind}
    return value


def encodings():
    """Column encodings that fit, by family; nested leaves are named by their path."""
    integers = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "t_ms", "t_us", "t_ns", "ts_ms", "ts_us", "ts_ns", "day", "required",
                "ints.list.element", "people.list.element.age", "scores.key_value.value", "deep.key_value.key", "decimal9", "decimal18"]
    texts = ["text", "bytes", "texts.list.element.list.element", "point.label.name", "point.label.tags.list.element", "people.list.element.name",
             "people.list.element.nicks.list.element", "scores.key_value.key", "deep.key_value.value.list.element.k"]
    fixed = ["fixed", "decimal28", "decimal38", "decimal60", "f16"]
    reals = ["f32", "f64", "point.x", "deep.key_value.value.list.element.v.key_value.value"]
    delta = {name: "DELTA_BINARY_PACKED" for name in integers} | {"flag": "RLE"}
    return {
        "delta_length": delta | {name: "DELTA_LENGTH_BYTE_ARRAY" for name in texts},
        "delta_array": delta | {name: "DELTA_BYTE_ARRAY" for name in texts + fixed},
        "split": {name: "BYTE_STREAM_SPLIT" for name in integers + reals + fixed},
    }


def main():
    os.makedirs(FOLDER, exist_ok=True)
    table = pa.Table.from_pylist(list(rows(random.Random(SEED))), schema=SCHEMA)
    assert table.num_rows == ROWS
    columns = []
    # Times become counts in the expected rows.
    for field in SCHEMA:
        column = table.column(field.name)
        if pa.types.is_time32(field.type):
            column = column.cast(pa.int32())
        elif pa.types.is_time64(field.type) or pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        columns.append([plain(value, field.type) for value in column.to_pylist(maps_as_pydicts=None)])
    with open(os.path.join(FOLDER, "rows.jsonl"), "w", encoding="utf-8") as file:
        for i in range(ROWS):
            file.write(json.dumps({field.name: columns[c][i] for c, field in enumerate(SCHEMA)}, ensure_ascii=False) + "\n")

    kinds = encodings()
    files = {
        "plain_none_v1": dict(compression="none", use_dictionary=False),
        "dictionary_snappy_v1": dict(compression="snappy", row_group_size=33, write_page_checksum=True),
        "dictionary_zstd_v2_smallpages": dict(compression="zstd", data_page_version="2.0", data_page_size=128, write_batch_size=7, row_group_size=50, write_page_checksum=True),
        "fallback_lz4_v2": dict(compression="lz4", data_page_version="2.0", dictionary_pagesize_limit=64, data_page_size=256, write_batch_size=9),
        "plain_brotli_v1_smallpages": dict(compression="brotli", use_dictionary=False, data_page_size=128, write_batch_size=5),
        "delta_length_gzip_v2": dict(compression="gzip", use_dictionary=False, column_encoding=kinds["delta_length"], data_page_version="2.0"),
        "delta_array_none_v1": dict(compression="none", use_dictionary=False, column_encoding=kinds["delta_array"]),
        "split_zstd_v1": dict(compression="zstd", use_dictionary=False, column_encoding=kinds["split"]),
        "integers_snappy_v1_old_list_name": dict(compression="snappy", use_compliant_nested_type=False, store_schema=False),
    }
    manifest = []
    for name, options in files.items():
        target = os.path.join(FOLDER, name + ".parquet")
        settings = {"version": "2.6", "use_dictionary": True, "row_group_size": ROWS} | options
        settings["store_decimal_as_integer"] = name.startswith(("delta", "split", "integers"))
        pq.write_table(table, target, **settings)
        meta = pq.read_metadata(target)
        manifest.append({
            "file": name + ".parquet", "rows_file": "rows.jsonl", "rows": ROWS, "row_groups": meta.num_row_groups,
            "columns": [meta.schema.column(i).path for i in range(meta.num_columns)], "options": options,
            "encodings": sorted({e for g in range(meta.num_row_groups) for i in range(meta.num_columns) for e in meta.row_group(g).column(i).encodings}),
        })
    with open(os.path.join(FOLDER, "case.json"), "w", encoding="utf-8") as file:
        json.dump({"case": "all_types", "family": "parquet", "semantics": __doc__.split("\n\n")[2].replace("\n", " ").strip(),
                   "generator": "tests/oracle/gen_parquet.py", "seed": SEED, "oracle": f"pyarrow {pa.__version__}",
                   "tolerance": "none: values are equal", "files": manifest}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
