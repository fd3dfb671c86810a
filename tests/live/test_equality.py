"""After every kind of change the lake's tables equal the source's, row for row, as walberg's own
SQL, PyIceberg and Iceberg's Java library read them."""

import pathlib
import subprocess

import pytest

from conftest import BOTH, IS_LONG
from support.compare import assert_equal

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
SNAPSHOT_ROWS = 1000000 if IS_LONG else 50000
MIXED_TRANSACTIONS = 10000 if IS_LONG else 1000  # of ten changes, twice
BIG_ROWS = 1000000 if IS_LONG else 60000
PATIENCE = 600
pytestmark = [pytest.mark.timeout(3600 if IS_LONG else 300),
              pytest.mark.parametrize("kind", BOTH, indirect=True)]


def stream_large_transactions(database):
    """What is in progress is sent as soon as it is larger than this."""
    database.sql(f'ALTER DATABASE "{database.name}" SET logical_decoding_work_mem = \'64kB\'')


def mixed10(database, rows):
    return database.pgbench("-c", 2, "-t", MIXED_TRANSACTIONS // 2, "-D", f"rows={rows}",
                            "--max-tries=100", "-f", BENCH / "mixed10.pgbench",
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_snapshot_and_mixed_changes_during_and_after_it(database, walberg):
    database.psql(BENCH / "schema.sql")
    database.psql(BENCH / "load.sql", rows=SNAPSHOT_ROWS)
    lake = walberg()
    during = mixed10(database, SNAPSHOT_ROWS)
    lake.start()
    lake.wait_live(PATIENCE)
    assert during.poll() is None, "the changes were over before the snapshot was"
    assert during.wait(PATIENCE) == 0
    database.catch_up(lake, PATIENCE)
    assert_equal(database, lake, "public.orders")
    assert mixed10(database, SNAPSHOT_ROWS).wait(PATIENCE) == 0
    database.catch_up(lake, PATIENCE)
    assert_equal(database, lake, "public.orders")
    assert lake.stop() == 0


def test_one_large_transaction(database, walberg):
    stream_large_transactions(database)
    database.psql(BENCH / "schema.sql")
    lake = walberg({"log.segment_size": "8MB"})
    lake.start()
    lake.wait_live()
    database.sql(f"""
        BEGIN;
        INSERT INTO orders SELECT r.* FROM generate_series(1, {BIG_ROWS}) i, order_row(i) r;
        UPDATE orders SET status = 'ODD', id = id + 10000000 WHERE id % 9 = 1;
        DELETE FROM orders WHERE id % 7 = 3;
        COMMIT""")
    database.catch_up(lake, PATIENCE)
    assert_equal(database, lake, "public.orders")
    assert lake.stop() == 0


def log_bytes(lake):
    return sum(file.stat().st_size for file in (lake.directory / "log").iterdir())


def test_a_transaction_that_is_rolled_back_when_part_of_it_stands_in_the_log(database, walberg):
    stream_large_transactions(database)
    database.psql(BENCH / "schema.sql")
    database.psql(BENCH / "load.sql", rows=1000)
    lake = walberg({"log.segment_size": "1MB"})
    lake.start()
    lake.wait_live()
    writer = database.connect()
    cursor = writer.cursor()
    before = log_bytes(lake)
    insert = "INSERT INTO orders SELECT r.* FROM generate_series(%s, %s) i, order_row(i) r"
    cursor.execute(insert, (1001, 51000))
    cursor.execute("UPDATE orders SET total = 0 WHERE id <= 1000")
    lake.wait_until(lambda: log_bytes(lake) > before + (1 << 20), "nothing of it is in the log")
    database.sql("UPDATE orders SET note = 'meanwhile' WHERE id = 1500")  # not there yet
    database.catch_up(lake)
    cursor.execute(insert, (51001, 101000))
    writer.rollback()
    database.catch_up(lake, PATIENCE)
    assert_equal(database, lake, "public.orders")
    # and the same, committed after the process has begun anew
    cursor.execute(insert, (1001, 20000))
    before = log_bytes(lake)
    lake.wait_until(lambda: log_bytes(lake) > before, "nothing of it is in the log")
    lake.kill()
    lake.start()
    cursor.execute(insert, (20001, 30000))
    writer.commit()
    writer.close()
    database.catch_up(lake, PATIENCE)
    assert_equal(database, lake, "public.orders")
    assert lake.stop() == 0


@pytest.mark.parametrize("is_streamed", [False, True])
def test_subtransactions_that_are_rolled_back(database, walberg, is_streamed):
    if is_streamed:
        stream_large_transactions(database)
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("INSERT INTO t SELECT i, 'first' FROM generate_series(1, 1000) i")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for first in [10000, 20000]:
        database.sql(f"""
            BEGIN;
            INSERT INTO t SELECT i, repeat('a', 100)
                FROM generate_series({first}, {first + 2000}) i;
            SAVEPOINT outside;
            UPDATE t SET a = 'never' WHERE id <= 1000;
            SAVEPOINT inside;
            DELETE FROM t WHERE id % 2 = 0;
            ROLLBACK TO inside;
            INSERT INTO t SELECT -i - {first}, 'never' FROM generate_series(1, 3000) i;
            ROLLBACK TO outside;
            SAVEPOINT kept;
            UPDATE t SET a = a || 'b' WHERE id % 3 = 0;
            RELEASE kept;
            DELETE FROM t WHERE id % 17 = 0;
            COMMIT""")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


def test_updates_of_keys(database, walberg):
    database.sql("""
        CREATE TABLE numbers (id bigint PRIMARY KEY, a int);
        CREATE TABLE pairs (a text, b date, c numeric(10, 2), v text, PRIMARY KEY (c, a));
        CREATE TABLE deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, k uuid PRIMARY KEY);
        INSERT INTO numbers SELECT i, i FROM generate_series(1, 500) i;
        INSERT INTO pairs SELECT 'k' || i, date '2024-01-01' + i, i / 4.0, NULL
            FROM generate_series(1, 300) i;
        INSERT INTO deferred SELECT i, md5(i::text)::uuid FROM generate_series(1, 50) i""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("UPDATE numbers SET id = -id, a = a + 1 WHERE id % 3 = 0")
    database.sql("""
        BEGIN;
        UPDATE numbers SET id = 1000000 WHERE id = 1;
        UPDATE numbers SET id = 1 WHERE id = 2;
        UPDATE numbers SET id = 2 WHERE id = 1000000;
        DELETE FROM numbers WHERE id = 4;
        INSERT INTO numbers VALUES (4, 400);
        UPDATE numbers SET id = 5000000 WHERE id = 4;
        INSERT INTO numbers VALUES (4, 4000);
        DELETE FROM numbers WHERE id = 4;
        INSERT INTO numbers VALUES (600, 1), (601, 2);
        UPDATE numbers SET id = id + 100 WHERE id >= 600 AND id < 700;
        COMMIT""")
    database.sql("UPDATE pairs SET a = upper(a), c = c + 1000 WHERE c < 20")
    database.sql("UPDATE pairs SET v = 'same key', c = c * 1.0")
    database.sql("UPDATE deferred SET id = 51 - id")
    database.sql("UPDATE deferred SET k = md5(k::text)::uuid WHERE id % 2 = 0")
    database.catch_up(lake)
    names = ["public.numbers", "public.pairs", "public.deferred"]
    assert_equal(database, lake, *names)
    assert lake.stop() == 0
    database.sql("UPDATE numbers SET id = id + 1000000000000 WHERE id % 2 = 0")
    lake.start()
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


def test_truncate(database, walberg):
    database.sql("""
        CREATE TABLE parent (id serial PRIMARY KEY, a text);
        CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent);
        CREATE TABLE other (id int PRIMARY KEY);
        CREATE TABLE lines (a int);
        INSERT INTO parent (a) SELECT 'x' FROM generate_series(1, 100);
        INSERT INTO child (parent_id) SELECT 1 + i % 100 FROM generate_series(1, 200) i;
        INSERT INTO other SELECT generate_series(1, 50);
        INSERT INTO lines SELECT generate_series(1, 50)""")
    names = ["public.parent", "public.child", "public.other", "public.lines"]
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("INSERT INTO other VALUES (99)")
    database.sql("TRUNCATE lines, other")
    database.sql("""
        BEGIN;
        INSERT INTO parent (a) VALUES ('before');
        TRUNCATE parent RESTART IDENTITY CASCADE;
        INSERT INTO parent (a) VALUES ('after'), ('gone');
        INSERT INTO child (parent_id) VALUES (1);
        DELETE FROM parent WHERE id = 2;
        INSERT INTO lines VALUES (1), (1);
        COMMIT""")
    database.sql("BEGIN; TRUNCATE parent CASCADE; INSERT INTO other VALUES (7); ROLLBACK")
    database.sql("BEGIN; INSERT INTO other VALUES (8); TRUNCATE other; COMMIT")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    database.sql("TRUNCATE parent, child, other, lines")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


def test_replica_identity_full_with_values_stored_out_of_line(database, walberg):
    database.sql("""
        CREATE TABLE wide (id int PRIMARY KEY, n int, big text, bytes bytea);
        ALTER TABLE wide REPLICA IDENTITY FULL;
        ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
        INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 500), decode(repeat('00ff', 2000), 'hex')
            FROM generate_series(1, 40) i;
        INSERT INTO wide VALUES (100, NULL, NULL, NULL)""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("UPDATE wide SET n = n + 1")
    database.sql("UPDATE wide SET id = id + 1000 WHERE id % 2 = 0")
    database.sql("UPDATE wide SET big = NULL WHERE id % 5 = 0")
    database.sql("UPDATE wide SET bytes = '\\x' WHERE id % 7 = 0")
    database.sql("DELETE FROM wide WHERE id % 11 = 0")
    database.sql("BEGIN; UPDATE wide SET n = 9 WHERE id = 1; UPDATE wide SET n = 10 WHERE id = 1;"
                 " COMMIT")
    database.catch_up(lake)
    assert_equal(database, lake, "public.wide")
    assert lake.table("public.wide") == ("live", "")
    assert lake.stop() == 0


