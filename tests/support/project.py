"""What the tests know of the project, and of what tools/setup has brought for it."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(subprocess.run([ROOT / "tools/setup", "cache"], check=True, text=True,
                                    stdout=subprocess.PIPE).stdout.rstrip("\n"))


def versions():
    """deploy/versions."""
    text = (ROOT / "deploy/versions").read_text(encoding="utf-8")
    return dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))


# What the tests' own environment must not tell what they start.
FOREIGN = re.compile("(WALBERG_|POSTGRES|JDBC|KAFKA|MINIO|AWS|FLINK|JAVA_VERSION|PG|STACK|MAKE|MFLAGS)")


def clean_environment():
    return {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
