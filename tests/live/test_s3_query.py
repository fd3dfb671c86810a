"""Queries over a lake in MinIO: what they fetch, and when; kept over restarts, within a bound."""

import collections
import concurrent.futures
import contextlib
import copy
import os
import shutil
import signal
import subprocess
import time

import pytest

import conftest
from support.minio import Minio
from support.proxy import Proxy
from support.walberg import Failed, lsn_text, wait_until

TEXTS = 20
ROWS = 60000
SOURCE = f"""
CREATE TABLE wide (id int PRIMARY KEY, k int NOT NULL,
    {", ".join(f"t{i} text" for i in range(TEXTS))});
INSERT INTO wide SELECT i, i % 100, {", ".join(f"md5({i} || ' ' || i)" for i in range(TEXTS))}
    FROM generate_series(1, {ROWS}) i;
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(0, 99) i
"""
QUERIES = [
    "SELECT count(*) AS n FROM wide",
    "SELECT k, count(*) AS n, min(t3) AS t FROM wide GROUP BY k ORDER BY k LIMIT 7",
    "SELECT t5 FROM wide WHERE id = 777",
    "SELECT c.name AS name, max(w.t7) AS t FROM wide w JOIN customers c ON c.id = w.k"
    " GROUP BY c.name ORDER BY c.name LIMIT 5",
    "SELECT count(*) AS n FROM wide WHERE t1 LIKE 'a%'",
]


@pytest.fixture(scope="module")
def shop(server):
    """A lake that stands still after changes: rows were deleted from large files."""
    database = conftest.Database(server, "shop in S3")
    database.sql(SOURCE)
    with Minio(["warehouse"]) as minio:
        lake = conftest.make_lake(database.url, minio.settings("s3://warehouse/shop"))
        lake.start()
        lake.wait_live()
        database.sql("DELETE FROM wide WHERE id % 1000 = 0")
        database.catch_up(lake)
        before = lsn_text(lake.position())
        database.sql("DELETE FROM wide WHERE id % 1000 = 1; UPDATE wide SET t5 = 'new'"
                     " WHERE id = 777; UPDATE customers SET name = 'ü' WHERE id = 7")
        database.catch_up(lake)
        assert lake.stop() == 0
        size = sum(minio.objects("warehouse").values())
        yield database, lake, minio, before, size
        conftest.remove_lake(lake)
    database.remove()


@contextlib.contextmanager
def reader(shop, directory, seed=1, cut_every=0, delay_seconds=0.0, **settings):
    """The lake, as one sees it who has fetched nothing yet, through a proxy; and the proxy."""
    _, lake, minio, *_ = shop
    if lake.user:
        shutil.chown(directory, lake.user, lake.user)
        directory.chmod(0o755)
        for parent in list(directory.parents)[:3]:
            parent.chmod(0o755)
    with Proxy(minio.port, seed, cut_every, delay_seconds) as proxy:
        seen = copy.copy(lake)
        seen.settings = {**lake.settings, "s3.endpoint": f"http://127.0.0.1:{proxy.port}",
                         "lake.cache_directory": str(directory / "cache"),
                         **{name.replace("__", "."): value for name, value in settings.items()}}
        yield seen, proxy


def as_text(rows):
    return [[None if value is None else str(value) for value in row] for row in rows]


def answer(lake, query):
    return as_text(row.values() for row in lake.sql(query))


def check(database, lake, query):
    assert answer(lake, query) == as_text(database.sql(query)), query


def disk_bytes(directory):
    return sum(file.stat().st_blocks * 512 for file in (directory / "cache/objects").iterdir())


def test_only_what_a_query_reads_is_fetched_and_only_once(shop, tmp_path):
    database, _, _, _, size = shop
    with reader(shop, tmp_path) as (lake, proxy):
        for query in QUERIES:
            check(database, lake, query)
        assert 0 < proxy.answer_bytes < size / 2
        requests = proxy.exchanges
        for query in QUERIES:  # each in a process of its own
            check(database, lake, query)
        lake.sql("DESCRIBE wide")
        lake.command("sql", "EXPLAIN SELECT * FROM wide")
        with lake.session() as session:
            for query in QUERIES:
                assert as_text(row.values() for row in session.sql(query)) \
                    == as_text(database.sql(query))
        with pytest.raises(Failed, match="nonsense"):
            lake.sql("SELECT nonsense FROM wide")
        assert proxy.exchanges == requests
        check(database, lake, "SELECT * FROM wide WHERE id < 20 ORDER BY id")
        assert proxy.exchanges > requests


