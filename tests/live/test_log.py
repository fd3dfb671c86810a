"""`walberg log`: the committed changes in the log, read beside the process that writes it."""

import json
import signal
import subprocess
import threading

from support.walberg import lsn_number, wait_until

POSTGRES = {"logical_decoding_work_mem": "64kB"}

SOURCE = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE customers (id int PRIMARY KEY, name text, at timestamptz, much numeric(10, 2),
                        is_new boolean, raw bytea, feels mood);
CREATE TABLE whole (a int PRIMARY KEY, b text);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE documents (id int PRIMARY KEY, body text, note text);
ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
"""


class Follower:
    """A standing `walberg log`, whose lines come in while it runs."""

    def __init__(self, lake, *arguments):
        self.process = subprocess.Popen(lake.arguments("log", *arguments), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        **lake.options())
        self.lines = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text):
        return wait_until(lambda: next((line for line in list(self.lines) if text in line), None),
                          f'the log does not show "{text}", but {self.lines}')

    def stop(self):
        """What it wrote beside the lines."""
        self.process.send_signal(signal.SIGINT)
        said = self.process.stderr.read()
        assert self.process.wait(60) == 0, said
        self.thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return said


def begin(database, walberg, settings=None):
    database.sql(SOURCE)
    lake = walberg(settings)
    lake.start()
    lake.wait_live()
    return lake


def shown(lake, *arguments):
    return [json.loads(line) for line in
            lake.command("log", "--json", *arguments).splitlines()]


def changes_of(lake, table, *arguments):
    return [change for change in shown(lake, *arguments) if change["table"] == table]


def test_every_change_is_a_line_in_order_of_the_commits(database, walberg):
    lake = begin(database, walberg)
    database.sql("INSERT INTO customers VALUES (1, '测试用户', '2024-01-31 09:08:07.25+00', 1.50,"
                 " true, '\\x00ff', 'glad'), (2, E'it''s\\n\\x1b', NULL, NULL, false, NULL, NULL)")
    database.sql("UPDATE customers SET name = '更新用户' WHERE id = 1")
    database.sql("UPDATE customers SET id = 3 WHERE id = 2")
    database.sql("DELETE FROM customers WHERE id = 1")
    database.sql("TRUNCATE customers")
    database.catch_up(lake)
    lines = [line.split(" ", 4) for line in lake.command("log").splitlines()
             if " public.customers " in line]
    said = [line[4].removeprefix("public.customers ") for line in lines]
    rest = "at='2024-01-31 09:08:07.25+00' much=1.50 is_new=t raw='\\x00ff' feels='glad'"
    other = "name='it''s\\x0A\\x1B' at=NULL much=NULL is_new=f raw=NULL feels=NULL"
    assert said == [
        f"insert id=1 name='测试用户' {rest}",
        f"insert id=2 {other}",
        f"update (id=1) id=1 name='更新用户' {rest}",
        f"update (id=2) id=3 {other}",
        "delete (id=1)",
        "truncate",
    ]
    positions = [lsn_number(line[0]) for line in lines]
    assert positions == sorted(positions) and len(set(positions)) == 5


def test_programs_get_numbers_keys_and_whole_rows_where_the_source_sends_them(database, walberg):
    lake = begin(database, walberg)
    database.sql("INSERT INTO customers VALUES (1, 'a', NULL, 12345678.90, true, NULL, 'sad')")
    database.sql("INSERT INTO whole VALUES (1, 'x')")
    database.sql("UPDATE whole SET b = 'y'")
    database.sql("DELETE FROM whole")
    database.sql("INSERT INTO documents VALUES (1, repeat('long ', 4000), 'n')")
    database.sql("UPDATE documents SET note = 'm'")
    database.catch_up(lake)
    (change,) = changes_of(lake, "customers")
    assert change["operation"] == "insert" and change["namespace"] == "public"
    assert change["row"] == {"id": 1, "name": "a", "at": None, "much": 12345678.90,
                             "is_new": True, "raw": None, "feels": "sad"}
    assert change["key"] == {"id": 1}
    insert, update, delete = changes_of(lake, "whole")
    assert update["old"] == insert["row"] == {"a": 1, "b": "x"}
    assert update["row"] == delete["old"] == {"a": 1, "b": "y"}
    _, update = changes_of(lake, "documents")
    assert update["row"] == {"id": 1, "note": "m"}
    assert update["unchanged"] == ["body"]


def test_what_was_rolled_back_is_not_shown_even_where_it_was_streamed(database, walberg):
    lake = begin(database, walberg)
    many = "SELECT i, repeat('x', 100) FROM generate_series({0}, {1}) i"
    database.sql("BEGIN; INSERT INTO customers (id, name) " + many.format(1, 3000) + ";"
                 "SAVEPOINT a; INSERT INTO customers (id, name) " + many.format(3001, 6000) + ";"
                 "ROLLBACK TO a; INSERT INTO customers (id, name) " + many.format(6001, 9000) +
                 "; COMMIT")
    database.sql("BEGIN; INSERT INTO customers (id, name) " + many.format(10001, 13000) +
                 "; ROLLBACK")
    database.catch_up(lake)
    ids = [change["row"]["id"] for change in changes_of(lake, "customers")]
    assert ids == [*range(1, 3001), *range(6001, 9001)]


def test_a_follower_shows_what_comes_from_now_on_over_restarts_and_new_segments(
        database, walberg):
    lake = begin(database, walberg, {"log.segment_size": "64kB"})
    database.sql("INSERT INTO customers (id, name) VALUES (1, 'before')")
    database.catch_up(lake)
    follower = Follower(lake, "--follow")
    wait_until(lambda: follower.process.poll() is None and is_ready(lake, follower, database),
               "the follower shows nothing")
    lake.kill()
    lake.start()
    for i in range(10):
        database.sql(f"INSERT INTO customers (id, name) SELECT {i * 1000 + 1000} + j,"
                     " repeat('x', 50) FROM generate_series(1, 500) j")
        database.catch_up(lake)
    database.sql("CREATE TABLE later (id int PRIMARY KEY, feels mood)")
    database.sql("INSERT INTO customers (id, name) VALUES (2, 'last')")
    follower.wait_for("name='last'")
    assert follower.stop() == ""
    customers = [line for line in follower.lines if " public.customers " in line]
    assert len(customers) == 5001
    assert "before" not in customers[0]
    assert len(set(customers)) == len(customers)


def is_ready(lake, follower, database):
    """It begins from now on: from some moment after its start."""
    database.sql("UPDATE marker SET n = n + 1")
    return any(" public.marker " in line for line in follower.lines)


def test_a_follower_goes_on_in_the_log_that_everything_is_read_into_again(database, walberg):
    lake = begin(database, walberg)
    follower = Follower(lake, "--follow", "--from", "0/0")
    database.sql("INSERT INTO customers (id, name) VALUES (1, 'before')")
    follower.wait_for("name='before'")
    lake.command("snapshot", "--all")
    database.sql("INSERT INTO customers (id, name) VALUES (2, 'after')")
    database.catch_up(lake)
    database.sql("INSERT INTO customers (id, name) VALUES (3, 'last')")
    follower.wait_for("name='last'")
    assert "begun anew" in follower.stop()


def test_only_what_comes_after_a_position_is_shown_on_request(database, walberg):
    lake = begin(database, walberg)
    database.sql("INSERT INTO customers (id, name) VALUES (1, 'a')")
    database.sql("INSERT INTO customers (id, name) VALUES (2, 'b')")
    database.catch_up(lake)
    first, second = changes_of(lake, "customers")
    assert changes_of(lake, "customers", "--from", first["position"]) == [second]
    assert changes_of(lake, "customers", "--from", second["position"]) == []
    lake.stop()
    assert changes_of(lake, "customers", "--from", "0/0") == [first, second]


def test_what_cannot_be_shown_is_one_error_with_a_hint(database, walberg):
    lake = walberg()
    result = lake.call("log")
    assert result.returncode == 1 and "there is no lake" in result.stderr
    lake = begin(database, walberg)
    result = lake.call("log", "--from", "yesterday")
    assert result.returncode == 2 and 'not a position' in result.stderr
    assert "hint:" in result.stderr
    result = lake.call("log", "--set", "log.directory=" + str(lake.directory / "none"))
    assert result.returncode == 1 and "there is no log in" in result.stderr
    assert "hint:" in result.stderr
