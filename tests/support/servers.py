"""Servers for the unit tests: a private PostgreSQL, and a MinIO where that is installed.

    python3 tests/support/servers.py COMMAND...

runs COMMAND beside them and removes them.  It has PostgreSQL's address in WALBERG_TEST_POSTGRES;
WALBERG_TEST_S3 is that of MinIO, WALBERG_TEST_S3_BUCKET, _ACCESS_KEY and _SECRET_KEY what else a
test needs of it.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import minio, postgres  # noqa: E402


@contextlib.contextmanager
def s3_environment():
    """Of a MinIO server while it runs; none where a server is named already or not installed."""
    if "WALBERG_TEST_S3" in os.environ or not minio.is_installed():
        yield {}
        return
    with minio.Minio(buckets=["walberg-tests"]) as server:
        yield {"WALBERG_TEST_S3": server.url, "WALBERG_TEST_S3_BUCKET": "walberg-tests",
               "WALBERG_TEST_S3_ACCESS_KEY": server.access_key,
               "WALBERG_TEST_S3_SECRET_KEY": server.secret_key}


def main(command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with postgres.Postgres() as server, s3_environment() as s3:
        environment = dict(os.environ, WALBERG_TEST_POSTGRES=server.url, **s3)
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
