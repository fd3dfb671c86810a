"""The demo, as a newcomer runs it."""

import os
import pathlib
import signal
import subprocess
import time

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


def open_folder(tmp_path):
    for part in [tmp_path, *tmp_path.parents[:3]]:
        if str(part).startswith("/tmp/"):
            part.chmod(0o755)  # the server's user must come through


def test_the_demo_ends_with_equal_tables_and_leaves_nothing(tmp_path):
    open_folder(tmp_path)
    demo = start(tmp_path, DEMO_SECONDS="5")
    text = demo.communicate(timeout=END_SECONDS)[0]
    assert demo.returncode == 0, text
    assert text.splitlines()[-1] == "equal"
    assert "public.orders" in text and "COMPLETED" in text
    assert not list(tmp_path.iterdir()) and not processes_of(tmp_path)


def test_ctrl_c_stops_the_demo_and_leaves_nothing(tmp_path):
    open_folder(tmp_path)
    demo = start(tmp_path, DEMO_SECONDS="")
    deadline = time.monotonic() + END_SECONDS
    for line in demo.stdout:
        if "public.orders" in line:
            break
        assert time.monotonic() < deadline
    demo.send_signal(signal.SIGINT)
    text = demo.communicate(timeout=END_SECONDS)[0]
    assert demo.returncode == 0, text
    assert "stopped" in text
    assert not list(tmp_path.iterdir()) and not processes_of(tmp_path)
