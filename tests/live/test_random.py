"""Random transactions while the process is killed, stopped, disconnected and told to read tables
again: at the end the lake equals the source, and between, every position is one the source had."""

import os
import random
import subprocess
import threading
import time

import pytest

from conftest import BOTH, IS_LONG
from support.compare import assert_equal

SECONDS = 120 if IS_LONG else 6
pytestmark = [pytest.mark.timeout(3600 if IS_LONG else 300),
              pytest.mark.parametrize("kind", BOTH, indirect=True)]
SEEDS = [int(seed) for seed in os.environ.get("WALBERG_TEST_SEEDS", "").split(",") if seed] or [
    int(os.environ["WALBERG_TEST_SEED"]) + i for i in range(4 if IS_LONG else 2)]

TABLES = """
CREATE TABLE numbers (id int PRIMARY KEY, n bigint NOT NULL, note text);
CREATE TABLE pairs (a text, b int, v numeric(12, 3), t timestamptz, PRIMARY KEY (b, a));
CREATE TABLE wide (id uuid PRIMARY KEY, n int, big text, bin bytea);
ALTER TABLE wide REPLICA IDENTITY FULL;
ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
CREATE TABLE lines (n int, a text);
CREATE TABLE left_side (id int PRIMARY KEY, n int NOT NULL);
CREATE TABLE right_side (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO left_side VALUES (1, 1000);
INSERT INTO right_side VALUES (1, 1000);
INSERT INTO numbers SELECT i, i, md5(i::text) FROM generate_series(1, 500) i;
INSERT INTO pairs SELECT 'k' || i % 5, i, i / 8.0, now() FROM generate_series(1, 200) i;
INSERT INTO wide SELECT md5(i::text)::uuid, i, repeat(md5(i::text), 200), '\\x00' FROM
    generate_series(1, 20) i
"""
NAMES = ["public.numbers", "public.pairs", "public.wide", "public.lines", "public.left_side",
         "public.right_side"]


def statement(chance):
    """One that may fail on nothing but a lock."""
    i, j = chance.randrange(1, 700), chance.randrange(1, 700)
    few, many = chance.randrange(1, 20), chance.choice([50, 300, 2000])
    return chance.choice([
        f"INSERT INTO numbers VALUES ({i}, {j}, NULL)"
        " ON CONFLICT (id) DO UPDATE SET n = numbers.n + 1",
        f"UPDATE numbers SET n = n + {few} WHERE id BETWEEN {i} AND {i + few}",
        f"UPDATE numbers SET note = repeat('x', {few * 30}) WHERE id % {few + 1} = 0",
        f"DELETE FROM numbers WHERE id % 97 = {few}",
        f"UPDATE numbers SET id = {i} WHERE id = {j} AND NOT EXISTS"
        f" (SELECT 1 FROM numbers WHERE id = {i})",
        f"INSERT INTO numbers SELECT x, x, md5(x::text) FROM generate_series({i * 100},"
        f" {i * 100 + many}) x ON CONFLICT DO NOTHING",
        f"DELETE FROM numbers WHERE id BETWEEN {i * 100} AND {i * 100 + many}",
        f"INSERT INTO pairs VALUES ('k{few}', {i}, {j}.125, now()) ON CONFLICT DO NOTHING",
        f"UPDATE pairs SET v = v + 1, a = a || 'x' WHERE b = {i} AND length(a) < 20",
        f"UPDATE pairs SET b = b + 10000 WHERE b = {i}",
        f"DELETE FROM pairs WHERE b % 13 = {few}",
        f"INSERT INTO wide VALUES (md5('{i}')::uuid, {j}, repeat('y', {few * 500}), '\\x{few:02x}')"
        " ON CONFLICT DO NOTHING",
        f"UPDATE wide SET n = n + 1 WHERE n % 3 = {few % 3}",
        f"UPDATE wide SET id = md5(id::text)::uuid WHERE n % 11 = {few}",
        f"UPDATE wide SET big = NULL WHERE n % 7 = {few}",
        f"DELETE FROM wide WHERE n % 17 = {few}",
        f"INSERT INTO lines SELECT x, 'line' FROM generate_series(1, {few}) x",
        "TRUNCATE lines" if chance.random() < 0.1 else f"INSERT INTO lines VALUES ({i}, NULL)",
        "TRUNCATE pairs, wide" if chance.random() < 0.05 else "SELECT 1",
        "UPDATE left_side SET n = n - 1; UPDATE right_side SET n = n + 1",
    ])


