"""The judges agree with PostgreSQL and with each other on a table that walberg has not touched."""

import pathlib
import sys

import pyarrow
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import canon
import judges
from conftest import BOTH
from support.place import Local
from support.postgres import Postgres

SOURCE = r"""
CREATE TABLE every_type (id int PRIMARY KEY, b boolean, s smallint, l bigint, f real,
    d double precision, n numeric(12, 3), t text, day date, clock time, at timestamp,
    zoned timestamptz, u uuid, bin bytea,
    small numeric(20, 19));
INSERT INTO every_type VALUES
    (1, true, -5, 9223372036854775807, 3.14, -0.0, 123456789.5, E'tab\t, \\ and \n\u738b',
     '0001-01-01', '23:59:59.999999', '9999-12-31 23:59:59.123456', '2026-03-01 10:00:00+02',
     '6f1c2d3e-0000-4000-8000-00000000abcd', '\x00ff', 1e-19),
    (2, false, 0, -1, 'NaN', 'Infinity', -0.001, '', '2026-11-26', '00:00', '1969-12-31 23:59:59.5',
     '1970-01-01 00:00+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '', -0.0000001),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(scope="module", params=BOTH)
def places(request, tmp_path_factory):
    """A PostgreSQL table, and the same rows in an Iceberg table that PyIceberg wrote."""
    from pyiceberg.catalog.sql import SqlCatalog
    if request.param == "remote":
        place = request.getfixturevalue("remote").place()
    else:
        place = Local(tmp_path_factory.mktemp("lake"))
    catalog = SqlCatalog("walberg", uri=place.uri, warehouse=place.warehouse, **place.properties)
    catalog.create_namespace("public")
    with Postgres() as server:
        server.sql(SOURCE)
        connection = server.connect()
        rows = arrow_rows(connection)
        table = catalog.create_table("public.every_type", rows.schema)
        table.append(rows)
        yield connection, place, table
        connection.close()


def arrow_rows(connection):
    schema = pyarrow.schema([
        ("id", pyarrow.int32()), ("b", pyarrow.bool_()), ("s", pyarrow.int32()),
        ("l", pyarrow.int64()), ("f", pyarrow.float32()), ("d", pyarrow.float64()),
        ("n", pyarrow.decimal128(12, 3)), ("t", pyarrow.string()), ("day", pyarrow.date32()),
        ("clock", pyarrow.time64("us")), ("at", pyarrow.timestamp("us")),
        ("zoned", pyarrow.timestamp("us", "UTC")), ("u", pyarrow.uuid()), ("bin", pyarrow.binary()),
        ("small", pyarrow.decimal128(20, 19))])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM every_type")
        columns = list(zip(*cursor.fetchall()))
    position = schema.get_field_index
    import uuid
    columns[position("u")] = [value and uuid.UUID(value).bytes for value in columns[position("u")]]
    columns[position("bin")] = [None if value is None else bytes(value)
                                for value in columns[position("bin")]]
    arrays = [pyarrow.array(column, pyarrow.binary(16)).cast(pyarrow.uuid())
              if field.name == "u" else pyarrow.array(column, field.type)
              for field, column in zip(schema, columns)]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def test_postgres_pyiceberg_and_java_give_the_same_rows(places):
    connection, place, table = places
    expected = sorted(canon.rows_of_postgres(connection, "public.every_type"))
    assert len(expected) == 3
    assert judges.pyiceberg(place, "public.every_type") == expected
    assert judges.java(place, "public.every_type") == expected
    for judge in [judges.java_metadata, judges.pyiceberg_metadata]:
        assert judge(table.metadata_location, properties=place.properties) == expected


def test_digests_agree_and_notice_one_changed_value(places):
    connection, place, table = places
    rows = canon.rows_of_postgres(connection, "public.every_type")
    expected = [canon.digest(rows).encode()]
    snapshot = table.current_snapshot().snapshot_id
    assert judges.pyiceberg(place, "public.every_type", digest=True) == expected
    assert judges.java(place, "public.every_type", digest=True, snapshot=snapshot) == expected
    assert canon.digest(rows[::-1]) == canon.digest(rows)
    assert canon.digest([rows[0].replace(b"\tt\t", b"\tf\t"), *rows[1:]]) != canon.digest(rows)
    assert canon.digest([*rows, rows[0]]) != canon.digest(rows)
