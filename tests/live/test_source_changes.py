"""What administrators do to the source while a lake lives, and servers that come and go."""

import time

import pytest

from conftest import BOTH, BOTH_IF_LONG

both = pytest.mark.parametrize("kind", BOTH, indirect=True)
both_if_long = pytest.mark.parametrize("kind", BOTH_IF_LONG, indirect=True)

# One slot alone: a table that is to be read again finds none.
POSTGRES = {"max_replication_slots": "1"}


@both
def test_a_table_that_was_taken_out_of_the_publication_is_paused_and_comes_back(database, walberg):
    database.sql("CREATE TABLE kept (id int PRIMARY KEY)")
    database.sql("CREATE TABLE taken (id int PRIMARY KEY)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    lake.stop()
    publication = database.value("SELECT pubname FROM pg_publication WHERE pubupdate")
    database.sql(f"ALTER PUBLICATION {publication} DROP TABLE taken")
    database.sql("INSERT INTO taken VALUES (1)")
    database.sql("INSERT INTO kept VALUES (1)")
    lake.start()
    reason = lake.wait_state("public.taken", "paused")
    assert "its publication was changed" in reason
    assert "walberg snapshot public.taken" in reason
    database.catch_up(lake)
    assert lake.table("public.kept")[0] == "live"
    assert lake.value("SELECT count(*) FROM kept") == 1
    assert lake.stop() == 0


@both
def test_a_publication_that_sends_less_pauses_its_tables(database, walberg):
    database.sql("CREATE TABLE fewer (id int PRIMARY KEY)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    lake.stop()
    publication = database.value("SELECT pubname FROM pg_publication WHERE pubupdate")
    database.sql(f"ALTER PUBLICATION {publication} SET (publish = 'insert')")
    lake.start()
    assert "its publication was changed" in lake.wait_state("public.fewer", "paused")
    assert lake.stop() == 0


@both
def test_what_happens_to_tables_while_a_lake_lives_is_noticed(database, walberg):
    database.sql("CREATE TABLE dropped (id int PRIMARY KEY)")
    database.sql("CREATE TABLE made_again (id int PRIMARY KEY)")
    database.sql("CREATE TABLE taken (id int PRIMARY KEY)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    publication = database.value("SELECT pubname FROM pg_publication WHERE pubupdate")
    database.sql("DROP TABLE dropped, made_again")
    database.sql("CREATE TABLE made_again (id int PRIMARY KEY)")
    database.sql(f"ALTER PUBLICATION {publication} DROP TABLE taken")
    database.sql("INSERT INTO taken VALUES (1)")
    assert "no such table any more" in lake.wait_state("public.dropped", "paused")
    assert "dropped and made again" in lake.wait_state("public.made_again", "paused")
    assert "its publication was changed" in lake.wait_state("public.taken", "paused")
    database.catch_up(lake)
    assert lake.table("public.marker")[0] == "live"
    assert lake.stop() == 0


@both
def test_a_table_that_cannot_be_read_again_is_paused_with_the_reason(database, walberg):
    database.sql("CREATE TABLE again (id int PRIMARY KEY)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    done = lake.call("snapshot", "public.again")
    assert done.returncode == 1 and "all replication slots are in use" in done.stderr
    assert "all replication slots are in use" in lake.wait_state("public.again", "paused")
    database.catch_up(lake)
    assert lake.table("public.marker")[0] == "live"
    assert lake.stop() == 0


@both_if_long
def test_the_initial_snapshot_begins_again_when_the_server_was_away(database, server, walberg):
    database.sql("CREATE TABLE big (id int PRIMARY KEY, note text NOT NULL)")
    database.sql("INSERT INTO big SELECT i, repeat('x', 200) FROM generate_series(1, 400000) i")
    lake = walberg()
    lake.start()
    lake.wait_until(lambda: "reading a table" in lake.log(), "no table is read")
    server.stop("immediate")
    time.sleep(1.5)  # tries to connect meanwhile
    lake.check_running()
    server.start()
    lake.wait_live()
    database.catch_up(lake)
    assert lake.value("SELECT count(*) FROM big") == 400000
    assert lake.stop() == 0
