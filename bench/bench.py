"""Measurements beside what limits them; see run.

A figure counts as a ratio measured in the same run: walberg and its reference alternate, and the
median and spread of each are shown.  The PostgreSQL server is private to an entry.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.minio import Minio
from support.postgres import BIN, Postgres
from support.remote import RemoteServers
from support.walberg import PROGRAM, Lake

RUNS = int(os.environ.get("RUNS", "3"))
FRESH_SECONDS = int(os.environ.get("FRESH_SECONDS", "120"))
BASE_ROWS = 2000000  # that mixed10 changes
FRESH_TRANSACTIONS = 1000  # a second
PUT_BYTES = 256 << 20
WARM_TURNS = 7  # a run
KEPT = ROOT / "build/bench"

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "logical_decoding_work_mem": "256MB",
    "synchronous_commit": "off",
    "fsync": "on",
}
POLL_SECONDS = 0.01
DRAIN_SECONDS_MAX = 1800
TICKS = os.sysconf("SC_CLK_TCK")


def rows_of(default):
    return int(os.environ.get("ROWS", default))


# ---- the program, watched ------------------------------------------------------------------

@dataclasses.dataclass
class Run:
    rows: int
    seconds: float
    cpu_seconds: float = 0.0
    memory_bytes: int = 0

    @property
    def rate(self):
        return self.rows / self.seconds


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def anonymous_bytes(pid):
    """Memory of its own; mapped files are not in it."""
    found = re.search(r"RssAnon:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024


class Position:
    """The lake's position, looked at often and cheaply."""

    def __init__(self, lake):
        self.place = lake.place
        self.connection = None

    def __call__(self):
        try:
            if self.connection is None:
                self.connection = self.place.connect()
            rows = self.connection.execute("SELECT position FROM walberg_lake").fetchall()
        except self.place.ERRORS:
            self.close()
            return 0
        return rows[0][0] if rows else 0

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def watch(lake, target, rows):
    """Starts walberg and waits until the lake has reached the position."""
    position, memory = Position(lake), 0
    began = time.monotonic()
    lake.start()
    while position() < target:
        lake.check_running()
        memory = max(memory, anonymous_bytes(lake.process.pid))
        if time.monotonic() - began > DRAIN_SECONDS_MAX:
            raise TimeoutError(f"the lake is at {position()}, not at {target}")
        time.sleep(POLL_SECONDS)
    run = Run(rows, time.monotonic() - began, cpu_seconds(lake.process.pid),
              max(memory, anonymous_bytes(lake.process.pid)))
    position.close()
    return run


# ---- the source ----------------------------------------------------------------------------

def insert_position(server):
    """Before which all work is; a row behind it lets everybody get there without waiting."""
    position = server.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    server.sql("INSERT INTO orders SELECT r.* FROM order_row(nextval('bench_id')) AS r")
    return int(position)


def changes(server):
    """How many row changes orders has seen, once no ended session adds to them any more."""
    server.sql("SELECT pg_stat_force_next_flush()")
    counts = [-1]
    while len(counts) < 5 or len(set(counts[-5:])) > 1:
        time.sleep(0.2)
        counts.append(server.value("SELECT n_tup_ins + n_tup_upd + n_tup_del"
                                   " FROM pg_stat_user_tables WHERE relname = 'orders'"))
    return counts[-1]


def pgbench(server, *arguments):
    process = server.pgbench("-M", "prepared", "--max-tries=100", "-c", 4, "-j", 2, *arguments,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"pgbench: {said}")


def load(server, rows):
    server.psql(file=HERE / "load.sql", rows=rows)


