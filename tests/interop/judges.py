"""The judges as functions: what PyIceberg and Iceberg's Java library read of a table."""

import atexit
import functools
import pathlib
import subprocess
import sys

from support.project import CACHE

HERE = pathlib.Path(__file__).resolve().parent
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
        f"{CACHE}/judge/*:{HERE.parents[1]}/build/judge", "Judge"]
PYICEBERG = [sys.executable, str(HERE / "canon.py")]


def _options(digest, snapshot, properties):
    options = ["--digest"] if digest else []
    if snapshot:
        options += ["--snapshot", str(snapshot)]
    for name, value in properties.items():
        options += ["--property", f"{name}={value}"]
    return options


def _read(judge, names, *options):
    done = subprocess.run([*judge, *_options(*options), *map(str, names)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError(f"{judge[0]} could not read {names}: {done.stderr.decode()[-2000:]}")
    return done.stdout.splitlines()


@functools.lru_cache(None)
def _java():
    """One process for all questions: starting a Java machine takes longer than most answers."""
    process = subprocess.Popen([*JAVA, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    atexit.register(process.kill)
    return process


def _ask_java(names, *options):
    process = _java()
    request = "\t".join([*_options(*options), *map(str, names)])
    process.stdin.write(request.encode() + b"\n")
    process.stdin.flush()
    rows = []
    for line in process.stdout:
        if not line.startswith(b"\0"):
            rows.append(line[:-1])
        elif line == b"\0\n":
            return rows
        else:
            raise RuntimeError(f"Java could not read {names}: {line[1:].decode()}")
    raise RuntimeError(f"Java ended while it read {names}")


def java(place, *tables, name="walberg", digest=False, snapshot=None):
    """The rows of the tables of a place's catalog; with digest one digest a table."""
    return _ask_java(["jdbc", place.jdbc_uri, name, *tables], digest, snapshot, place.properties)


def java_set(place, table, name, value, **properties):
    """Commits a property to a table, which is made when it is missing, as another writer would."""
    _ask_java(["set", place.jdbc_uri, "walberg", table, f"{name}={value}"], False, None,
              {**place.properties, **properties})


def java_metadata(*files, digest=False, snapshot=None, properties=None):
    return _ask_java(["metadata", *files], digest, snapshot, properties or {})


def pyiceberg(place, *tables, name="walberg", digest=False, snapshot=None):
    return _read(PYICEBERG, ["sql", place.uri, name, *tables], digest, snapshot, place.properties)


def pyiceberg_metadata(*files, digest=False, snapshot=None, properties=None):
    return _read(PYICEBERG, ["metadata", *files], digest, snapshot, properties or {})
