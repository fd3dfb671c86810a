"""A private, real PostgreSQL server for tests: a temporary directory, a free port, loopback only.

    with Postgres({"wal_sender_timeout": "2s"}) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY)")
        run([WALBERG, "run", server.url])

It runs as the unprivileged user `postgres` when the tests run as root.  fsync is off unless a
setting says otherwise.  The programs are Debian's, or those of the folder in PG_BIN.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from support.project import versions

BIN = pathlib.Path(os.environ.get("PG_BIN",
                                  f"/usr/lib/postgresql/{versions()['POSTGRES_VERSION']}/bin"))
USER = "postgres"
START_SECONDS = 60
PORTS = (10000, 32768)  # below ip_local_port_range

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "16",
    "max_replication_slots": "16",
    "max_prepared_transactions": "4",
    "fsync": "off",
    "log_min_messages": "warning",
    "max_wal_size": "4GB",
}


def free_port():
    """Not one of those that the system gives to connections: a server that is down finds its port
    free when it comes back."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Postgres:
    """started: yes, unless start=False.  data_directory: an existing one, which is kept."""

    def __init__(self, settings=None, data_directory=None, start=True):
        self.settings = dict(SETTINGS, **(settings or {}))
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="walberg-postgres-"))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.connections = {}
        if os.geteuid() == 0:
            shutil.chown(self.directory, USER, USER)
        if data_directory is None:
            self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                      "--locale=C.UTF-8", "--no-sync")
        else:
            self._copy(pathlib.Path(data_directory), self.data)
        if start:
            self.start()

    # ---- addresses -------------------------------------------------------------------------

    @property
    def url(self):
        return self.url_of("postgres")

    def url_of(self, database, user="postgres", password=None):
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    # ---- the server's life -----------------------------------------------------------------

    def start(self):
        lines = "".join(f"{name} = '{value}'\n" for name, value in self.settings.items())
        (self.data / "postgresql.auto.conf").write_text(f"{lines}port = {self.port}\n")
        try:
            self._run("pg_ctl", "-D", self.data, "-s", "-w", "-t", START_SECONDS, "-l", self.log,
                      "start")
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()}") from error

    def stop(self, mode="fast"):
        self._forget_connections()
        self._run("pg_ctl", "-D", self.data, "-s", "-w", "-t", START_SECONDS, "-m", mode, "stop")

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill9(self):
        """The whole server, at once; start() recovers."""
        self._forget_connections()
        os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while self._is_attached():
            if time.monotonic() > deadline:
                raise RuntimeError("the killed server's processes do not end")
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def signal(self, number):
        """To all of its processes: SIGSTOP leaves their connections open, and silent."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        os.kill(self.pid, number)
        for child in map(int, children):
            # A backend whose client has gone ends as soon as it and the server run again.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    @property
    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    @property
    def is_running(self):
        return subprocess.run([BIN / "pg_ctl", "-D", self.data, "status"], check=False,
                              stdout=subprocess.DEVNULL, **self._as_user()).returncode == 0

    def set(self, **settings):
        """Settings that a reload takes; others need restart()."""
        self.settings.update(settings)
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def copy_data_directory(self, target):
        """A cold copy of the stopped server, for Postgres(data_directory=...)."""
        if self.is_running:
            raise RuntimeError("stop the server before its data directory is copied")
        self._copy(self.data, pathlib.Path(target))
        return target

    def remove(self):
        self._forget_connections()
        if self.is_running:
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None or not issubclass(kind, Exception):  # done, or interrupted
            self.remove()
            return
        if self.is_running:
            self.stop("immediate")
        print(f"kept the server's directory: {self.directory}", file=sys.stderr)

    # ---- SQL -------------------------------------------------------------------------------

    def connect(self, database="postgres", **options):
        """A new psycopg2 connection; the caller closes it."""
        import psycopg2
        return psycopg2.connect(self.url_of(database), **options)

    def sql(self, statement, parameters=None, database="postgres"):
        """Runs it on a standing autocommit connection; the rows, if it has any."""
        connection = self.connections.get(database)
        if connection is None or connection.closed:
            connection = self.connect(database)
            connection.autocommit = True
            self.connections[database] = connection
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement, parameters=None, database="postgres"):
        return self.sql(statement, parameters, database)[0][0]

    def psql(self, file=None, command=None, database="postgres", **variables):
        """A file or a command by psql, stopping at the first error; its output."""
        arguments = [BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url_of(database)]
        for name, value in variables.items():
            arguments += ["-v", f"{name}={value}"]
        arguments += ["-f", file] if file else ["-c", command]
        return subprocess.run(list(map(str, arguments)), check=True, stdout=subprocess.PIPE,
                              text=True).stdout

    def pgbench(self, *arguments, database="postgres", **options):
        """The started process."""
        command = [BIN / "pgbench", "-n", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres",
                   *arguments, database]
        return subprocess.Popen(list(map(str, command)), **options)

    # ---- inside ----------------------------------------------------------------------------

    def _forget_connections(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def _is_attached(self):
        """Whether a process of this server is still alive: its children outlive it briefly."""
        for status in pathlib.Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if os.readlink(status) == str(self.data):
                    return True
        return False

    def _as_user(self):
        environment = dict(os.environ, LC_ALL="C.UTF-8", HOME="/tmp")
        return {"cwd": "/", "env": environment,
                **({"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {})}

    def _run(self, program, *arguments):
        subprocess.run([str(BIN / program), *map(str, arguments)], check=True,
                       stdout=subprocess.DEVNULL, **self._as_user())

    def _copy(self, source, target):
        shutil.copytree(source, target, symlinks=True)
        for name in ["postmaster.pid", "postmaster.opts"]:
            (target / name).unlink(missing_ok=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{USER}:{USER}", str(target)], check=True)
        target.chmod(0o700)
