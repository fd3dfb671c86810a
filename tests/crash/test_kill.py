"""The process is killed, and stopped for too long, again and again under a load; no line of the
ledger is lost or doubled, and no reader ever sees a state that the source did not have.  Where the
lake stands on servers, these are killed as well.

The long form (tests/run --long) has 50 kills, 30 kills while a snapshot runs, and 20 stalls.  The
seed is printed; WALBERG_TEST_SEED repeats one, as far as a race can be repeated.
"""

import collections
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ledger
from conftest import BOTH, IS_LONG
from support import compare
from support.postgres import Postgres
from support.remote import RemoteServers
from support.walberg import Activity, Lake

SENDER_TIMEOUT_SECONDS = 2
OUTAGE_SECONDS = 3
JOURNAL_LINES = 100000
EXTRA_KILLS = 50  # to hit a step that none of the rounds hit

# A step of the publisher, or an append to the log, which another thread does at the same time.
TARGETS = ["log append", "files", "swap", "swapped", "retention"]

SETTINGS = {  # so that versions expire and files are removed all the time
    "lake.commit_interval": "150ms",
    "history.age": "2s",
    "history.versions_min": "3",
    "history.removal_delay": "1s",
}

VARIANTS = {
    # load, transactions/s, of the server, of walberg
    "plain": ("ledger.pgbench", 300, {}, {}),
    "streamed": ("ledger-abort.pgbench", 12, {"logical_decoding_work_mem": "64kB"},
                 {"log.segment_size": "1MB"}),
}
ROUNDS = {  # kills, kills of a snapshot, stalls; kills of each server of the lake
    False: {"plain": (10, 4, 1, 2), "streamed": (6, 2, 1, 2)},
    True: {"plain": (50, 30, 20, 10), "streamed": (50, 30, 20, 10)},
}


# ---- stopping the process at a step --------------------------------------------------------

def is_at(activity, target):
    return activity.is_logging if target == "log append" else activity.step == target


def wait_stopped(pid):
    while True:
        states = {(task / "stat").read_text().rpartition(")")[2].split()[0]
                  for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}
        if states <= {"T"}:
            return
        time.sleep(0.001)


def catch(lake, target, seconds=30):
    """Stops the process when it is at the step; False when it never was."""
    activity = lake.activity()
    deadline = time.monotonic() + seconds
    pid = lake.process.pid
    while time.monotonic() < deadline:
        if not is_at(activity, target):
            continue  # without a pause: some steps take microseconds
        os.kill(pid, signal.SIGSTOP)
        wait_stopped(pid)
        if is_at(activity, target):
            return True
        os.kill(pid, signal.SIGCONT)
    lake.check_running()
    return False


class Hits(collections.Counter):
    """Where the process was when it was killed."""

    def kill(self, lake):
        lake.kill()
        with Activity(lake.directory / "process") as activity:
            for target in TARGETS:
                self[target] += is_at(activity, target)


# ---- rounds --------------------------------------------------------------------------------