def reference(server, *arguments, rows=0):
    environment = dict(os.environ, ROWS=str(rows), PATH=f"{BIN}:{os.environ['PATH']}")
    done = subprocess.run([HERE / "reference.sh", arguments[0], server.url, *arguments[1:]],
                          check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found = re.search(r"(\d+) rows ([\d.]+) s", done.stdout)
    return Run(int(found[1]), float(found[2]))


def remove(lake, server):
    lake.stop()
    lake.command("drop", server.url)
    shutil.rmtree(lake.directory)
    lake.place.remove()


# ---- entries -------------------------------------------------------------------------------

def snapshot(server, folder):
    rows = rows_of(10000000)
    load(server, rows)
    server.sql("VACUUM ANALYZE orders")
    references, runs = [], []
    for _ in range(RUNS):
        references.append(reference(server, "copy", "orders", "1"))
        lake = Lake(folder / "lake", server.url)
        runs.append(watch(lake, 1, rows))
        remove(lake, server)
    return references, runs


class Stream:
    """What waits in a slot, to /dev/null."""

    def __init__(self, server, number):
        self.server = server
        self.slot = f"s{number}"
        server.sql(f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')")

    def drain(self, _target, rows):
        run = reference(self.server, "stream", self.slot, rows=rows)
        self.server.sql(f"SELECT pg_drop_replication_slot('{self.slot}')")
        return run


class Drained:
    """A lake, stopped before the work."""

    def __init__(self, server, directory, place=None):
        self.server = server
        self.lake = Lake(directory, server.url, place=place)
        watch(self.lake, 1, 1)
        self.lake.stop()

    def drain(self, target, rows):
        run = watch(self.lake, target, rows)
        remove(self.lake, self.server)
        return run


def drain(server, pairs, work):
    """A reference and a lake a run, all behind the same work."""
    before = changes(server)
    work(server)
    rows = changes(server) - before
    target = insert_position(server)
    server.sql("CHECKPOINT")
    runs = [[side.drain(target, rows) for side in pair] for pair in pairs]
    return tuple(zip(*runs))


def beside_a_stream(server, folder):
    return [(Stream(server, number), Drained(server, folder / f"lake{number}"))
            for number in range(RUNS)]


def beside_a_local_lake(server, folder, remote):
    return [(Drained(server, folder / f"local{number}"),
             Drained(server, folder / f"lake{number}", remote.place())) for number in range(RUNS)]


def insert_work(server):
    pgbench(server, "-t", rows_of(2000000) // 40, "-f", HERE / "insert10.pgbench")


def mixed_rows(server):
    """(how many changes there will be, of how many rows, which are there then)"""
    changed = rows_of(1000000)
    base = min(BASE_ROWS, 2 * changed)
    load(server, base)
    server.sql("VACUUM ANALYZE orders")
    return changed, base


def mixed_work(server, changed, base):
    pgbench(server, "-t", changed // 40, "-D", f"rows={base}", "-f", HERE / "mixed10.pgbench")


def drain_insert(server, folder):
    return drain(server, beside_a_stream(server, folder), insert_work)


def drain_big(server, folder):
    return drain(server, beside_a_stream(server, folder),
                 lambda server: load(server, rows_of(2000000)))


def drain_mixed(server, folder):
    numbers = mixed_rows(server)
    return drain(server, beside_a_stream(server, folder),
                 lambda server: mixed_work(server, *numbers))


def drain_insert_s3(server, folder):
    with RemoteServers() as remote:
        return drain(server, beside_a_local_lake(server, folder, remote), insert_work)


def drain_mixed_s3(server, folder):
    numbers = mixed_rows(server)
    with RemoteServers() as remote:
        return drain(server, beside_a_local_lake(server, folder, remote),
                     lambda server: mixed_work(server, *numbers))


class Markers(threading.Thread):
    """Commits a row each 50 ms, and knows when."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.connection = server.connect()
        self.connection.autocommit = True
        self.committed_at = []
        self.ends = threading.Event()

    def run(self):
        with self.connection.cursor() as cursor:
            while not self.ends.wait(0.05):
                cursor.execute("INSERT INTO marker VALUES (%s)", (len(self.committed_at),))
                self.committed_at.append(time.monotonic())
        self.connection.close()


def look_for_markers(lake, markers, seconds):
    """When each of the markers was first seen."""
    seen_at = []
    deadline = time.monotonic() + seconds
    with lake.session() as session:
        while time.monotonic() < deadline:
            last = session.sql("SELECT max(id) AS id FROM marker")[0]["id"]
            now = time.monotonic()
            if last is not None:
                seen_at += [now] * (last + 1 - len(seen_at))
            time.sleep(POLL_SECONDS)
    return [seen - markers.committed_at[number] for number, seen in enumerate(seen_at)]


def fresh(server, folder, place=None):
    rows = rows_of(BASE_ROWS)
    load(server, rows)
    server.sql("CREATE TABLE marker (id bigint PRIMARY KEY)")
    server.sql("VACUUM ANALYZE orders")
    lake = Lake(folder / "lake", server.url, place=place)
    watch(lake, 1, 1)
    generator = server.pgbench("-M", "prepared", "--max-tries=100", "-c", 8, "-j", 2, "-R",
                               FRESH_TRANSACTIONS, "-T", FRESH_SECONDS + 10, "-D", f"rows={rows}",
                               "-f", HERE / "mixed10.pgbench", stdout=subprocess.PIPE, text=True)
    time.sleep(5)  # until the load is steady
    markers = Markers(server)
    markers.start()
    began, cpu_began = time.monotonic(), cpu_seconds(lake.process.pid)
    delays = sorted(look_for_markers(lake, markers, FRESH_SECONDS))
    run = Run(0, time.monotonic() - began, cpu_seconds(lake.process.pid) - cpu_began,
              anonymous_bytes(lake.process.pid))
    markers.ends.set()
    markers.join()
    said, _ = generator.communicate()
    if generator.returncode != 0 or not delays:
        raise RuntimeError(f"pgbench ended with {generator.returncode}; {len(delays)} markers")
    remove(lake, server)
    rate = float(re.search(r"tps = ([\d.]+)", said)[1])
    return delays, run, rate


def write():
    rows = rows_of(2000000)
    done = subprocess.run([ROOT / "build/release/bench_write", str(rows), str(RUNS)], check=True,
                          stdout=subprocess.PIPE, text=True)
    return re.findall(r"^(\S+)\s+([\d.]+) M rows/s \(([\d.]+) to ([\d.]+)\)", done.stdout, re.M)


def put():
    """Seconds of MinIO's client and of walberg for one file, whole processes both, by turns."""
    others, own = [], []
    with tempfile.TemporaryDirectory(prefix="walberg-bench-") as folder, \
            Minio(buckets=["warehouse"]) as server:
        file = pathlib.Path(folder) / "file"
        file.write_bytes(os.urandom(PUT_BYTES))
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=server.access_key,
                           AWS_SECRET_ACCESS_KEY=server.secret_key)
        for run in range(RUNS):
            began = time.monotonic()
            server.mc("cp", file, f"s/warehouse/{run}")
            others.append(time.monotonic() - began)
            began = time.monotonic()
            subprocess.run([ROOT / "build/release/bench_put", file, "s3://warehouse/own",
                            server.url], check=True, stdout=subprocess.DEVNULL, env=environment)
            own.append(time.monotonic() - began)
            for key in server.objects("warehouse"):
                server.delete("warehouse", key)
    return others, own


WARM_QUERIES = {
    "count": "SELECT count(*) FROM orders",
    "sum": "SELECT sum(total), max(created) FROM orders",
    "group": "SELECT status, count(*), avg(score) FROM orders GROUP BY status",
    "filter": "SELECT count(*) FROM orders WHERE note LIKE '%ab%' AND paid",
    "point": "SELECT * FROM orders WHERE id = 77777",
}


def query_seconds(session, statement):
    began = time.monotonic()
    session.sql(statement)
    return time.monotonic() - began


def warm(server, folder, minio):
    """(of each query, the seconds of a local lake and of one in MinIO, in standing sessions, by
    turns)"""
    load(server, rows_of(BASE_ROWS))
    settings = minio.settings("s3://warehouse/lake")
    lakes = [Lake(folder / "local", server.url), Lake(folder / "lake", server.url, settings)]
    with lakes[0], lakes[1]:
        for lake in lakes:
            lake.start()
            lake.wait_live(DRAIN_SECONDS_MAX)
        server.sql("DELETE FROM orders WHERE id % 100 = 0")
        target = insert_position(server)
        for lake in lakes:
            lake.wait_for(target, DRAIN_SECONDS_MAX)
            lake.stop()
    seconds = {name: ([], []) for name in WARM_QUERIES}
    with lakes[0].session() as near, lakes[1].session() as far:
        for turn in range(1 + WARM_TURNS * RUNS):  # the first one fetches
            for name, statement in WARM_QUERIES.items():
                for session, times in zip((near, far), seconds[name]):
                    took = query_seconds(session, statement)
                    if turn > 0:
                        times.append(took)
    for lake in lakes:
        lake.command("drop", server.url)
    return seconds


# ---- results -------------------------------------------------------------------------------

DRAINS = {"snapshot": snapshot, "drain-insert": drain_insert, "drain-big": drain_big,
          "drain-mixed": drain_mixed, "drain-insert-s3": drain_insert_s3,
          "drain-mixed-s3": drain_mixed_s3}
# of the finished program, and of the first version
GOALS = {"snapshot": (0.6, 0.4), "drain-insert": (0.95, 0.6), "drain-big": (0.95, 0.6),
         "drain-mixed": (0.9, 0.6), "drain-insert-s3": (0.9, 0.9), "drain-mixed-s3": (0.9, 0.9),
         "write": (3.0, 2.0), "put": (0.8, 0.8), "warm": (0.9, 0.9)}
FRESH_GOALS = {"fresh": (0.4, 0.6), "fresh-s3": (1.0, 1.0)}
FRESH_GOAL_P99 = 1.0
MEMORY_GOALS = {"snapshot": (256, 512), "drain-insert": (512, 512), "drain-big": (256, 512),
                "drain-mixed": (512, 512), "drain-insert-s3": (512, 512),
                "drain-mixed-s3": (512, 512)}
MB = 1 << 20


def verdict(value, goals, better):
    """better: how a value is held against a goal."""
    if better(value, goals[0]):
        return "met"
    return "met for now" if better(value, goals[1]) else "missed"


def spread(values, form):
    values = sorted(values)
    return (f"{form(statistics.median(values))} ({form(values[0])} to {form(values[-1])})")


def at_least(value, goal):
    return value >= goal


def at_most(value, goal):
    return value <= goal


def rate_text(rate):
    return f"{rate / 1000:.0f} k/s"


def measure_drain(name):
    with tempfile.TemporaryDirectory(prefix="walberg-bench-") as folder:
        with Postgres(SETTINGS) as server:
            server.psql(file=HERE / "schema.sql")
            references, runs = DRAINS[name](server, pathlib.Path(folder))
    ratios = [run.rate / other.rate for run, other in zip(runs, references)]
    ratio = statistics.median(ratios)
    memory = max(run.memory_bytes for run in runs) / MB
    cpu = statistics.median(run.cpu_seconds / run.rows * 1e6 for run in runs)
    results = [{"what": "rate, of the reference's", "ratio": spread(ratios, "{:.2f}".format),
                "goal": f"≥ {GOALS[name][0]}", "verdict": verdict(ratio, GOALS[name], at_least)},
               {"what": "peak memory", "ratio": f"{memory:.0f} MB",
                "goal": f"≤ {MEMORY_GOALS[name][0]} MB",
                "verdict": verdict(memory, MEMORY_GOALS[name], at_most)}]
    cpu_line = {"what": "CPU a row", "ratio": f"{cpu:.2f} µs", "goal": "", "verdict": ""}
    if name == "snapshot":
        cpu_line.update(goal="≤ 1 µs", verdict=verdict(cpu, (1.0, 1.0), at_most))
    return {"rows": runs[0].rows,
            "walberg": spread([run.rate for run in runs], rate_text),
            "reference": spread([run.rate for run in references], rate_text),
            "results": results + [cpu_line]}


def measure_fresh(name):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="walberg-bench-"))
        server = stack.enter_context(Postgres(SETTINGS))
        place = stack.enter_context(RemoteServers()).place() if name == "fresh-s3" else None
        server.psql(file=HERE / "schema.sql")
        delays, run, rate = fresh(server, pathlib.Path(folder), place)
    p50, p99 = (delays[int(len(delays) * part)] for part in (0.5, 0.99))
    results = [{"what": "p50", "ratio": f"{p50:.2f} s", "goal": f"≤ {FRESH_GOALS[name][0]} s",
                "verdict": verdict(p50, FRESH_GOALS[name], at_most)}]
    p99_line = {"what": "p99", "ratio": f"{p99:.2f} s", "goal": "", "verdict": ""}
    if name == "fresh":
        p99_line.update(goal=f"≤ {FRESH_GOAL_P99} s",
                        verdict=verdict(p99, (FRESH_GOAL_P99,) * 2, at_most))
    return {"rows": rows_of(BASE_ROWS), "walberg": f"{len(delays)} markers",
            "reference": f"{rate:.0f} transactions/s",
            "results": results + [p99_line,
                {"what": "memory", "ratio": f"{run.memory_bytes / MB:.0f} MB", "goal": "",
                 "verdict": ""},
                {"what": "CPU", "ratio": f"{run.cpu_seconds / run.seconds:.2f} cores", "goal": "",
                 "verdict": ""}]}


def measure_write():
    own, other = write()
    ratio = float(own[1]) / float(other[1])
    text = "{1} M/s a core ({2} to {3})"
    return {"rows": rows_of(2000000), "walberg": text.format(*own),
            "reference": text.format(*other),
            "results": [{"what": "rate, of the reference's", "ratio": f"{ratio:.2f}",
                         "goal": f"≥ {GOALS['write'][0]}",
                         "verdict": verdict(ratio, GOALS["write"], at_least)}]}


def measure_put():
    others, own = put()
    ratios = [other / mine for other, mine in zip(others, own)]
    return {"rows": PUT_BYTES // MB,
            "walberg": spread([PUT_BYTES / MB / seconds for seconds in own], "{:.0f} MB/s".format),
            "reference": spread([PUT_BYTES / MB / seconds for seconds in others],
                                "{:.0f} MB/s".format),
            "results": [{"what": "rate, of the reference's",
                         "ratio": spread(ratios, "{:.2f}".format), "goal": f"≥ {GOALS['put'][0]}",
                         "verdict": verdict(statistics.median(ratios), GOALS["put"], at_least)}]}


def measure_warm():
    with tempfile.TemporaryDirectory(prefix="walberg-bench-") as folder, \
            Minio(buckets=["warehouse"]) as minio, Postgres(SETTINGS) as server:
        server.psql(file=HERE / "schema.sql")
        seconds = warm(server, pathlib.Path(folder), minio)
    medians = {name: [statistics.median(times) for times in pair]
               for name, pair in seconds.items()}
    totals = [sum(pair[side] for pair in medians.values()) for side in (0, 1)]
    ratios = {"all": totals[0] / totals[1],
              **{name: near / far for name, (near, far) in medians.items()}}
    return {"rows": rows_of(BASE_ROWS),
            "walberg": f"{totals[1] * 1000:.1f} ms", "reference": f"{totals[0] * 1000:.1f} ms",
            "results": [{"what": f"speed of {name}, of the reference's",
                         "ratio": f"{ratio:.2f}",
                         "goal": f"≥ {GOALS['warm'][0]}" if name == "all" else "",
                         "verdict": verdict(ratio, GOALS["warm"], at_least) if name == "all"
                         else ""} for name, ratio in ratios.items()]}


ENTRIES = {**{name: lambda name=name: measure_drain(name) for name in DRAINS},
           **{name: lambda name=name: measure_fresh(name) for name in FRESH_GOALS},
           "write": measure_write, "put": measure_put,
           "warm": measure_warm}
REFERENCES = {
    "snapshot": "one binary COPY to /dev/null", "drain-insert": "pg_recvlogical to /dev/null",
    "drain-big": "pg_recvlogical to /dev/null", "drain-mixed": "pg_recvlogical to /dev/null",
    "drain-insert-s3": "the local lake", "drain-mixed-s3": "the local lake",
    "fresh": "commit in the source to sight in a query",
    "fresh-s3": "commit in the source to sight in a query", "write": "DuckDB append and COPY",
    "put": "mc cp", "warm": "the same queries of a local lake"}

HEADINGS = ["entry", "rows", "walberg", "against", "reference", "what", "measured", "goal", ""]


def table_rows(entries):
    rows = []
    for name, entry in entries.items():
        head = [name, f"{entry['rows']:,}", entry["walberg"], REFERENCES[name],
                entry["reference"]]
        for result in entry["results"]:
            rows.append(head + [result["what"], result["ratio"], result["goal"],
                                result["verdict"]])
            head = [""] * 5
    return rows


def print_table(rows):
    widths = [max(len(row[column]) for row in [HEADINGS, *rows])
              for column in range(len(HEADINGS))]
    for row in [HEADINGS, *rows]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run([PROGRAM, "--version"], check=True, stdout=subprocess.PIPE,
                             text=True).stdout.strip()
    server = subprocess.run([BIN / "postgres", "--version"], check=True, stdout=subprocess.PIPE,
                            text=True).stdout.strip()
    return (f"{os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}, Linux"
            f" {platform.release()}, {server}, {version}")


def write_results(entries):
    lines = ["# Results", "",
             "Written by `make bench`.  walberg and its reference alternate in the same run: median"
             " (least to most).  Only", "the ratios mean something on another machine.  *met for"
             " now*: the first version's goal is met, the final one is not.", "",
             f"Machine: {machine()}.", "",
             "Dates: " + ", ".join(f"{name} {entry['date']}" for name, entry in entries.items())
             + ".", "",
             "| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(entries)]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(names):
    unknown = set(names) - set(ENTRIES)
    if unknown:
        sys.exit(f"no such entry: {', '.join(sorted(unknown))}; there are {', '.join(ENTRIES)}")
    KEPT.mkdir(parents=True, exist_ok=True)
    measured = {}
    for name in names or ENTRIES:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        measured[name] = {**ENTRIES[name](), "date": f"{datetime.date.today()}"}
        (KEPT / f"{name}.json").write_text(json.dumps(measured[name]), encoding="utf-8")
    print_table(table_rows(measured))
    write_results({name: json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
                   for name in ENTRIES if (KEPT / f"{name}.json").exists()})


if __name__ == "__main__":
    main(sys.argv[1:])
