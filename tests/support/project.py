"""What the tests know of the project, and of what tools/setup has brought for it."""

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
