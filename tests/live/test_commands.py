"""The commands as a user types them, on a real server, with and without a running process."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support.postgres import Postgres
from support.project import clean_environment

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WALBERG = os.environ.get("WALBERG", str(ROOT / "build" / "walberg"))
WAIT_SECONDS = 60

SOURCE = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE visits (page text);
CREATE TABLE readings (id int PRIMARY KEY, value numeric(10, 2));
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
INSERT INTO customers VALUES (1, '张三'), (2, 'Bob');
INSERT INTO visits VALUES ('/'), ('/');
INSERT INTO readings VALUES (1, 1.5);
"""


class Desk:
    """A directory to work in, a server, and perhaps a running process."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.process = None
        self.environment = dict(clean_environment(), WALBERG_HTTP_LISTEN="127.0.0.1:0")

    def command(self, *arguments):
        return subprocess.run([WALBERG, *arguments], check=False, capture_output=True, text=True,
                              cwd=self.folder, env=self.environment)

    def ok(self, *arguments):
        result = self.command(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start(self):
        with open(self.folder / "walberg.log", "ab") as log:
            self.process = subprocess.Popen([WALBERG, "run", self.server.url], stderr=log,
                                            cwd=self.folder, env=self.environment)
        self.wait_until(lambda: self.status()["lake"]["phase"] == "live")

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(WAIT_SECONDS) == 0
        self.process = None

    def status(self, *arguments):
        result = self.command("status", "--json", *arguments)
        if result.returncode != 0:
            return {"lake": {"phase": ""}, "tables": []}
        return json.loads(result.stdout)

    def table(self, name):
        return next(table for table in self.status()["tables"] if table["name"] == name)

    def rows(self, sql):
        return [json.loads(line) for line in self.ok("sql", "--json", sql).splitlines()]

    def wait_until(self, holds):
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds():
            assert self.process.poll() is None, (self.folder / "walberg.log").read_text()
            assert time.monotonic() < deadline, (self.folder / "walberg.log").read_text()
            time.sleep(0.05)


@pytest.fixture
def desk(tmp_path):
    with Postgres() as server:
        server.sql(SOURCE)
        one = Desk(server, tmp_path)
        yield one
        one.stop()


# ---- the command line ----------------------------------------------------------------------


@pytest.mark.parametrize("arguments, complaint", [
    ([], "no command is given"),
    (["sing"], 'there is no command "sing"'),
    (["status", "--loud"], 'there is no option "--loud"'),
    (["status", "--lake"], '"--lake" has no value'),
    (["status", "--lake="], '"--lake=" has no value'),
    (["run", "--json"], 'has no --json'),
    (["sql", "--all"], 'has no --all'),
    (["status", "one", "two"], "there are too many arguments; usage: walberg status [CONNECTION]"),
    (["snapshots", "one"], "there are too many arguments; usage: walberg snapshots"),
    (["snapshot"], "an argument is missing; usage: walberg snapshot TABLE | --all"),
    (["log", "--all"], '"walberg log" has no --all'),
    (["run", "--from", "0/0"], '"walberg run" has no --from'),
    (["maintain"], '"walberg maintain" needs --orphans'),
    (["maintain", "--orphans", "--follow"], '"walberg maintain" has no --follow'),
    (["log", "--from"], '"--from" has no value'),
    (["log", "--from", "xyz"], '--from "xyz" is not a position'),
    (["maintain", "--orphans", "--older-than", "xx"], '--older-than "xx" is not a duration'),
    (["status", "--set", "lake.directry=x"], 'there is no setting "lake.directry"'),
    (["status", "--set", "lake.memory=much"], 'lake.memory'),
    (["snapshot", "public.t", "--all"],
     "there are too many arguments; usage: walberg snapshot TABLE | --all"),
])
def test_a_wrong_command_line_is_refused_with_exit_code_2(tmp_path, arguments, complaint):
    result = Desk(None, tmp_path).command(*arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "hint:" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, complaint", [
    (["run"], "no source is given"),
    (["status"], "there is no lake in"),
    (["snapshots"], "there is no lake in"),
    (["log"], "there is no lake in"),
    (["maintain", "--orphans"], "there is no lake in"),
    (["sql", "SELECT 1"], "there is no lake in"),
    (["snapshot", "public.t"], "there is no lake in"),
    (["snapshot", "--all"], "there is no lake in"),
    (["drop"], "there is no lake in"),
    (["status", "-c", "none.yaml"], 'cannot read "none.yaml"'),
])
def test_what_cannot_be_done_is_one_error_and_makes_nothing(tmp_path, arguments, complaint):
    result = Desk(None, tmp_path).command(*arguments)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert result.stderr.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_help_lists_every_command_and_setting(tmp_path):
    text = Desk(None, tmp_path).ok("--help")
    for word in ["run", "sql", "status", "snapshots", "snapshot", "log", "doctor", "maintain", "init", "drop",
                 "source.url", "lake.commit_interval", "query.threads"]:
        assert f"  {word}" in text
    assert "CONNECTION" in Desk(None, tmp_path).ok("drop", "--help")


def test_init_writes_a_configuration_once_and_for_its_owner_alone(tmp_path):
    desk = Desk(None, tmp_path)
    desk.ok("init", "postgresql://me:it's@host/shop")
    file = tmp_path / "walberg.yaml"
    text = file.read_text()
    assert 'url: "postgresql://me:it\'s@host/shop"' in text
    assert file.stat().st_mode & 0o077 == 0
    result = desk.command("init")
    assert result.returncode == 1
    assert "is left as it is" in result.stderr
    assert file.read_text() == text
    file.unlink()
    result = desk.command("init", "--set", "lake.memroy=1")
    assert result.returncode != 0 and 'The nearest valid name is "lake.memory"' in result.stderr
    assert not file.exists()
    desk.ok("init", "--set", "lake.warehouse=s3://bucket/shop")
    assert '  warehouse: "s3://bucket/shop"' in file.read_text()


# ---- a lake's life -------------------------------------------------------------------------


def test_status_tells_of_lake_process_source_and_tables(desk):
    desk.start()
    desk.server.sql("UPDATE customers SET name = 'Ann' WHERE id = 2; DELETE FROM visits;"
                    "INSERT INTO customers VALUES (3, 'Eve')")
    desk.server.sql("UPDATE readings SET value = 'NaN'")
    desk.wait_until(lambda: desk.table("readings")["state"] == "paused")
    desk.wait_until(lambda: desk.table("customers").get("rows") == 3)

    status = desk.status(desk.server.url)
    assert status["process"]["pid"] == desk.process.pid
    assert status["process"]["activity"] == "running"
    assert status["source"]["is_reachable"] and status["source"]["trouble"] is None
    assert status["source"]["slot"]["name"] == f"walberg_{status['lake']['id']}"
    assert status["source"]["slot"]["held_bytes"] >= 0
    assert status["lag_bytes"] >= 0 and status["lag_seconds"] >= 0
    states = {table["name"]: table["state"] for table in status["tables"]}
    assert states == {"customers": "live", "readings": "paused", "scratch": "left out",
                      "visits": "live"}
    assert desk.table("visits")["is_append"] and desk.table("visits")["rows"] == 2
    assert "NaN" in desk.table("readings")["reason"] and "id = 1" in desk.table("readings")["reason"]
    assert "unlogged" in desk.table("scratch")["reason"]

    text = desk.ok("status", desk.server.url)
    assert "append: updates and deletes are not seen" in text
    assert "holds back" in text and "public.readings is paused: " in text
    assert 'walberg snapshot public.readings' in text

    far = desk.ok("status", "postgresql://postgres@127.0.0.1:1/none")
    assert "not looked at: PostgreSQL cannot be reached" in far
    desk.stop()
    assert "none is running" in desk.ok("status", desk.server.url)
    desk.server.stop()
    assert "not looked at" in desk.ok("status", desk.server.url)
    desk.server.start()


def test_a_paused_table_comes_back_by_snapshot(desk):
    desk.start()
    desk.server.sql("UPDATE readings SET value = 'NaN'")
    desk.wait_until(lambda: desk.table("readings")["state"] == "paused")
    result = desk.command("snapshot", "public.readings")
    assert result.returncode == 1
    assert '"public.readings" is not back' in result.stderr and "NaN" in result.stderr
    desk.server.sql("UPDATE readings SET value = 2.25")
    assert "is read again" in desk.ok("snapshot", "public.readings")
    assert desk.table("readings")["state"] == "live"
    desk.server.sql("INSERT INTO readings VALUES (2, 3)")
    desk.wait_until(lambda: desk.table("readings")["rows"] == 2)
    assert desk.rows("SELECT * FROM readings ORDER BY id") == [
        {"id": 1, "value": "2.25"}, {"id": 2, "value": "3.00"}]


def test_a_table_of_another_shape_comes_back_by_snapshot(desk):
    desk.start()
    desk.server.sql("ALTER TABLE customers ADD COLUMN note text DEFAULT 'x'")
    desk.server.sql("INSERT INTO customers VALUES (3, 'Eve', 'new')")
    desk.wait_until(lambda: desk.table("customers")["state"] == "paused")
    assert "it had 2 columns and has 3" in desk.table("customers")["reason"]
    assert len(desk.rows("SELECT * FROM customers")) == 2
    desk.ok("snapshot", "public.customers")
    desk.server.sql("UPDATE customers SET note = 'y' WHERE id = 1")
    desk.wait_until(lambda: desk.rows("SELECT * FROM customers ORDER BY id") == [
        {"id": 1, "name": "张三", "note": "y"}, {"id": 2, "name": "Bob", "note": "x"},
        {"id": 3, "name": "Eve", "note": "new"}])
    assert desk.table("customers")["state"] == "live"


def test_snapshot_knows_names(desk):
    desk.start()
    url = ["--set", f"source.url={desk.server.url}"]
    for name, complaint in [
            ("customers", "for instance public.customers"),
            ("public.", "is not a table's whole name"),
            ("public.nothing", "neither the lake nor the source has a table"),
            ("public.scratch", "is left out: it is unlogged")]:
        result = desk.command("snapshot", name, *url)
        assert result.returncode == 1
        assert complaint in result.stderr
    desk.server.sql("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (7)")
    desk.ok("snapshot", "public.late", *url)
    assert desk.rows("SELECT * FROM late") == [{"id": 7}]


def test_snapshot_all_reads_everything_with_a_new_slot(desk):
    desk.start()
    before = desk.server.value("SELECT xmin FROM pg_publication LIMIT 1")
    assert "everything is read again" in desk.ok("snapshot", "--all")
    assert desk.server.value("SELECT xmin FROM pg_publication LIMIT 1") != before
    desk.server.sql("DELETE FROM customers WHERE id = 1")
    desk.wait_until(lambda: desk.rows("SELECT id FROM customers") == [{"id": 2}])


def test_a_request_waits_for_the_next_start(desk):
    desk.start()
    version = desk.table("customers")["snapshot_id"]
    desk.stop()
    assert "when \"walberg run\" starts" in desk.ok("snapshot", "public.customers")
    assert desk.table("customers")["snapshot_id"] == version
    desk.start()
    desk.wait_until(lambda: desk.table("customers")["snapshot_id"] != version)
    assert len(desk.rows("SELECT * FROM customers")) == 2


def test_snapshots_lists_positions_that_can_be_queried(desk):
    desk.start()
    for i in range(3, 6):
        desk.server.sql("INSERT INTO customers VALUES (%s, 'n')", (i,))
        desk.wait_until(lambda: desk.table("customers")["rows"] == i)  # pylint: disable=W0640
    points = [json.loads(line) for line in desk.ok("snapshots", "--json").splitlines()]
    assert len(points) >= 4
    assert [point["timestamp_ms"] for point in points] == sorted(
        {point["timestamp_ms"] for point in points})
    counts = []
    for point in points:
        by_position = desk.rows(
            f"SELECT count(*) AS n FROM customers AT (VERSION => '{point['position']}')")
        version = next(table["snapshot_id"] for table in point["tables"]
                       if table["name"] == "customers")
        by_version = desk.rows(f"SELECT count(*) AS n FROM customers AT (VERSION => {version})")
        assert by_position == by_version
        counts.append(by_position[0]["n"])
    assert counts == sorted(counts) and counts[0] == 2 and counts[-1] == 5
    assert {table["name"] for table in points[-1]["tables"]} == {"customers", "readings", "visits"}
    assert points[0]["position"] in desk.ok("snapshots")


def test_drop_lets_the_source_go_and_keeps_the_tables(desk):
    desk.server.sql("CREATE PUBLICATION mine FOR TABLE customers")
    desk.server.sql("SELECT pg_create_logical_replication_slot('mine', 'pgoutput')")
    desk.start()
    result = desk.command("drop", desk.server.url)
    assert result.returncode == 1
    assert f"in use by process {desk.process.pid}" in result.stderr
    desk.stop()
    assert "the tables stay" in desk.ok("drop", desk.server.url)
    assert desk.server.sql("SELECT slot_name FROM pg_replication_slots") == [("mine",)]
    assert desk.server.sql("SELECT pubname FROM pg_publication") == [("mine",)]
    assert desk.status()["lake"]["phase"] == "dropped"
    assert "dropped" in desk.ok("status", desk.server.url)
    assert len(desk.rows("SELECT * FROM customers")) == 2
    assert desk.command("snapshot", "--all").returncode == 1
    desk.ok("drop", desk.server.url)

    desk.server.sql("INSERT INTO customers VALUES (3, 'while it was dropped')")
    desk.start()
    assert len(desk.rows("SELECT * FROM customers")) == 3


def test_a_query_ends_at_once_when_it_is_asked_to(desk):
    desk.start()
    long_one = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    for number in [signal.SIGINT, signal.SIGTERM]:
        query = subprocess.Popen([WALBERG, "sql", "--set", "query.threads=2", long_one],
                                 cwd=desk.folder, env=desk.environment)
        try:
            tasks = pathlib.Path(f"/proc/{query.pid}/task")
            desk.wait_until(lambda: len(list(tasks.iterdir())) > 1)
            query.send_signal(number)
            assert query.wait(WAIT_SECONDS) == -number
        finally:
            query.kill()
            query.wait()


def test_output_that_nobody_reads_is_no_crash(desk):
    desk.start()
    for arguments in ["status", "snapshots", "sql 'SELECT * FROM range(100000)'", "--help"]:
        result = subprocess.run(f"{WALBERG} {arguments} | true", shell=True, check=False,
                                capture_output=True, text=True, cwd=desk.folder,
                                env=desk.environment)
        assert "Segmentation" not in result.stderr
    result = subprocess.run(f"{WALBERG} status >/dev/full", shell=True, check=False,
                            capture_output=True, text=True, cwd=desk.folder, env=desk.environment)
    assert result.returncode == 1
    assert "cannot be written" in result.stderr
