"""A warehouse belongs to one lake: another one is refused there, and lakes whose warehouses lie in
each other leave each other's files alone, whatever is run."""

import json
import pathlib

import pytest

from conftest import BOTH
from support.compare import assert_equal
from support.refusal import assert_one_error, assert_refused
from test_doctor import examine

both = pytest.mark.parametrize("kind", BOTH, indirect=True)


@pytest.fixture
def lake(database, walberg):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    made = walberg()
    fill(database, made)
    return made


def fill(database, lake):
    """It runs then, and has several versions."""
    lake.start()
    lake.wait_live()
    for _ in range(3):
        database.sql("INSERT INTO t SELECT i + (SELECT count(*) FROM t), 'x'"
                     " FROM generate_series(1, 100) i")
        database.catch_up(lake)


def place_of(lake, folder=""):
    """As lake.warehouse has it."""
    return f"{lake.place.warehouse.removeprefix('file://')}{folder and '/' + folder}"


def lake_id(lake):
    return json.loads(lake.command("status", "--json"))["lake"]["id"]


def maintain(lake, *arguments):
    return json.loads(lake.command("maintain", "--orphans", "--json", *arguments))


def assert_whole(lake, database, name="t"):
    assert_equal(database, lake, f"public.{name}")
    for position in lake.positions():
        assert lake.sql(f"SELECT count(*) FROM {name} AT (VERSION => '{position}')")


@both
def test_another_lake_is_refused_and_touches_nothing(database, lake, walberg):
    before = set(lake.place.objects())
    other = walberg({"lake.warehouse": place_of(lake)})
    for _ in range(2):
        assert_refused(other, f"belongs to the lake {lake_id(lake)}", "lake.warehouse")
    assert database.value("SELECT count(*) FROM pg_replication_slots") == 1
    for arguments in [[], ["--dry-run"], ["--older-than", "0"]]:
        result = other.call("maintain", "--orphans", *arguments)
        assert result.returncode == 1 and "belongs to the lake" in result.stderr
    code, found = examine(other)
    assert code == 1 and found["store", "owner"][0] == "wrong"
    assert examine(lake)[1]["store", "owner"][0] == "ok"
    assert set(lake.place.objects()) >= before
    lake.stop()
    assert_whole(lake, database)
    other.settings["lake.warehouse"] = place_of(other)
    fill(database, other)
    assert_whole(other, database)


@both
def test_a_lake_in_a_folder_of_anothers_warehouse_keeps_its_files(database, lake, walberg):
    other = walberg({"lake.warehouse": place_of(lake, "shop")})
    fill(database, other)
    lake.place.put("public/t/data/left.parquet", b"x")
    lake.place.put("shop/public/t/data/theirs.parquet", b"x")
    # A schema whose folder would be the other's warehouse, which also has a table of that name.
    database.sql("CREATE SCHEMA shop")
    database.sql("CREATE TABLE shop.public (id int PRIMARY KEY)")
    lake.stop()
    theirs = {name for name in lake.place.objects() if name.startswith("shop/")}
    found = maintain(lake, "--older-than", "0")
    assert {entry["path"] for entry in found["objects"]} == {"public/t/data/left.parquet"}
    lake.start()
    lake.wait_until(lambda: lake.table("shop.public")[0] == "paused", "the table is paused")
    assert f"warehouse of the lake {lake_id(other)}" in lake.table("shop.public")[1]
    database.catch_up(lake)
    lake.stop()
    lake.start()
    database.catch_up(lake)
    assert {name for name in lake.place.objects() if name.startswith("shop/")} >= theirs
    other.stop()
    found = maintain(other, "--older-than", "0")
    assert {entry["path"] for entry in found["objects"]} == {"public/t/data/theirs.parquet"}
    assert_whole(other, database)
    assert_whole(lake, database)


@pytest.mark.parametrize("kind", ["remote"], indirect=True)
def test_another_lake_of_the_same_database_has_a_place_of_its_own(database, lake, walberg):
    other = walberg({"lake.catalog": lake.place.url, "lake.catalog_name": "other",
                     "lake.warehouse": place_of(lake)})
    assert_refused(other, f"belongs to the lake {lake_id(lake)}", "lake.warehouse")
    other.settings["lake.warehouse"] = place_of(lake, "other")
    other.start()
    wait_for_rows(database, other)
    lake.stop()
    assert maintain(lake, "--older-than", "0")["orphans"] == 0
    other.stop()
    assert maintain(other, "--older-than", "0")["orphans"] == 0
    database.sql("INSERT INTO t VALUES (1000, 'after')")
    lake.start()
    other.start()
    database.catch_up(lake)
    assert_whole(lake, database)
    wait_for_rows(database, other)


def wait_for_rows(database, lake):
    """By its own answers: what the tests read of a catalog is its first lake's."""
    count = database.value("SELECT count(*) FROM t")
    lake.wait_until(lambda: f"{count}" in lake.call("sql", "SELECT count(*) AS n FROM t",
                                                    "--json").stdout, "all rows are there")


