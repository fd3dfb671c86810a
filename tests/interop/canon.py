"""One form of a row that PostgreSQL, PyIceberg and Iceberg's Java library agree on.

A row is a line, its columns in order and separated by tabs, as in PostgreSQL's COPY: NULL is \\N,
and backslash, tab, newline and the like are escaped by a backslash.  Values are texts:

    boolean       t, f
    integers      digits                       float, double  bits in hex: 40490fdb
    decimal       digits with the full scale   bytes          hex
    date          2026-11-26                   time           10:00:00.000000
    timestamp     2026-11-26T10:00:00.000000, and Z behind it where it has a zone
    text, uuid, json, enum                     as they are

A digest is the count of rows and the sum of the first halves of their SHA-256 modulo 2^128: the
same whatever their order, and unlike the count it knows each row and how often it is there.

    canon.py [OPTION...] metadata FILE...
    canon.py [OPTION...] sql URI CATALOG NAMESPACE.TABLE...

with --digest, --snapshot ID, and --property NAME=VALUE of the catalog, prints the rows that PyIceberg reads, in the order of their bytes, as java/Judge.java does.
"""

import argparse
import hashlib
import io
import sys

import pyarrow
import pyarrow.compute as compute
import pyarrow.types as types

ESCAPES = [("\\", "\\\\"), ("\b", "\\b"), ("\f", "\\f"), ("\n", "\\n"), ("\r", "\\r"),
           ("\t", "\\t"), ("\v", "\\v")]


def _hex(column):
    octets = [None if value is None else value.hex() for value in column.to_pylist()]
    return pyarrow.array(octets, pyarrow.string())


def _uuid(column):
    return pyarrow.array([None if value is None else str(value) for value in column.to_pylist()],
                         pyarrow.string())


def _bits(column, width):
    """The bits of floats, with one NaN for all."""
    kind = pyarrow.uint32() if width == 4 else pyarrow.uint64()
    nan = pyarrow.scalar(0x7FC00000 if width == 4 else 0x7FF8000000000000, kind)
    bits = compute.if_else(compute.is_nan(column), nan, column.view(kind))
    texts = [None if value is None else f"{value:0{2 * width}x}" for value in bits.to_pylist()]
    return pyarrow.array(texts, pyarrow.string())


def _plain(column):
    """Without an exponent, whatever the scale."""
    texts = [None if value is None else f"{value:f}" for value in column.to_pylist()]
    return pyarrow.array(texts, pyarrow.string())


def _timestamp(column, zone):
    plain = column.cast(pyarrow.timestamp("us"))
    return compute.strftime(plain, format="%Y-%m-%dT%H:%M:%S" + ("Z" if zone else ""))


def _text(column):
    for found, written in ESCAPES:
        column = compute.replace_substring(column, found, written)
    return column


def _canonical(column):
    """The texts of one column's chunk."""
    kind = column.type
    if isinstance(kind, pyarrow.BaseExtensionType):
        return _uuid(column) if "uuid" in str(kind) else _canonical(column.storage)
    if types.is_boolean(kind):
        return compute.if_else(column, "t", "f")
    if types.is_floating(kind):
        return _bits(column, kind.bit_width // 8)
    if types.is_timestamp(kind):
        return _timestamp(column, kind.tz is not None)
    if types.is_large_string(kind) or types.is_string(kind):
        return _text(column.cast(pyarrow.string()))
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _hex(column)
    if types.is_decimal(kind):
        return _plain(column)
    if types.is_integer(kind) or types.is_date32(kind) or types.is_time64(kind):
        return column.cast(pyarrow.string())
    raise TypeError(f"no canonical form of {kind}")


def rows_of_arrow(table):
    """The rows of an Arrow table, as bytes each."""
    rows = []
    for batch in table.to_batches(max_chunksize=1 << 16):
        texts = [_canonical(column).cast(pyarrow.string()) for column in batch.columns]
        lines = compute.binary_join_element_wise(*texts, "\t", null_handling="replace",
                                                 null_replacement="\\N")
        rows += [line.encode() for line in lines.to_pylist()]
    return rows


def digest(rows):
    total = 0
    for row in rows:
        total += int.from_bytes(hashlib.sha256(row).digest()[:16], "big")
    return f"{len(rows)} {total % (1 << 128):032x}"


def rows_of_postgres(connection, table):
    """The rows of a table of a psycopg2 connection: "schema.table", quoted where it must be."""
    with connection.cursor() as cursor:
        cursor.execute("""SELECT quote_ident(attname), format_type(atttypid, NULL)
                FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
                AND NOT attisdropped ORDER BY attnum""", (table,))
        columns = ", ".join(_expression(*column) for column in cursor.fetchall())
        cursor.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'")
        out = io.BytesIO()
        cursor.copy_expert(f"COPY (SELECT {columns} FROM {table}) TO STDOUT (ENCODING 'UTF8')", out)
    connection.rollback()
    return out.getvalue().split(b"\n")[:-1]


def _expression(name, kind):
    if kind in ("real", "double precision"):
        send = "float4send" if kind == "real" else "float8send"
        return f"encode({send}({name}), 'hex')"
    if kind == "bytea":
        return f"encode({name}, 'hex')"
    if kind.startswith("time without"):
        return f"to_char({name}, 'HH24:MI:SS.US')"
    if kind.startswith("timestamp"):
        zone = "Z" if "with time zone" in kind else ""
        return f"to_char({name}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US{zone}')"
    return name


def tables(arguments):
    """PyIceberg's tables."""
    properties = dict(text.split("=", 1) for text in arguments.property)
    if arguments.kind == "metadata":
        from pyiceberg.table import StaticTable
        return [StaticTable.from_metadata(file, properties) for file in arguments.names]
    from pyiceberg.catalog.sql import SqlCatalog
    uri, name, *names = arguments.names
    catalog = SqlCatalog(name, uri=uri, init_catalog_tables="false", **properties)
    return [catalog.load_table(table) for table in names]


def main():
    parser = argparse.ArgumentParser(description="Canonical rows of Iceberg tables by PyIceberg.")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--snapshot", type=int)
    parser.add_argument("--property", action="append", default=[])
    parser.add_argument("kind", choices=["metadata", "sql"])
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    for table in tables(arguments):
        rows = rows_of_arrow(table.scan(snapshot_id=arguments.snapshot).to_arrow())
        if arguments.digest:
            print(digest(rows))
            continue
        sys.stdout.buffer.writelines(row + b"\n" for row in sorted(rows))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
