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

def _judged(judge, judge_metadata, lake, names, digest):
    """One result a name.  A name with more dots than one is found by its metadata file."""
    plain = [name for name in names if name.count(".") == 1]
    found = {}
    if digest and plain:
        found.update(zip(plain, judge(lake.catalog, *plain, digest=True)))
    for name in names:
        if name in found:
            continue
        rows = (judge(lake.catalog, name, digest=digest) if name in plain
                else judge_metadata(lake.location(name), digest=digest))
        found[name] = rows[0] if digest else rows
    return found


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
    for name in names:
        actual = lake_rows(lake, database, name)
        if canon.digest(actual) != canon.digest(expected[name]):
            raise AssertionError(_explain("walberg sql", name, expected[name], actual))
    for reader, judge, judge_metadata in [
            ("PyIceberg", judges.pyiceberg, judges.pyiceberg_metadata),
            ("Iceberg's Java library", judges.java, judges.java_metadata)]:
        digests = _judged(judge, judge_metadata, lake, names, digest=True)
        for name in names:
            if digests[name] != canon.digest(expected[name]).encode():
                actual = _judged(judge, judge_metadata, lake, [name], digest=False)[name]
                raise AssertionError(_explain(reader, name, expected[name], actual))
