"""Is a table of the lake equal to the source's?  Asked of three readers: walberg's own SQL,
PyIceberg and Iceberg's Java library.  interop/canon.py says what a row is."""

import json
import struct

from interop import canon, judges

SHOWN = 5  # rows of a difference


def name_in_sql(name):
    """schema.table, quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".", 1))


def source_rows(database, name):
    with_connection = database.connect()
    try:
        return canon.rows_of_postgres(with_connection, name_in_sql(name))
    finally:
        with_connection.close()


# ---- walberg's SQL -------------------------------------------------------------------------

def _bits(form):
    def text_of(value):
        octets = struct.pack(form, float(value))
        return "7fc00000" if value == "NaN" and form == ">f" else octets.hex()
    return text_of


def _escape(value):
    for found, written in canon.ESCAPES:
        value = value.replace(found, written)
    return value


def _clock(value):
    whole, _, fraction = value.partition(".")
    return f"{whole}.{fraction:0<6}"


def _timestamp(value):
    day, clock = value.split(" ")
    return f"{day}T{_clock(clock)}"


def _zoned(value):
    assert value.endswith("+00"), value
    return _timestamp(value[:-3]) + "Z"


def _octets(value):
    assert value.startswith("\\x"), value
    return value[2:]


FORMS = {
    "boolean": lambda value: {True: "t", False: "f"}[value],
    "real": _bits(">f"),
    "double precision": _bits(">d"),
    "bytea": _octets,
    "time without time zone": _clock,
    "timestamp without time zone": _timestamp,
    "timestamp with time zone": _zoned,
}


def lake_rows(lake, database, name, at=""):
    """at: "AT (...)", or nothing for the newest version."""
    kinds = [kind for (kind,) in database.sql(
        "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum", (name_in_sql(name),))]
    forms = [FORMS.get(kind, _escape) for kind in kinds]
    text = lake.command("sql", f"SELECT * FROM {name_in_sql(name)} {at}", "--json")
    rows = []
    for line in text.split("\n")[:-1]:
        values = list(json.loads(line, parse_int=str, parse_float=str).values())
        assert len(values) == len(forms), line
        rows.append("\t".join("\\N" if value is None else form(value)
                              for value, form in zip(values, forms)).encode())
    return rows


# ---- all of them ---------------------------------------------------------------------------

def pyiceberg_rows(lake, name):
    catalog = lake.place.pyiceberg()
    try:
        table = catalog.load_table(tuple(name.split(".", 1)))
        return canon.rows_of_arrow(table.scan().to_arrow())
    finally:
        catalog.engine.dispose()


def java_digests(lake, names):
    """By the catalog; names with more dots than one, which Java's parser splits otherwise, by
    their metadata files."""
    plain = [name for name in names if name.count(".") == 1]
    dotted = [name for name in names if name.count(".") != 1]
    digests = judges.java(lake.place, *plain, digest=True) if plain else []
    if dotted:
        digests += java_metadata(lake, *dotted, digest=True)
    return dict(zip(plain + dotted, digests))


def java_metadata(lake, *names, digest=False):
    return judges.java_metadata(*map(lake.location, names), digest=digest,
                                properties=lake.place.properties)


def _explain(reader, name, expected, actual):
    missing, extra = _difference(expected, actual), _difference(actual, expected)
    return (f"{reader} reads another {name} than the source has: {len(expected)} rows there,"
            f" {len(actual)} here\nmissing: {missing[:SHOWN]}\nextra: {extra[:SHOWN]}")


def _difference(left, right):
    counts = {}
    for row in right:
        counts[row] = counts.get(row, 0) + 1
    rest = []
    for row in left:
        if counts.get(row, 0) > 0:
            counts[row] -= 1
        else:
            rest.append(row)
    return rest


def assert_equal(database, lake, *names):
    """Every table, row for row, by all three readers.  The source must stand still."""
    expected = {name: source_rows(database, name) for name in names}
    digests = {name: canon.digest(rows) for name, rows in expected.items()}
    for name in names:
        for reader, rows in [("walberg sql", lake_rows(lake, database, name)),
                             ("PyIceberg", pyiceberg_rows(lake, name))]:
            if canon.digest(rows) != digests[name]:
                raise AssertionError(_explain(reader, name, expected[name], rows))
    for name, found in java_digests(lake, names).items():
        if found != digests[name].encode():
            raise AssertionError(_explain("Iceberg's Java library", name, expected[name],
                                          java_metadata(lake, name)))
