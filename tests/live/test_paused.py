"""What cannot be kept exactly pauses its table alone, with a reason that says what, where and what
to do; nothing of it is written, the other tables go on, and `walberg snapshot` brings it back."""

import concurrent.futures

import pytest

from conftest import BOTH, BOTH_IF_LONG
from support.compare import assert_equal, lake_rows

both = pytest.mark.parametrize("kind", BOTH, indirect=True)
both_if_long = pytest.mark.parametrize("kind", BOTH_IF_LONG, indirect=True)

TYPES = ["point", "int[]", "money", "interval", "timetz", "inet", "bit(3)", "xml", "int4range",
         "numeric", "numeric(39, 2)", "tsvector", "positive",
         "oid", "pair", "\"char\""]

VALUES = [  # type, value, a part of the reason, a value that fits
    ("numeric(10, 2)", "'NaN'", "NaN", "1"),
    ("date", "'infinity'", "infinite", "'2024-01-01'"),
    ("date", "'-infinity'", "infinite", "'2024-01-01'"),
    ("date", "'10000-01-01'", "9999", "'2024-01-01'"),
    ("date", "'0001-12-31 BC'", "0001", "'2024-01-01'"),
    ("timestamp", "'infinity'", "infinite", "'2024-01-01'"),
    ("timestamp", "'-infinity'", "infinite", "'2024-01-01'"),
    ("timestamp", "'10000-01-01'", "9999", "'2024-01-01'"),
    ("timestamp", "'4713-01-01 BC'", "0001", "'2024-01-01'"),
    ("timestamptz", "'infinity'", "infinite", "'2024-01-01'"),
    ("timestamptz", "'10000-01-01 00:00+00'", "9999", "'2024-01-01'"),
    ("timestamptz", "'0001-12-31 23:59 BC+00'", "0001", "'2024-01-01'"),
    ("time", "'24:00'", "24:00", "'12:00'"),
]


def assert_paused(lake, name, *parts):
    """Its reason has the parts, and the way out; `status` and `sql` say it too."""
    reason = lake.wait_state(name, "paused")
    for part in parts:
        assert part in reason, reason
    assert f"walberg snapshot {name}" in reason, reason
    (shown,) = [table for table in lake.status()["tables"]
                if f"{table['namespace']}.{table['name']}" == name]
    assert shown["state"] == "paused" and shown["reason"] == reason
    assert f"{name} is paused: {reason}" in lake.command("status", lake.url)
    return reason


def bring_back(lake, database, *names):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda name: lake.command("snapshot", name), names))
    assert all("is read again" in line for line in said)
    assert {lake.table(name) for name in names} == {("live", "")}
    database.catch_up(lake)
    assert_equal(database, lake, *names)


@both
def test_types_that_are_not_captured(database, walberg):
    database.sql("CREATE DOMAIN positive AS int CHECK (value > 0);"
                 " CREATE TYPE pair AS (a int, b int)")
    names = []
    for index, kind in enumerate(TYPES):
        database.sql(f"CREATE TABLE t{index} (id int PRIMARY KEY, bad {kind})")
        database.sql(f"INSERT INTO t{index} VALUES (1, NULL)")
        names.append(f"public.t{index}")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for name in names:
        assert_paused(lake, name, '"bad"')
        assert lake.call("sql", f"SELECT * FROM {name}").returncode == 1
        database.sql(f"UPDATE {name} SET id = 2")  # costs the user nothing
    database.catch_up(lake)
    failed = lake.call("snapshot", names[0])
    assert failed.returncode == 1 and '"bad"' in failed.stderr
    for name in names[:3]:
        database.sql(f"ALTER TABLE {name} ALTER bad TYPE text")
    bring_back(lake, database, *names[:3])
    assert lake.stop() == 0


@both
def test_values_that_do_not_fit_in_the_initial_rows(database, walberg):
    names = []
    for index, (kind, value, _, _) in enumerate(VALUES):
        database.sql(f"CREATE TABLE t{index} (id int PRIMARY KEY, v {kind})")
        database.sql(f"INSERT INTO t{index} SELECT i, NULL FROM generate_series(1, 10) i")
        database.sql(f"UPDATE t{index} SET v = {value} WHERE id = 7")
        names.append(f"public.t{index}")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for name, (_, _, part, good) in zip(names, VALUES):
        assert_paused(lake, name, part, '"v"', "id = 7")
        assert lake.call("sql", f"SELECT * FROM {name}").returncode == 1
        database.sql(f"UPDATE {name} SET v = {good} WHERE id = 7")
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker")
    bring_back(lake, database, *names)
    assert lake.stop() == 0


