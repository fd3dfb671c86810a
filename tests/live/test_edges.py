"""What happens to a lake whose source, slot, catalog or log is not as it was left: it is refused
with the command that mends it, healed, or one table is paused; nothing is resumed over a gap."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import BOTH, BOTH_IF_LONG, ROWS, Database
from support import postgres
from support.compare import assert_equal, lake_rows, pyiceberg_rows
from support.refusal import assert_refused
from support.walberg import wait_until

both = pytest.mark.parametrize("kind", BOTH, indirect=True)
both_if_long = pytest.mark.parametrize("kind", BOTH_IF_LONG, indirect=True)


def slot_of(lake):
    return lake.catalog_rows("SELECT slot_name FROM walberg_lake")[0][0]


def log_bytes(lake):
    return sum(file.stat().st_size for file in (lake.directory / "log").iterdir())


def slots(database):
    return {row[0] for row in database.sql(
        "SELECT slot_name FROM pg_replication_slots WHERE database = %s", (database.name,))}


def open_files(pid):
    files = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            files.add(link.readlink())
    return files


def assert_refused_unchanged(lake, *parts):
    """The start has changed nothing that a reader sees."""
    before = lake.metadata_locations()
    assert_refused(lake, *parts)
    assert lake.metadata_locations() == before


def read_everything_again(lake, database):
    """With the process stopped: the request waits for the next start, which begins anew."""
    lake.command("snapshot", "--all")
    before = lake.catalog_rows("SELECT commit_number FROM walberg_lake")
    lake.start()
    lake.wait_until(lambda: lake.catalog_rows("SELECT 1 FROM walberg_lake WHERE phase = 2"
                                              " AND NOT EXISTS (SELECT 1 FROM walberg_request)"
                                              " AND commit_number > ?", *before[0]),
                    "everything is read again")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.marker")


# ---- the slot ------------------------------------------------------------------------------

@both
def test_a_dropped_slot_is_refused_and_everything_is_read_again(lake, database):
    assert lake.stop() == 0
    database.sql("SELECT pg_drop_replication_slot(%s)", (slot_of(lake),))
    database.sql(ROWS.format(101, 200))
    assert_refused_unchanged(lake, slot_of(lake), "does not exist any more", "walberg snapshot --all")
    read_everything_again(lake, database)
    assert slots(database) == {slot_of(lake)}
    assert lake.stop() == 0


@both_if_long
def test_a_slot_that_was_made_again_is_refused(lake, database):
    assert lake.stop() == 0
    database.sql("SELECT pg_drop_replication_slot(%s)", (slot_of(lake),))
    database.sql(ROWS.format(101, 200))
    database.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot_of(lake),))
    database.sql(ROWS.format(201, 300))
    assert_refused_unchanged(lake, "that was confirmed", "slot", "walberg snapshot --all")
    read_everything_again(lake, database)
    assert lake.stop() == 0


@both_if_long
def test_a_slot_that_was_dropped_under_the_running_process_ends_it(lake, database):
    database.catch_up(lake)
    slot = slot_of(lake)
    def drop():
        database.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                     " WHERE slot_name = %s AND active", (slot,))
        with contextlib.suppress(Exception):
            database.sql("SELECT pg_drop_replication_slot(%s)", (slot,))
        return slot not in slots(database)
    wait_until(drop, "the slot is not dropped")
    assert lake.process.wait(60) == 1
    assert "does not exist any more" in lake.log() and "walberg snapshot --all" in lake.log()


@both
def test_a_slot_that_somebody_moved_forward_is_refused(lake, database):
    assert lake.stop() == 0
    database.sql(ROWS.format(101, 200))
    database.sql("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", (slot_of(lake),))
    assert_refused_unchanged(lake, "that was confirmed", "slot", "walberg snapshot --all")


@both_if_long
def test_a_slot_that_was_invalidated_is_refused(lake, database):
    assert lake.stop() == 0
    server = database.server
    server.set(max_slot_wal_keep_size="1MB")
    try:
        for _ in range(3):
            database.sql("SELECT pg_switch_wal()")
            database.sql(ROWS.format("(SELECT max(id) + 1 FROM t)", "(SELECT max(id) + 9 FROM t)"))
            database.sql("CHECKPOINT")
        assert database.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s",
                              (slot_of(lake),)) == "lost"
        assert_refused_unchanged(lake, "invalidated", "walberg snapshot --all")
    finally:
        server.set(max_slot_wal_keep_size="-1")
    read_everything_again(lake, database)
    assert lake.stop() == 0


# ---- older copies --------------------------------------------------------------------------

@both
def test_a_lake_restored_from_an_older_copy_is_refused(lake, database):
    database.catch_up(lake)
    assert lake.stop() == 0
    copy = lake.directory.with_name("copy")
    subprocess.run(["cp", "-a", lake.directory, copy], check=True)
    lake.place.save()
    lake.start()
    database.sql(ROWS.format(101, 200))
    database.catch_up(lake)
    assert lake.stop() == 0
    shutil.rmtree(lake.directory)
    copy.rename(lake.directory)
    lake.place.bring_back()
    assert_refused_unchanged(lake, "walberg snapshot --all")
    read_everything_again(lake, database)
    assert lake.stop() == 0


@both_if_long
@pytest.mark.parametrize("has_later_commits", [False, True])
def test_a_database_restored_from_an_older_copy_is_refused(walberg, has_later_commits):
    parent = pathlib.Path(tempfile.mkdtemp(prefix="walberg-cold-"))
    parent.chmod(0o755)
    with postgres.Postgres() as server:
        database = Database(server, "shop")
        database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
        lake = walberg(url=database.url)
        lake.start()
        lake.wait_live()
        database.catch_up(lake)
        assert lake.stop() == 0
        server.stop()
        copy = server.copy_data_directory(parent / "data")
        server.start()
        lake.start()
        database.sql(ROWS.format(1, 100))
        database.catch_up(lake)
        assert lake.stop() == 0
        server.stop()
    with postgres.Postgres(data_directory=copy) as restored:
        shutil.rmtree(parent)
        lake.url = restored.url_of("shop")
        if has_later_commits:  # until its WAL is longer than what the lake has seen
            for i in range(60):
                restored.sql("INSERT INTO t VALUES (%s, repeat('x', 1000))", (i,), database="shop")
        assert_refused_unchanged(lake, "walberg snapshot --all", "restored from an older copy")


@both_if_long
def test_another_server_is_refused(lake, database):
    database.catch_up(lake)
    assert lake.stop() == 0
    with postgres.Postgres() as other:
        lake.url = other.url
        assert_refused_unchanged(lake, "database system", "--lake")


@both_if_long
def test_another_database_of_the_server_is_refused(lake, database):
    database.catch_up(lake)
    assert lake.stop() == 0
    lake.url = database.server.url
    assert_refused_unchanged(lake, slot_of(lake), "database")


# ---- while tables are read -----------------------------------------------------------------

@contextlib.contextmanager
def held_back(database, statement):
    """A transaction that stays open within."""
    connection = database.connect()
    try:
        connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


REWRITES = {
    "TRUNCATE t": "truncated or rewritten",
    "VACUUM FULL t": "truncated or rewritten",
    "ALTER TABLE t ALTER id TYPE bigint": "",
    "DROP TABLE t": "does not exist",
    "ALTER TABLE t RENAME TO r": "does not exist",
    "ALTER TABLE t ADD COLUMN c int": "columns",
}


@both_if_long
@pytest.mark.parametrize("statement", REWRITES)
def test_a_rewrite_during_the_initial_snapshot_pauses_the_table_alone(database, walberg, statement):
    """Between the slot's consistent point and the reading of the table."""
    database.sql("CREATE TABLE aaa (id int PRIMARY KEY);"
                 " CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql(ROWS.format(1, 1000))
    lake = walberg()
    with held_back(database, "INSERT INTO aaa VALUES (1)") as older:
        lake.start()
        lake.wait_until(lambda: slots(database), "the slot does not wait for the transaction")
        lake.wait_until(lambda: "waiting for a transaction" in lake.log(), "it does not say so")
        assert f"pid={older.info.backend_pid}" in lake.log()
        lake.process.send_signal(signal.SIGSTOP)
        older.rollback()
    wait_until(lambda: database.value("SELECT confirmed_flush_lsn FROM pg_replication_slots"
                                      " WHERE database = %s", (database.name,)),
               "the slot has no consistent point")
    database.sql(statement)
    lake.process.send_signal(signal.SIGCONT)
    lake.wait_live()
    assert lake.table("public.aaa")[0] == "live"
    reason = lake.wait_state("public.t", "paused")
    assert REWRITES[statement] in reason
    if "DROP" in statement or "RENAME" in statement:
        database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("INSERT INTO t VALUES (-1, 'later')")
    lake.command("snapshot", "public.t")
    database.sql("INSERT INTO t VALUES (-2, 'later')")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.aaa")
    assert lake.stop() == 0


@both
def test_a_kill_while_a_table_is_read_again_touches_nothing_else(lake, database):
    database.sql("CREATE TABLE other (id int PRIMARY KEY)")
    assert lake.stop() == 0
    lake.start()
    lake.wait_state("public.other", "live")
    slot = slot_of(lake)
    database.sql(ROWS.format(101, 5000))
    database.catch_up(lake)
    before = lake.location("public.other")
    with held_back(database, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE") as blocker:
        asking = subprocess.Popen(lake.arguments("snapshot", "public.t"), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, **lake.options())
        lake.wait_until(lambda: len(slots(database)) == 2, "there is no temporary slot")
        assert lake.table("public.t")[0] == "snapshot"
        lake.kill()
        blocker.rollback()
    _, said = asking.communicate(timeout=30)
    assert asking.returncode == 1 and "next start goes on" in said
    wait_until(lambda: slots(database) == {slot}, "the temporary slot stays")
    assert lake.location("public.other") == before
    assert lake.value("SELECT count(*) FROM t") == 5000  # the old version is still there
    database.sql("UPDATE t SET a = 'new' WHERE id % 3 = 0")
    database.sql("INSERT INTO other VALUES (1)")
    lake.start()
    lake.wait_state("public.t", "live")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.other")
    assert lake.stop() == 0


@both_if_long
def test_a_table_that_is_read_again_while_it_changes(lake, database):
    database.sql(ROWS.format(101, 20000))
    writer = database.pgbench("-c", 1, "-T", 5, "-D", "rows=20000", "-f", "/dev/stdin",
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, text=True)
    writer.stdin.write("\\set i random(1, :rows)\n\\set j random(1, :rows)\n"
                       "BEGIN;\nUPDATE t SET a = a || 'x' WHERE id = :i;\n"
                       "DELETE FROM t WHERE id = :j;\n"
                       "INSERT INTO t VALUES (:j, 'again') ON CONFLICT DO NOTHING;\nCOMMIT;\n")
    writer.stdin.close()
    for _ in range(2):
        assert "is read again" in lake.command("snapshot", "public.t")
    assert writer.wait(30) == 0
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
def test_everything_is_read_again_by_the_running_process(lake, database):
    database.sql("CREATE TABLE later (a int); INSERT INTO later VALUES (1)")
    database.sql(ROWS.format(101, 200))
    old = slot_of(lake)
    assert "everything is read again" in lake.command("snapshot", "--all")
    assert lake.table("public.later") == ("live", "")
    database.sql(ROWS.format(201, 300))
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.later")
    assert slots(database) == {old}
    assert lake.stop() == 0


@both_if_long
def test_new_tables_are_taken_in_at_the_next_start(lake, database):
    database.sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)")
    database.sql("CREATE SCHEMA new; CREATE TABLE new.t (id int PRIMARY KEY)")
    database.catch_up(lake)
    assert lake.stop() == 0
    lake.start()
    database.sql("INSERT INTO later VALUES (2)")
    lake.wait_state("public.later", "live")
    lake.wait_state("new.t", "live")
    database.sql("INSERT INTO new.t VALUES (2); UPDATE later SET id = id + 10")
    database.catch_up(lake)
    assert_equal(database, lake, "public.later", "new.t", "public.t")
    assert lake.stop() == 0


# ---- other writers -------------------------------------------------------------------------

def foreign_table(lake, name):
    return lake.place.pyiceberg().load_table(name)


@both
def test_a_property_that_pyiceberg_sets_is_built_upon(lake, database):
    with foreign_table(lake, "public.t").transaction() as transaction:
        transaction.set_properties(owner="the analysts")
    database.sql(ROWS.format(101, 200))
    database.catch_up(lake)
    assert lake.table("public.t") == ("live", "")
    assert foreign_table(lake, "public.t").properties["owner"] == "the analysts"
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0
    with foreign_table(lake, "public.t").transaction() as transaction:
        transaction.set_properties(owner="others")
    lake.start()
    database.sql(ROWS.format(201, 300))
    database.catch_up(lake)
    assert foreign_table(lake, "public.t").properties["owner"] == "others"
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
@pytest.mark.parametrize("is_running", [True, False])
def test_rows_that_pyiceberg_adds_pause_that_table_alone(lake, database, is_running):
    import pyarrow
    database.catch_up(lake)
    if not is_running:
        assert lake.stop() == 0
    table = foreign_table(lake, "public.t")
    table.append(pyarrow.table({"id": [999], "a": ["foreign"]}, table.schema().as_arrow()))
    if not is_running:
        lake.start()
    database.sql(ROWS.format(101, 200))
    database.sql("CREATE TABLE IF NOT EXISTS aside (id int)")
    reason = lake.wait_state("public.t", "paused")
    assert "walberg snapshot public.t" in reason
    database.catch_up(lake)
    assert_equal(database, lake, "public.marker")
    assert lake.value("SELECT count(*) FROM t WHERE a = 'foreign'") == 1  # not lost silently
    lake.command("snapshot", "public.t")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
def test_a_table_that_was_dropped_from_the_catalog_is_paused_alone(lake, database):
    lake.place.pyiceberg().drop_table("public.t")
    database.sql(ROWS.format(101, 200))
    lake.wait_state("public.t", "paused")
    database.catch_up(lake)
    lake.command("snapshot", "public.t")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.marker")
    assert lake.stop() == 0


@both
@pytest.mark.parametrize("is_running", [True, False])
def test_a_table_that_was_renamed_in_the_catalog_keeps_its_files(
        table, database, walberg, is_running):
    lake = walberg({"history.removal_delay": "1s"})
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    if not is_running:
        assert lake.stop() == 0
    lake.place.pyiceberg().rename_table("public.t", "public.t_2026")
    rows = sorted(pyiceberg_rows(lake, "public.t_2026"))
    assert len(rows) == 100
    database.sql(ROWS.format(101, 200))
    if is_running:
        lake.wait_state("public.t", "paused")
        assert lake.stop() == 0
    lake.start()
    assert "renamed" in lake.wait_state("public.t", "paused")
    outlive_all_removals(lake, database)
    assert sorted(pyiceberg_rows(lake, "public.t_2026")) == rows
    lake.command("snapshot", "public.t")  # in the same folder
    lake.wait_state("public.t", "live")
    assert lake.stop() == 0
    lake.start()
    outlive_all_removals(lake, database)
    assert sorted(pyiceberg_rows(lake, "public.t_2026")) == rows
    assert_equal(database, lake, "public.t", "public.marker")
    assert lake.stop() == 0


def outlive_all_removals(lake, database):
    """What the start has found is in the catalog with its first commit."""
    database.catch_up(lake)
    lake.wait_until(lambda: not lake.catalog_rows("SELECT path FROM walberg_removal"),
                    "removals are left")


@both
def test_a_second_walberg_on_the_same_lake_is_refused(lake, database):
    second = subprocess.run(lake.arguments("run", lake.url), check=False, text=True, timeout=30,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **lake.options())
    assert second.returncode == 1
    assert str(lake.process.pid) in second.stderr and "hint:" in second.stderr
    database.sql(ROWS.format(101, 200))
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
def test_a_lake_that_is_looked_at_starts_all_the_same(lake):
    """Whoever looks whether a process runs holds the lock for a moment, and gives it back."""
    assert lake.stop() == 0
    path = lake.directory / "process"
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        lake.start()
        lake.wait_until(lambda: path in open_files(lake.process.pid), "it takes no lock")
        with pytest.raises(subprocess.TimeoutExpired):
            lake.process.wait(0.1)
    lake.wait_live()
    assert lake.stop() == 0


# ---- limits --------------------------------------------------------------------------------

@both
def test_a_full_log_stops_reading_keeps_the_connection_and_recovers(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (0, NULL)")
    lake = walberg({"log.segment_size": "1MB", "log.size_limit": "4MB",
                    "lake.commit_interval": "50ms"})
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    with lake.catalog_held():  # so that nothing can be committed
        for first in range(1, 40001, 4000):
            database.sql(f"INSERT INTO t SELECT i, repeat(md5(i::text), 10)"
                         f" FROM generate_series({first}, {first + 3999}) i")
        lake.wait_until(lambda: lake.status()["process"]["is_log_full"],
                        "the log is not full", pause=0.3)
        assert "log.size_limit" in lake.command("status", lake.url)
        replied = "SELECT reply_time FROM pg_stat_replication WHERE pid = (SELECT active_pid" \
                  " FROM pg_replication_slots WHERE slot_name = %s)"
        before = database.value(replied, (slot_of(lake),))
        lake.wait_until(lambda: database.value(replied, (slot_of(lake),)) > before,
                        "the server hears nothing")
        assert log_bytes(lake) < 6 << 20
    database.catch_up(lake)
    assert not lake.status()["process"]["is_log_full"]
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


@both
def test_the_lake_is_dropped_from_its_source_and_the_tables_stay(lake, database):
    slot = slot_of(lake)
    database.sql("SELECT pg_create_logical_replication_slot('somebody', 'pgoutput')")
    database.sql("CREATE PUBLICATION somebody FOR ALL TABLES")
    refused = lake.call("drop", lake.url)
    assert refused.returncode == 1 and "hint:" in refused.stderr
    database.catch_up(lake)
    assert lake.stop() == 0
    lake.command("drop", lake.url)
    assert slots(database) == {"somebody"} and slot != "somebody"
    assert database.sql("SELECT pubname FROM pg_publication") == [("somebody",)]
    assert_equal(database, lake, "public.t")
    database.sql(ROWS.format(101, 200))
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


# ---- the server goes away ------------------------------------------------------------------

@both_if_long
def test_a_server_that_restarts_and_a_backend_that_is_ended(walberg):
    with postgres.Postgres() as server:
        database = Database(server, "shop")
        database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
        lake = walberg(url=database.url)
        lake.start()
        lake.wait_live()
        database.sql(ROWS.format(1, 100))
        server.restart("immediate")
        database.sql(ROWS.format(101, 200))
        database.catch_up(lake)
        server.kill9()
        server.start()
        database.sql(ROWS.format(201, 300))
        database.catch_up(lake)
        for _ in range(3):
            database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE pid <> pg_backend_pid() AND datname = 'shop'")
            database.sql("UPDATE t SET a = a || 'x'")
        database.catch_up(lake)
        assert_equal(database, lake, "public.t")
        assert lake.stop() == 0


@both_if_long
def test_a_stop_while_nothing_can_be_reached_is_quick(walberg):
    with postgres.Postgres() as server:
        database = Database(server, "shop")
        lake = walberg(url=database.url)
        lake.start()
        lake.wait_live()
        database.catch_up(lake)
        server.stop()
        lake.wait_until(lambda: not lake.activity().is_connected, "it has not noticed")
        os.kill(lake.process.pid, signal.SIGTERM)
        assert lake.process.wait(10) == 0
        server.start()


def test_a_server_that_is_stopped_is_given_up_and_so_it_is_at_the_end(walberg):
    """Its connections stay open, and nothing comes over them any more."""
    with postgres.Postgres() as server:
        database = Database(server, "shop")
        database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
        lake = walberg({"source.connect_timeout": "2s", "source.answer_timeout": "10s"},
                       url=database.url)
        lake.start()
        lake.wait_live()
        database.sql(ROWS.format(1, 100))
        database.catch_up(lake)
        server.signal(signal.SIGSTOP)
        try:
            lake.wait_until(lambda: "has not answered for 10 s" in lake.log(), "it waits for ever")
            os.kill(lake.process.pid, signal.SIGTERM)
            assert lake.process.wait(30) == 0
        finally:
            server.signal(signal.SIGCONT)
        database.sql(ROWS.format(101, 200))
        lake.start()
        database.catch_up(lake)
        server.signal(signal.SIGSTOP)
        try:
            lake.wait_until(lambda: lake.log().count("has not answered for 10 s") == 2,
                            "it waits for ever")
            assert not lake.activity().is_connected
        finally:
            server.signal(signal.SIGCONT)
        database.sql(ROWS.format(201, 300))
        database.catch_up(lake)
        assert_equal(database, lake, "public.t")
        assert lake.stop() == 0
