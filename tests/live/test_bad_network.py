"""A lake on servers whose network loses one exchange in twenty and delays the rest, and whose object
storage goes away for long: the source's confirmed position goes on, memory stays bounded, all
catches up by itself, and what the troubles left behind is found and removed."""

import json
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import IS_LONG
from support import objects
from support.compare import assert_equal
from support.proxy import Proxy
from support.remote import BUCKET, RemoteServers
from support.walberg import lsn_number, wait_until

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
ROWS = 20000
DOWN_SECONDS = 300 if IS_LONG else 30
CUTS = 6  # before and after the storage is away, in front of each server
CATALOG_CUT_EVERY = 50  # a transaction is many exchanges, and so is a new connection
PATIENCE = 300
MEMORY = 64 << 20
MEMORY_BESIDE = 64 << 20  # the program itself, its key indexes, and connections
pytestmark = pytest.mark.timeout(3600 if IS_LONG else 600)


@pytest.fixture(scope="module")
def remote():
    """Its servers are stopped: no other test can have it."""
    with RemoteServers() as running:
        yield running


@pytest.fixture
def proxies(remote, chance):
    with Proxy(remote.minio.port, chance.random()) as store:
        with Proxy(remote.catalogs.port, chance.random(), CATALOG_CUT_EVERY) as catalog:
            yield store, catalog


@pytest.fixture
def lake(database, walberg, proxies):
    store, catalog = proxies
    database.psql(BENCH / "schema.sql")
    database.psql(BENCH / "load.sql", rows=ROWS)
    made = walberg({"lake.memory": MEMORY, "history.age": "2s", "history.versions_min": "3",
                    "history.removal_delay": "1s"})
    url = made.place.url.replace(f":{made.place.servers.catalogs.port}/", f":{catalog.port}/")
    made.settings.update({"s3.endpoint": f"http://127.0.0.1:{store.port}", "lake.catalog": url})
    return made


@pytest.fixture
def load(database):
    """Runs until it is stopped."""
    process = database.pgbench("-c", 2, "-R", 50, "-T", 24 * 3600, "-D", f"rows={ROWS}",
                               "--max-tries=100", "-f", BENCH / "mixed10.pgbench",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def confirmed(database):
    return lsn_number(database.value("SELECT confirmed_flush_lsn FROM pg_replication_slots"
                                     " WHERE database = %s", (database.name,)))


def here(database):
    return lsn_number(database.value("SELECT pg_current_wal_insert_lsn()"))


def private_bytes(lake):
    status = pathlib.Path(f"/proc/{lake.process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def count_cuts(proxy):
    """Of an exchange, not between two."""
    return proxy.cuts["request"] + proxy.cuts["answer"]


def wait_for_cuts(lake, proxies):
    before = [count_cuts(proxy) for proxy in proxies]
    lake.wait_until(lambda: all(count_cuts(proxy) >= count + CUTS
                                for proxy, count in zip(proxies, before)),
                    "too little was cut", PATIENCE)


def live_through_an_outage(lake, database, minio):
    """Half of the time the storage says nothing, half of it is gone."""
    ends = time.monotonic() + DOWN_SECONDS
    minio.process.send_signal(signal.SIGSTOP)
    is_silent, worst, steps = True, 0, 0
    durable_until = here(database)
    while time.monotonic() < ends:
        if is_silent and ends - time.monotonic() < DOWN_SECONDS / 2:
            minio.kill9()
            is_silent = False
        target = here(database)
        lake.wait_until(lambda: confirmed(database) >= target,
                        "the source's confirmed position stands still", 30)
        worst = max(worst, private_bytes(lake))
        steps += 1
    assert steps > 1 and lake.position() <= durable_until
    assert worst < MEMORY + MEMORY_BESIDE, f"{worst >> 20} MB"
    minio.start()
    print(f"{steps} times confirmed during the outage, at most {worst >> 20} MB")


def leave_files_behind(lake, database):
    """By a process that is killed when it has written a version's, and by others who failed."""
    place = lake.place
    lake.start()
    database.catch_up(lake)
    wait_until(lambda: is_killed_before_it_commits(lake, database), "no kill leaves files behind")
    place.servers.minio.put(BUCKET, f"{place.name}/public/orders/data/another's.parquet", b"PAR1")
    place.servers.minio.put(BUCKET, f"{place.name}/notes.txt", b"not of a table")


def is_killed_before_it_commits(lake, database):
    """Not when a commit was under way already, of something else."""
    with lake.place.held():
        database.sql("UPDATE orders SET total = total + 1 WHERE id % 10 = 0")
        try:
            lake.wait_until(lambda: len(objects.orphans(lake)) > 3, "no files are written", 3)
        except TimeoutError:
            return False
        lake.kill()
    return True


def assert_all_orphans_are_found(lake):
    here = set(lake.place.objects())
    orphans = objects.orphans(lake) - {"notes.txt"}
    assert len(orphans) > 4
    found = json.loads(lake.command("maintain", "--orphans", "--older-than", "0s", "--json",
                                    "--dry-run"))
    assert {entry["path"] for entry in found["objects"]} == orphans
    assert set(lake.place.objects()) == here
    lake.command("maintain", "--orphans", "--older-than", "0s")
    assert set(lake.place.objects()) == here - orphans


@pytest.mark.parametrize("kind", ["remote"], indirect=True)
def test_cut_connections_and_a_long_outage(database, lake, load, proxies, remote):
    lake.start()
    lake.wait_live(PATIENCE)
    wait_for_cuts(lake, proxies)
    database.catch_up(lake, PATIENCE)
    live_through_an_outage(lake, database, remote.minio)
    wait_for_cuts(lake, proxies)
    assert load.poll() is None
    load.terminate()
    load.wait()
    database.catch_up(lake, PATIENCE)
    print(f"exchanges: {[proxy.exchanges for proxy in proxies]},"
          f" cut: {[proxy.cuts for proxy in proxies]}")
    # the readers' own way is a good one
    lake.settings.update({name: lake.place.settings[name] for name in ["s3.endpoint",
                                                                       "lake.catalog"]})
    assert_equal(database, lake, "public.orders", "public.marker")
    assert lake.table("public.orders") == ("live", "")
    assert lake.stop() == 0
    leave_files_behind(lake, database)
    assert_all_orphans_are_found(lake)
    lake.start()
    database.catch_up(lake)
    assert_equal(database, lake, "public.orders", "public.marker")
    assert lake.stop() == 0
