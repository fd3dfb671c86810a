"""`walberg maintain --orphans`: finds every file that nobody names, and nothing else."""

import concurrent.futures
import functools
import json
import os
import tempfile
import time

import pytest

from conftest import BOTH
from support.compare import assert_equal
from support.objects import newest

DAY = 24 * 3600
ALL = ["--older-than", "0"]
both = pytest.mark.parametrize("kind", BOTH, indirect=True)


@pytest.fixture
def lake(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("CREATE TABLE gone (id int PRIMARY KEY)")
    database.sql("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 500) i")
    made = walberg()
    made.start()
    made.wait_live()
    for i in range(10):
        database.sql(f"INSERT INTO t VALUES ({1000 + i}, 'x')")
        database.sql(f"UPDATE t SET a = 'y' WHERE id = {i}")
        database.catch_up(made)
    return made


def warehouse(lake):
    return lake.directory / "warehouse"


def files(lake):
    return {path for path in lake.place.objects() if not path.startswith(".tmp/")}


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def put(lake, name, seconds=10 * DAY):
    lake.place.put(name, b"PAR1")
    age(warehouse(lake) / name, seconds)
    return name


def make_all_old(lake):
    for path in warehouse(lake).rglob("*"):
        age(path, 10 * DAY)


def maintain(lake, *arguments):
    return json.loads(lake.command("maintain", "--orphans", "--json", *arguments))


def paths(found):
    return {entry["path"] for entry in found["objects"]}


def write_foreign_table(catalog):
    import pyarrow
    catalog.create_namespace("theirs")
    rows = pyarrow.table({"id": [1, 2]})
    table = catalog.create_table("theirs.t", rows.schema)
    for _ in range(3):
        table.append(rows)
    table.delete("id == 1")
    catalog.engine.dispose()


@functools.lru_cache(None)
def rehearse():
    """As root first: another user may not import what PyIceberg imports when it is used."""
    from pyiceberg.catalog.sql import SqlCatalog
    with tempfile.TemporaryDirectory() as folder:
        write_foreign_table(SqlCatalog("x", uri=f"sqlite:///{folder}/x.db",
                                       warehouse=f"file://{folder}"))


def foreign_table(lake):
    """Another program's table in the same catalog and warehouse, with several versions."""
    rehearse()
    with lake.place.acting():
        write_foreign_table(lake.place.pyiceberg(warehouse=lake.place.warehouse))


def foreign_rows(lake):
    catalog = lake.place.pyiceberg()
    try:
        table = catalog.load_table("theirs.t")
        return [table.scan(snapshot_id=entry.snapshot_id).to_arrow().num_rows
                for entry in table.metadata.snapshots]
    finally:
        catalog.engine.dispose()


@both
def test_every_orphan_is_found_and_nothing_else(database, lake):
    foreign_table(lake)
    beside = maintain(lake, "--older-than", "1h")
    assert (beside["orphans"], beside["younger"]) == (0, 0) and beside["named"] > 10
    lake.stop()
    before, rows = files(lake), foreign_rows(lake)
    orphans = {"public/t/data/left.parquet", "public/t/metadata/left.avro",
               "theirs/t/metadata/00009-left.metadata.json",
               "public/no table/data/a=1/b&c+d%20é.parquet"}
    for name in [*orphans, "README.txt"]:
        lake.place.put(name, b"PAR1")
    found = maintain(lake, *ALL, "--dry-run")
    assert paths(found) == orphans
    assert (found["orphans"], found["removed"], found["bytes"]) == (4, 0, 16)
    assert found["others"] == 1
    assert maintain(lake)["younger"] == 4
    assert files(lake) == before | orphans | {"README.txt"}
    assert maintain(lake, *ALL)["removed"] == 4
    assert files(lake) == before | {"README.txt"}
    assert maintain(lake, *ALL)["orphans"] == 0
    assert foreign_rows(lake) == rows
    lake.start()
    database.sql("INSERT INTO t VALUES (2000, 'after')")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    for position in lake.positions():
        assert lake.sql(f"SELECT count(*) FROM t AT (VERSION => '{position}')")


def test_an_orphan_that_is_young_stays(lake):
    lake.stop()
    make_all_old(lake)
    old = put(lake, "public/t/data/left.parquet")
    young = put(lake, "public/t/data/young.parquet", 2 * DAY)
    found = maintain(lake)
    assert paths(found) == {old} and found["younger"] == 1
    assert young in files(lake)
    assert paths(maintain(lake, "--older-than", "1d")) == {young}


@both
def test_what_a_dropped_table_leaves_is_removed(lake):
    rehearse()
    lake.stop()
    left = {name for name in files(lake) if name.startswith("public/gone/")}
    assert left
    with lake.place.acting():
        catalog = lake.place.pyiceberg()
        catalog.drop_table("public.gone")
        catalog.engine.dispose()
    assert paths(maintain(lake, *ALL)) == left


def test_beside_a_running_process_only_files_that_are_older_than_it_are_removed(database, lake):
    make_all_old(lake)  # none of them is: the process has written them
    left = put(lake, "public/elsewhere/data/left.parquet")
    put(lake, "public/elsewhere/data/new.parquet", 0)
    found = maintain(lake, "--older-than", "1h")
    assert paths(found) == {left}
    assert found["younger"] == 1
    database.sql("INSERT INTO t VALUES (3000, 'on')")
    database.catch_up(lake)
    assert lake.is_running
    assert_equal(database, lake, "public.t")
    result = lake.call("maintain", "--orphans", "--older-than", "10min")
    assert result.returncode == 1
    assert "too short while the lake is in use" in result.stderr and "hint:" in result.stderr


def test_in_a_loop_under_load_all_that_a_version_names_stays(database, lake):
    """Also while a table is read again, files are folded, and the lake has come up anew: all that
    it had before is old enough."""
    lake.stop()
    make_all_old(lake)
    left = put(lake, "public/elsewhere/data/left.parquet")
    since = len(lake.log())
    lake.start()  # before maintain, which holds a lake that no process has
    lake.wait_until(lambda: "capturing" in lake.log()[since:], "it does not start")
    removed = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        again = pool.submit(lambda: [lake.command("snapshot", "public.t") for _ in range(2)])
        i = 0
        while i < 20 or not again.done():
            database.sql("UPDATE t SET a = a || %s WHERE id %% 7 = %s", (str(i), i % 7))
            database.sql("INSERT INTO t SELECT %s + j, 'load' FROM generate_series(1, 50) j",
                         (10000 + 100 * i,))
            removed += paths(maintain(lake, "--older-than", "1h"))
            i += 1
        again.result()
    assert removed == [left]
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    for position in lake.positions():
        lake.sql(f"SELECT count(DISTINCT a) FROM t AT (VERSION => '{position}')")


@both
def test_nothing_is_removed_when_a_table_cannot_be_read(lake):
    foreign_table(lake)
    lake.stop()
    lake.place.put(newest(lake, "theirs.t", "metadata"), b"{}")
    lake.place.put("public/t/data/left.parquet", b"PAR1")
    before = files(lake)
    result = lake.call("maintain", "--orphans", *ALL)
    assert result.returncode == 1
    assert '"theirs.t"' in result.stderr and "hint:" in result.stderr
    assert files(lake) == before


def test_a_wrong_age_or_place_is_told(lake):
    lake.stop()
    result = lake.call("maintain", "--orphans", "--older-than", "soon")
    assert result.returncode == 2 and "is not a duration" in result.stderr
    result = lake.call("maintain", "--orphans", "--set", f"lake.warehouse={lake.directory}")
    assert result.returncode == 1 and "lies in lake.warehouse" in result.stderr
    assert "hint:" in result.stderr


def test_a_dry_run_needs_no_right_to_write(lake):
    lake.stop()
    left = put(lake, "public/t/data/left.parquet")
    begun = warehouse(lake) / put(lake, ".tmp/begun")
    folders = [warehouse(lake), *(path for path in warehouse(lake).rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert paths(maintain(lake, "--dry-run")) == {left} and begun.exists()
        result = lake.call("maintain", "--orphans")
        assert result.returncode == 1 and "Permission denied" in result.stderr
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert paths(maintain(lake, "--dry-run")) == {left} and begun.exists()
    assert paths(maintain(lake)) == {left} and not begun.exists()


def test_what_is_found_is_shown_to_people(lake):
    lake.stop()
    put(lake, "public/t/data/left.parquet")
    text = lake.command("maintain", "--orphans", "--dry-run")
    assert "public/t/data/left.parquet  4 bytes, written " in text
    assert "1 file of 4 bytes belongs to no version: nothing was removed (--dry-run)" in text
    assert "1 file of 4 bytes belongs to no version: removed" in lake.command(
        "maintain", "--orphans")
