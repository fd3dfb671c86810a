"""What the tests with real servers share.

A module's tests share one PostgreSQL server; each test has a database and a lake of its own.

    def test_something(database, walberg):
        database.sql("CREATE TABLE t (id int PRIMARY KEY)")
        lake = walberg()
        lake.start()
        lake.wait_live()
        database.sql("INSERT INTO t VALUES (1)")
        database.catch_up(lake)

A module may give POSTGRES, the settings of its server.  A test may be run for lakes of several
kinds, BOTH being that on the local disk and that on MinIO with its catalog in PostgreSQL:

    @pytest.mark.parametrize("kind", BOTH, indirect=True)

BOTH_IF_LONG has the second in the long form of the tests only.

Most need one table only: `table` makes it, and `lake` one that is live with it.
"""

import itertools
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import urllib.parse

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import postgres  # noqa: E402
from support.walberg import Lake, lsn_number  # noqa: E402

COUNTER = itertools.count(1)
IS_LONG = "WALBERG_TEST_LONG" in os.environ
BOTH = ["local", "remote"]
BOTH_IF_LONG = BOTH if IS_LONG else BOTH[:1]
ROWS = "INSERT INTO t SELECT i, 'row ' || i FROM generate_series({0}, {1}) i"


@pytest.fixture
def chance():
    """The test's random choices; WALBERG_TEST_SEED repeats them, as far as a race can be."""
    seed = int(os.environ["WALBERG_TEST_SEED"])
    print(f"WALBERG_TEST_SEED={seed}")
    return random.Random(seed)


def pytest_configure():
    """All workers choose by the same seed, or they would not find the same tests."""
    os.environ.setdefault("WALBERG_TEST_SEED", str(random.SystemRandom().randrange(10 ** 9)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.has_failed = True
    return report


class Database:
    """One database of a server.  It has a table public.marker, whose changes show how far a lake
    has come."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        server.sql(f'CREATE DATABASE "{name}"')
        self.sql("CREATE TABLE public.marker (id int PRIMARY KEY, n bigint NOT NULL)")
        self.sql("INSERT INTO public.marker VALUES (1, 0)")

    @property
    def url(self):
        return self.server.url_of(urllib.parse.quote(self.name))

    def sql(self, statement, parameters=None):
        return self.server.sql(statement, parameters, database=self.name)

    def value(self, statement, parameters=None):
        return self.server.value(statement, parameters, database=self.name)

    def connect(self, **options):
        return self.server.connect(self.name, **options)

    def psql(self, file=None, command=None, **variables):
        return self.server.psql(file, command, database=self.name, **variables)

    def pgbench(self, *arguments, **options):
        return self.server.pgbench(*arguments, database=self.name, **options)

    def catch_up(self, lake, seconds=60):
        """Until the lake has everything that is committed now."""
        here = lsn_number(self.value("SELECT pg_current_wal_insert_lsn()"))
        self.sql("UPDATE public.marker SET n = n + 1")
        lake.wait_for(here + 1, seconds)

    def remove(self):
        server = self.server
        server.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                   " WHERE database = %s AND active", (self.name,))
        for (slot,) in server.sql("SELECT slot_name FROM pg_replication_slots WHERE database = %s",
                                  (self.name,)):
            server.sql("SELECT pg_drop_replication_slot(%s)", (slot,))
        connection = server.connections.pop(self.name, None)
        if connection is not None:
            connection.close()
        server.sql(f'DROP DATABASE "{self.name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def server(request):
    with postgres.Postgres(getattr(request.module, "POSTGRES", None)) as running:
        yield running


@pytest.fixture
def database(server, request):
    made = Database(server, f"{request.node.name[:50]} {next(COUNTER)}")
    yield made
    if not getattr(request.node, "has_failed", False) and server.is_running:
        made.remove()


@pytest.fixture
def table(database):
    """public.t with 100 rows; ROWS.format(FIRST, LAST) are more."""
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql(ROWS.format(1, 100))


@pytest.fixture(scope="session")
def remote():
    from support.remote import RemoteServers
    with RemoteServers() as running:
        yield running


@pytest.fixture
def kind(request):
    """Of the lakes that the test makes."""
    return getattr(request, "param", "local")


def make_place(request, kind):
    """None is in the lake's directory."""
    return request.getfixturevalue("remote").place() if kind == "remote" else None


def make_lake(url, settings=None, directory=None, place=None):
    """It runs as the server's user when the tests run as root."""
    user = postgres.USER if os.geteuid() == 0 else None
    if directory is None:
        parent = pathlib.Path(tempfile.mkdtemp(prefix="walberg-lake-"))
        parent.chmod(0o755)
        if user:
            shutil.chown(parent, user, user)
        directory = parent / "lake"
    return Lake(directory, url, settings, user, place)


def remove_lake(lake, is_kept=False):
    """Its directory stays when the test failed, or when the program crashed, which is a failure."""
    code = lake.process.poll() if lake.process is not None else None
    if lake.is_running:
        lake.kill()
    is_crash = code not in (None, 0, 1, -signal.SIGKILL)
    if is_crash or is_kept:
        print(f"kept the lake's directory: {lake.directory.parent}\n{lake.log()[-3000:]}",
              file=sys.stderr)
    else:
        shutil.rmtree(lake.directory.parent, ignore_errors=True)
        lake.place.remove()
    assert not is_crash, f"walberg ended with {code}"


@pytest.fixture
def walberg(request, database, kind):
    """Makes lakes of the test's database: walberg(settings=..., url=..., directory=...)."""
    made = []

    def make(settings=None, url=None, directory=None):
        place = make_place(request, kind)
        made.append(make_lake(url or database.url, settings, directory, place))
        return made[-1]

    yield make
    for lake in made:
        remove_lake(lake, getattr(request.node, "has_failed", False))


@pytest.fixture
def lake(table, walberg):
    """A live one, stopped by nobody."""
    made = walberg()
    made.start()
    made.wait_live()
    return made
