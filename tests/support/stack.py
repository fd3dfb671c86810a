"""What a lake outgrows its directory into: MinIO, and a PostgreSQL server of the catalog's own.

    with Stack() as stack:
        lake = Lake(directory, source.url, place=stack.place())

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


class Stack:
    def __init__(self):
        self.count = multiprocessing.Value("l", 0)  # odd within an outage

    def __enter__(self):
        with contextlib.ExitStack() as servers:
            self.minio = servers.enter_context(Minio([BUCKET]))
            self.catalogs = servers.enter_context(Postgres())
            self.servers = servers.pop_all()
        return self

    def __exit__(self, *why):
        return self.servers.__exit__(*why)

    def place(self):
        """A new one."""
        return Stacked(self, f"lake{next(COUNTER)}")

    @contextlib.contextmanager
    def outage(self):
        self.count.value += 1
        try:
            yield
        finally:
            self.count.value += 1


class Stacked(PostgresCatalog):
    """A prefix of the bucket, and a database."""

    def __init__(self, stack, name):
        super().__init__(stack.catalogs.url_of(name))
        self.stack = stack
        self.name = name
        self.warehouse = f"s3://{BUCKET}/{name}"
        self.settings = {**stack.minio.settings(self.warehouse), "lake.catalog": self.url}
        self.properties = {
            "s3.endpoint": stack.minio.url, "s3.access-key-id": stack.minio.access_key,
            "s3.secret-access-key": stack.minio.secret_key, "s3.region": stack.minio.region,
            # Java's
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "client.region": stack.minio.region,
            "s3.path-style-access": "true"}
        stack.catalogs.sql(f"CREATE DATABASE {name}")

    def outages(self):
        return self.stack.count.value

    def objects(self):
        prefix = f"{self.name}/"
        found = self.stack.minio.objects(BUCKET, prefix)
        return {key.removeprefix(prefix): size for key, size in found.items()}

    def remove(self):
        if self.stack.catalogs.is_running:
            self.stack.catalogs.sql(f"DROP DATABASE {self.name} WITH (FORCE)")