@both
def test_values_that_do_not_fit_in_a_change(database, walberg):
    names = []
    for index, (kind, _, _, good) in enumerate(VALUES):
        database.sql(f"CREATE TABLE t{index} (id int PRIMARY KEY, v {kind})")
        database.sql(f"INSERT INTO t{index} SELECT i, {good} FROM generate_series(1, 10) i")
        names.append(f"public.t{index}")
    lake = walberg()
    lake.start()
    lake.wait_live()
    before = {name: sorted(lake_rows(lake, database, name)) for name in names}
    for index, (name, (_, value, _, _)) in enumerate(zip(names, VALUES)):
        database.sql(f"UPDATE {name} SET v = {value} WHERE id = 7" if index % 2 else
                     f"INSERT INTO {name} VALUES (77, {value})")
        database.sql(f"DELETE FROM {name} WHERE id = 1")
    for index, (name, (_, _, part, good)) in enumerate(zip(names, VALUES)):
        assert_paused(lake, name, part, '"v"', "id = 7" if index % 2 else "id = 77")
        done = lake.call("sql", f"SELECT * FROM {name}", "--json")
        assert done.returncode == 0 and "paused" in done.stderr, done.stderr
        assert sorted(lake_rows(lake, database, name)) == before[name]
        database.sql(f"UPDATE {name} SET v = {good} WHERE id >= 7")
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker")
    bring_back(lake, database, *names)
    assert lake.stop() == 0


