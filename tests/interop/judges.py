"""The judges as functions: what PyIceberg and Iceberg's Java library read of a table."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("WALBERG_CACHE", pathlib.Path.home() / ".cache/walberg"))
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
        f"{CACHE}/java/lib/*:{CACHE}/java/classes", "Judge"]
PYICEBERG = [sys.executable, str(HERE / "canon.py")]


def _read(judge, names, digest, snapshot):
    options = ["--digest"] if digest else []
    options += ["--snapshot", str(snapshot)] if snapshot else []
    done = subprocess.run([*judge, *options, *map(str, names)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError(f"{judge[0]} could not read {names}: {done.stderr.decode()[-2000:]}")
    return done.stdout.splitlines()


def java(catalog, *tables, name="walberg", digest=False, snapshot=None):
    """The rows of the tables of a SQLite catalog; with digest one digest a table."""
    return _read(JAVA, ["jdbc", catalog, name, *tables], digest, snapshot)


def java_metadata(*files, digest=False, snapshot=None):
    return _read(JAVA, ["metadata", *files], digest, snapshot)


def pyiceberg(catalog, *tables, name="walberg", digest=False, snapshot=None):
    return _read(PYICEBERG, ["sql", catalog, name, *tables], digest, snapshot)


def pyiceberg_metadata(*files, digest=False, snapshot=None):
    return _read(PYICEBERG, ["metadata", *files], digest, snapshot)
