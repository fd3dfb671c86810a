"""What becomes of a table under a steady load; see run."""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from interop import canon
from pyiceberg.io import load_file_io
from pyiceberg.manifest import DataFileContent
from pyiceberg.table import StaticTable
from support.postgres import Postgres
from support.walberg import Lake

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
RATE = int(os.environ.get("SOAK_RATE", "100"))
ROWS = int(os.environ.get("SOAK_ROWS", "1000000"))

TABLE = "public.orders"
LIMIT_METADATA = 300 * 1000
LIMIT_FILES = 40
LIMIT_READ = 2.0
LIMIT_COMMIT = 1.5
REMOVAL_DELAY = 10 * 60
GRACE = 60  # for the removal itself, and for a minute that a commit may take under load
READS = 10
YOUNG_COMMITS = 50
YOUNG_MINUTES = 1.5

FULL_READ = """SELECT count(*) AS n, sum(id) AS a, sum(customer_id) AS b, max(status) AS c,
    max(note) AS d, sum(total) AS e, max(created) AS f, sum(CAST(paid AS integer)) AS g,
    sum(score) AS h FROM orders"""


def local_path(uri):
    return pathlib.Path(uri.removeprefix("file://"))


class Warehouse:
    """What the versions of the one table name."""

    def __init__(self, lake):
        self.lake = lake
        self.io = load_file_io()
        self.named_by_manifest = {}  # manifests never change

    def _entries(self, manifest):
        known = self.named_by_manifest.get(manifest.manifest_path)
        if known is None:
            known = [entry.data_file for entry in
                     manifest.fetch_manifest_entry(self.io, discard_deleted=True)]
            self.named_by_manifest[manifest.manifest_path] = known
        return known

    def table(self):
        return StaticTable.from_metadata(self.lake.metadata_locations()[TABLE])

    def sizes(self, table):
        """(metadata file, all metadata that a reader of the current version loads), in bytes"""
        snapshot = table.current_snapshot()
        paths = [table.metadata_location, snapshot.manifest_list]
        paths += [manifest.manifest_path for manifest in snapshot.manifests(self.io)]
        bytes_of = [local_path(path).stat().st_size for path in paths]
        return bytes_of[0], sum(bytes_of)

    def live(self, table):
        """(number of data files, their bytes, the most delete files that one of them has)"""
        data, deletes = [], {}
        for manifest in table.current_snapshot().manifests(self.io):
            for file in self._entries(manifest):
                if file.content == DataFileContent.DATA:
                    data.append(file)
                else:
                    target = file.lower_bounds[2147483546].decode()
                    if target != file.upper_bounds[2147483546].decode():
                        raise AssertionError(f"{file.file_path} is not for one data file")
                    deletes[target] = deletes.get(target, 0) + 1
        return len(data), sum(file.file_size_in_bytes for file in data), max(
            deletes.values(), default=0)

    def unexplained(self):
        """Files older than the delay that neither a version nor a removal that waits names."""
        now = time.time()
        warehouse = self.lake.directory / "warehouse"
        old = {path for path in warehouse.rglob("*") if path.is_file()
               and now - self._modified(path) > REMOVAL_DELAY and ".walberg" not in path.parts}
        with self.lake.catalog_transaction() as catalog:
            location = catalog.execute("SELECT metadata_location FROM iceberg_tables").fetchone()[0]
            waiting = {warehouse / path for (path,) in catalog.execute(
                "SELECT path FROM walberg_removal WHERE not_before > ?",
                ((now - GRACE) * 1e6,))}
            count = catalog.execute("SELECT count(*) FROM walberg_removal").fetchone()[0]
        named = self._named(StaticTable.from_metadata(location))
        return sorted(path for path in old - waiting - named if path.exists()), count

    def _modified(self, path):
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def _named(self, table):
        named = {local_path(table.metadata_location)}
        named |= {local_path(entry.metadata_file) for entry in table.metadata.metadata_log}
        used = set()
        for snapshot in table.snapshots():
            named.add(local_path(snapshot.manifest_list))
            for manifest in snapshot.manifests(self.io):
                used.add(manifest.manifest_path)
                named.add(local_path(manifest.manifest_path))
                named |= {local_path(file.file_path) for file in self._entries(manifest)}
        for path in set(self.named_by_manifest) - used:
            del self.named_by_manifest[path]
        return named