def test_tables_without_a_key_take_inserts_and_truncates(database, walberg):
    database.sql("""
        CREATE TABLE plain (a int, b text);
        CREATE TABLE whole (a int, b text);
        ALTER TABLE whole REPLICA IDENTITY FULL;
        CREATE TABLE unkeyed (a int PRIMARY KEY, b text);
        ALTER TABLE unkeyed REPLICA IDENTITY NOTHING;
        CREATE TABLE late (a int PRIMARY KEY DEFERRABLE, b text);
        INSERT INTO plain SELECT i % 3, 'x' FROM generate_series(1, 30) i;
        INSERT INTO whole SELECT i % 3, 'x' FROM generate_series(1, 30) i;
        INSERT INTO unkeyed VALUES (1, 'a'), (2, 'b');
        INSERT INTO late VALUES (1, 'a'), (2, 'b')""")
    names = ["public.plain", "public.whole", "public.unkeyed", "public.late"]
    lake = walberg()
    lake.start()
    lake.wait_live()
    for name in names:
        database.sql(f"INSERT INTO {name} VALUES (10, 'y'), (11, NULL)")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    before = {name: lake.value(f"SELECT count(*) FROM {name}") for name in names}
    for name in names:  # the user's own changes work, and are not seen
        database.sql(f"UPDATE {name} SET b = 'changed'")
        database.sql(f"DELETE FROM {name} WHERE a = 10")
    database.sql("TRUNCATE plain")
    database.sql("INSERT INTO plain VALUES (1, 'new')")
    database.catch_up(lake)
    assert_equal(database, lake, "public.plain")
    for name in names[1:]:
        assert lake.value(f"SELECT count(*) FROM {name} WHERE b = 'changed'") == 0
        assert lake.value(f"SELECT count(*) FROM {name}") == before[name]
    shown = lake.command("status", database.url)
    assert shown.count("append: updates and deletes are not seen") == len(names)
    assert {table["name"] for table in lake.status()["tables"] if table["is_append"]} == {
        name.split(".")[1] for name in names}
    assert lake.stop() == 0


