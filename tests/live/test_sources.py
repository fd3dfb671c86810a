"""Sources whose settings, encodings and ways of writing are not the usual ones."""

import re

import pytest

from conftest import Database
from support.compare import assert_equal, lake_rows
from support.refusal import assert_refused
from support.walberg import lsn_number

VALUES = """
CREATE TABLE t (id int PRIMARY KEY, f real, d double precision, day date, at timestamp,
    zoned timestamptz, clock time, bin bytea, n numeric(20, 5), a text, j jsonb, b bool)
"""
ROW = """INSERT INTO t VALUES ({0}, 0.1, 0.1::float8 + 0.2, '2024-03-04', '2024-03-04 05:06:07.891',
    '2024-03-04 05:06:07.891+01', '05:06:07.000001', '\\x005c27ff', -1234.5,
    E'back\\\\slash \\'quote\\' é', '{{"a": 1.50}}', true)"""

STRANGE = {
    "datestyle": "'SQL, DMY'", "intervalstyle": "'iso_8601'", "bytea_output": "'escape'",
    "extra_float_digits": "-15", "timezone": "'Asia/Kolkata'", "statement_timeout": "'300ms'",
    "idle_in_transaction_session_timeout": "'200ms'", "lock_timeout": "'100ms'",
    "default_transaction_isolation": "'serializable'", "default_transaction_read_only": "on",
    "standard_conforming_strings": "off", "client_encoding": "'LATIN1'", "search_path": "''",
    "enable_seqscan": "off", "lc_monetary": "'C'", "quote_all_identifiers": "on",
}


def test_settings_of_the_database_change_no_value(database, walberg):
    database.sql(VALUES)
    database.sql(ROW.format(1))
    for name, value in STRANGE.items():
        database.sql(f'ALTER DATABASE "{database.name}" SET {name} = {value}')
    lake = walberg()
    lake.start()
    lake.wait_live()
    # The tests' own connection is older than the settings.
    database.sql(ROW.format(2))
    database.sql("UPDATE t SET id = 3 WHERE id = 1; UPDATE t SET f = f WHERE id = 2")
    database.sql("INSERT INTO t SELECT g, random(), random() FROM generate_series(1000, 60000) g")
    database.catch_up(lake)
    for name in STRANGE:  # how the tests read
        database.sql(f'ALTER DATABASE "{database.name}" RESET {name}')
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_other_encodings(server, walberg, encoding):
    name = f"in {encoding}"
    server.sql(f'DROP DATABASE IF EXISTS "{name}"')
    server.sql(f'CREATE DATABASE "{name}" ENCODING \'{encoding}\' LOCALE \'C\' TEMPLATE template0')
    made = Database.__new__(Database)
    made.server, made.name = server, name
    made.sql("CREATE TABLE public.marker (id int PRIMARY KEY, n bigint NOT NULL);"
             " INSERT INTO public.marker VALUES (1, 0)")
    lake = walberg(url=made.url)
    try:
        word = {"LATIN1": "é", "SQL_ASCII": "plain", "EUC_JP": "漢字"}[encoding]
        made.sql(f"CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, '{word}')")
        lake.start()
        lake.wait_live()
        made.sql(f"INSERT INTO t VALUES (2, '{word}' || '{word}')")
        made.catch_up(lake)
        assert_equal(made, lake, "public.t")
        if encoding == "SQL_ASCII":  # bytes that are no text anywhere else
            before = lake_rows(lake, made, "public.t")
            made.sql("INSERT INTO t VALUES (3, E'\\xff\\xfe')")
            reason = lake.wait_state("public.t", "paused")
            assert "id = 3" in reason and '"a"' in reason
            assert lake_rows(lake, made, "public.t") == before
            lake.call("snapshot", "public.t")
            assert lake.table("public.t")[0] == "paused"
            made.sql("DELETE FROM t WHERE id = 3")
            lake.command("snapshot", "public.t")
            made.catch_up(lake)
            assert_equal(made, lake, "public.t")
        assert lake.stop() == 0
    finally:
        if lake.is_running:
            lake.kill()
        made.remove()


