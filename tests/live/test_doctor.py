"""`walberg doctor`: what it finds of a source, a catalog, a store and a log, and how that is mended."""

import contextlib
import json
import socket
import sqlite3
import subprocess

import pytest

from support import minio
from support.place import acting_as
from support.postgres import Postgres
from support.project import clean_environment
from support.walberg import PROGRAM, lsn_number

SOURCE = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE visits (page text);
CREATE TABLE shapes (id int PRIMARY KEY, shape point);
CREATE TABLE documents (id int PRIMARY KEY, body text);
ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
INSERT INTO documents VALUES (1, repeat('long ', 4000));
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
"""


def examine(lake, *arguments, url=None):
    """The exit code, and {(topic, subject): (verdict, text, mend)}."""
    result = lake.call("doctor", url or lake.url, "--json", *arguments)
    found = json.loads(result.stdout)
    verdicts = {finding["verdict"] for finding in found["findings"]}
    assert found["verdict"] == ("wrong" if "wrong" in verdicts else
                                "warning" if "warning" in verdicts else "ok")
    assert (result.returncode == 1) == (found["verdict"] == "wrong"), result.stderr
    for finding in found["findings"]:
        assert finding["verdict"] == "ok" or finding["mend"] or finding["topic"] == "catalog" or \
            "left out" in finding["text"], finding
    return result.returncode, {
        (finding["topic"], finding["subject"]): (finding["verdict"], finding["text"],
                                                 finding["mend"] or "")
        for finding in found["findings"]}


def of(found, verdict):
    return {key for key, finding in found.items() if finding[0] == verdict}


def test_before_the_first_run_it_says_what_will_be_captured_and_what_not(database, walberg):
    database.sql(SOURCE)
    lake = walberg()
    code, found = examine(lake)
    assert code == 0
    assert found["catalog", "lake"][:2] == ("ok", "there is none yet: \"walberg run\" makes it")
    assert found["source", "wal_level"][0] == "ok"
    assert found["source", "tables"][:2] == ("ok", "all changes of 3 are captured")
    verdict, text, mend = found["source", "public.visits"]
    assert verdict == "warning" and "updates and deletes of it are not captured" in text
    assert mend == 'Run: ALTER TABLE "public"."visits" ADD PRIMARY KEY (...);'
    assert '"shape" has a type that is not captured' in found["source", "public.shapes"][1]
    assert "unlogged" in found["source", "public.scratch"][1]
    verdict, text, mend = found["source", '"public"."documents"']
    assert verdict == "warning" and "stored out of line" in text
    assert mend == 'Run: ALTER TABLE "public"."documents" REPLICA IDENTITY FULL;'
    assert not of(found, "wrong")
    assert not lake.directory.exists()  # it has only looked
    with acting_as(lake.user):
        (lake.directory / "warehouse").mkdir(parents=True)
    assert examine(lake)[1]["store", "probe"][0] == "ok"


def test_of_a_running_lake_everything_is_ok(database, walberg):
    lake = walberg()
    lake.start()
    lake.wait_live()
    before = lake.place.objects()
    code, found = examine(lake)
    assert code == 0 and not of(found, "warning") - {("log", "free space")}, found
    assert ", live, 1 tables" in found["catalog", "lake"][1]
    assert found["source", "identity"][0] == "ok"
    assert "holds back" in found["source", "slot"][1]
    assert found["store", "probe"][0] == found["store", "clock"][0] == "ok"
    assert found["http", "http.listen"][1].endswith(lake.http_url())
    assert lake.place.objects().keys() >= before.keys() - set()
    assert not [name for name in lake.place.objects() if name.startswith("probe-")]
    lake.stop()
    text = lake.command("doctor", lake.url)
    assert "source   ok       wal_level: it is \"logical\"\n" in text
    assert text.splitlines()[-1].endswith("0 wrong")


def test_a_slot_may_be_ahead_of_the_lake_but_not_of_its_log(database, walberg):
    lake = walberg()
    lake.start()
    lake.wait_live()

    def is_ahead():
        database.sql("SELECT pg_logical_emit_message(false, 'walberg', 'nothing of interest')")
        return lsn_number(database.value(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database ="
            " current_database()")) > lake.position()

    lake.wait_until(is_ahead, "the slot is not ahead of the lake")
    assert examine(lake)[1]["source", "identity"][0] == "ok"
    lake.kill()
    assert examine(lake)[1]["source", "identity"][0] == "ok"
    database.sql("UPDATE public.marker SET n = n + 1")  # this is lost to it
    database.sql("SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn())"
                 " FROM pg_replication_slots WHERE database = current_database()")
    verdict, text, mend = examine(lake)[1]["source", "identity"]
    assert verdict == "wrong" and "changes are missing" in text and "snapshot --all" in mend


def test_a_server_that_is_not_set_up_is_told_all_at_once(walberg):
    with Postgres({"wal_level": "replica", "max_replication_slots": "0", "max_wal_senders": "0",
                   "max_slot_wal_keep_size": "1GB"}) as server:
        server.sql("CREATE ROLE reader LOGIN")
        server.sql("CREATE TABLE t (id int PRIMARY KEY)")
        lake = walberg(url=server.url_of("postgres", "reader"))
        code, found = examine(lake)
        assert code == 1
        assert of(found, "wrong") == {("source", name) for name in [
            "wal_level", "max_replication_slots", "max_wal_senders", "replication",
            "publications"]}
        assert "ALTER SYSTEM SET wal_level = 'logical';" in found["source", "wal_level"][2]
        assert 'ALTER ROLE "reader" REPLICATION;' in found["source", "replication"][2]
        assert 'GRANT CREATE ON DATABASE "postgres" TO "reader";' in \
            found["source", "publications"][2]
        assert found["source", "max_slot_wal_keep_size"][0] == "warning"
        assert "1.0 GB of WAL" in found["source", "max_slot_wal_keep_size"][1]


def test_what_mends_is_a_statement_that_works(database, walberg):
    database.sql("CREATE ROLE mended LOGIN")
    database.sql("CREATE TABLE s (id int PRIMARY KEY)")
    url = database.server.url_of(database.name, "mended")
    lake = walberg(url=url)
    try:
        code, found = examine(lake)
        assert code == 1
        for _, _, mend in found.values():
            if "Run" in mend and mend.endswith(";"):
                database.sql(mend.split(": ", 1)[1])
        database.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO mended;"
                     "ALTER TABLE s OWNER TO mended; ALTER TABLE marker OWNER TO mended")
        code, found = examine(lake)
        assert code == 0, found
        lake.start()
        lake.wait_live()
    finally:
        lake.stop()
        lake.command("drop", url)
        database.sql("DROP OWNED BY mended; DROP ROLE mended")


def test_an_unreachable_server_is_one_wrong_thing_among_the_others(walberg):
    lake = walberg()
    code, found = examine(lake, url="postgresql://nobody@127.0.0.1:1/none")
    assert code == 1
    assert of(found, "wrong") == {("source", "connection")}
    assert found["log", "directory"][0] == "ok"


def test_a_slot_that_is_gone_is_wrong(database, walberg):
    lake = walberg()
    lake.start()
    lake.wait_live()
    lake.stop()
    slot = lake.catalog_rows("SELECT slot_name FROM walberg_lake")[0][0]
    database.sql("SELECT pg_drop_replication_slot(%s)", (slot,))
    code, found = examine(lake)
    assert code == 1
    verdict, text, mend = found["source", "identity"]
    assert verdict == "wrong" and "does not exist any more" in text
    assert "walberg snapshot --all" in mend


def test_places_that_cannot_be_written_are_wrong(database, walberg):
    lake = walberg()
    lake.start()
    lake.wait_live()
    lake.stop()
    for part, key in [("warehouse", ("store", "warehouse")), ("log", ("log", "directory")),
                      ("catalog.db", ("catalog", "writing"))]:
        path = lake.directory / part
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        code, found = examine(lake)
        path.chmod(mode)
        assert code == 1 and found[key][0] == "wrong", found
        assert "permission" in found[key][2]


def test_a_catalog_that_takes_what_it_has_to_refuse_is_wrong(database, walberg):
    """No commit of a lake has that number: one on it is what doctor tries."""
    lake = walberg()
    lake.start()
    lake.wait_live()
    lake.stop()
    with contextlib.closing(sqlite3.connect(lake.directory / "catalog.db")) as catalog, catalog:
        catalog.execute(f"UPDATE walberg_lake SET commit_number = {2 ** 63 - 2}")
    code, found = examine(lake)
    assert code == 1
    assert found["catalog", "writing"][:2] == (
        "wrong", "the catalog takes a commit on one that was never made")


def test_a_port_that_is_taken_is_wrong(walberg):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, found = examine(walberg({"http.listen": address}))
    assert code == 1
    assert of(found, "wrong") == {("http", "http.listen")}
    assert "port 0" in found["http", "http.listen"][2]


@pytest.mark.skipif(not minio.is_installed(), reason="MinIO is not installed")
def test_a_bucket_is_probed_and_left_as_it_was(database, walberg):
    with minio.Minio(buckets=["warehouse"]) as server:
        lake = walberg(server.settings("s3://warehouse/shop"))
        code, found = examine(lake)
        assert code == 0, found
        for subject in ["probe", "clock", "conditional writes", "TLS"]:
            assert found["store", subject][0] == "ok"
        assert not server.objects("warehouse")
        lake.settings["s3.secret_key"] = "wrong"
        code, found = examine(lake)
        assert code == 1
        verdict, _, mend = found["store", "probe"]
        assert verdict == "wrong" and mend
        lake.settings.update(server.settings("s3://nowhere/shop"))
        code, found = examine(lake)
        assert code == 1 and found["store", "probe"][0] == "wrong"


def test_a_catalog_in_postgres_is_looked_at_and_not_made(database, walberg):
    catalog = database.server.url_of("doctors_catalog")
    code, found = examine(walberg({"lake.catalog": catalog}))
    assert code == 0 and found["catalog", "lake"][0] == "ok", found
    assert database.server.sql("SELECT 1 FROM pg_database WHERE datname = 'doctors_catalog'") == []
    code, found = examine(walberg({"lake.catalog": database.url},
                                  directory=None))
    assert code == 1
    assert "source's own database" in found["catalog", "database"][1]
    code, found = examine(walberg({"lake.catalog": "postgresql://nobody@127.0.0.1:1/none"}))
    assert code == 1 and ("catalog", "connection") in of(found, "wrong")


def test_without_a_source_the_rest_is_still_looked_at(tmp_path):
    result = subprocess.run([PROGRAM, "doctor", "--set", "http.listen=off"], check=False,
                            capture_output=True, text=True, cwd=tmp_path, env=clean_environment())
    assert result.returncode == 1 and result.stderr == ""
    assert "source   wrong    source.url: no source is given" in result.stdout
    assert "log      ok" in result.stdout
    assert not list(tmp_path.iterdir())
