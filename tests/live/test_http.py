"""What a running process shows over HTTP, and what it writes for programs to read."""

import json
import re
import ssl
import subprocess

import pytest

from conftest import ROWS
from support.refusal import assert_refused
from support.walberg import lsn_number, wait_until


def is_ready(lake):
    return lake.http("/readyz")[0] == 200


def test_a_live_lake_is_healthy_and_ready_and_counts_what_it_does(database, lake):
    lake.wait_until(lambda: is_ready(lake), "it is not ready")
    assert lake.http("/healthz") == (200, '{"status":"ok"}')
    before = lake.metrics()
    database.sql(ROWS.format(101, 110))
    database.sql("UPDATE t SET a = 'z' WHERE id <= 3")
    database.sql("DELETE FROM t WHERE id > 105")
    database.sql("TRUNCATE t")
    database.catch_up(lake)
    lake.wait_until(lambda: lake.metrics()["walberg_position_bytes"] >= lake.position() > 0,
                    "the position is not shown")
    after = lake.metrics()

    def grown(name):
        return after[name] - before[name]
    applied = "walberg_rows_applied_total"
    assert grown(applied + '{operation="insert"}') == 10
    assert grown(applied + '{operation="update"}') >= 3  # and those of the marker
    assert grown(applied + '{operation="delete"}') == 5
    assert grown(applied + '{operation="truncate"}') == 1
    assert grown("walberg_transactions_total") >= 4
    assert grown("walberg_commit_seconds_count") >= 1
    assert grown("walberg_objects_written_total") >= 3
    assert grown("walberg_written_bytes_total") > 100
    assert before["walberg_snapshot_rows_total"] == 101
    assert after['walberg_tables{state="live"}'] == 2
    assert after["walberg_connected"] == 1 and after["walberg_live"] == 1
    assert after["walberg_log_full"] == 0
    assert after["walberg_log_limit_bytes"] == 16 << 30
    assert 0 < after["walberg_log_bytes"] < 1 << 20
    assert after["walberg_reconnects_total"] == 0 and after["walberg_reopenings_total"] == 0
    assert after["walberg_memory_bytes"] > 1 << 20
    assert after["walberg_confirmed_position_bytes"] > 0
    assert after["walberg_source_position_bytes"] > 0


def test_status_shows_the_address_and_the_same_numbers(lake):
    process = lake.status()["process"]
    assert process["http"] == lake.http_url()
    metrics = process["metrics"]
    assert metrics["walberg_tables"]["live"] == 2
    assert metrics["walberg_snapshot_rows_total"] == 101
    assert metrics["walberg_commit_seconds"]["count"] >= 1
    assert lake.http_url() + "/metrics" in lake.command("status", lake.url)


def test_a_lake_without_its_source_is_alive_and_says_that_it_is_not_ready(database, lake):
    lake.wait_until(lambda: is_ready(lake), "it is not ready")
    slot = lake.status()["source"]["slot"]["name"]
    database.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                 " WHERE slot_name = %s", (slot,))
    lake.wait_until(lambda: lake.metrics()["walberg_reconnects_total"] >= 1,
                    "it has not connected again")
    database.server.stop()
    try:
        lake.wait_until(lambda: not is_ready(lake), "it is ready without a source")
        status, body = lake.http("/readyz")
        assert status == 503
        assert json.loads(body)["reasons"] == ["the source is not connected"]
        assert lake.http("/healthz")[0] == 200
        assert lake.metrics()["walberg_connected"] == 0
    finally:
        database.server.start()
    lake.wait_until(lambda: is_ready(lake), "it is not ready again")


def certificate(folder):
    """A key and a certificate for 127.0.0.1, and a client's context that trusts it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=lake",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    key.chmod(0o644)  # the lake's process is another user's
    return cert, key, ssl.create_default_context(cafile=cert)


def test_with_tls_and_a_token_it_may_be_open_to_other_machines(table, walberg):
    lake = walberg({"http.listen": "0.0.0.0:0", "http.token": "s3cret"})
    cert, key, context = certificate(lake.directory.parent)
    lake.settings.update({"http.certificate": cert, "http.key": key})
    lake.start()
    lake.wait_live()
    url = lake.wait_until(lake.http_url, "it does not listen")
    assert url.startswith("https://0.0.0.0:")
    lake.http_url = lambda: url.replace("0.0.0.0", "127.0.0.1")
    assert lake.http("/healthz", context)[0] == 200
    assert lake.http("/metrics", context)[0] == 401
    status, text = lake.http("/metrics", context, "s3cret")
    assert status == 200 and "walberg_live" in text
    assert "s3cret" not in lake.log()


@pytest.mark.parametrize("settings, complaint", [
    ({"http.listen": "0.0.0.0:0"}, "http.token is not set"),
    ({"http.listen": "0.0.0.0:0", "http.token": "x"}, "http.certificate is not set"),
    ({"http.listen": "nowhere"}, "is not an address and a port"),
    ({"http.certificate": "/none.pem"}, "only one is set"),
    ({"http.certificate": "/none.pem", "http.key": "/none.pem"}, "/none.pem"),
])
def test_an_unsafe_or_wrong_address_is_refused_at_the_start(walberg, settings, complaint):
    assert_refused(walberg(settings), complaint)


def test_a_port_that_is_taken_is_told_with_the_way_out(lake, walberg):
    taken = lake.wait_until(lake.http_url, "it does not listen").removeprefix("http://")
    assert_refused(walberg({"http.listen": taken}, directory=lake.directory.parent / "second"),
                   f'http.listen "{taken}" cannot be listened on: Address already in use',
                   "port 0", "off")


def test_log_lines_are_whole_json_objects_on_request(table, database, walberg):
    lake = walberg({"log.format": "json", "log.level": "debug"})
    lake.start()
    lake.wait_live()
    database.sql("ALTER TABLE t ADD COLUMN \"b \"\"\n张\" int")
    database.sql("INSERT INTO t VALUES (101, 'x', 2)")
    lake.wait_state("public.t", "paused")
    assert lake.stop() == 0
    lines = [json.loads(line) for line in lake.log().splitlines()]
    assert {line["message"] for line in lines} >= {"listening", "capturing", "stopped",
                                                   "a table is paused", "committed"}
    for line in lines:
        assert list(line)[:3] == ["time", "level", "message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("debug", "info", "warning", "error")
    paused = next(line for line in lines if line["message"] == "a table is paused")
    assert paused["table"] == "t" and "had 2 columns and has 3" in paused["reason"]
    assert isinstance(next(line for line in lines if line["message"] == "committed")["number"],
                      int)


def test_the_last_word_of_a_process_is_json_as_well(walberg, database):
    lake = walberg({"log.format": "json"}, url="postgresql://nobody@127.0.0.1:1/none")
    code, said = lake.run_to_its_end()
    assert code == 1
    last = json.loads(said.splitlines()[-1])
    assert last["level"] == "error" and last["kind"] in ("lost", "setup")
    assert "hint" in last or "context" in last


def test_a_position_as_a_number_is_what_the_lake_writes_as_text(database, lake):
    database.catch_up(lake)
    shown = lake.status()
    number = shown["process"]["metrics"]["walberg_position_bytes"]
    assert wait_until(lambda: number <= lsn_number(lake.status()["lake"]["position"]),
                      "the position goes back")
