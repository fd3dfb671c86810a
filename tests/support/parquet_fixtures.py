"""Writes tests/corpus/parquet/: small files by another writer, read by parquet_reader_test.c.

Needs pyarrow.  Row i of every file holds the values that append_fixture_row() of
parquet_reader_test.c expects.
"""
import datetime
import decimal
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 100
EPOCH = datetime.datetime(1970, 1, 1)
UUID = pa.uuid()


def field(name, kind, field_id, is_required=False):
    return pa.field(name, kind, not is_required, metadata={"PARQUET:field_id": str(field_id)})


def after_epoch(micros):
    return EPOCH + datetime.timedelta(microseconds=micros)


def scaled(unscaled, scale):
    return decimal.Decimal(unscaled).scaleb(-scale)


# name, type, and the value of row i where it is not NULL; field ids count from 1
VALUES = [
    ("a_boolean", pa.bool_(), lambda i: i % 3 == 0),
    ("an_int", pa.int32(), lambda i: i * 3 - 50),
    ("a_long", pa.int64(), lambda i: i * 10**12),
    ("a_float", pa.float32(), lambda i: i / 4),
    ("a_double", pa.float64(), lambda i: -i / 8),
    ("a_small_decimal", pa.decimal128(9, 2), lambda i: scaled(i - 50, 2)),
    ("a_decimal", pa.decimal128(18, 3), lambda i: scaled(i * 10**12, 3)),
    ("a_wide_decimal", pa.decimal128(38, 10), lambda i: scaled(-i * 10**24, 10)),
    ("a_date", pa.date32(), lambda i: datetime.date(1970, 1, 1) + datetime.timedelta(i - 50)),
    ("a_time", pa.time64("us"), lambda i: after_epoch(i * 1000001).time()),
    ("a_timestamp", pa.timestamp("us"), lambda i: after_epoch(i * 10**9 + 1)),
    ("a_timestamptz", pa.timestamp("us", "UTC"), lambda i: after_epoch(-i * 10**9)),
    ("a_string", pa.string(), lambda i: "text %d" % (i % 7)),
    ("a_binary", pa.binary(), lambda i: bytes([i]) * (i % 4)),
    ("a_uuid", UUID, lambda i: bytes([i]) * 16),
]
REQUIRED = "an_int"
NESTED = field("a_list", pa.list_(pa.int32()), 16)


def table(with_nested):
    fields, arrays = [], []
    if with_nested:
        fields.append(NESTED)
        arrays.append(pa.array([[i] * (i % 3) for i in range(ROWS)], NESTED.type))
    for number, (name, kind, value) in enumerate(VALUES, 1):
        is_required = name == REQUIRED
        values = [None if i % 5 == 0 and not is_required else value(i) for i in range(ROWS)]
        if kind == UUID:
            storage = pa.array(values, pa.binary(16))
            arrays.append(pa.ExtensionArray.from_storage(UUID, storage))
        else:
            arrays.append(pa.array(values, kind))
        fields.append(field(name, kind, number, is_required))
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
    write("delta_texts", compression="zstd", use_dictionary=False,
          column_encoding={"a_string": "DELTA_BYTE_ARRAY"})
    write("delta", compression="zstd", use_dictionary=False,
          column_encoding={name: "DELTA_BINARY_PACKED" for name, kind, value in VALUES
                           if pa.types.is_integer(kind) or pa.types.is_temporal(kind)})


if __name__ == "__main__":
    main(sys.argv[1])
