"""The ledger: a load whose every state can be checked, and readers that check it all the time.

tests/workloads/ledger.sql says which sums hold.
"""

import multiprocessing
import pathlib
import random
import subprocess
import time
import traceback

from support.walberg import Failed

WORKLOADS = pathlib.Path(__file__).resolve().parents[1] / "workloads"
TABLES = ["public.accounts_a", "public.accounts_b", "public.journal"]
PAUSE_SECONDS = 0.2  # between two reads
MILLION = 1000 * 1000000

SUMS = """SELECT (SELECT sum(balance) FROM accounts_a {at}) AS a,
    (SELECT sum(balance) FROM accounts_b {at}) AS b,
    coalesce(sum(amount), 0) AS moved, count(*) AS lines, count(DISTINCT tick) AS ticks
    FROM journal {at}"""


def check_sums(row, where):
    """What the ledger's comment says."""
    good = (row["a"] + row["b"] == 2 * MILLION and row["b"] - MILLION == row["moved"]
            and row["lines"] == row["ticks"])
    assert good, f"the sums do not hold {where}: {row}"


def make(server, lines=0):
    """The tables; with so many lines of nothing moved, that a snapshot takes its time."""
    server.psql(file=WORKLOADS / "ledger.sql")
    server.sql("INSERT INTO journal (tick, source, target, amount)"
               " SELECT nextval('tick'), 0, 0, 0 FROM generate_series(1, %s)", (lines,))


class Load:
    """Runs until it is stopped."""

    def __init__(self, server, name, rate):
        self.process = server.pgbench(
            "--max-tries=100", "-c", 4, "-R", rate, "-T", 24 * 3600, "-f", WORKLOADS / name,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def check(self):
        assert self.process.poll() is None, self.process.stderr.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def whole_positions(lake):
    """Listed positions at which every table of the ledger can be read."""
    return [entry["position"] for entry in lake.snapshots()
            if len(entry["tables"]) == len(TABLES)]


def stands_still(session):
    """Whether its last statement read a table that is being read again, and said so."""
    for note in session.notes:
        assert "is being read again" in note, note
    return bool(session.notes)


def check_history(lake):
    """The sums at every position that is listed.  The lake must stand still.  How many."""
    positions = whole_positions(lake)
    assert positions
    with lake.session() as session:
        for position in positions:
            (row,) = session.sql(SUMS.format(at=f"AT (VERSION => '{position}')"))
            check_sums(row, f"at {position}")
        (row,) = session.sql(SUMS.format(at=""))
        if not stands_still(session):
            check_sums(row, "at the newest position")
    return len(positions)


# ---- while the load runs -------------------------------------------------------------------

def _read_by_walberg(lake, chance):
    """The newest state, and one of the past, which may be gone before it is read."""
    with lake.session() as session:
        while True:
            (row,) = session.sql(SUMS.format(at=""))
            if stands_still(session):
                time.sleep(PAUSE_SECONDS)
                continue
            check_sums(row, "in a query of the newest position")
            yield
            position = chance.choice(whole_positions(lake) or [None])
            if position is None:
                continue
            try:
                (row,) = session.sql(SUMS.format(at=f"AT (VERSION => '{position}')"))
            except Failed:
                if position in whole_positions(lake):
                    raise
                continue
            check_sums(row, f"in a query of the past, at {position}")


def _live_locations(lake):
    """Of the metadata files, at one moment at which no table is being read again."""
    while True:
        with lake.catalog_transaction() as catalog:
            rows = catalog.execute(
                "SELECT metadata_location FROM iceberg_tables AS i JOIN walberg_table AS w"
                " USING (catalog_name, table_namespace, table_name) WHERE w.state = 1"
                " ORDER BY table_name").fetchall()
        if len(rows) == len(TABLES):
            return [location for (location,) in rows]
        time.sleep(PAUSE_SECONDS)


def _sums_by_pyiceberg(lake):
    import pyarrow.compute as compute
    from pyiceberg.table import StaticTable
    a, b, journal = (StaticTable.from_metadata(location, lake.place.properties).scan().to_arrow()
                     for location in _live_locations(lake))
    return {"a": compute.sum(a["balance"]).as_py(), "b": compute.sum(b["balance"]).as_py(),
            "moved": compute.sum(journal["amount"]).as_py() or 0, "lines": len(journal),
            "ticks": compute.count_distinct(journal["tick"]).as_py()}


def _read_by_pyiceberg(lake, _chance):
    while True:
        try:
            row = _sums_by_pyiceberg(lake)
        except FileNotFoundError:
            continue  # slower than history.removal_delay, which the tests make short
        check_sums(row, "as PyIceberg reads them")
        yield


READERS = {"walberg": _read_by_walberg, "PyIceberg": _read_by_pyiceberg}


def _read_until_it_fails(name, lake, chance, stop, count):
    """Raises what failed, unless a server of the lake's place was down meanwhile."""
    before = lake.place.outages()
    try:
        for _ in READERS[name](lake, chance):
            count.value += 1
            before = lake.place.outages()
            if stop.wait(PAUSE_SECONDS):
                return
    except AssertionError:
        raise
    except Exception:
        if before % 2 == 0 and lake.place.outages() == before:
            raise


def _read(name, lake, seed, stop, count, failures):
    chance = random.Random(seed)
    try:
        while not stop.is_set():
            _read_until_it_fails(name, lake, chance, stop, count)
    except BaseException:
        failures.put(f"{name}: {traceback.format_exc()}")


class Readers:
    """Processes that read the lake and check the sums, until the end."""

    def __init__(self, lake, seed):
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.failures = context.Queue()
        self.counts = {name: context.Value("l", 0) for name in READERS}
        self.processes = [
            context.Process(target=_read, daemon=True, args=(
                name, lake, seed, self.stop, count, self.failures))
            for name, count in self.counts.items()]
        for process in self.processes:
            process.start()

    def check(self):
        if not self.failures.empty():
            raise AssertionError(self.failures.get())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        deadline = time.monotonic() + 60
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
        if kind is None:
            self.check()
            print("reads under load:", {name: count.value for name, count in self.counts.items()})
            assert all(count.value > 0 for count in self.counts.values()), self.counts
