"""Where a lake lives: its tables and its catalog, as walberg and other readers are told of them.

    Local(directory)        files and SQLite in the lake's directory
    InPostgres(...)         files there, the catalog in a database
    remote.Remote(...)      MinIO, and a PostgreSQL server of its own

    settings        walberg's, for every command
    catalog         where it is, for a client of the database's own
    uri, jdbc_uri   of the catalog, for SQLAlchemy (PyIceberg) and for Java
    warehouse       the URI before the paths of all objects
    objects()       {path: size in bytes}
    read(path), put(path, octets), delete(path)     one of them
    acting()        others write to it within as its user
    save(), bring_back()    a copy of the catalog, if that is not in the lake's directory
    properties      of PyIceberg and of Java's catalogs: how objects are read
    pyiceberg()     the catalog, opened by it
    connect()       to the catalog: execute(statement, parameters).fetchall(), close()
    transaction()   the same, seeing one moment
    held()          nobody else can write to the catalog within
    ERRORS          what these raise while there is no catalog
    outages()       a number that is another after a server of the place was down, odd while one is
    remove()        what is not in the lake's directory
"""

import contextlib
import os
import pathlib
import pwd
import sqlite3
import urllib.parse


@contextlib.contextmanager
def acting_as(user):
    """Files are made as the user, not as root: SQLite's readers make some, which others open."""
    if user is None:
        yield
        return
    entry = pwd.getpwnam(user)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        os.setegid(os.getgid())


class Place:
    def pyiceberg(self, name="walberg", **more):
        from pyiceberg.catalog.sql import SqlCatalog
        return SqlCatalog(name, uri=self.uri, init_catalog_tables="false", **self.properties,
                          **more)

    @contextlib.contextmanager
    def transaction(self):
        connection = self.connect()
        try:
            connection.execute(self.BEGIN)
            yield connection
        finally:
            connection.close()

    def outages(self):
        return 0

    def path_of(self, uri):
        """Of an object."""
        root = self.warehouse + "/"
        assert uri.startswith(root), uri
        return uri.removeprefix(root)

    def acting(self):
        return contextlib.nullcontext()

    def save(self):
        pass

    def bring_back(self):
        pass

    def remove(self):
        pass


class Local(Place):
    BEGIN = "BEGIN"
    ERRORS = (sqlite3.OperationalError,)
    settings = {}
    properties = {}

    def __init__(self, directory, user=None):
        self.directory = pathlib.Path(directory)
        self.file = self.directory / "catalog.db"
        self.catalog = str(self.file)
        self.user = user

    @property
    def uri(self):
        return f"sqlite:///{self.file}"

    @property
    def jdbc_uri(self):
        return f"jdbc:sqlite:file:{self.file}"

    @property
    def warehouse(self):
        return f"file://{self.directory}/warehouse"

    def objects(self):
        root = self.directory / "warehouse"
        return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*")
                if path.is_file()}

    def read(self, path):
        return (self.directory / "warehouse" / path).read_bytes()

    def put(self, path, octets):
        file = self.directory / "warehouse" / path
        with acting_as(self.user):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(octets)

    def acting(self):
        return acting_as(self.user)

    def delete(self, path):
        (self.directory / "warehouse" / path).unlink()

    def connect(self):
        with acting_as(self.user):
            connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30,
                                         isolation_level=None)
            connection.execute("SELECT 1 FROM sqlite_master")  # opens what is beside the file
        return connection

    @contextlib.contextmanager
    def held(self):
        with acting_as(self.user):
            connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        finally:
            connection.close()


class PostgresCatalog(Place):
    """url: of the database, as lake.catalog has it, with a user."""

    BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, url):
        import psycopg2
        self.url = self.catalog = url
        self.ERRORS = (psycopg2.Error,)

    @property
    def uri(self):
        return self.url.replace("postgresql://", "postgresql+psycopg2://", 1)

    @property
    def jdbc_uri(self):
        parts = urllib.parse.urlsplit(self.url)
        who = {"user": parts.username, **({"password": parts.password} if parts.password else {})}
        return (f"jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}"
                f"?{urllib.parse.urlencode(who)}")

    def connect(self):
        return PostgresConnection(self.url)

    @contextlib.contextmanager
    def held(self):
        with contextlib.closing(self.connect()) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE walberg_lake IN EXCLUSIVE MODE")
            yield


class InPostgres(PostgresCatalog, Local):
    """Files in the lake's directory, the catalog in a database."""

    def __init__(self, directory, url, settings=None):
        Local.__init__(self, directory)
        PostgresCatalog.__init__(self, url)
        self.settings = {"lake.catalog": url} if settings is None else settings


class PostgresConnection:
    """As one of SQLite's: question marks, and execute() gives what is fetched from."""

    def __init__(self, url):
        import psycopg2
        self.connection = psycopg2.connect(url, connect_timeout=10)
        self.connection.autocommit = True

    def execute(self, statement, parameters=()):
        cursor = self.connection.cursor()
        cursor.execute(statement.replace("?", "%s"), parameters or None)
        return cursor

    def close(self):
        self.connection.close()