@both
def test_a_lake_that_lost_its_catalog_does_not_begin_anew_over_its_tables(database, lake, walberg):
    lake.stop()
    before = set(lake.place.objects())
    anew = walberg({"lake.warehouse": place_of(lake)})
    old = lake_id(lake)
    assert_refused(anew, f"belongs to the lake {old}", "empty this one")
    lake.place.delete(f".walberg/{old}")
    assert_refused(anew, "public/", "that the catalog does not know", "lake.warehouse")
    for name in before - {f".walberg/{old}"}:
        lake.place.delete(name)
    fill(database, anew)
    assert_whole(anew, database)


@both
def test_a_lake_that_was_dropped_or_is_read_again_keeps_its_warehouse(database, lake):
    own = lake_id(lake)
    lake.stop()
    lake.command("drop", lake.url)
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    lake.stop()
    lake.command("snapshot", "--all")
    fill(database, lake)
    assert_equal(database, lake, "public.t")
    assert lake_id(lake) == own
    assert [name for name in lake.place.objects() if name.startswith(".walberg/")] == [
        f".walberg/{own}"]


# ---- a warehouse that the lake's tables are not in -----------------------------------------

READERS = [["snapshots"], ["sql", "SELECT count(*) FROM t"]]


def assert_not_in_place(lake, *parts, readers=READERS):
    """Nothing is begun, and nothing is changed: not in the catalog either."""
    before = lake.catalog_rows("SELECT * FROM walberg_table")
    assert before
    assert_refused(lake, "this lake's tables are in", *parts)
    for arguments in [["maintain", "--orphans", "--older-than", "0"],
                      ["maintain", "--orphans", "--dry-run"], *readers]:
        done = lake.call(*arguments)
        assert_one_error(done.returncode, done.stderr, "this lake's tables are in", *parts)
    code, found = examine(lake)
    assert code == 1 and found["store", "owner"][0] == "wrong"
    assert "this lake's tables are in" in found["store", "owner"][1]
    assert lake.catalog_rows("SELECT * FROM walberg_table") == before
    assert not lake.catalog_rows("SELECT * FROM walberg_request")


def assert_goes_on(lake, database):
    fill(database, lake)
    assert lake.table("public.t")[0] == "live"
    assert lake.stop() == 0
    assert maintain(lake)["orphans"] == 0
    assert_whole(lake, database)


@both
def test_a_lake_whose_warehouse_was_changed_or_forgotten_does_not_start(
        database, lake, walberg):
    lake.stop()
    right, mine = place_of(lake), f'"{place_of(lake)}"'
    wrong = [str(lake.directory / "files")]
    if right.startswith("s3://"):
        wrong = [right + "s", str(lake.directory / "warehouse"), right.rsplit("/", 1)[0]]
    for place in wrong:
        there = pathlib.Path(place)
        was_there = there.exists()
        lake.settings["lake.warehouse"] = place
        is_around = place in right  # the tables can be read from there
        assert_not_in_place(lake, mine, f'lake.warehouse is "{place}"', "walberg.yaml",
                            readers=[] if is_around else READERS)
        if not is_around:
            done = lake.call("snapshot", "public.t")
            assert_one_error(done.returncode, done.stderr, mine)
        assert there.exists() == was_there and not (there / ".walberg").exists()
    del lake.settings["lake.warehouse"]
    assert_goes_on(lake, database)
    other = walberg({"lake.warehouse": wrong[0]})  # nobody has taken it
    other.start()
    other.wait_live()


@both
def test_a_warehouse_without_the_lakes_mark_is_not_begun_in(database, lake):
    lake.stop()
    mark = f".walberg/{lake_id(lake)}"
    before = set(lake.place.objects())
    lake.place.delete(mark)
    assert_not_in_place(lake, place_of(lake), f'"{mark}"', readers=[])
    assert set(lake.place.objects()) == before - {mark}
    lake.place.put(mark, b"x")
    assert_goes_on(lake, database)


def test_a_lake_that_was_moved_does_not_start_before_it_is_back(database, lake):
    lake.stop()
    home, away = lake.directory, lake.directory.with_name("away")
    home.rename(away)
    lake.directory = lake.place.directory = away
    lake.place.file = away / "catalog.db"
    assert_not_in_place(lake, f'"{home}/warehouse"', f'"{away}/warehouse"', "bring the directory")
    away.rename(home)
    lake.directory = lake.place.directory = home
    lake.place.file = home / "catalog.db"
    assert_goes_on(lake, database)


def test_a_warehouse_whose_disk_is_not_mounted_is_not_made_anew(database, lake):
    lake.stop()
    there, away = lake.directory / "warehouse", lake.directory / "away"
    there.rename(away)
    assert_not_in_place(lake, f'"{there}"', "is the disk mounted")
    assert not there.exists()
    there.mkdir(mode=0o755)  # as a mount point is, which only root may change
    assert_not_in_place(lake, f'"{there}"', "is the disk mounted")
    assert not list(there.iterdir())
    there.rmdir()
    away.rename(there)
    assert_goes_on(lake, database)


def test_a_lake_that_is_dropped_says_where_its_tables_are(lake):
    lake.stop()
    place = place_of(lake)
    lake.settings["lake.warehouse"] = "s3://mine/shop"
    assert f"the tables stay in {place}" in lake.command("drop", lake.url)
