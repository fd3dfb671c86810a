"""A lake whose catalog is a database of a PostgreSQL server: the source's own server, or another.

Equality, sharing with other programs, the lock among machines, idleness, and what an operator
meets."""

import re
import shutil
import signal
import threading
import time

import pytest

from conftest import COUNTER, IS_LONG, ROWS
from interop import judges
from support import postgres
from support.compare import assert_equal
from support.place import InPostgres
from support.refusal import assert_refused
from support.walberg import wait_until

IDLE_SECONDS = 300 if IS_LONG else 35
pytestmark = pytest.mark.timeout(900 if IS_LONG else 300)


@pytest.fixture
def catalog_url(server, database):
    """A database of its own on the source's server, which nobody has made yet."""
    name = f"lake_{next(COUNTER)}"
    yield server.url_of(name)
    if server.is_running:
        server.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def in_postgres(walberg):
    """Makes lakes with the catalog at a URL."""
    def make(url, settings=None):
        made = walberg()
        made.place = InPostgres(made.directory, url, settings)
        return made
    return make


@pytest.fixture
def lake(table, in_postgres, catalog_url):
    """A live one."""
    made = in_postgres(catalog_url)
    made.start()
    made.wait_live()
    return made


def commit_number(lake):
    return lake.catalog_rows("SELECT commit_number FROM walberg_lake")[0][0]


# ---- tables --------------------------------------------------------------------------------

def test_tables_equal_the_source_and_every_command_works(database, lake):
    database.sql("UPDATE t SET a = a || '!' WHERE id % 3 = 0; DELETE FROM t WHERE id % 7 = 0")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.marker")
    assert lake.status()["lake"]["phase"] == "live"
    assert len(lake.snapshots()) >= 2
    before = lake.metadata_locations()["public.t"]
    lake.command("snapshot", "public.t")
    assert lake.metadata_locations()["public.t"] != before
    database.sql(ROWS.format(1001, 1100))
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0
    lake.command("drop", lake.url)
    assert database.sql("SELECT FROM pg_replication_slots WHERE database = %s",
                        (database.name,)) == []
    assert lake.sql("SELECT count(*) AS n FROM t") == [{"n": len(database.sql("TABLE t"))}]


def test_the_catalog_on_the_server_of_other_stacks_is_found_by_its_usual_name(
        server, database, in_postgres):
    """JDBC_BASE_URL and POSTGRES_URL, as they stand in such a stack's .env."""
    lake = in_postgres(server.url_of("lake_catalog"), settings={})
    lake.directory.parent.joinpath(".env").write_text(
        f"POSTGRES_URL=jdbc:postgresql://127.0.0.1:{server.port}/postgres\n"
        f"JDBC_BASE_URL=jdbc:postgresql://127.0.0.1:{server.port}\nPOSTGRES_USER=postgres\n")
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker")
    assert lake.stop() == 0
    server.sql("DROP DATABASE lake_catalog WITH (FORCE)")


# ---- other programs in the same database ---------------------------------------------------

class Others:
    """PyIceberg and Java, which use the catalog while walberg does."""

    def __init__(self, lake, folder):
        self.place = lake.place
        self.warehouse = f"file://{folder}"
        self.catalog = self.place.pyiceberg(warehouse=self.warehouse)
        self.stop = threading.Event()
        self.rounds = {"java": 0, "pyiceberg": 0}
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=[name, call]) for name, call in
                        [("java", self._java), ("pyiceberg", self._pyiceberg)]]

    def __enter__(self):
        self.catalog.create_namespace("theirs")
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.catalog.engine.dispose()

    def _run(self, name, call):
        while not self.stop.is_set():
            try:
                call(self.rounds[name])
                self.rounds[name] += 1
            except Exception as failure:  # of a commit that met another: as it should
                if "CommitFailed" not in repr(failure) + str(failure):
                    self.failures.append(failure)
                    return

    def _java(self, count):
        judges.java_set(self.place, "theirs.of_java", "count", count, warehouse=self.warehouse)
        judges.java_set(self.place, "public.t", "java", count)

    def _pyiceberg(self, count):
        import pyarrow
        rows = pyarrow.table({"id": [count]})
        table = self.catalog.create_table_if_not_exists("theirs.of_pyiceberg", rows.schema)
        table.append(rows)
        with self.catalog.load_table("public.t").transaction() as transaction:
            transaction.set_properties(pyiceberg=str(count))


