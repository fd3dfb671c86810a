"""A source that was brought back from an older, cold copy keeps its identifier and timeline."""

import pathlib
import shutil
import tempfile

import pytest

from conftest import BOTH_IF_LONG, Database
from support import postgres
from support.walberg import Lake, lsn_number


def fill(database, first, count, table="t"):
    database.sql(f"INSERT INTO {table} SELECT i, 'row' FROM generate_series({first}, {first + count}) i")


def flushed(database):
    return lsn_number(database.value("SELECT pg_current_wal_flush_lsn()"))


@pytest.mark.parametrize("kind", BOTH_IF_LONG, indirect=True)
@pytest.mark.parametrize("table", ["t", "uncaptured"])
def test_another_history_is_refused_however_often_it_is_tried(walberg, database, server, table):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, note text)")
    lake = walberg()
    lake.start()
    lake.wait_live()
    database.catch_up(lake)
    assert lake.stop() == 0
    server.stop()
    place = pathlib.Path(tempfile.mkdtemp(prefix="walberg-copy-"))
    place.chmod(0o755)
    copy = server.copy_data_directory(place / "data")
    server.start()
    lake.start()
    fill(database, 1, 500)
    database.catch_up(lake)
    assert lake.stop() == 0
    end = flushed(database)

    with postgres.Postgres(data_directory=copy) as restored:
        other = Database.__new__(Database)
        other.server, other.name = restored, database.name
        again = Lake(lake.directory, other.url, lake.settings, lake.user, lake.place)
        other.sql("CREATE TABLE uncaptured (id int, note text)")
        for first in range(100000, 200000, 100):
            if flushed(other) > end + 100000:
                break
            fill(other, first, 99, table)
        for _ in range(3):
            code, said = again.run_to_its_end(30)
            assert code != 0
            assert "the source's history is another" in said
            assert "walberg snapshot --all" in said
        assert again.value("SELECT count(*) FROM t WHERE id >= 100000") == 0
    shutil.rmtree(place)
