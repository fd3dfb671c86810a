"""What a lake outgrows its directory into: MinIO, and a PostgreSQL server of the catalog's own.

    with RemoteServers() as remote:
        lake = Lake(directory, source.url, place=remote.place())

Both are private to the tests, as the source is.  While one of them is down on purpose, that is an
outage: what others could not read then proves nothing.
"""

import contextlib
import itertools
import multiprocessing

from support.minio import Minio
from support.place import PostgresCatalog
from support.postgres import Postgres

BUCKET = "warehouse"
COUNTER = itertools.count(1)


class RemoteServers:
    def __init__(self):
        self.count = multiprocessing.Value("l", 0)  # odd within an outage

    def __enter__(self):
        with contextlib.ExitStack() as servers:
            self.minio = servers.enter_context(Minio([BUCKET]))
            self.catalogs = servers.enter_context(Postgres())
            self.running = servers.pop_all()
        return self

    def __exit__(self, *why):
        return self.running.__exit__(*why)

    def place(self):
        """A new one."""
        return Remote(self, f"lake{next(COUNTER)}")

    @contextlib.contextmanager
    def outage(self):
        self.count.value += 1
        try:
            yield
        finally:
            self.count.value += 1


class Remote(PostgresCatalog):
    """A prefix of the bucket, and a database."""

    def __init__(self, servers, name):
        super().__init__(servers.catalogs.url_of(name))
        self.servers = servers
        self.name = name
        self.copy = f"{name}_copy"
        self.warehouse = f"s3://{BUCKET}/{name}"
        self.settings = {**servers.minio.settings(self.warehouse), "lake.catalog": self.url}
        self.properties = {
            "s3.endpoint": servers.minio.url, "s3.access-key-id": servers.minio.access_key,
            "s3.secret-access-key": servers.minio.secret_key, "s3.region": servers.minio.region,
            # Java's
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "client.region": servers.minio.region,
            "s3.path-style-access": "true"}
        servers.catalogs.sql(f"CREATE DATABASE {name}")

    def outages(self):
        return self.servers.count.value

    def objects(self):
        prefix = f"{self.name}/"
        found = self.servers.minio.objects(BUCKET, prefix)
        return {key.removeprefix(prefix): size for key, size in found.items()}

    def read(self, path):
        return self.servers.minio.read(BUCKET, f"{self.name}/{path}")

    def put(self, path, octets):
        self.servers.minio.put(BUCKET, f"{self.name}/{path}", octets)

    def delete(self, path):
        self.servers.minio.delete(BUCKET, f"{self.name}/{path}")

    def save(self):
        self._copy(self.name, self.copy)

    def bring_back(self):
        self._copy(self.copy, self.name)

    def _copy(self, name, copy):
        """In place of any database of that name; a copy is made of one that nobody is in."""
        catalogs = self.servers.catalogs
        catalogs.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                     (name,))
        catalogs.sql(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)")
        catalogs.sql(f"CREATE DATABASE {copy} TEMPLATE {name}")

    def remove(self):
        if self.servers.catalogs.is_running:
            for name in [self.name, self.copy]:
                self.servers.catalogs.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