def test_prepared_transactions(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("BEGIN; INSERT INTO t VALUES (1, 'a'), (2, 'b'); PREPARE TRANSACTION 'one'")
    database.sql("BEGIN; INSERT INTO t VALUES (3, 'never'); PREPARE TRANSACTION 'two'")
    database.sql("INSERT INTO t VALUES (4, 'd')")
    database.catch_up(lake)
    assert lake.value("SELECT count(*) FROM t") == 1
    assert lake.stop() == 0
    lake.start()
    database.sql("COMMIT PREPARED 'one'")
    database.sql("ROLLBACK PREPARED 'two'")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


def test_partitions(database, walberg):
    database.sql("""
        CREATE TABLE root (id int, day date, a text, PRIMARY KEY (id, day))
            PARTITION BY RANGE (day);
        CREATE TABLE old PARTITION OF root FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE new PARTITION OF root FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO root SELECT i, date '2023-06-01' + i, 'x' FROM generate_series(1, 400) i""")
    names = ["public.old", "public.new"]
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("UPDATE root SET day = day + 200 WHERE id % 3 = 0 AND day < '2024-01-01'")
    database.sql("DELETE FROM root WHERE id % 5 = 0")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    database.sql("TRUNCATE root; INSERT INTO root VALUES (1, '2023-02-02', 'after')")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    database.sql("ALTER TABLE root DETACH PARTITION old; INSERT INTO old VALUES (7, '1999-01-01')")
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


def test_values_and_rows_of_great_size(database, walberg):
    columns = ", ".join(f"c{i} int" for i in range(1, 1500))
    database.sql(f"CREATE TABLE many (c0 int PRIMARY KEY, {columns})")
    database.sql("INSERT INTO many (c0, c1, c1499) VALUES (1, 2, 3)")
    database.sql("CREATE TABLE large (id int PRIMARY KEY, a text, b bytea)")
    database.sql("ALTER TABLE large REPLICA IDENTITY FULL")
    big = "(SELECT string_agg(md5((i * {0})::text), '') FROM generate_series(1, 1000000) i)"
    database.sql(f"INSERT INTO large VALUES (1, {big.format(1)}, NULL)")
    lake = walberg({"log.segment_size": "1MB", "lake.memory": "8MB"})
    lake.start()
    lake.wait_live()
    database.sql(f"INSERT INTO large VALUES (2, {big.format(2)}, NULL)")
    database.sql("UPDATE large SET b = convert_to(left(a, 5000000), 'UTF8') WHERE id = 1")
    database.sql("UPDATE many SET c1499 = 4, c0 = 5; INSERT INTO many (c0) VALUES (6)")
    database.catch_up(lake)
    assert_equal(database, lake, "public.large", "public.many")
    assert lake.stop() == 0


def test_many_tables(database, walberg):
    count = 100
    for i in range(count):
        database.sql(f"CREATE TABLE t{i} (id int PRIMARY KEY, a text);"
                     f" INSERT INTO t{i} VALUES (1, 'x')")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("BEGIN;" + "".join(f"INSERT INTO t{i} VALUES (2, 'y');" for i in range(count))
                 + "COMMIT")
    database.catch_up(lake)
    sums = " UNION ALL ".join(f"SELECT count(*) AS n FROM t{i}" for i in range(count))
    assert lake.value(f"SELECT sum(n) AS n FROM ({sums}) AS s") in (2 * count, str(2 * count))
    assert_equal(database, lake, "public.t0", f"public.t{count - 1}")
    assert lake.stop() == 0
    lake.start()
    database.sql("UPDATE t7 SET a = 'z'")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t7")
    assert lake.stop() == 0


def test_only_chosen_tables_are_captured_and_other_writes_hold_back_no_wal(database, walberg):
    database.sql("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY);"
                 " CREATE TABLE shop.old_orders (id int PRIMARY KEY);"
                 " CREATE TABLE noise (id int PRIMARY KEY, a text)")
    lake = walberg({"source.tables": "shop.o*rs,public.marker"})
    lake.start()
    lake.wait_live()
    names = [f"{table['namespace']}.{table['name']}" for table in lake.status()["tables"]]
    assert names == ["public.marker", "shop.old_orders", "shop.orders"]
    lake.stop()
    lake.settings["source.tables"] = "shop.orders,public.marker"
    database.sql("INSERT INTO shop.orders VALUES (1); INSERT INTO shop.old_orders VALUES (1)")
    lake.start()
    reason = lake.wait_state("shop.old_orders", "paused")
    assert "source.tables did not name it any more" in reason
    database.sql("INSERT INTO noise SELECT i, repeat(md5(i::text), 50)"
                 " FROM generate_series(1, 20000) i")
    here = lsn_number(database.value("SELECT pg_current_wal_lsn()"))
    lake.wait_until(lambda: database.value(
        "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE database = %s",
        (database.name,)) >= here, "what is not captured is not confirmed")
    lake.wait_for(here)  # by a mark, within ten seconds and a bit
    assert lake.status()["lag_bytes"] < 1 << 20
    database.catch_up(lake)
    assert_equal(database, lake, "shop.orders")
    assert lake.stop() == 0
    lake.settings["source.tables"] = "shop.o*rs,public.marker"
    lake.start()
    lake.command("snapshot", "shop.old_orders")
    assert_equal(database, lake, "shop.orders", "shop.old_orders")
    assert lake.stop() == 0


def test_a_slip_in_the_tables_names_is_refused_and_changes_nothing(database, walberg):
    database.sql("CREATE TABLE orders (id int PRIMARY KEY)")
    lake = walberg({"source.tables": "public.*"})
    lake.start()
    lake.wait_live()
    assert lake.stop() == 0
    lake.settings["source.tables"] = "public.marker,public.ordrs"
    assert_refused(lake, '"public.ordrs" in source.tables names no table')
    lake.settings["source.tables"] = "public.*"
    lake.start()
    lake.wait_live()
    database.sql("INSERT INTO orders VALUES (1)")
    database.catch_up(lake)
    assert_equal(database, lake, "public.orders")
    database.sql("DROP TABLE orders")
    lake.wait_state("public.orders", "paused")
    assert lake.stop() == 0
    lake.settings["source.tables"] = "public.marker,public.orders"
    lake.start()  # of a table that was there, the others do not suffer
    database.catch_up(lake)
    assert lake.stop() == 0


def test_another_database_and_another_slot_are_refused_by_name(database, walberg):
    lake = walberg()
    lake.start()
    lake.wait_live()
    assert lake.stop() == 0
    own = lake.url
    lake.url = re.sub(r"/[^/?]*(\?|$)", r"/postgres\1", own)
    assert_refused(lake, f'one of database "{database.name}"', 'connection is to "postgres"',
                   f'Connect to "{database.name}"')
    lake.url = own
    lake.settings["source.slot"] = "another"
    assert_refused(lake, "this lake's replication slot is", 'source.slot is "another"')
    del lake.settings["source.slot"]
    lake.start()
    lake.wait_live()
    assert lake.stop() == 0


def test_a_name_for_the_slot_that_did_not_work_can_be_corrected(database, walberg):
    lake = walberg({"source.slot": "Not a name"})
    assert_refused(lake, "source.slot")
    lake.settings["source.slot"] = "corrected"
    lake.start()
    lake.wait_live()
    assert database.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s",
                          ("corrected",)) == 1
    assert lake.stop() == 0
