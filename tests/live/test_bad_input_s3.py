"""What goes wrong while a lake on MinIO, with its catalog in PostgreSQL, lives: a wait that status
explains, or one clear error with a hint; nothing is lost, and what others keep there stays."""

import re

import pyarrow
import pytest

from conftest import ROWS
from support.compare import assert_equal
from support.refusal import assert_one_error
from support.remote import BUCKET, RemoteServers

pytestmark = pytest.mark.parametrize("kind", ["remote"], indirect=True)
WRITER = {"s3.access_key": "writer", "s3.secret_key": "writer-secret"}


@pytest.fixture(scope="module")
def remote():
    """Its servers are stopped: no other test can have it."""
    with RemoteServers() as running:
        running.minio.add_user("writer", "writer-secret", "readwrite")
        yield running


@pytest.fixture
def lake(table, database, walberg):
    """Live, after changes."""
    made = walberg(WRITER)
    made.start()
    made.wait_live()
    database.sql(ROWS.format(101, 200))
    database.catch_up(made)
    return made


def assert_ends_with_one_error(lake, since, *parts):
    assert lake.process.wait(60) == 1
    said = "".join(line for line in lake.log()[since:].splitlines(keepends=True)
                   if line.startswith(("error: ", "       ", " hint: ")))
    assert_one_error(1, said, *parts)


def set_policy(remote, attached, detached):
    for action, policy in [("attach", attached), ("detach", detached)]:
        remote.minio.mc("admin", "policy", action, "s", policy, "--user", "writer")


def test_a_bucket_that_becomes_read_only(database, lake, remote):
    since = len(lake.log())
    set_policy(remote, "readonly", "readwrite")
    try:
        database.sql(ROWS.format(201, 300))
        assert_ends_with_one_error(lake, since, "AccessDenied", "s3:PutObject", '"writer"')
        since = len(lake.log())
        lake.start()
        assert_ends_with_one_error(lake, since, "AccessDenied", "s3:PutObject")
    finally:
        set_policy(remote, "readwrite", "readonly")
    lake.start()
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


def test_servers_that_are_down_are_waited_for_and_status_says_so(database, lake, remote):
    for server, name in [(remote.minio, "s3.endpoint"), (remote.catalogs, "PostgreSQL")]:
        position = lake.position()
        server.kill9()
        since = len(lake.log())
        database.sql("INSERT INTO t SELECT max(id) + 1, 'while it is down' FROM t")
        lake.wait_until(lambda: name in lake.log()[since:], "nothing is noticed")
        done = lake.call("status", lake.url)
        said = done.stdout + done.stderr
        assert f"port {server.port}" in said and re.search("(See|Check) that", said), said
        server.start()
        database.catch_up(lake)
        assert lake.position() > position
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0


def theirs(lake, name, rows):
    """A table that PyIceberg makes in the lake's own catalog and warehouse."""
    catalog = lake.place.pyiceberg(warehouse=lake.place.warehouse)
    catalog.create_namespace_if_not_exists(name.split(".", maxsplit=1)[0])
    table = catalog.create_table(name, rows.schema)
    table.append(rows)
    return table


def assert_stays_paused(lake, name):
    """Whatever is asked for, and how often."""
    for _ in range(2):
        for _ in range(2):
            done = lake.call("snapshot", name)
            assert done.returncode == 1, done.stdout + done.stderr
            assert "not of this lake" in done.stderr and "Rename it" in done.stderr, done.stderr
            assert lake.table(name)[0] == "paused"
        assert lake.stop() == 0
        since = len(lake.log())
        lake.start()
        lake.wait_until(lambda: "capturing" in lake.log()[since:], "it does not start")


def test_tables_of_others_in_the_same_catalog_are_left_alone(database, lake):
    rows = pyarrow.table({"id": list(range(1000)), "a": ["theirs"] * 1000})
    tables = [theirs(lake, name, rows) for name in ["other.theirs", "public.theirs", "public.u"]]
    before = set(lake.place.objects())
    database.sql("CREATE TABLE u (id int PRIMARY KEY)")  # of a name that is taken
    database.sql("DELETE FROM t WHERE id % 2 = 0")
    database.catch_up(lake)
    assert lake.table("public.theirs") == (None, None)
    lake.command("snapshot", "--all")
    assert "not of this lake" in lake.wait_state("public.u", "paused")
    assert_stays_paused(lake, "public.u")
    lake.command("snapshot", "--all")
    assert_stays_paused(lake, "public.u")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    assert lake.stop() == 0
    lake.command("maintain", "--orphans", "--older-than", "0s")
    lake.command("drop", lake.url)
    gone = before - set(lake.place.objects())
    assert not [path for path in gone if "theirs" in path or "/u/" in path], gone
    for table in tables:
        assert table.refresh().scan().to_arrow().equals(rows)


@pytest.mark.parametrize("is_running, has_rows", [(True, True), (False, False)])
def test_a_table_of_others_that_took_the_place_of_one_is_left_alone(
        database, lake, is_running, has_rows):
    if not is_running:
        assert lake.stop() == 0
    catalog = lake.place.pyiceberg(warehouse=lake.place.warehouse)
    schema = catalog.load_table("public.t").schema()
    catalog.drop_table("public.t")
    table = catalog.create_table("public.t", schema)
    rows = pyarrow.table({"id": [1], "a": ["theirs"]}, schema.as_arrow())
    if has_rows:
        table.append(rows)
    location = table.metadata_location
    if not is_running:
        lake.start()
    database.sql("CREATE TABLE IF NOT EXISTS aside (id int)")
    database.sql("DELETE FROM t WHERE id % 2 = 0")
    lake.wait_state("public.t", "paused")
    assert_stays_paused(lake, "public.t")
    assert table.refresh().metadata_location == location
    assert not has_rows or table.scan().to_arrow().equals(rows)
    catalog.rename_table("public.t", "public.theirs")
    lake.command("snapshot", "public.t")
    database.catch_up(lake)
    assert_equal(database, lake, "public.t")
    for _ in range(2):  # what others have in a table's folder is not taken for what was left there
        assert lake.stop() == 0
        lake.start()
        database.catch_up(lake)
    assert lake.stop() == 0
    lake.command("maintain", "--orphans", "--older-than", "0s")
    theirs = catalog.load_table("public.theirs")
    assert theirs.metadata_location == location
    assert not has_rows or theirs.scan().to_arrow().equals(rows)