def commit_times(lake):
    """Milliseconds of each commit so far, in order."""
    return [int(number) / 1000 for number in
            re.findall(r"committed number=\d+ position=\S+ microseconds=(\d+)", lake.log())]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_seconds(*lakes):
    """CPU seconds of some full reads of each, which what else runs on the machine changes least."""
    sessions = [lake.session() for lake in lakes]
    for session in sessions:
        session.sql(FULL_READ)
    began = [cpu_seconds(session.process.pid) for session in sessions]
    for _ in range(READS):
        for session in sessions:
            session.sql(FULL_READ)
    taken = [cpu_seconds(session.process.pid) - before
             for session, before in zip(sessions, began)]
    for session in sessions:
        session.close()
    return taken


def one_file(server, directory):
    """A lake whose snapshot is the source's rows as they are now, in one file."""
    lake = Lake(directory, server.url)
    lake.start()
    lake.wait_until(lambda: lake.position() > 0, "no snapshot")
    lake.stop()
    lake.command("drop", server.url)
    count, _, _ = Warehouse(lake).live(Warehouse(lake).table())
    if count != 1:
        raise AssertionError(f"the rows for comparison are in {count} files")
    return lake


class Verdict:
    def __init__(self):
        self.failures = 0

    def __call__(self, what, value, limit, holds):
        self.failures += not holds
        print(f"{'ok    ' if holds else 'MISSED'}  {what}: {value} (limit {limit})", flush=True)


HEAD = (f"{'min':>4} {'commits':>7} {'ms':>6} {'least':>6} {'cpu ms':>6}"
        f" {'json kB':>8} {'meta kB':>8} {'files':>5} {'MB':>6}"
        f" {'del/file':>8} {'read':>5} {'removals':>8} {'unexplained':>11}")


def watch_minute(minute, lake, warehouse, reference, seen):
    table = warehouse.table()
    json_bytes, metadata_bytes = warehouse.sizes(table)
    files, data_bytes, deletes = warehouse.live(table)
    left, removals = warehouse.unexplained()
    read, plain = read_seconds(lake, reference)
    times = commit_times(lake)
    recent = times[seen["commits"]:] or [0]
    cpu = cpu_seconds(lake.process.pid)
    cpu_of_commit = 1000 * (cpu - seen["cpu"]) / len(recent)
    print(f"{minute:4d} {len(times):7d} {statistics.median(recent):6.1f} {min(recent):6.1f}"
          f" {cpu_of_commit:6.1f} {json_bytes / 1000:8.1f} {metadata_bytes / 1000:8.1f}"
          f" {files:5d} {data_bytes / 1e6:6.1f} {deletes:8d}"
          f" {read / plain:5.2f} {removals:8d} {len(left):11d}", flush=True)
    for path in left[:5]:
        print(f"     unexplained: {path}", flush=True)
    return {"commits": len(times), "cpu": cpu, "cpu_of_commit": cpu_of_commit,
            "metadata": metadata_bytes, "files": files, "deletes": deletes,
            "unexplained": len(left)}


def commit_times_beside_a_young_lake(server, lake, directory):
    """Median milliseconds of this lake's commits, and of those of one that has made 50 to 200, in
    the same minutes: what else runs on the machine slows both."""
    with Lake(directory / "young", server.url, {"log.level": "debug"}) as young:
        young.start()
        young.wait_live()
        generator = mixed10(server, 60 * YOUNG_MINUTES)
        young.wait_until(lambda: len(commit_times(young)) >= YOUNG_COMMITS, "no 50 commits")
        seen = len(commit_times(lake))
        check_ended(generator)
        times = commit_times(lake)[seen:], commit_times(young)[YOUNG_COMMITS:]
        young.stop()
        young.command("drop", server.url)
    return [statistics.median(list_of_times) for list_of_times in times]


