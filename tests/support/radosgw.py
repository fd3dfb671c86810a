"""A private Ceph with its S3 gateway for tests: one monitor, one daemon that keeps the objects in
memory, and radosgw; a temporary directory, free ports, loopback only.

    with Radosgw(bucket="tests") as server:
        run([...], env=server.environment)

The programs are Debian's (`tools/setup long`); `mc` makes the bucket.  They run as the unprivileged
user `nobody` when the tests run as root.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import uuid

from support.minio import BIN, GROUP, USER
from support.postgres import free_port

START_SECONDS = 120

CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {directory}
admin socket = {directory}/$name.asok
log file = {directory}/$name.log
mon data = {directory}/mon
osd data = {directory}/osd
rgw data = {directory}/rgw
osd objectstore = memstore
memstore device bytes = 4294967296
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
rgw frontends = beast endpoint=127.0.0.1:{port}
"""


class Radosgw:
    """Running."""

    def __init__(self, bucket):
        self.bucket = bucket
        self.access_key = "walberg-tests"
        self.secret_key = "walberg-tests-secret"
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="walberg-radosgw-"))
        self.processes = []
        try:
            self._start()
        except BaseException:
            self._stop()
            raise

    @property
    def environment(self):
        """Of the unit tests with a real server."""
        return {"WALBERG_TEST_S3": f"http://127.0.0.1:{self.port}",
                "WALBERG_TEST_S3_BUCKET": self.bucket,
                "WALBERG_TEST_S3_ACCESS_KEY": self.access_key,
                "WALBERG_TEST_S3_SECRET_KEY": self.secret_key}

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self._stop()
        if kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            print(f"kept the server's directory: {self.directory}")

    # ---- inside ----------------------------------------------------------------------------

    def _start(self):
        fsid, osd, mon_port = str(uuid.uuid4()), str(uuid.uuid4()), free_port()
        (self.directory / "ceph.conf").write_text(CONFIGURATION.format(
            fsid=fsid, directory=self.directory, port=self.port, mon_port=mon_port))
        for name in ["mon", "osd", "rgw"]:
            (self.directory / name).mkdir()
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(self.directory)], check=True)
        monmap = self.directory / "monmap"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                  f"[v2:127.0.0.1:{mon_port}]", monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._serve("ceph-mon", "-f", "-i", "a")
        self._run("ceph", "--connect-timeout", str(START_SECONDS), "osd", "new", osd, "0")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._serve("ceph-osd", "-f", "-i", "0")
        self._run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests",
                  "--access-key", self.access_key, "--secret-key", self.secret_key)
        self._serve("radosgw", "-f", "-n", "client.admin")
        self._make_bucket()

    def _make_bucket(self):
        host = f"http://{self.access_key}:{self.secret_key}@127.0.0.1:{self.port}"
        command = [BIN / "mc", "--config-dir", self.directory / "mc", "mb", f"rgw/{self.bucket}"]
        deadline = time.monotonic() + START_SECONDS
        while True:
            made = subprocess.run(list(map(str, command)), check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env=dict(os.environ, MC_HOST_rgw=host))
            if made.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"radosgw did not start: {made.stdout}")
            time.sleep(0.2)

    def _stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _command(self, program, *arguments):
        return list(map(str, [program, "-c", self.directory / "ceph.conf", *arguments]))

    def _as_user(self):
        return {"cwd": self.directory, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT,
                **({"user": USER, "group": GROUP, "extra_groups": []} if os.geteuid() == 0 else {})}

    def _run(self, program, *arguments):
        ended = subprocess.run(self._command(program, *arguments), check=False, text=True,
                               stdout=subprocess.PIPE, timeout=START_SECONDS, **self._as_user())
        if ended.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{ended.stdout}")

    def _serve(self, program, *arguments):
        with open(self.directory / f"{program}.output", "wb") as output:
            self.processes.append(subprocess.Popen(
                self._command(program, *arguments), stdout=output, **self._as_user()))
