"""What a user or a machine can get wrong ends in one clear error with a hint and exit code 1, or
pauses one table; nothing crashes, nothing is lost, and mending the cause is enough to go on."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from conftest import BOTH, ROWS, Database
from support import postgres
from support.compare import assert_equal
from support.objects import newest
from support.refusal import assert_one_error, assert_refused
from support.walberg import Failed


@pytest.fixture
def lake(lake, database):
    """Stopped, after changes."""
    database.sql(ROWS.format(101, 200))
    database.catch_up(lake)
    assert lake.stop() == 0
    return lake


def assert_goes_on(lake, database, first=1001):
    database.sql(ROWS.format(first, first + 99))
    lake.start()
    database.catch_up(lake)
    assert_equal(database, lake, "public.t", "public.marker")
    assert lake.stop() == 0


# ---- the source ----------------------------------------------------------------------------

def test_a_server_that_is_not_there(walberg):
    port = postgres.free_port()
    lake = walberg(url=f"postgresql://postgres@127.0.0.1:{port}/postgres",
                   settings={"source.connect_timeout": "2s"})
    assert_refused(lake, str(port), "refused")


def test_a_host_name_that_does_not_exist_and_a_url_that_is_none(walberg):
    assert_refused(walberg(url="postgresql://postgres@no-such.invalid/postgres"), "no-such.invalid")
    assert_refused(walberg(url="postgresql://postgres@127.0.0.1:port/postgres"), "port")
    assert_refused(walberg(url="mysql://root@127.0.0.1/shop"), "connection string")


def test_a_server_that_does_not_answer(walberg):
    with contextlib.closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        lake = walberg(url=f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres",
                       settings={"source.connect_timeout": "2s"})
        assert_refused(lake, "timeout")


def test_a_database_that_does_not_exist(database, walberg):
    assert_refused(walberg(url=database.server.url_of("nowhere")), "nowhere")


@pytest.fixture(scope="module")
def strict():
    """A server that asks for passwords."""
    with postgres.Postgres(start=False) as server:
        rules = server.data / "pg_hba.conf"
        server.start()
        server.sql("SET password_encryption = 'scram-sha-256';"
                   " ALTER ROLE postgres PASSWORD 'right'")
        server.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n"
                         "host replication all 127.0.0.1/32 scram-sha-256\n")
        server.sql("SELECT pg_reload_conf()")
        yield server


def test_a_wrong_password(strict, walberg):
    lake = walberg(url=strict.url_of("postgres", password="wrongwrong"))
    assert_refused(lake, "password")
    assert "wrongwrong" not in lake.log()
    lake.url = strict.url_of("postgres")
    assert_refused(lake, "Check the user name and the password")
    lake.settings["source.password"] = "right"
    lake.start()
    lake.wait_live()
    assert lake.value("SELECT count(*) FROM t") == 1
    assert "right" not in lake.log() and "right" not in lake.command("status", lake.url)
    assert lake.stop() == 0


def test_a_server_without_logical_decoding(walberg):
    with postgres.Postgres({"wal_level": "replica"}) as server:
        lake = walberg(url=server.url)
        assert_refused(lake, "wal_level", "logical", "restart")
        server.settings["wal_level"] = "logical"
        server.restart()
        server.sql("CREATE TABLE t (id int PRIMARY KEY)")
        lake.start()
        lake.wait_live()
        assert lake.stop() == 0


def test_a_server_without_a_free_slot_or_sender(walberg):
    with postgres.Postgres({"max_replication_slots": "1"}) as server:
        server.sql("SELECT pg_create_logical_replication_slot('taken', 'pgoutput')")
        lake = walberg(url=server.url)
        assert_refused(lake, "max_replication_slots")
        assert server.sql("SELECT slot_name FROM pg_replication_slots") == [("taken",)]
    with postgres.Postgres({"max_wal_senders": "0"}) as server:
        assert_refused(walberg(url=server.url), "max_wal_senders")


def test_a_role_without_privileges(database, walberg):
    server = database.server
    server.sql("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN")
    try:
        database.sql("CREATE TABLE t (id int PRIMARY KEY, a text);"
                     " CREATE TABLE hidden (id int PRIMARY KEY);"
                     " ALTER TABLE t OWNER TO weak")
        lake = walberg(url=server.url_of(database.url.rsplit("/", 1)[1], user="weak"))
        assert_refused(lake, "weak", "REPLICATION")
        server.sql("ALTER ROLE weak REPLICATION")
        assert_refused(lake, "weak", "GRANT CREATE ON DATABASE")
        server.sql(f'GRANT CREATE ON DATABASE "{database.name}" TO weak')
        lake.start()
        lake.wait_live()
        assert lake.table("public.t") == ("live", "")
        state, reason = lake.table("public.hidden")
        assert state == "left out" and "GRANT SELECT" in reason
        database.sql("GRANT SELECT ON hidden TO weak")
        assert lake.stop() == 0
        lake.start()
        lake.wait_until(lambda: "owner" in (lake.table("public.hidden")[1] or ""), "no reason")
        database.sql("ALTER TABLE hidden OWNER TO weak; INSERT INTO hidden VALUES (1)")
        assert lake.stop() == 0
        lake.start()
        lake.wait_state("public.hidden", "live")
        lake.wait_until(lambda: lake.value("SELECT count(*) FROM hidden") == 1, "not read")
        assert lake.stop() == 0
    finally:
        database.sql("REASSIGN OWNED BY weak TO postgres; DROP OWNED BY weak")


# ---- the command line and the configuration ------------------------------------------------

def test_settings_that_do_not_exist_or_do_not_fit(walberg):
    for settings, parts in [
            ({"lake.comit_interval": "1s"}, ["lake.comit_interval", "lake.commit_interval"]),
            ({"lake.commit_interval": "fast"}, ["lake.commit_interval", "fast"]),
            ({"lake.commit_interval": "-1s"}, ["lake.commit_interval"]),
            ({"log.segment_size": "1XB"}, ["log.segment_size", "1XB"]),
            ({"log.level": "loud"}, ["log.level", "loud"]),
            ({"table.zstd_level": "99"}, ["table.zstd_level", "99"])]:
        lake = walberg(settings)
        done = lake.call("run", lake.url)
        assert_one_error(done.returncode, done.stderr, *parts, expected=2)
    for settings, parts in [
            ({"source.tables": "orders"}, ["source.tables", "orders"]),
            ({"lake.catalog": "mysql://x/y"}, ["lake.catalog", "sqlite", "postgresql"]),
            ({"lake.catalog": "sqlite:"}, ["lake.catalog"])]:
        assert_refused(walberg(settings), *parts)


def test_environment_and_files_that_name_unknown_settings(walberg):
    lake = walberg()
    done = lake.call("run", lake.url, WALBERG_LAKE_COMMIT_INTERVALL="1s")
    assert_one_error(done.returncode, done.stderr, "WALBERG_LAKE_COMMIT_INTERVALL",
                     "WALBERG_LAKE_COMMIT_INTERVAL")
    file = lake.directory.parent / "walberg.yaml"
    for text, part in [("lake:\n  directry: x\n", "directry"), ("lake: [\n", "walberg.yaml"),
                       ("lake: 5\n", "lake"), ("\0\1\2", "walberg.yaml"),
                       ("lake:\n  commit_interval: {a: 1}\n", "commit_interval")]:
        file.write_text(text)
        done = lake.call("run", lake.url)
        assert_one_error(done.returncode, done.stderr, part)
    file.unlink()
    done = lake.call("run", lake.url, "-c", "/nowhere/walberg.yaml")
    assert_one_error(done.returncode, done.stderr, "/nowhere/walberg.yaml")


def test_command_lines_that_are_wrong_have_exit_code_2(walberg):
    lake = walberg()
    for arguments in [["fly"], ["run", "--fast"], ["run", "a", "b"], ["sql", "a", "b"],
                      ["snapshot"], ["run", "--json"]]:
        done = lake.call(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("error: ") and " hint: " in done.stderr


def test_without_a_lake_or_a_source_the_commands_say_so(walberg):
    lake = walberg()
    for arguments in [["sql", "SELECT 1 FROM t"], ["status"], ["snapshots"],
                      ["snapshot", "public.t"], ["snapshot", "--all"]]:
        done = lake.call(*arguments)
        assert_one_error(done.returncode, done.stderr, str(lake.directory))
        assert not lake.directory.exists()
    done = lake.call("run")
    assert_one_error(done.returncode, done.stderr, "source.url")
    assert not lake.directory.exists()


# ---- directories and files -----------------------------------------------------------------

def test_a_lake_directory_that_cannot_be_read_or_written(lake, database):
    for mode in [0o000, 0o500]:
        lake.directory.chmod(mode)
        code, said = lake.run_to_its_end()
        lake.directory.chmod(0o755)
        assert_one_error(code, said, str(lake.directory), "permission")
    for part in ["catalog.db", "log", "warehouse", "process"]:
        path = lake.directory / part
        mode = path.stat().st_mode
        path.chmod(0)
        code, said = lake.run_to_its_end()
        path.chmod(mode)
        assert_one_error(code, said, str(path), "permission")
    assert_goes_on(lake, database)


def test_a_lake_directory_that_is_a_file(walberg):
    lake = walberg()
    lake.directory.write_text("mine")
    assert_refused(lake, str(lake.directory))
    assert lake.directory.read_text() == "mine"


def test_a_catalog_that_is_somebody_elses_file(lake, database, walberg):
    other = walberg()
    other.directory.mkdir()
    shutil.chown(other.directory, lake.user, lake.user)
    for octets in [b"not a database at all, but long enough to be looked at" * 40,
                   b"SQLite format 3\0", os.urandom(8192)]:
        other.place.file.write_bytes(octets)
        shutil.chown(other.place.file, lake.user, lake.user)
        assert_refused(other, str(other.place.file))
        assert other.place.file.read_bytes() == octets
    catalog = lake.place.file.read_bytes()
    lake.place.file.write_bytes(catalog[:5000])
    assert_refused(lake, str(lake.place.file))
    assert lake.place.file.read_bytes() == catalog[:5000]
    lake.place.file.write_bytes(catalog)
    assert_goes_on(lake, database)


def change_catalog(lake, statement):
    import sqlite3
    with contextlib.closing(sqlite3.connect(lake.place.file)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_newer_format_is_refused(lake, database):
    change_catalog(lake, "UPDATE walberg_format SET version = 2")
    assert_refused(lake, "version 2", "walberg")
    assert lake.call("sql", "SELECT 1 FROM t").returncode == 1
    change_catalog(lake, "UPDATE walberg_format SET version = 1")
    newest = sorted((lake.directory / "log").iterdir())[-1]
    octets = newest.read_bytes()
    for at in range(8, 12):  # the version, little-endian or big
        newest.write_bytes(octets[:at] + b"\x7f" + octets[at + 1:])
        code, said = lake.run_to_its_end()
        newest.write_bytes(octets)
        if "version" in said:
            assert_one_error(code, said, str(newest))
            break
    else:
        raise AssertionError("no version was noticed")
    assert_goes_on(lake, database)


def test_a_log_segment_that_is_not_one(lake, database):
    newest = sorted((lake.directory / "log").iterdir())[-1]
    octets = newest.read_bytes()
    for wrong in [b"XXXX" + octets[4:], os.urandom(len(octets)), b"", octets[:100]]:
        newest.write_bytes(wrong)
        assert_refused(lake, str(lake.directory / "log"), "walberg snapshot --all")
        assert newest.read_bytes() == wrong
    newest.write_bytes(octets)
    assert_goes_on(lake, database)


def test_a_flipped_bit_anywhere_in_what_was_confirmed_is_refused(lake, database):
    """Nothing of the log is confirmed before it is durable, so no such damage is a torn tail."""
    newest = sorted((lake.directory / "log").iterdir())[-1]
    octets = newest.read_bytes()
    refused = 0
    for at in range(0, len(octets) * 2 // 3, max(1, len(octets) // 24)):
        newest.write_bytes(octets[:at] + bytes([octets[at] ^ 0x10]) + octets[at + 1:])
        code, said = lake.run_to_its_end()
        assert_one_error(code, said, str(lake.directory / "log"))
        refused += 1
    assert refused > 10
    newest.write_bytes(octets)
    assert_goes_on(lake, database)


def test_a_log_that_is_gone(lake, database):
    log = lake.directory / "log"
    aside = log.with_name("aside")
    log.rename(aside)
    assert_refused(lake, str(log), "walberg snapshot --all")
    if log.exists():
        shutil.rmtree(log)
    aside.rename(log)
    assert_goes_on(lake, database)


def test_another_lakes_log_is_refused(lake, database, walberg):
    other = walberg()
    other.start()
    other.wait_live()
    database.catch_up(other)
    assert other.stop() == 0
    log = lake.directory / "log"
    aside = log.with_name("aside")
    log.rename(aside)
    subprocess.run(["cp", "-a", other.directory / "log", log], check=True)
    assert_refused(lake, str(log))
    shutil.rmtree(log)
    aside.rename(log)
    assert_goes_on(lake, database)


# Within the first page of a data file, which is the key's: a table's opening reads only the keys.
IN_KEYS = 120


def damaged(octets, damage):
    flipped = octets[:IN_KEYS] + bytes([octets[IN_KEYS] ^ 1]) + octets[IN_KEYS + 1:]
    return {"empty": b"", "cut": octets[:len(octets) // 2], "foreign": b"PNG\r\n" * 50,
            "flipped": flipped}[damage]


# JSON and Avro have no checksums: there, a flipped bit may make another valid document.
DAMAGES = [(what, damage) for what in ["metadata", "list", "manifest", "data"]
           for damage in ["missing", "empty", "cut", "flipped", "foreign"]
           if damage != "flipped" or what == "data"]


@pytest.mark.parametrize("kind", BOTH, indirect=True)
def test_damaged_and_missing_objects_pause_their_tables_alone(database, walberg):
    names = {f"public.{what}_{damage}": (what, damage) for what, damage in DAMAGES}
    for name in names:
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, a text);"
                     f" INSERT INTO {name} SELECT i, 'row ' || i FROM generate_series(1, 100) i")
    lake = walberg()
    lake.start()
    lake.wait_live()
    for name in names:
        database.sql(f"UPDATE {name} SET a = 'new' WHERE id % 3 = 0")
    database.catch_up(lake)
    assert lake.stop() == 0
    for name, (what, damage) in names.items():
        path = newest(lake, name, what)
        if damage == "missing":
            lake.place.delete(path)
        else:
            lake.place.put(path, damaged(lake.place.read(path), damage))
    for name in names:
        database.sql(f"INSERT INTO {name} VALUES (1001, 'more')")
    lake.start()
    database.catch_up(lake)
    for name, (what, damage) in names.items():
        assert f"walberg snapshot {name}" in lake.wait_state(name, "paused")
        if damage in ("missing", "cut"):
            failed = lake.call("sql", f"SELECT sum(length(a)) AS n FROM {name}")
            assert failed.returncode == 1
            assert name in failed.stderr or name.replace(".", "/") in failed.stderr, failed.stderr
            assert " hint: " in failed.stderr, failed.stderr
    assert_equal(database, lake, "public.marker")
    assert lake.command("status", lake.url).count("paused") >= len(names)
    assert "public.marker" in lake.command("snapshots")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: lake.command("snapshot", name), names))
    database.catch_up(lake)
    assert_equal(database, lake, *names)
    assert lake.stop() == 0


# ---- no room -------------------------------------------------------------------------------

def limit_files(lake, size):
    """No process of the lake can make a file longer than this."""
    lake.prefix = ["prlimit", f"--fsize={size}"]


@contextlib.contextmanager
def small_disk(lake, megabytes):
    """A file system of that size; skips where none can be mounted."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="walberg-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs",
                              place], check=False, stderr=subprocess.PIPE, text=True)
    if mounted.returncode != 0:
        place.rmdir()
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        if lake.is_running:
            lake.kill()
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.mark.parametrize("setting", ["log.directory", "lake.warehouse"])
def test_a_full_disk_is_waited_for_and_nothing_is_lost(database, walberg, setting):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    lake = walberg({"log.segment_size": "1MB"})
    with small_disk(lake, 16) as place:
        lake.settings[setting] = place / "x"
        lake.start()
        lake.wait_live()
        database.catch_up(lake)
        room = os.statvfs(place)
        (place / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_frsize - (2 << 20)))
        # One transaction: the log cannot let go of a part of it.
        database.sql("INSERT INTO t SELECT i, string_agg(md5((i * j)::text), '') FROM"
                     " generate_series(1, 30000) i, generate_series(1, 10) j GROUP BY i")
        lake.wait_until(lambda: "No space left" in lake.log(), "no full disk is noticed")
        assert lake.call("status", lake.url).returncode == 0
        (place / "ballast").unlink()
        database.catch_up(lake)
        assert_equal(database, lake, "public.t")
        assert lake.stop() == 0


def test_a_limit_of_file_sizes_ends_in_an_error_and_no_crash(lake, database):
    limit_files(lake, 100000)
    database.sql("INSERT INTO t SELECT i, repeat(md5(i::text), 20)"
                 " FROM generate_series(5001, 9000) i")
    lake.start()
    try:
        database.catch_up(lake, 8)
    except (TimeoutError, Failed):
        pass
    if lake.is_running:
        assert lake.stop() in (0, 1)
    assert "error" in lake.log() or "warning" in lake.log(), lake.log()
    assert lake.process.returncode in (0, 1)
    lake.prefix = []
    assert_goes_on(lake, database, 20001)