def test_java_and_pyiceberg_use_the_database_at_the_same_time(database, lake, tmp_path):
    tmp_path.chmod(0o777)
    with Others(lake, tmp_path) as others:
        wait_until(lambda: others.failures or min(others.rounds.values()) >= 1, "nobody works")
        for count in range(40):
            database.sql(ROWS.format(1000 + 10 * count, 1009 + 10 * count))
            time.sleep(0.05)  # so that it is many commits, not one
        wait_until(lambda: others.failures or min(others.rounds.values()) >= 5, "they hang")
    assert not others.failures, others.failures
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    properties = others.catalog.load_table("public.t").metadata.properties
    assert {"java", "pyiceberg"} <= set(properties)
    theirs = others.catalog.load_table("theirs.of_pyiceberg").scan().to_arrow()
    assert set(theirs["id"].to_pylist()) >= set(range(others.rounds["pyiceberg"]))
    assert others.catalog.load_table("theirs.of_java").metadata.properties["count"]
    assert lake.table("theirs.of_java") == (None, None)


# ---- one writer ----------------------------------------------------------------------------

def test_a_second_process_in_another_directory_is_refused_and_told_of_the_first(
        lake, in_postgres):
    other = in_postgres(lake.place.url)
    other.settings["lake.warehouse"] = lake.directory / "warehouse"
    assert_refused(other, "in use by", f"process {lake.process.pid} on ", "127.0.0.1")
    done = other.call("drop", other.url)
    assert done.returncode == 1 and "in use by" in done.stderr
    asked = other.call("snapshot", "public.t")
    assert asked.returncode == 0 and "in use by" in asked.stdout, asked.stdout + asked.stderr
    lake.kill()
    lake.start()
    lake.wait_until(lambda: lake.activity_text() == "running", "the lock is still held")
    lake.kill()
    other.start()  # it has no log of this lake
    wait_until(lambda: not other.is_running or "running" in other.activity_text(), "it hangs")


# ---- idleness ------------------------------------------------------------------------------

def test_an_idle_shop_makes_no_version_and_hardly_a_commit(server, lake):
    """Though the catalog is on the source's server, where each of its commits makes WAL."""
    server.sql("CHECKPOINT")
    lake.wait_until(lambda: lake.activity_text() == "running", "it does not run")
    time.sleep(11)  # what is left of the beginning
    commits, versions = commit_number(lake), lake.metadata_locations()
    time.sleep(IDLE_SECONDS)
    made = commit_number(lake) - commits
    assert made <= IDLE_SECONDS // 10, "more than one commit in ten seconds"
    # One in a minute, and a few for what the server itself writes.
    assert made <= 2 + IDLE_SECONDS // 50, "a commit's own WAL makes the next"
    assert lake.metadata_locations() == versions


# ---- what an operator meets ----------------------------------------------------------------

def test_the_catalogs_server_may_go_away_for_a_while(database, in_postgres):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    with postgres.Postgres() as away:
        lake = in_postgres(away.url_of("lake"))
        lake.start()
        lake.wait_live()
        for life in range(3):
            before = database.value("SELECT pg_current_wal_insert_lsn()")
            away.kill9() if life else away.stop("immediate")
            database.sql(ROWS.format(100 * life, 100 * life + 99))
            lake.wait_until(lambda: "lost" in lake.log(), "nobody noticed")
            wait_until(lambda: database.value(
                "SELECT confirmed_flush_lsn > %s FROM pg_replication_slots WHERE database = %s",
                (before, database.name)), "the source's position does not go on")
            away.start()
            database.catch_up(lake)
        assert_equal(database, lake, "public.t")
        assert lake.stop() == 0


