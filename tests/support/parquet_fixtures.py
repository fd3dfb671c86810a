"""Writes tests/corpus/parquet/: small files by another writer, read by parquet_test.c.

Needs pyarrow.  Row i of every file holds the values that fixture_row() of parquet_test.c expects.
"""
import datetime
import decimal
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 100
EPOCH = datetime.datetime(1970, 1, 1)


def nullable(i, value):
    return None if i % 5 == 0 else value


def field(name, kind, field_id, is_required=False):
    return pa.field(name, kind, not is_required, metadata={"PARQUET:field_id": str(field_id)})


COLUMNS = [
    (field("a_boolean", pa.bool_(), 1), lambda i: nullable(i, i % 3 == 0)),
    (field("an_int", pa.int32(), 2, True), lambda i: i * 3 - 50),
    (field("a_long", pa.int64(), 3), lambda i: nullable(i, i * 10**12)),
    (field("a_float", pa.float32(), 4), lambda i: nullable(i, i / 4)),
    (field("a_double", pa.float64(), 5), lambda i: nullable(i, -i / 8)),
    (field("a_small_decimal", pa.decimal128(9, 2), 6), lambda i: nullable(i, decimal.Decimal(i - 50).scaleb(-2))),
    (field("a_decimal", pa.decimal128(18, 3), 7), lambda i: nullable(i, decimal.Decimal(i * 10**12).scaleb(-3))),
    (field("a_wide_decimal", pa.decimal128(38, 10), 8), lambda i: nullable(i, decimal.Decimal(-i * 10**24).scaleb(-10))),
    (field("a_date", pa.date32(), 9), lambda i: nullable(i, datetime.date(1970, 1, 1) + datetime.timedelta(i - 50))),
    (field("a_time", pa.time64("us"), 10), lambda i: nullable(i, (EPOCH + datetime.timedelta(microseconds=i * 1000001)).time())),
    (field("a_timestamp", pa.timestamp("us"), 11), lambda i: nullable(i, EPOCH + datetime.timedelta(microseconds=i * 10**9 + 1))),
    (field("a_timestamptz", pa.timestamp("us", "UTC"), 12), lambda i: nullable(i, EPOCH + datetime.timedelta(microseconds=-i * 10**9))),
    (field("a_string", pa.string(), 13), lambda i: nullable(i, "text %d" % (i % 7))),
    (field("a_binary", pa.binary(), 14), lambda i: nullable(i, bytes([i]) * (i % 4))),
    (field("a_uuid", pa.uuid(), 15), lambda i: nullable(i, bytes([i]) * 16)),
]
NESTED = field("a_list", pa.list_(pa.int32()), 16)


def table(with_nested):
    fields, arrays = [], []
    if with_nested:
        fields.append(NESTED)
        arrays.append(pa.array([[i] * (i % 3) for i in range(ROWS)], NESTED.type))
    for column, value in COLUMNS:
        values = [value(i) for i in range(ROWS)]
        if column.name == "a_uuid":
            storage = pa.array(values, pa.binary(16))
            arrays.append(pa.ExtensionArray.from_storage(pa.uuid(), storage))
        else:
            arrays.append(pa.array(values, column.type))
        fields.append(column)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def main(folder):
    def write(name, with_nested=False, **options):
        path = os.path.join(folder, name + ".parquet")
        pq.write_table(table(with_nested), path, store_schema=False, row_group_size=64, **options)

    write("v1_dictionary_zstd", compression="zstd", data_page_version="1.0")
    write("v1_plain_none", compression="none", use_dictionary=False)
    write("v2_plain_gzip", compression="gzip", data_page_version="2.0", use_dictionary=False,
          column_encoding={"a_long": "PLAIN"})
    write("v2_dictionary_zstd", compression="zstd", data_page_version="2.0")
    write("nested_crc", with_nested=True, compression="zstd", write_page_checksum=True)
    write("decimals_as_integers", compression="none", store_decimal_as_integer=True)
    write("snappy", compression="snappy")
    write("delta", compression="zstd", use_dictionary=False,
          column_encoding={"a_long": "DELTA_BINARY_PACKED"})


if __name__ == "__main__":
    main(sys.argv[1])