class Scene:
    """A server with the load on it, a lake, and what was done to it."""

    def __init__(self, server, folder, settings, chance, remote=None):
        self.server = server
        self.folder = folder
        self.settings = settings
        self.chance = chance
        self.remote = remote
        self.hits = Hits()
        self.positions = 0
        self.lake = self.make_lake("lake")

    def make_lake(self, name):
        return Lake(self.folder / name, self.server.url, self.settings,
                    place=self.remote and self.remote.place())

    def source_position(self):
        return self.server.value("SELECT pg_current_wal_insert_lsn()")

    def check_history(self, lake):
        self.positions += ledger.check_history(lake)

    def kill_at(self, target):
        lake = self.lake
        lake.wait_until(lambda: lake.activity().is_connected, "it does not capture")
        time.sleep(self.chance.uniform(0, 0.5))
        catch(lake, target)
        self.hits.kill(lake)
        self.check_history(lake)
        lake.start()
        lake.wait_for(self.source_position())

    def stall(self):
        lake = self.lake
        catch(lake, self.chance.choice(TARGETS))
        os.kill(lake.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        self.check_history(lake)
        time.sleep(max(0.0, began + SENDER_TIMEOUT_SECONDS + 1.5 - time.monotonic()))
        assert not self.server.value("SELECT bool_or(active) FROM pg_replication_slots")
        os.kill(lake.process.pid, signal.SIGCONT)
        lake.wait_for(self.source_position())

    def _kill_within(self, lake, seconds):
        """At a random moment of that time, which begins now."""
        time.sleep(self.chance.uniform(0, seconds))
        self.hits.kill(lake)

    def kill_initial_snapshot(self, number):
        """A lake of its own.  What a dead beginning leaves in the source goes with the next."""
        with self.make_lake(f"lake-{number}") as lake:
            lake.start()
            lake.wait_until(lambda: lake.activity_text().startswith("reading"),
                            "it reads nothing", pause=0.001)
            self._kill_within(lake, 0.3)
            lake.start()
            lake.wait_for(self.source_position())
            assert lake.stop() == 0
        self.check_history(lake)
        lake.command("drop", self.server.url)
        assert self.server.value("SELECT count(*) FROM pg_replication_slots") == 1

    def kill_table_snapshot(self):
        lake, table = self.lake, self.chance.choice(ledger.TABLES)
        lake.wait_until(lambda: lake.activity_text() == "running", "it does not run")
        with lake.activity() as activity:
            while not self._kill_reading(activity, table):
                pass
        self.check_history(lake)
        lake.start()
        lake.wait_state(table, "live")
        lake.wait_for(self.source_position())

    def _kill_reading(self, activity, table):
        """False when the table was read before anybody saw it."""
        lake = self.lake
        with subprocess.Popen(lake.arguments("snapshot", table), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **lake.options()) as command:
            lake.wait_until(lambda: activity.text == f"reading {table}"
                            or command.poll() is not None, "it is not read again", pause=0)
            if command.poll() is not None:
                assert command.returncode == 0, f"{table} is not read again"
                return False
            self._kill_within(lake, 0.5)
        return True

    def kill_server(self, server):
        """Of the lake; it is away for a while, in which the load goes on."""
        with self.remote.outage():
            server.kill9()
            time.sleep(self.chance.uniform(0, OUTAGE_SECONDS))
            server.start()
        self.lake.wait_for(self.source_position())

    def rounds(self, kills, snapshots, stalls, outages):
        plan = [lambda target=TARGETS[i % len(TARGETS)]: self.kill_at(target)
                for i in range(kills)]
        plan += [lambda number=i: self.kill_initial_snapshot(number)
                 for i in range(0, snapshots, 2)]
        plan += [self.kill_table_snapshot for _ in range(1, snapshots, 2)]
        plan += [self.stall] * stalls
        if self.remote:
            plan += [lambda server=server: self.kill_server(server)
                     for server in [self.remote.minio, self.remote.catalogs] * outages]
        self.chance.shuffle(plan)
        return plan

    def missed(self):
        return [target for target in TARGETS if self.hits[target] == 0]


def private_servers(kind):
    """Its servers are killed: no other test can have it."""
    return RemoteServers() if kind == "remote" else contextlib.nullcontext()


def run_rounds(scene, rounds, load, readers):
    for act in rounds:
        act()
        load.check()
        readers.check()
    for _ in range(EXTRA_KILLS):
        if not scene.missed():
            break
        scene.kill_at(scene.missed()[0])
    print(f"killed at: {dict(scene.hits)}; positions checked: {scene.positions}")
    assert not scene.missed()


@pytest.mark.timeout(7200 if IS_LONG else 600)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", BOTH)
def test_no_line_is_lost_or_doubled(kind, variant, tmp_path, chance):
    load_name, rate, of_server, of_walberg = VARIANTS[variant]
    of_server = {"wal_sender_timeout": f"{SENDER_TIMEOUT_SECONDS}s", **of_server}
    with Postgres(of_server) as server, private_servers(kind) as remote:
        ledger.make(server, JOURNAL_LINES)
        scene = Scene(server, tmp_path, {**SETTINGS, **of_walberg}, chance, remote)
        with scene.lake as lake:
            lake.start()
            lake.wait_live()
            with ledger.Readers(lake, chance.random()) as readers:
                with ledger.Load(server, load_name, rate) as load:
                    run_rounds(scene, scene.rounds(*ROUNDS[IS_LONG][variant]), load, readers)
                lake.wait_for(scene.source_position())
            assert lake.stop() == 0
            ledger.check_history(lake)
            compare.assert_equal(server, lake, *ledger.TABLES)


def test_a_lake_that_has_logged_nothing_yet_goes_on(tmp_path):
    with Postgres() as server:
        ledger.make(server)
        with Lake(tmp_path / "lake", server.url) as lake:
            lake.start()
            lake.wait_live()
            lake.kill()
            lake.start()
            server.sql("UPDATE accounts_a SET balance = 1 WHERE id = 1")
            lake.wait_for(server.value("SELECT pg_current_wal_insert_lsn()"))
            assert lake.value("SELECT balance FROM accounts_a WHERE id = 1") == 1
            assert lake.stop() == 0


def test_a_second_process_is_refused(tmp_path):
    with Postgres() as server:
        ledger.make(server)
        with Lake(tmp_path / "lake", server.url) as first:
            first.start()
            first.wait_live()
            second = Lake(first.directory, server.url)
            second.log_path = tmp_path / "second.stderr"
            code, said = second.run_to_its_end()
            assert code == 1
            assert f"process {first.process.pid}" in said and "hint" in said
            server.sql("UPDATE accounts_a SET balance = 1 WHERE id = 1")
            first.wait_for(server.value("SELECT pg_current_wal_insert_lsn()"))
            assert first.value("SELECT balance FROM accounts_a WHERE id = 1") == 1
            assert first.stop() == 0