def test_a_catalogs_server_that_is_stopped_is_given_up_and_so_it_is_at_the_end(
        database, in_postgres):
    """Its connections stay open, and nothing comes over them any more."""
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    with postgres.Postgres() as away:
        url = away.url_of("lake")
        lake = in_postgres(url, settings={"lake.catalog": url, "lake.catalog_timeout": "10s",
                                          "source.connect_timeout": "2s"})
        lake.start()
        lake.wait_live()
        away.signal(signal.SIGSTOP)
        try:
            database.sql(ROWS.format(1, 100))
            lake.wait_until(lambda: "has not answered for 10 s" in lake.log(), "it waits for ever")
            assert lake.stop() == 0
        finally:
            away.signal(signal.SIGCONT)
        lake.start()
        database.catch_up(lake)
        assert_equal(database, lake, "public.t")


def test_a_catalog_that_becomes_read_only_is_waited_for(server, database, lake):
    name = lake.place.url.rpartition("/")[2]
    server.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    database.sql(ROWS.format(1000, 1100))
    lake.wait_until(lambda: "takes no writes" in lake.log(), "nobody says why")
    server.sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0
    server.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert_refused(lake, "read-only", "default_transaction_read_only", "ALTER DATABASE")


def test_a_standby_is_refused_and_its_primary_is_not(database, in_postgres):
    with postgres.Postgres() as primary:
        lake = in_postgres(primary.url_of("lake"))
        lake.start()
        lake.wait_live()
        assert lake.stop() == 0
        primary.stop()
        with postgres.Postgres(data_directory=primary.data, start=False) as standby:
            signal = standby.data / "standby.signal"
            signal.touch()
            shutil.chown(signal, *[postgres.USER] * 2)
            standby.start()
            lake.place = InPostgres(lake.directory, standby.url_of("lake"))
            assert_refused(lake, "read-only", "standby", "primary")
            assert lake.value("SELECT n FROM marker") == database.value("SELECT n FROM marker")


def test_catalogs_that_cannot_be_used_are_refused_with_what_mends_it(
        server, database, in_postgres):
    server.sql("CREATE ROLE weak LOGIN PASSWORD 'right'")
    hba = server.data / "pg_hba.conf"
    text = hba.read_text()
    try:
        hba.write_text("host all weak 127.0.0.1/32 scram-sha-256\n" + text)
        server.sql("SELECT pg_reload_conf()")
        address = f"127.0.0.1:{server.port}"
        for catalog, parts in [
                ("postgresql://127.0.0.1:1/lake", ["cannot be reached", "127.0.0.1:1/lake"]),
                (f"postgresql://weak:wrong@{address}/lake", ["password", "lake.catalog_password"]),
                (f"postgresql://weak:right@{address}/lake",
                 ["permission denied", 'CREATE DATABASE "lake" OWNER "weak"', "CREATEDB"]),
                (f"postgresql://weak:right@{address}/template1", ["lake.catalog_user"]),
                (database.url, ["source's own database", "lake.catalog"]),
                (f"jdbc:{database.url}", ["source's own database", "lake.catalog"])]:
            lake = in_postgres(catalog)
            assert_refused(lake, *parts)
            assert "right" not in re.sub("right to make", "", lake.log())
            assert "wrong" not in lake.log()
        assert database.value("SELECT count(*) FROM pg_class WHERE relname ~ 'iceberg|walberg'") == 0
    finally:
        hba.write_text(text)
        server.sql("SELECT pg_reload_conf()")
        server.sql("DROP ROLE weak")


def test_commands_say_that_there_is_no_lake(server, in_postgres):
    lake = in_postgres(server.url_of("nowhere"))
    lake.directory.parent.mkdir(exist_ok=True)
    for command in ["status", "sql", "snapshots"]:
        done = lake.call(command, *(["SELECT 1 FROM t"] if command == "sql" else []))
        assert done.returncode == 1 and "there is no catalog" in done.stderr, done.stderr
        assert "--lake" in done.stderr
    assert server.sql("SELECT FROM pg_database WHERE datname = 'nowhere'") == []