TYPES = [
    ("b", "boolean", ["true", "false"]),
    ("i2", "smallint", ["-32768", "32767"]),
    ("i4", "integer", ["-2147483648", "2147483647"]),
    ("i8", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    ("f4", "real", ["'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "1.17549435e-38", "1e-45",
                    "3.4028235e38", "0.1", "16777217"]),
    ("f8", "double precision", ["'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "5e-324",
                                "2.2250738585072014e-308", "1.7976931348623157e308", "0.1",
                                "9007199254740993", "1e15", "123456789012345680"]),
    ("n1", "numeric(1)", ["9", "-9", "0"]),
    ("n9", "numeric(9, 9)", ["0.999999999", "-0.000000001"]),
    ("n18", "numeric(18, 2)", ["9999999999999999.99", "-9999999999999999.99"]),
    ("n38", "numeric(38)", ["9" * 38, "-" + "9" * 38, "1e37"]),
    ("n38s", "numeric(38, 37)", ["9." + "9" * 37, "-1e-37"]),
    ("nn", "numeric(5, -2)", ["1234567", "-149"]),
    ("ns", "numeric(3, 5)", ["0.00999", "-0.00001"]),
    ("t", "text", ["''", "E'\\t\\n\\r\\b\\f\\v\\\\\\\\N'", "'\\N'", "'null'", "repeat('é', 5000)",
                   "U&'\\+01F600\\FFFD\\200B'", "E'\\x01\\x7f'", "'\"'",
                   "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) i)"]),
    ("v", "varchar(10)", ["'0123456789'", "''"]),
    ("c", "char(5)", ["'ab'", "''", "'abcde'"]),
    ("d", "date", ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'", "'2000-02-29'"]),
    ("h", "time", ["'00:00'", "'23:59:59.999999'", "'12:00:00.1'"]),
    ("h0", "time(0)", ["'12:00:01'"]),
    ("ts", "timestamp", ["'0001-01-01'", "'9999-12-31 23:59:59.999999'",
                         "'1969-12-31 23:59:59.999999'", "'2024-02-29 12:00:00.000001'"]),
    ("tz", "timestamptz", ["'0001-01-01 00:00+00'", "'9999-12-31 23:59:59.999999+00'",
                           "'2024-06-01 12:00+05:30'"]),
    ("u", "uuid", ["'00000000-0000-0000-0000-000000000000'",
                   "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                   "'7fffffff-ffff-ffff-8000-000000000000'"]),
    ("y", "bytea", ["''", "'\\x00'", "'\\x5c4e0a09'", "decode(repeat('00ff10', 3000), 'hex')"]),
    ("j", "json", ["'{\"b\": 1, \"a\" :  [1.0, 1e400, null]}'", "'null'", "'\"\\u0041\"'", "'1'"]),
    ("jb", "jsonb", ["'{\"b\": 1, \"a\" :  [1.0, null]}'", "'\"\\u00e9\\\\\"'", "'[]'"]),
    ("e", "mood", ["'sad'", "'very happy 😀'", "''"]),
    ("nm", "name", ["'a name'"]),
]


def insert_edges(database, table, first):
    """A row of NULLs, and for every edge a row that has it alone."""
    statements = [f"INSERT INTO {table} (id) VALUES ({first})"]
    for column, kind, values in TYPES:
        for value in values:
            first += 1
            statements.append(f"INSERT INTO {table} (id, {column}) VALUES ({first}, "
                              f"({value})::{kind})")
    database.sql("BEGIN; " + ";\n".join(statements) + "; COMMIT")
    return first


def test_every_type_with_its_edges(database, walberg):
    columns = ", ".join(f"{column} {kind}" for column, kind, _ in TYPES)
    required = ", ".join(f"{column} {kind} NOT NULL DEFAULT ({values[0]})::{kind}"
                         for column, kind, values in TYPES)
    database.sql("CREATE TYPE mood AS ENUM ('sad', 'very happy 😀', '')")
    database.sql(f"CREATE TABLE edges (id int PRIMARY KEY, {columns})")
    database.sql(f"CREATE TABLE required (id int PRIMARY KEY, {required})")
    for table in ["edges", "required"]:
        database.sql(f"ALTER TABLE {table} REPLICA IDENTITY FULL")  # for what is out of line
        insert_edges(database, table, 1)
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    names = ["public.edges", "public.required"]
    assert_equal(database, lake, *names)
    for table in ["edges", "required"]:
        last = insert_edges(database, table, 1001)
        for column, kind, values in TYPES:
            database.sql(f"UPDATE {table} SET {column} = ({values[-1]})::{kind}"
                         f" WHERE id % 5 = 0 AND id < {last}")
    database.catch_up(lake)
    assert lake.table("public.edges") == ("live", "")
    assert_equal(database, lake, *names)
    assert lake.stop() == 0
    lake.start()
    database.sql("UPDATE edges SET id = -id")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


KEYS = [column for column in TYPES
        if column[0] not in ("f4", "f8", "j", "t")]  # no edges that compare equal, or too long


def test_every_type_as_a_key(database, walberg):
    database.sql("CREATE TYPE mood AS ENUM ('sad', 'very happy 😀', '')")
    for column, kind, values in [*KEYS, ("t", "text", ["''", "'é'", "'e\u0301'"]),
                                 ("f8", "double precision", ["0.1", "'NaN'", "'-0'", "1e300"])]:
        database.sql(f"CREATE TABLE by_{column} (k {kind} PRIMARY KEY, n int)")
        for value in values[:3]:
            database.sql(f"INSERT INTO by_{column} VALUES (({value})::{kind}, 0)")
    names = [f"public.by_{column}" for column, _, _ in KEYS] + ["public.by_t", "public.by_f8"]
    lake = walberg()
    lake.start()
    lake.wait_live()
    for name in names:
        database.sql(f"UPDATE {name} SET n = n + 1")
    database.catch_up(lake)
    assert lake.stop() == 0
    lake.start()
    for name in names:
        database.sql(f"UPDATE {name} SET n = n + 1")
        database.sql(f"DELETE FROM {name} WHERE k = (SELECT min(k::text) FROM {name})::"
                     + database.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                                      " WHERE attrelid = %s::regclass AND attnum = 1", (name,)))
    database.catch_up(lake)
    assert {lake.table(name) for name in names} == {("live", "")}
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


def test_schemas_and_names_of_every_kind(database, walberg):
    tables = ['"Mixed Case"."Orders"', 'plain."order"', 'plain."naïve 表"', 'plain."with.dot"',
              'plain."percent%20"', """plain."it's" """.strip(), 'plain."a/b"', 'plain."..x"',
              'plain."semi;colon"', '"schema:x".t', 'plain."' + "n" * 63 + '"']
    database.sql('CREATE SCHEMA "Mixed Case"; CREATE SCHEMA plain; CREATE SCHEMA "schema:x"')
    for table in tables:
        database.sql(f"""
            CREATE TABLE {table} ("Id" int, "select" text, "a b" text, "Ünï" text, "q""x" int,
                "x.y" int, PRIMARY KEY ("Id"));
            INSERT INTO {table} VALUES (1, 'ä', NULL, '表', 1, 2),
                (2, E'\\t', '', '😀', 3, 4)""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for table in tables:
        database.sql(f"""INSERT INTO {table} VALUES (3, 'ß', 'x', 'y', 5, 6);
            UPDATE {table} SET "a b" = 'Ω' WHERE "Id" = 1; DELETE FROM {table} WHERE "Id" = 2""")
    database.catch_up(lake)
    names = [table.replace('"', "") for table in tables]
    assert {lake.table(name) for name in names} == {("live", "")}
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


def test_what_is_not_captured_is_left_out_and_listed(database, walberg):
    database.sql("""
        CREATE TABLE root (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
        CREATE TABLE part PARTITION OF root FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE mother (id int PRIMARY KEY);
        CREATE TABLE daughter (PRIMARY KEY (id)) INHERITS (mother);
        CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
        CREATE SCHEMA "dotted.schema";
        CREATE TABLE "dotted.schema".t (id int PRIMARY KEY);
        CREATE EXTENSION postgres_fdw;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
        CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
        CREATE VIEW seen AS SELECT 1;
        INSERT INTO root VALUES (1, '2024-02-02')""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("INSERT INTO root VALUES (2, '2024-03-03')")
    database.sql("UPDATE root SET id = 5 WHERE id = 1")
    database.catch_up(lake)
    assert_equal(database, lake, "public.part")
    reasons = {name: lake.table(name) for name in
               ["public.root", "public.mother", "public.daughter", "public.quick", "public.far",
                "dotted.schema.t"]}
    tables = {(table["namespace"], table["name"]): table for table in lake.status()["tables"]}
    for name in ["root", "mother", "daughter", "quick", "far"]:
        assert tables["public", name]["state"] == "left out", reasons
        assert tables["public", name]["reason"]
    assert tables["dotted.schema", "t"]["state"] == "left out"
    assert ("public", "seen") not in tables
    assert lake.stop() == 0
