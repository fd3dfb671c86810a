"""What a lake finds where it begins, and what is somebody else's, is left as it is."""

import pytest

from conftest import ROWS
from support.compare import assert_equal
from support.refusal import assert_refused


def files(directory):
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def publications(database):
    return {name for (name,) in database.sql("SELECT pubname FROM pg_publication")}


def slots(database):
    return {name for (name,) in database.sql("SELECT slot_name FROM pg_replication_slots"
                                             " WHERE database = %s", (database.name,))}


# ---- at the source -------------------------------------------------------------------------

@pytest.mark.parametrize("has_slot, publication", [(True, "other"), (False, "theirs"),
                                                   (False, "theirs_append")])
def test_a_new_lake_takes_no_slot_and_no_publication_that_exist(
        database, walberg, table, has_slot, publication):
    if has_slot:
        database.sql("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
    database.sql(f"CREATE PUBLICATION {publication} FOR TABLE t")
    lake = walberg({"source.slot": "theirs"})
    for _ in range(2):
        assert_refused(lake, '"theirs', "already", "source.slot")
        assert slots(database) == ({"theirs"} if has_slot else set())
        assert publications(database) == {publication}
    lake.command("drop", lake.url)
    assert slots(database) == ({"theirs"} if has_slot else set())
    assert publications(database) == {publication}
    if has_slot:
        database.sql("SELECT pg_drop_replication_slot('theirs')")
    database.sql(f"DROP PUBLICATION {publication}")
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


def test_the_slot_of_another_lake_that_rests_is_refused(database, walberg, table):
    first, second = walberg({"source.slot": "both"}), walberg({"source.slot": "both"})
    first.start()
    first.wait_live()
    assert first.stop() == 0
    database.sql(ROWS.format(101, 200))
    assert_refused(second, '"both"', "already", "source.slot")
    second.settings["source.slot"] = "second"
    second.start()
    second.wait_live()
    database.catch_up(second)
    assert slots(database) == {"both", "second"}
    assert_equal(database, second, "public.t")
    assert second.stop() == 0
    first.start()
    database.catch_up(first)
    assert_equal(database, first, "public.t")
    assert first.stop() == 0


# ---- in the log's directory ----------------------------------------------------------------

def test_the_log_of_another_lake_is_refused_and_stays(database, walberg, table):
    first, second = walberg(), walberg()
    first.start()
    first.wait_live()
    database.catch_up(first)
    assert first.stop() == 0
    log = first.directory / "log"
    before = files(log)
    second.settings["log.directory"] = log
    assert_refused(second, str(log), "lake", "log.directory")
    assert files(log) == before
    assert len(slots(database)) == 1
    first.start()
    database.sql(ROWS.format(101, 200))
    database.catch_up(first)
    assert_equal(database, first, "public.t")
    assert first.stop() == 0


def test_files_of_others_in_the_logs_directory_stay(database, walberg, table):
    lake = walberg()
    log = lake.directory.with_name(lake.directory.name + "-elsewhere")
    log.mkdir()
    log.chmod(0o777)
    others = {"notes.txt": b"keep", "service.log": b"a line\n", "7.log": b"x"}
    for name, text in others.items():
        (log / name).write_bytes(text)
    lake.settings["log.directory"] = log
    lake.start()
    lake.wait_live()
    lake.command("snapshot", "--all")
    lake.wait_until(lambda: not lake.catalog_rows("SELECT 1 FROM walberg_request"), "no new log")
    database.catch_up(lake)
    assert lake.stop() == 0
    assert {name: (log / name).read_bytes() for name in others} == others


@pytest.mark.parametrize("place", [".", "..", "cache", "warehouse"])
def test_a_log_among_the_lakes_other_files_is_refused(database, walberg, place):
    lake = walberg()
    lake.settings["log.directory"] = (lake.directory / place).resolve()
    assert_refused(lake, "log.directory")
    assert not (lake.directory / "catalog.db").exists()