def transaction(chance):
    parts = ["BEGIN"]
    for number in range(chance.choice([1, 1, 2, 5, 15])):
        if chance.random() < 0.15:
            parts += [f"SAVEPOINT s{number}", statement(chance), statement(chance),
                      chance.choice([f"ROLLBACK TO s{number}", f"RELEASE s{number}"])]
        else:
            parts.append(statement(chance))
    # the two sides move together, or not at all
    parts.append("ROLLBACK" if chance.random() < 0.1 else "COMMIT")
    return "; ".join(parts)


class Writer(threading.Thread):
    def __init__(self, database, seed):
        super().__init__()
        self.connection = database.connect()
        self.connection.autocommit = True
        self.chance = random.Random(seed)
        self.ends = threading.Event()
        self.count = 0
        self.error = None

    def run(self):
        import psycopg2.errors
        try:
            with self.connection.cursor() as cursor:
                while not self.ends.is_set():
                    try:
                        cursor.execute(transaction(self.chance))
                        self.count += 1
                    except (psycopg2.errors.DeadlockDetected, psycopg2.errors.UniqueViolation):
                        cursor.execute("ROLLBACK")
        except Exception as error:
            self.error = error
        finally:
            self.connection.close()


def disturb(lake, database, chance, asked):
    kind = chance.choice(["kill", "kill", "stop", "disconnect", "reread", "reread", "nothing"])
    if kind == "kill":
        lake.kill()
        lake.start()
    elif kind == "stop":
        assert lake.stop() == 0
        lake.start()
    elif kind == "disconnect":
        database.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                     " WHERE database = %s AND active", (database.name,))
    elif kind == "reread" and lake.position() > 0:
        asked.append(subprocess.Popen(
            lake.arguments("snapshot", chance.choice(NAMES)), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **lake.options()))


def check_positions(lake):
    """Of each the two sides' sum; a version may expire while it is looked for."""
    read = 0
    with lake.session() as session:
        for position in lake.positions()[-20:]:
            try:
                rows = session.sql(f"SELECT l.n + r.n AS n FROM left_side l AT (VERSION =>"
                                   f" '{position}'), right_side r AT (VERSION => '{position}')")
            except RuntimeError as error:
                assert "no version" in str(error) or "stands still" in str(error), error
                continue
            assert rows == [{"n": 2000}], position
            read += 1
    return read


@pytest.mark.parametrize("seed", SEEDS)
def test_random_changes_under_random_events(database, walberg, seed):
    chance = random.Random(seed)
    database.sql(TABLES)
    if chance.random() < 0.5:
        database.sql(f'ALTER DATABASE "{database.name}" SET logical_decoding_work_mem = \'64kB\'')
    lake = walberg({
        "lake.commit_interval": chance.choice(["20ms", "100ms", "400ms"]),
        "lake.memory": chance.choice(["8MB", "64MB"]),
        "log.segment_size": chance.choice(["64kB", "1MB"]),
        "table.file_size": chance.choice(["1MB", "128MB"]),
        "table.row_group_rows": chance.choice(["1024", "262144"]),
        "history.age": "2s", "history.versions_min": "5", "history.removal_delay": "1s"})
    writers = [Writer(database, chance.random()) for _ in range(2)]
    asked = []
    for writer in writers:
        writer.start()
    try:
        lake.start()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            time.sleep(chance.random() * 1.5)  # the load goes on in the meantime
            disturb(lake, database, chance, asked)
        lake.wait_live()
        check_positions(lake)
    finally:
        for writer in writers:
            writer.ends.set()
        for writer in writers:
            writer.join()
    assert [writer.error for writer in writers] == [None, None]
    assert sum(writer.count for writer in writers) > 20
    lake.wait_until(lambda: all(lake.table(name)[0] not in (None, "snapshot") for name in NAMES),
                    "tables are still read")
    for process in asked:
        process.wait(30)
    for name in NAMES:
        state, reason = lake.table(name)
        if state == "paused" and "truncated or rewritten" in reason:  # while it was read
            lake.command("snapshot", name)
    database.catch_up(lake)
    assert {name: lake.table(name) for name in NAMES} == {name: ("live", "") for name in NAMES}
    assert_equal(database, lake, *NAMES)
    assert check_positions(lake) > 0
    assert lake.stop() == 0
    lake.start()
    database.sql("UPDATE numbers SET id = -id; UPDATE wide SET n = -n; UPDATE pairs SET b = -b")
    database.catch_up(lake)
    assert_equal(database, lake, *NAMES)
    assert lake.stop() == 0
