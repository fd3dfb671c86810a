"""The program under test, from outside: a lake in a directory, its process, and what it shows.

    lake = Lake(directory, server.url, {"lake.commit_interval": "100ms"})
    lake.start()
    lake.wait_for(server.value("SELECT pg_current_wal_insert_lsn()"))
    rows = lake.sql("SELECT count(*) AS n FROM orders")[0]["n"]
    lake.stop()

WALBERG names the program; build/walberg unless set.  With a user, every process of the lake runs as
that one; the program is then copied to where any user can read it.  Where its tables and its
catalog are is the place (place.py); in its directory unless one is given.
"""

import atexit
import contextlib
import functools
import decimal
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from support import place as places
from support.project import clean_environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("WALBERG", str(ROOT / "build/walberg"))
WAIT_SECONDS = int(os.environ.get("WALBERG_TEST_WAIT", "120"))

# src/engine/publisher.h: enum publisher_step
STEPS = ["idle", "apply", "files", "swap", "swapped", "retention"]
# src/catalog/catalog.h: enum table_state
STATES = ["forgotten", "live", "snapshot", "paused", "left out"]
LAKE_LIVE = 2  # of enum lake_phase


@functools.lru_cache(None)
def open_program():
    """A copy of the program, with its library, that every user can run."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="walberg-program-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    copy = pathlib.Path(shutil.copy2(pathlib.Path(PROGRAM).resolve(), place / "walberg"))
    needed = subprocess.run(["ldd", copy], check=True, stdout=subprocess.PIPE, text=True).stdout
    for library in re.findall(r"=> (/\S+)", needed):
        if not library.startswith(("/lib", "/usr/lib")):
            shutil.copy2(library, place)
    for file in place.iterdir():
        file.chmod(0o755)
    return str(copy)


def wait_until(holds, what, seconds=WAIT_SECONDS, pause=0.02):
    """The first true value of holds()."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s: {what}")
        time.sleep(pause)
    return value