def judge(server, lake, warehouse, minutes, directory):
    print("comparing with the source", flush=True)
    verdict = Verdict()
    reference = one_file(server, directory / "after")
    read, plain = read_seconds(lake, reference)
    late, early = commit_times_beside_a_young_lake(server, lake, directory)
    for what, name, limit in [("bytes of metadata", "metadata", LIMIT_METADATA),
                              ("live data files", "files", LIMIT_FILES),
                              ("delete files of a data file", "deletes", 1),
                              ("unexplained files", "unexplained", 0)]:
        most = max(minute[name] for minute in minutes)
        verdict(f"most {what}", most, limit, most <= limit)
    verdict("full read, of the same rows in one file", f"{read / plain:.2f}", LIMIT_READ,
            read <= LIMIT_READ * plain)
    verdict(f"commit time, of that of a lake after 100 commits ({early:.1f} ms)",
            f"{late / early:.2f}", LIMIT_COMMIT, late <= LIMIT_COMMIT * early)
    lake.wait_for(server.value("SELECT pg_current_wal_insert_lsn()"))
    first = minutes[0]["cpu_of_commit"]
    last = statistics.mean(minute["cpu_of_commit"] for minute in minutes[-10:])
    print(f"      all of walberg's CPU a commit, of that in the first minute ({first:.1f} ms):"
          f" {last / first:.2f}", flush=True)
    with server.connect() as connection:
        source = canon.digest(canon.rows_of_postgres(connection, TABLE))
    ours = canon.digest(canon.rows_of_arrow(warehouse.table().scan().to_arrow()))
    verdict("rows by PyIceberg", ours, source, ours == source)
    return verdict.failures


def load(server):
    server.psql(file=ROOT / "bench/schema.sql")
    server.psql(file=ROOT / "bench/load.sql", rows=ROWS)
    server.sql("VACUUM ANALYZE orders")


def mixed10(server, seconds):
    return server.pgbench(
        "--max-tries=100", "-M", "prepared", "-c", 4, "-R", RATE, "-T", round(seconds), "-D",
        f"rows={ROWS}", "-f", ROOT / "bench/mixed10.pgbench", stdout=subprocess.DEVNULL)


def check_ended(generator):
    if generator.wait() != 0:
        raise RuntimeError(f"pgbench ended with {generator.returncode}")


def watch(lake, warehouse, reference, generator):
    print(f"{RATE} transactions/s over {ROWS} rows for {MINUTES:g} min\n{HEAD}", flush=True)
    began, cpu, minutes = time.monotonic(), cpu_seconds(lake.process.pid), []
    while generator.poll() is None:
        time.sleep(max(0.0, began + 60 * (len(minutes) + 1) - time.monotonic()))
        lake.check_running()
        minutes.append(watch_minute(len(minutes) + 1, lake, warehouse, reference,
                                    minutes[-1] if minutes else {"commits": 0, "cpu": cpu}))
    check_ended(generator)
    return minutes


def soak(server, directory):
    load(server)
    reference = one_file(server, directory / "before")
    with Lake(directory / "lake", server.url, {"log.level": "debug"}) as lake:
        lake.start()
        lake.wait_live()
        warehouse = Warehouse(lake)
        minutes = watch(lake, warehouse, reference, mixed10(server, 60 * MINUTES))
        lake.wait_for(server.value("SELECT pg_current_wal_insert_lsn()"))
        failures = judge(server, lake, warehouse, minutes, directory)
        lake.stop()
    return failures


def main():
    settings = {"shared_buffers": "512MB", "max_wal_size": "8GB", "synchronous_commit": "off"}
    with tempfile.TemporaryDirectory(prefix="walberg-soak-") as directory:
        with Postgres(settings) as server:
            failures = soak(server, pathlib.Path(directory))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
