"""The demo, as a newcomer runs it."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

DEMO = pathlib.Path(__file__).resolve().parent.parent.parent / "demo" / "run"
END_SECONDS = 120


def start(folder, **environment):
    return subprocess.Popen([DEMO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=dict(os.environ, TMPDIR=str(folder), **environment))


def processes_of(folder):
    """Processes that were started with a path in the folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(path)
        except OSError:
            pass
    return found


@pytest.fixture
def folder():
    """Not pytest's: those let no other user through, and the server has one."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="walberg-demo-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_the_demo_ends_with_equal_tables_and_leaves_nothing(folder):
    demo = start(folder, DEMO_SECONDS="5")
    text = demo.communicate(timeout=END_SECONDS)[0]
    assert demo.returncode == 0, text
    assert text.splitlines()[-1] == "equal"
    assert "public.orders" in text and "COMPLETED" in text
    assert not list(folder.iterdir()) and not processes_of(folder)


def test_ctrl_c_stops_the_demo_and_leaves_nothing(folder):
    demo = start(folder, DEMO_SECONDS="")
    deadline = time.monotonic() + END_SECONDS
    for line in demo.stdout:
        if "public.orders" in line:
            break
        assert time.monotonic() < deadline
    demo.send_signal(signal.SIGINT)
    text = demo.communicate(timeout=END_SECONDS)[0]
    assert demo.returncode == 0, text
    assert "stopped" in text
    assert not list(folder.iterdir()) and not processes_of(folder)