def test_versions_of_the_past_are_fetched_too(shop, tmp_path):
    database, _, _, before, _ = shop
    with reader(shop, tmp_path) as (lake, _):
        now = lake.value("SELECT count(*) AS n FROM wide")
        then = lake.value(f"SELECT count(*) AS n FROM wide AT (VERSION => '{before}')")
        assert (int(now), int(then)) == (ROWS - 2 * ROWS // 1000, ROWS - ROWS // 1000)
        then = lake.value(f"SELECT t5 FROM wide AT (VERSION => '{before}') WHERE id = 777")
        assert then == database.value("SELECT md5('5 ' || 777)")
        assert lake.value("SELECT t5 FROM wide WHERE id = 777") == "new"


def test_the_cache_keeps_to_its_size(shop, tmp_path):
    database, *_ = shop
    bound = 16 << 20
    with reader(shop, tmp_path, lake__cache_size="16MB") as (lake, _):
        for i in range(0, TEXTS, 4):
            columns = ", ".join(f"max(t{i + j}) AS t{j}" for j in range(4))
            check(database, lake, f"SELECT {columns} FROM wide")
            assert disk_bytes(tmp_path) <= bound
        assert disk_bytes(tmp_path) > bound / 3
        with pytest.raises(Failed, match=r"lake\.cache_size"):
            lake.sql("SELECT max(COLUMNS(*)) FROM wide")
        assert disk_bytes(tmp_path) <= bound
        check(database, lake, QUERIES[1])


def test_several_sessions_fetch_at_once(shop, tmp_path):
    database, *_ = shop
    queries = 2 * [f"SELECT min(t{i}) AS a, count(*) AS n FROM wide WHERE t{i} > '5'"
                   for i in range(4)] + 2 * [QUERIES[0]]
    with reader(shop, tmp_path, delay_seconds=0.02, lake__cache_size="24MB") as (lake, _), \
            concurrent.futures.ThreadPoolExecutor(len(queries)) as pool:
        for query, rows in zip(queries, pool.map(lambda query: answer(lake, query), queries)):
            assert rows == as_text(database.sql(query))
        assert disk_bytes(tmp_path) <= 24 << 20


def test_a_query_that_is_killed_while_it_fetches_leaves_nothing_false(shop, tmp_path, chance):
    database, *_ = shop
    query = "SELECT max(t0) AS a, max(t9) AS b, max(t19) AS c, sum(id) AS s FROM wide"
    with reader(shop, tmp_path, delay_seconds=0.05) as (lake, proxy):
        for _ in range(6):
            target = proxy.exchanges + chance.randint(1, 12)
            process = subprocess.Popen(lake.arguments("sql", query), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, **lake.options())
            wait_until(lambda: proxy.exchanges >= target or process.poll() is not None,
                       "the query asks for something")
            time.sleep(chance.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            process.wait()
        check(database, lake, query)
        requests = proxy.exchanges
        check(database, lake, query)
        assert proxy.exchanges == requests


def test_cut_connections_do_no_harm(shop, tmp_path, chance):
    database, *_ = shop
    cuts = collections.Counter()
    for i in range(20):
        directory = tmp_path / f"reader {i}"
        directory.mkdir()
        with reader(shop, directory, seed=chance.random(), cut_every=4) as (lake, proxy):
            for j in range(0, TEXTS, 4):
                check(database, lake, f"SELECT min(t{j}) AS a, max(t{j + 1}) AS b FROM wide")
            cuts.update(proxy.cuts)
        if min(cuts.values()) >= 3:
            break
    assert min(cuts.values()) >= 3, cuts


def test_what_is_there_can_be_read_while_the_store_is_down(shop, tmp_path):
    database, _, minio, *_ = shop
    with reader(shop, tmp_path) as (lake, _):
        check(database, lake, QUERIES[1])
        minio.stop()
        try:
            check(database, lake, QUERIES[1])
            began = time.monotonic()
            with pytest.raises(Failed, match="s3://warehouse/shop"):
                lake.sql("SELECT max(t19) FROM wide")
            assert time.monotonic() - began < 30
        finally:
            minio.start()
        check(database, lake, "SELECT max(t19) AS t FROM wide")


def test_a_damaged_cache_is_made_again(shop, tmp_path):
    database, *_ = shop
    with reader(shop, tmp_path) as (lake, _):
        check(database, lake, QUERIES[3])
        index = tmp_path / "cache/walberg-cache.db"
        owner = index.stat()
        index.write_bytes(os.urandom(5000))
        os.chown(index, owner.st_uid, owner.st_gid)
        check(database, lake, QUERIES[3])
        for file in (tmp_path / "cache/objects").iterdir():
            file.unlink()
        check(database, lake, QUERIES[3])
