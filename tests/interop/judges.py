"""The judges as functions: what PyIceberg and Iceberg's Java library read of a table."""

import atexit
import functools
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("WALBERG_CACHE", pathlib.Path.home() / ".cache/walberg"))
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
        f"{CACHE}/java/lib/*:{CACHE}/java/classes", "Judge"]
PYICEBERG = [sys.executable, str(HERE / "canon.py")]


def _options(digest, snapshot):
    return [*(["--digest"] if digest else []),
            *(["--snapshot", str(snapshot)] if snapshot else [])]


def _read(judge, names, digest, snapshot):
    done = subprocess.run([*judge, *_options(digest, snapshot), *map(str, names)], check=False,
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


def _ask_java(names, digest, snapshot):
    process = _java()
    request = "\t".join([*_options(digest, snapshot), *map(str, names)])
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


def java(catalog, *tables, name="walberg", digest=False, snapshot=None):
    """The rows of the tables of a SQLite catalog; with digest one digest a table."""
    return _ask_java(["jdbc", catalog, name, *tables], digest, snapshot)


def java_metadata(*files, digest=False, snapshot=None):
    return _ask_java(["metadata", *files], digest, snapshot)


def pyiceberg(catalog, *tables, name="walberg", digest=False, snapshot=None):
    return _read(PYICEBERG, ["sql", catalog, name, *tables], digest, snapshot)


def pyiceberg_metadata(*files, digest=False, snapshot=None):
    return _read(PYICEBERG, ["metadata", *files], digest, snapshot)
