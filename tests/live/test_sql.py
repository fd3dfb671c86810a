"""walberg's own SQL over a lake that PostgreSQL has filled."""

import datetime
import json
import time

import pytest

import conftest
from support.compare import lake_rows
from support.objects import newest
from support.walberg import lsn_number, lsn_text

SOURCE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric(10, 2), at timestamp);
CREATE SCHEMA "Other"; CREATE TABLE "Other"."Orders" (id int PRIMARY KEY);
CREATE TABLE lines (a int);
INSERT INTO customers SELECT i, 'customer ' || i, (ARRAY['Bern', 'Köln', NULL])[1 + i % 3]
    FROM generate_series(1, 100) i;
INSERT INTO orders SELECT i, 1 + i % 120, i * 1.25, timestamp '2024-01-01' + i * interval '1 hour'
    FROM generate_series(1, 1000) i;
INSERT INTO "Other"."Orders" SELECT generate_series(1, 5);
INSERT INTO lines SELECT i % 7 FROM generate_series(1, 50) i
"""


both = pytest.mark.parametrize("kind", conftest.BOTH, indirect=True)


@pytest.fixture(scope="module", params=conftest.BOTH)
def shop(server, request):
    """One database and one running lake for all tests that only read."""
    database = conftest.Database(server, "shop")
    database.sql(SOURCE)
    lake = conftest.make_lake(database.url, place=conftest.make_place(request, request.param))
    lake.start()
    lake.wait_live()
    database.sql("DELETE FROM orders WHERE id % 10 = 0;"
                 " UPDATE customers SET name = 'ü' WHERE id = 7")
    database.catch_up(lake)
    yield database, lake
    assert lake.stop() == 0
    conftest.remove_lake(lake)
    database.remove()


QUERIES = [
    "SELECT count(*) AS n, sum(total) AS s FROM orders",
    "SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY city NULLS FIRST",
    "SELECT c.city AS city, sum(o.total) AS s FROM orders o"
    " JOIN customers c ON c.id = o.customer_id GROUP BY c.city ORDER BY 1 NULLS FIRST",
    "SELECT o.id AS id FROM orders o LEFT JOIN customers c ON c.id = o.customer_id"
    " WHERE c.id IS NULL ORDER BY o.id LIMIT 20",
    "SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE name = 'ü')"
    " ORDER BY id",
    "WITH big AS (SELECT * FROM orders WHERE total > 1000) SELECT count(*) AS n FROM big, lines"
    " WHERE lines.a = 3",
    "SELECT count(*) AS n FROM orders a JOIN orders b ON a.id = b.id - 1",
    'SELECT max(id) AS m FROM "Other"."Orders"',
    "SELECT id, row_number() OVER (ORDER BY total DESC) AS r FROM orders ORDER BY id LIMIT 5",
    "SELECT id FROM orders UNION ALL SELECT a FROM lines ORDER BY 1 LIMIT 30",
    "SELECT EXISTS (SELECT 1 FROM customers WHERE id = 7) AS e",
    "SELECT date_trunc('month', \"at\") AS m, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT upper(name) AS u FROM customers WHERE id = 7",
]


@pytest.mark.parametrize("query", QUERIES)
def test_answers_are_those_of_the_source(shop, query):
    database, lake = shop
    expected = [[None if value is None else str(value) for value in row]
                for row in database.sql(query)]
    actual = [[None if value is None else str(value) for value in row.values()]
              for row in lake.sql(query)]
    assert actual == expected


REFUSED = [
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'x.parquet'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM parquet_scan('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sqlite_scan('{catalog}', 'walberg_lake')",
    "SELECT * FROM iceberg_scan('{file}')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('orders')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "COPY orders TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.parquet'",
    "COPY orders FROM '/etc/passwd'",
    "ATTACH '{catalog}' AS c",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/x.duckdb_extension'",
    "SET threads = 8",
    "SET enable_external_access = true",
    "RESET threads",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "CREATE TABLE x (a int)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE MACRO f(a) AS a",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO orders VALUES (1)",
    "UPDATE orders SET id = 1",
    "DELETE FROM orders",
    "TRUNCATE orders",
    "DROP TABLE orders",
    "ALTER TABLE orders ADD COLUMN x int",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE COPY orders TO '/tmp/x.csv'",
    "WITH x AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM x",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM orders WHERE id IN (SELECT 1 FROM glob('/*'))",
    "SELECT nextval('s')",
    "SELECT * FROM nowhere",
    "SELECT * FROM public.nowhere",
    "SELEC 1",
    "SELECT 1; SELECT * FROM '/etc/passwd'",
]


@pytest.fixture(scope="module")
def refusals(shop):
    """{statement: what was said}, all of one standing session."""
    database, lake = shop
    file = f"{lake.place.warehouse}/{newest(lake, 'public.orders', 'data')}".removeprefix("file://")
    done = {}
    with lake.session() as session:
        for statement in REFUSED:
            text = statement.format(file=file, catalog=lake.place.catalog)
            try:
                done[statement] = session.sql(text)
            except Exception as error:
                done[statement] = str(error)
        assert session.sql("SELECT count(*) AS n FROM orders") == [
            {"n": database.value("SELECT count(*) FROM orders")}]
    return done


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_not_a_question_to_the_lake_is_refused(refusals, statement):
    said = refusals[statement]
    assert isinstance(said, str) and "error: " in said, said
    assert "root:" not in said


def test_a_refused_statement_ends_with_exit_code_1_and_writes_nothing(shop):
    _, lake = shop
    target = lake.directory.parent / "stolen.csv"
    done = lake.call("sql", f"COPY orders TO '{target}'")
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("error: ")
    assert not target.exists()


def test_columns_are_called_as_in_postgresql(shop):
    database, lake = shop
    columns = ["count(*)", "max(total)", "(SELECT min(id) FROM lines, orders)", "sum(id) + 1 AS x",
               "(SELECT a FROM lines LIMIT 1)", "EXISTS (SELECT 1 FROM lines)",
               "1 + (SELECT count(*) FROM customers)"]
    statement = f"SELECT {', '.join(columns)} FROM orders"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        expected = [column.name for column in cursor.description]
    assert list(lake.sql(statement)[0]) == expected


def test_statements_are_read_from_standard_input(shop):
    _, lake = shop
    done = lake.call("sql", "--json", text="SELECT 1 AS a; SELECT ';' AS b\n; -- SELECT 3;\n"
                     "SELECT count(*) AS n FROM lines")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"a": 1}, {"b": ";"}, {"n": 50}]
    done = lake.call("sql", "--json", text="SELECT 1 AS a; SELECT x; SELECT 2 AS a")
    assert done.returncode == 1 and done.stdout.count("\n") == 2 and "error: " in done.stderr


def test_the_aligned_form_lines_up(shop):
    _, lake = shop
    lines = lake.command("sql", "SELECT id, name FROM customers WHERE id IN (7, 100) ORDER BY id"
                         ).splitlines()
    assert lines[0].split() == ["id", "|", "name"]
    assert "ü" in lines[2] and "customer 100" in lines[3]


# ---- versions ------------------------------------------------------------------------------

def moments(lake):
    """(position, version of public.t, time) of each commit, oldest first."""
    found = []
    for line in lake.command("snapshots", "--json").splitlines():
        commit = json.loads(line)
        for table in commit["tables"]:
            if table["name"] == "t":
                found.append((commit["position"], table["snapshot_id"], commit["timestamp_ms"]))
    return found


def text_of(milliseconds):
    at = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S.%f+00")


def ids(session, at):
    """The rows of t there."""
    return sorted(row["id"] for row in session.sql(f"SELECT id FROM t {at}"))


@both
def test_at_a_version_a_position_and_a_time(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE still (id int PRIMARY KEY)")
    database.sql("INSERT INTO still VALUES (1)")
    lake = walberg({"lake.commit_interval": "50ms"})
    lake.start()
    lake.wait_live()
    states = []  # the rows after each change
    for i in range(1, 6):
        database.sql(f"INSERT INTO t SELECT generate_series({i * 10}, {i * 10 + i})"
                     if i != 4 else "DELETE FROM t WHERE id < 30")
        database.catch_up(lake)
        states.append(database.value("SELECT array_agg(id ORDER BY id) FROM t"))
    versions = []
    for moment in moments(lake):
        if not versions or versions[-1][1] != moment[1]:
            versions.append(moment)
    read = {}
    with lake.session() as session:
        for position, version, at in versions:
            rows = ids(session, f"AT (VERSION => {version})")
            read[version] = rows
            assert rows == ids(session, f"AT (VERSION => '{position}')")
            assert rows == ids(session, f"AT (TIMESTAMP => TIMESTAMPTZ '{text_of(at)}')")
        assert [rows for rows in read.values() if rows] == states
        # Between two commits it is the earlier, up to the last microsecond.
        for (position, version, at), (after, _, later) in zip(versions, versions[1:]):
            for between in [at + 1, (at + later) // 2, later - 1]:
                if not at <= between < later:
                    continue
                moment = text_of(between)
                assert read[version] == ids(session, f"AT (TIMESTAMP => TIMESTAMPTZ '{moment}')")
            before = lsn_text(lsn_number(after) - 1)
            assert read[version] == ids(session, f"AT (VERSION => '{before}')")
        assert read[versions[-1][1]] == ids(session, "")
    # An older version of one table beside the newest of another, and a table that stands still.
    old = versions[1]
    (row,) = lake.sql(f"SELECT (SELECT count(*) FROM t AT (VERSION => {old[1]})) AS old,"
                      f" (SELECT count(*) FROM t) AS new,"
                      f" (SELECT count(*) FROM still AT (VERSION => '{old[0]}')) AS still")
    assert row == {"old": len(read[old[1]]), "new": len(states[-1]), "still": 1}
    for wrong in ["VERSION => 1", "VERSION => '0/1'", "TIMESTAMP => TIMESTAMP '2001-01-01'",
                  "VERSION => 'x'", "TIMESTAMP => 'yesterday or so'", "VERSION => id"]:
        done = lake.call("sql", f"SELECT id FROM t AT ({wrong})")
        assert done.returncode == 1 and done.stderr.startswith("error: "), wrong
    assert lake.stop() == 0
    assert len(lake.sql("SELECT id FROM t")) == len(states[-1])  # without a running process


@both
def test_every_position_that_is_listed_is_a_state_of_the_source(database, walberg):
    """Two rows whose sum never changes, moved by many transactions."""
    database.sql("CREATE TABLE a (id int PRIMARY KEY, n int);"
                 " CREATE TABLE b (id int PRIMARY KEY, n int);"
                 " INSERT INTO a VALUES (1, 1000); INSERT INTO b VALUES (1, 1000)")
    lake = walberg({"lake.commit_interval": "20ms"})
    lake.start()
    lake.wait_live()
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        database.sql("BEGIN; UPDATE a SET n = n - 1; UPDATE b SET n = n + 1; COMMIT")
    database.catch_up(lake)
    positions = [json.loads(line)["position"]
                 for line in lake.command("snapshots", "--json").splitlines()]
    assert len(positions) > 5
    with lake.session() as session:
        for position in positions:
            assert session.sql(f"SELECT a.n + b.n AS n FROM a AT (VERSION => '{position}'),"
                               f" b AT (VERSION => '{position}')") == [{"n": 2000}], position
    assert lake.stop() == 0


# ---- paused tables -------------------------------------------------------------------------

@both
def test_a_paused_table_is_read_where_it_stands_and_says_so(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, d date);"
                 " INSERT INTO t VALUES (1, '2024-01-01');"
                 " CREATE TABLE u (id int PRIMARY KEY)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.sql("INSERT INTO t VALUES (2, '2024-01-02')")
    database.catch_up(lake)
    before = lake_rows(lake, database, "public.t")
    stands = [table["position"] for table in lake.status()["tables"] if table["name"] == "t"]
    database.sql("INSERT INTO t VALUES (3, 'infinity')")
    reason = lake.wait_state("public.t", "paused")
    database.sql("INSERT INTO u VALUES (1)")
    database.catch_up(lake)
    done = lake.call("sql", "SELECT count(*) AS n FROM t, u", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"n": 2}
    assert done.stderr.count("note: ") == 1 and reason in done.stderr
    (shown,) = [table for table in lake.status()["tables"] if table["name"] == "t"]
    assert shown["position"] in done.stderr
    assert lsn_number(shown["position"]) >= lsn_number(stands[0])
    assert lake_rows(lake, database, "public.t") == before
    assert "note" not in lake.call("sql", "SELECT * FROM u").stderr
    assert lake.stop() == 0
    assert reason in lake.call("sql", "SELECT * FROM t").stderr