@both
def test_a_bad_value_that_is_gone_before_its_commit_is_still_never_written(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, d date)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("BEGIN; INSERT INTO t VALUES (1, 'infinity'); DELETE FROM t; COMMIT")
    database.sql("INSERT INTO t VALUES (2, '2024-01-01')")
    database.catch_up(lake)
    if lake.table("public.t")[0] == "paused":
        bring_back(lake, database, "public.t")
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
def test_a_value_stored_out_of_line_that_did_not_change(database, walberg):
    database.sql("""
        CREATE TABLE wide (k text, n int, big text, PRIMARY KEY (k));
        ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
        INSERT INTO wide SELECT 'key ' || i, 0, repeat(md5(i::text), 200)
            FROM generate_series(1, 5) i;
        CREATE TABLE lines (id int PRIMARY KEY, a text)""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    before = lake_rows(lake, database, "public.wide")
    database.sql("BEGIN; INSERT INTO lines VALUES (1, 'same transaction');"
                 " UPDATE wide SET n = 1 WHERE k = 'key 3'; INSERT INTO lines VALUES (2, 'too');"
                 " COMMIT")
    assert_paused(lake, "public.wide", '"big"', "key 3", "REPLICA IDENTITY FULL")
    database.catch_up(lake)
    assert lake_rows(lake, database, "public.wide") == before
    assert_equal(database, lake, "public.lines")
    database.sql("ALTER TABLE wide REPLICA IDENTITY FULL")
    bring_back(lake, database, "public.wide")
    database.sql("UPDATE wide SET n = n + 1")
    database.catch_up(lake)
    assert_equal(database, lake, "public.wide")
    assert lake.stop() == 0


DEFINITIONS = {  # statement on a table (id int PRIMARY KEY, a int, b text): part of the reason
    "ALTER TABLE {t} ADD COLUMN c int": "columns",
    "ALTER TABLE {t} ADD COLUMN c int DEFAULT 5": "columns",
    "ALTER TABLE {t} DROP COLUMN b": "columns",
    "ALTER TABLE {t} RENAME COLUMN b TO c": '"c"',
    "ALTER TABLE {t} ALTER a TYPE bigint": '"a"',
    "ALTER TABLE {t} ALTER a TYPE int USING a * 2": "rewritten",
    "ALTER TABLE {t} DROP COLUMN b, ADD COLUMN b text": "dropped and made again",
    "ALTER TABLE {t} ALTER b TYPE varchar(20)": '"b"',
    "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ALTER b SET NOT NULL, ADD PRIMARY KEY (b)": "key",
    "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ADD PRIMARY KEY (id, b)": "key",
    "ALTER TABLE {t} ADD UNIQUE (a), ALTER a SET NOT NULL;"
    " ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_a_key": "",
}
HARMLESS = [
    "ALTER TABLE {t} REPLICA IDENTITY FULL",
    "ALTER TABLE {t} ALTER a SET DEFAULT 7",
    "VACUUM FULL {t}",
    "ALTER TABLE {t} ALTER a SET NOT NULL",
    "CREATE INDEX ON {t} (a)",
    "CLUSTER {t} USING {t}_pkey",
    "ALTER TABLE {t} ADD CHECK (a > 0)",
    "TRUNCATE {t}",
    "ALTER TABLE {t} ALTER b SET STORAGE EXTERNAL",
    "ANALYZE {t}",
]


@both_if_long
@pytest.mark.parametrize("is_seen_at_the_start", [False, True])
def test_definitions_that_change(database, walberg, is_seen_at_the_start):
    """Seen by the next change of the table, by a look at the source, or at the next start."""
    names = [f"public.t{index}" for index in range(len(DEFINITIONS))]
    for name in [*names, "public.same"]:
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, a int, b text)")
        database.sql(f"INSERT INTO {name} SELECT i, i, 'b' || i FROM generate_series(1, 10) i")
    lake = walberg()
    lake.start()
    lake.wait_live()
    if is_seen_at_the_start:
        assert lake.stop() == 0
    for name, change in zip(names, DEFINITIONS):
        database.sql(f"INSERT INTO {name} VALUES (100, 100, 'before')")
        database.sql(change.format(t=name.split(".")[1]))
        if not is_seen_at_the_start:
            database.sql(f"UPDATE {name} SET id = 101 WHERE id = 100")
    if is_seen_at_the_start:
        lake.start()
    for name, part in zip(names, DEFINITIONS.values()):
        assert_paused(lake, name, part)
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker", "public.same")
    bring_back(lake, database, *names[:-1])
    for name in names[:-1]:
        database.sql(f"UPDATE {name} SET a = a + 1 WHERE id < 5")
    database.catch_up(lake)
    assert_equal(database, lake, *names[:-1])
    assert lake.stop() == 0


@both_if_long
def test_definitions_that_do_not_matter(database, walberg):
    """One after another on one table, with a start between each two."""
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for index, change in enumerate(HARMLESS):
        database.sql(f"INSERT INTO t SELECT i, i, 'b' FROM generate_series({index * 10 + 1},"
                     f" {index * 10 + 9}) i")
        database.sql(change.format(t="t"))
        database.sql("UPDATE t SET a = a + 1 WHERE id % 3 = 0")
        database.sql("UPDATE t SET id = -id WHERE id % 7 = 0")
        database.catch_up(lake)
        assert lake.stop() == 0
        lake.start()
        database.catch_up(lake)
        assert lake.table("public.t") == ("live", ""), change
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both_if_long
def test_tables_that_are_dropped_renamed_and_made_again(database, walberg):
    for name in ["gone", "again", "renamed", "moved"]:
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, a int)")
        database.sql(f"INSERT INTO {name} VALUES (1, 1)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("DROP TABLE gone")
    database.sql("DROP TABLE again; CREATE TABLE again (id int PRIMARY KEY, a int);"
                 " INSERT INTO again VALUES (2, 2)")
    database.sql("ALTER TABLE renamed RENAME TO other; INSERT INTO other VALUES (2, 2)")
    database.sql("CREATE SCHEMA elsewhere; ALTER TABLE moved SET SCHEMA elsewhere;"
                 " INSERT INTO elsewhere.moved VALUES (2, 2)")
    assert_paused(lake, "public.renamed", "other")
    assert_paused(lake, "public.moved", "elsewhere")
    assert_paused(lake, "public.gone", "no such table")
    assert_paused(lake, "public.again", "made again")
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker")
    assert lake.stop() == 0
    lake.start()
    lake.wait_state("public.other", "live")
    lake.wait_state("elsewhere.moved", "live")
    bring_back(lake, database, "public.again")
    database.sql("INSERT INTO again VALUES (3, 3)")
    database.sql("INSERT INTO other VALUES (3, 3)")
    database.catch_up(lake)
    assert_equal(database, lake, "public.again", "public.other", "elsewhere.moved")
    assert lake.stop() == 0


@both_if_long
def test_replica_identity_index(database, walberg):
    database.sql("""
        CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE NOT NULL);
        ALTER TABLE t REPLICA IDENTITY USING INDEX t_a_key;
        INSERT INTO t VALUES (1, 1)""")
    lake = walberg()
    lake.start()
    lake.wait_live()
    assert_paused(lake, "public.t", "INDEX")
    database.sql("UPDATE t SET a = 2; DELETE FROM t WHERE id = 2")
    database.sql("ALTER TABLE t REPLICA IDENTITY DEFAULT")
    bring_back(lake, database, "public.t")
    database.sql("UPDATE t SET a = 3, id = 3")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both_if_long
def test_the_users_own_changes_never_fail_on_a_table_without_a_key(database, walberg):
    database.sql("CREATE TABLE plain (a int); INSERT INTO plain VALUES (1)")
    database.sql("CREATE TABLE losing (id int PRIMARY KEY); INSERT INTO losing VALUES (1)")
    database.sql("CREATE TABLE lost (id int PRIMARY KEY); INSERT INTO lost VALUES (1)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("UPDATE plain SET a = 2; DELETE FROM plain")
    database.sql("CREATE TABLE late (a int); INSERT INTO late VALUES (1)")
    database.sql("UPDATE late SET a = 2")
    # A key that is taken away while the lake publishes updates is noticed by the next look at the
    # source, or at the next start.
    database.sql("ALTER TABLE losing DROP CONSTRAINT losing_pkey")
    assert_paused(lake, "public.losing", "key")
    database.sql("UPDATE losing SET id = 2")
    assert lake.stop() == 0
    database.sql("ALTER TABLE lost DROP CONSTRAINT lost_pkey")
    lake.start()
    lake.wait_state("public.late", "live")
    assert_paused(lake, "public.lost", "key")
    database.sql("UPDATE lost SET id = 2")
    database.sql("UPDATE late SET a = 3; DELETE FROM late")
    database.sql("INSERT INTO late VALUES (4)")
    bring_back(lake, database, "public.losing")
    database.sql("UPDATE losing SET id = 2")
    assert lake.stop() == 0