def lsn_number(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(number):
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


class Failed(RuntimeError):
    """A command ended with another code than 0."""


class Lake:
    """prefix: a program that runs every command, with its arguments."""

    def __init__(self, directory, url=None, settings=None, user=None, place=None):
        self.directory = pathlib.Path(directory)
        self.place = place or places.Local(self.directory, user)
        self.url = url
        # Many lakes run at the same time: each listens on a port that is free.
        self.settings = {"http.listen": "127.0.0.1:0", **(settings or {})}
        self.user = user
        self.prefix = []
        self.process = None
        self.log_path = self.directory.with_name(self.directory.name + ".stderr")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing of a failed test goes on."""
        if self.is_running:
            self.kill()

    # ---- commands --------------------------------------------------------------------------

    def arguments(self, command, *arguments):
        options = ["--lake", self.directory]
        for name, value in {**self.place.settings, **self.settings}.items():
            options += ["--set", f"{name}={value}"]
        program = open_program() if self.user else PROGRAM
        return [str(argument) for argument in [*self.prefix, program, command, *arguments,
                                               *options]]

    def options(self, **more):
        """How subprocess starts a process of the lake; more: of its environment."""
        options = {"env": {**clean_environment(), **more}, "cwd": self.directory.parent}
        if self.user:
            options["env"]["LD_LIBRARY_PATH"] = str(pathlib.Path(open_program()).parent)
            options.update(user=self.user, group=self.user, extra_groups=[])
        return options

    def call(self, command, *arguments, text=None, seconds=WAIT_SECONDS, **environment):
        """The finished command, whatever its end; text: its standard input."""
        stdin = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
        return subprocess.run(self.arguments(command, *arguments), check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                              **stdin, **self.options(**environment))

    def command(self, command, *arguments, **options):
        """Its standard output; Failed with its standard error when it does not end with 0."""
        done = self.call(command, *arguments, **options)
        if done.returncode != 0:
            raise Failed(f"walberg {command} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def sql(self, statement):
        return _rows(self.command("sql", statement, "--json").splitlines())

    def value(self, statement):
        """The first column of the only row."""
        (row,) = self.sql(statement)
        return next(iter(row.values()))

    def session(self):
        return Session(self.arguments("sql", "--json"), self.options())

    def status(self):
        return json.loads(self.command("status", self.url, "--json"))

    # ---- the running process ---------------------------------------------------------------

    def start(self):
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.arguments("run", self.url), stderr=log,
                                            stdin=subprocess.DEVNULL, **self.options())

    def run_to_its_end(self, seconds=WAIT_SECONDS):
        """Starts it, for one that must fail: its exit code and what it said."""
        before = len(self.log())
        self.start()
        return self.process.wait(seconds), self.log()[before:]

    def stop(self):
        """Cleanly; its exit code.  Not before it can hear of it: an exec is still young then."""
        wait_until(lambda: not self.is_running or self._catches(signal.SIGTERM),
                   "the process does not catch SIGTERM")
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def _catches(self, number):
        """Whether the process has a handler of its own for the signal (proc(5), SigCgt)."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            return False
        caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE).group(1), 16)
        return bool(caught >> (number - 1) & 1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(encoding="utf-8") if self.log_path.exists() else ""

    def activity(self):
        return Activity(self.directory / "process")

    def http(self, path, context=None, token=None):
        """The status and the body that the running process answers with."""
        url = self.wait_until(self.http_url, "the process does not listen")
        request = urllib.request.Request(url + path)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def http_url(self):
        """Where the process listens; nothing before it does."""
        try:
            with self.activity() as activity:
                return activity.http
        except (FileNotFoundError, ValueError):
            return ""

    def metrics(self):
        """{"walberg_tables{state=\"live\"}": 3.0, ...}"""
        _, text = self.http("/metrics")
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in samples}

    def activity_text(self):
        """Nothing before the process has said what it does."""
        try:
            with self.activity() as activity:
                return activity.text
        except (FileNotFoundError, ValueError):
            return ""

    def check_running(self):
        if not self.is_running:
            raise Failed(f"walberg run ended with {self.process.returncode}: {self.log()[-4000:]}")

    def wait_until(self, holds, what, seconds=WAIT_SECONDS, pause=0.02):
        """The first true value of holds(), while the process runs."""
        def look():
            if self.process is not None:
                self.check_running()
            return holds()
        try:
            return wait_until(look, what, seconds, pause)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; walberg wrote {self.log()[-4000:]}") from None

    def wait_for(self, lsn, seconds=WAIT_SECONDS):
        """Until the lake has reached the position, which is a number or as PostgreSQL writes it."""
        number = lsn_number(lsn) if isinstance(lsn, str) else lsn
        self.wait_until(lambda: self.position() >= number,
                        f"the lake has not reached {lsn_text(number)}", seconds)

    def wait_live(self, seconds=WAIT_SECONDS):
        self.wait_until(lambda: self.catalog_rows("SELECT 1 FROM walberg_lake WHERE phase = ?",
                                                  LAKE_LIVE),
                        "the initial snapshot is not complete", seconds)

    def wait_state(self, name, state, seconds=WAIT_SECONDS):
        """Until schema.table is live, paused, ...; the reason that is given then."""
        self.wait_until(lambda: self.table(name)[0] == state, f"{name} is not {state}", seconds)
        return self.table(name)[1]

    # ---- the catalog -----------------------------------------------------------------------

    def catalog_transaction(self):
        """A cursor that sees the catalog at one moment; parameters stand for its question marks."""
        return self.place.transaction()

    def catalog_held(self):
        """Nobody else can write to the catalog within."""
        return self.place.held()

    def catalog_rows(self, statement, *parameters):
        """None before the catalog is there, or while its server is not."""
        try:
            with self.catalog_transaction() as catalog:
                return catalog.execute(statement, parameters).fetchall()
        except self.place.ERRORS:
            return []

    def position(self):
        """As a number; 0 while there is no lake or no first commit."""
        rows = self.catalog_rows("SELECT position FROM walberg_lake")
        return rows[0][0] if rows else 0

    def table(self, name):
        """The state of schema.table and its reason; (None, None) when the lake has no such row."""
        rows = self.catalog_rows(
            "SELECT state, reason FROM walberg_table WHERE table_namespace = ? AND table_name = ?",
            *name.split(".", 1))
        return (STATES[rows[0][0]], rows[0][1]) if rows else (None, None)

    def location(self, name):
        """The table's present metadata file: its path, or its URI when it is no file."""
        return self.metadata_locations()[name].removeprefix("file://")

    def metadata_locations(self):
        """{"schema.table": URI of its metadata file}, all of one moment."""
        with self.catalog_transaction() as catalog:
            return {f"{namespace}.{name}": location for namespace, name, location in
                    catalog.execute("SELECT table_namespace, table_name, metadata_location"
                                    " FROM iceberg_tables")}

    def snapshots(self):
        """What `walberg snapshots` lists, oldest first."""
        return _rows(self.command("snapshots", "--json").splitlines())

    def positions(self):
        """Of these, as texts."""
        return [entry["position"] for entry in self.snapshots()]


class Session:
    """A standing `walberg sql --json`: statements in, rows out.

    notes: the lines that the last statement wrote beside its rows."""

    def __init__(self, arguments, options=None):
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, **(options or {}))
        self.count = 0
        self.notes = []

    def sql(self, statement):
        """Its rows; Failed when it fails."""
        self.count += 1
        marker = f"end of {self.count}"
        self.process.stdin.write(f"{statement};\nSELECT '{marker}' AS marker;\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith("{") and json.loads(line) == {"marker": marker}:
                break
            lines.append(line)
        else:
            raise Failed(f"walberg sql ended: {''.join(lines)}")
        self.notes = [line for line in lines if not line.startswith("{")]
        if any(line.startswith("error") for line in self.notes):
            raise Failed("".join(self.notes))
        return _rows(line for line in lines if line.startswith("{"))

    def close(self):
        self.process.stdin.close()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Activity:
    """The shared bytes of src/engine/process.h: what the process does at this moment."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def _number(self, offset):
        return struct.unpack_from("=I", self.bytes, offset)[0]

    @property
    def pid(self):
        return struct.unpack_from("=i", self.bytes, 12)[0]

    @property
    def step(self):
        return STEPS[self._number(24)]

    @property
    def is_logging(self):
        return self._number(28) != 0

    @property
    def is_connected(self):
        return self._number(320) != 0  # of struct metrics, the first

    @property
    def text(self):
        return self.bytes[40:240].split(b"\0")[0].decode(errors="replace")

    @property
    def http(self):
        return self.bytes[240:320].split(b"\0")[0].decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bytes.close()


def _rows(lines):
    return [json.loads(line, parse_float=decimal.Decimal) for line in lines]
